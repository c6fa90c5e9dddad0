/*
 * ready: the timers of the open tick, in the order in which they run.
 *
 *     fresh   |link|x|q|b| ...         a bucket: started since, not sorted yet
 *     runs    |a|c|/|k|m|z|            queues: each sorted; the next to run is
 *             |d|e|                    the earliest of their heads
 *             |l|
 *
 * When time enters a tick, its timers become a sorted run. What is started in
 * the open tick, or in the past, waits in fresh, which is sorted into a run of
 * its own when the next run of the loop begins. Runs of like size are merged,
 * so that there are few, and a timer is merged O(log n) times at most.
 *
 * A crowd in one tick mostly has one deadline, and comes in order or, from a stack,
 * in the opposite one: then it goes into its run at once, at either end.
 *
 * It needs no memory that can be lacking: runs are made of the chunks that held
 * the timers before, and if there is no scratch memory to sort in, they are
 * sorted as a list.
 *
 * Invariants R1 to R3: see docs/DESIGN.md.
 */
#ifndef TW_READY_H
#define TW_READY_H

#include "chunk.h"
#include "sort.h"

#define READY_RUNS 8

/* More timers than these in a tick are a crowd: the caches do not hold them, nor is
 * scratch memory for so many kept from tick to tick. Tests use a small one. */
#ifndef TW_CROWD
#define TW_CROWD 4096
#endif
#define READY_CROWD TW_CROWD

struct ready {
    unsigned run_slot;                /* what timer_slot says of a timer in a run */
    unsigned runs;                    /* how many there are */
    unsigned peeked;                  /* the run that ready_peek's last answer is in */
    struct queue run[READY_RUNS];     /* the larger first */
    struct bucket fresh;

    /* Timers being collected for a new run, run[runs]. */
    bool in_order;                    /* so far each belonged before or after all others: they are
                                         in the run */
    tw_timer *first, *last;           /* of them; NULL: there are none yet */
    size_t expected;                  /* that many may still come; only kept for a crowd */
    struct sort_entry *scratch;
    size_t scratch_room;              /* entries; sort_spare of them follow */
    size_t collected;                 /* entries in scratch */
    tw_timer *list;                   /* those that found no room there */

    struct memory *memory;
};

void ready_init(struct ready *ready, struct memory *memory, unsigned run_slot);
void ready_free(struct ready *ready);

/* Makes scratch memory for as many timers in one tick as there may be among n, and
 * touches it; where there is none, it is done without. */
void ready_reserve(struct ready *ready, size_t n);

/* Says that up to n timers will be collected. */
void ready_expect(struct ready *ready, struct chunk_pool *pool, size_t n);

/* ready_collect of one of a crowd that went into its run so far. */
void ready_collect_in_order(struct ready *ready, struct chunk_pool *pool, tw_timer *timer);

/* Collects a timer that has no cell for the new run. */
TW_INLINE void ready_collect(struct ready *ready, struct chunk_pool *pool, tw_timer *timer)
{
    if (TW_UNLIKELY(ready->in_order)) {
        ready_collect_in_order(ready, pool, timer);
    } else if (TW_LIKELY(ready->collected < ready->scratch_room)) {
        ready->scratch[ready->collected++] =
            (struct sort_entry){timer->deadline_, timer_sequence(timer), timer};
    } else {
        timer->place_ = ready->list;
        ready->list = timer;
    }
}

/* Sorts what was collected into a run. */
void ready_sort(struct ready *ready, struct chunk_pool *pool);

/* ready_peek where there are runs. */
tw_timer *ready_first_of_runs(struct ready *ready, struct chunk_pool *pool);

/* The timer that runs next, still in its run; NULL if there is none. */
TW_INLINE tw_timer *ready_peek(struct ready *ready, struct chunk_pool *pool)
{
    return ready->runs > 0 ? ready_first_of_runs(ready, pool) : NULL;
}

/* Asks for what the next timers of a crowd need: when its turn comes, a cache has
 * forgotten what it held when the crowd was collected. */
void ready_prefetch(const struct queue *run);

/* Takes away the timer that ready_peek has just given. */
TW_INLINE void ready_pop(struct ready *ready, struct chunk_pool *pool)
{
    struct queue *run = &ready->run[ready->peeked];
    queue_pop(pool, run);
    if (TW_UNLIKELY(run->count > READY_CROWD) && chunk_begins_at(run->head))
        ready_prefetch(run);
}

/* Takes the empty cells out of the runs. O(their cells). */
void ready_compact(struct ready *ready, struct chunk_pool *pool);

#endif
