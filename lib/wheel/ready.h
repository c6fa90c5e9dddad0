/* SPDX-License-Identifier: MIT */
/*
 * ready: the timers of the open tick, in the order in which they run.
 *
 *     fresh   |link|x|q|b| ...         a bucket: started since, not sorted yet
 *     runs    |a|c|/|k|m|z|            queues, each sorted: a binary heap by the
 *             |d|e|                    timers at their heads
 *             |l|
 *
 * When time enters a tick, its timers become a sorted run, or, if they are many,
 * several runs of READY_BATCH: they are sorted in the chunks that they lie in, so
 * that it takes no other. What is started in the open tick, or in the past, waits
 * in fresh, which is sorted into a run of its own when the next run of the loop
 * begins. Short runs of like length are merged, so that there are few of them, and
 * a timer is merged O(log READY_BATCH) times at most.
 *
 * A burst of timers in one tick mostly has one deadline, and comes in order or,
 * from a stack, in the opposite one: then its batches are joined without merging.
 *
 * It needs no memory that can be lacking: without scratch memory for a batch it
 * sorts chunk by chunk, and without room for another run it merges two,
 * of like length: O(log n) times a timer.
 *
 * Invariants R1 to R3: see docs/DESIGN.md.
 */
#ifndef TW_READY_H
#define TW_READY_H

#include "chunk.h"
#include "sort.h"

/* Timers that are sorted at once, and the longest run that is merged. What a batch
 * needs fits the second-level cache. Tests use a small one. */
#ifndef TW_BATCH
#define TW_BATCH 4096
#endif
#define READY_BATCH TW_BATCH

/* Runs that there is always room for: short ones whose lengths differ by a factor
 * of two. */
#define READY_FEW 16

/* Runs of more timers are out of cache when their turn comes. */
#define READY_LONG (READY_BATCH / 2 > 2 * CHUNK_ROOM ? READY_BATCH / 2 : 2 * CHUNK_ROOM)

struct ready_run {
    uint64_t deadline;       /* of the first timer; an earlier one if that was taken away, or if
                                there is no other run */
    uint64_t sequence;
    struct queue queue;
};

struct ready {
    struct ready_run *runs;  /* the earliest first, as a binary heap */
    size_t count;            /* runs there are */
    size_t room;             /* and may be */
    struct ready_run few[READY_FEW];
    struct bucket fresh;
    struct ready_run joined; /* the run that batches are joined to; empty: there is none */
    struct sort_entry last;  /* of that run */
    struct sort_entry *scratch;
    size_t scratch_room;     /* entries to be sorted in it; as many follow for sorting */
    unsigned run_slot;       /* what timer_slot says of a timer in a run */
    bool bare;               /* timers have no argument to be asked for */
    struct memory *memory;
};

void ready_init(struct ready *ready, struct memory *memory, unsigned run_slot, bool bare);
void ready_free(struct ready *ready);

/* Gives back what it can do without. */
void ready_trim(struct ready *ready);

/* Makes scratch memory for as many timers in one tick as there may be among n, and
 * touches it; where there is none, it is done without. */
void ready_reserve(struct ready *ready, size_t n);

/* Makes scratch memory for n timers, or a batch of them, if it can be had. */
void ready_make_scratch(struct ready *ready, size_t n);

/* Adds a run, whose timers are in order; it is not empty. */
void ready_add_slowly(struct ready *ready, struct chunk_pool *pool, struct ready_run run);

TW_INLINE void ready_add(struct ready *ready, struct chunk_pool *pool, struct queue queue)
{
    const tw_bare_timer *first = *queue.head;
    struct ready_run run = {first->deadline_, timer_sequence(first), queue};
    if (TW_LIKELY(ready->count == 0))
        ready->runs[ready->count++] = run;
    else
        ready_add_slowly(ready, pool, run);
}

/* Writes n sorted entries into these chunks, which are enough, as a run, and gives the
 * rest of the chunks back; n is not 0. */
void ready_add_sorted(struct ready *ready, struct chunk_pool *pool,
                      const struct sort_entry *entries, size_t n, struct chunk *chunks);

/* The same for a batch of a burst: joins it to the one before if their order allows
 * it. rising: the next batch is probably a later one. ready_join_end when the burst is over. */
void ready_join_sorted(struct ready *ready, struct chunk_pool *pool,
                       const struct sort_entry *entries, size_t n, struct chunk *chunks,
                       bool rising);
void ready_join_end(struct ready *ready, struct chunk_pool *pool);

/* The run at the top has another first timer, or none: finds its place. Where many cells
 * before that are empty, some are dropped, and the run stays known by the timer that it
 * had. Returns how many were. */
size_t ready_settle_top(struct ready *ready, struct chunk_pool *pool);

/* The first cell of the earliest run, NULL if it is empty or there is no run. */
TW_INLINE tw_bare_timer *ready_head(const struct ready *ready)
{
    return ready->count > 0 ? *ready->runs[0].queue.head : NULL;
}

/* The timer that runs next, still in its run; NULL if there is none. It drops all the empty
 * cells before it. */
TW_INLINE tw_bare_timer *ready_peek(struct ready *ready, struct chunk_pool *pool)
{
    while (ready->count > 0) {
        tw_bare_timer *timer = *ready->runs[0].queue.head;
        if (TW_LIKELY(timer != NULL))
            return timer;
        ready_settle_top(ready, pool);
    }
    return NULL;
}

/* Asks for what the next timers of a long run need: when their turn comes, a cache
 * has forgotten what it held when they were sorted. */
void ready_prefetch(const struct ready *ready, const struct queue *run);

/* Takes away the timer that ready_peek has just given. */
TW_INLINE void ready_pop(struct ready *ready, struct chunk_pool *pool)
{
    struct queue *queue = &ready->runs[0].queue;
    TW_ASSERT(ready->count > 0 && queue->count > 0 && *queue->head);
    queue_pop(pool, queue);
    if (TW_UNLIKELY(queue->count > READY_LONG) && chunk_begins_at(queue->head))
        ready_prefetch(ready, queue);
    if (queue->count == 0 && ready->count == 1)
        ready->count = 0;
    else if (TW_UNLIKELY(ready->count != 1))
        ready_settle_top(ready, pool);
}

/* Takes away any timer of a run, one run after another, so that chunks are given back as
 * cells are; NULL: there is none. */
tw_bare_timer *ready_drain(struct ready *ready, struct chunk_pool *pool);

/* Takes the empty cells out of the runs. O(their cells). */
void ready_compact(struct ready *ready, struct chunk_pool *pool);

#endif
