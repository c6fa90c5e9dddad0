/* SPDX-License-Identifier: MIT */
/*
 * chunk: cells, the chunks they come in, and the two containers made of them.
 *
 * A cell is one pointer to a timer. A chunk is a fixed number of cells, aligned
 * to its own size, so that the address of a cell tells where it lies in its
 * chunk; the first cell of a chunk is its link.
 *
 *     bucket: a stack                      queue: first in, first out
 *
 *     |below|a|b|c|d|e|f|g|                |link|/|/|c|d|e|f|g|
 *         +----------------^                 |      ^head
 *       |below|h|i|j| | | | |                +->|link|h|i|j| | | | |
 *                    ^end                                   ^tail
 *
 * A push writes the next cell, which is hot. A bucket's order does not matter,
 * so a removal moves its top cell into the hole: no neighbours are walked and
 * nothing is left behind. A queue's order does, so a removal leaves an empty
 * cell, which is skipped when its turn comes.
 *
 * A bucket knows a time that none of its timers is due before: `earliest` is
 * lowered by each push, and begins anew when the bucket has been empty.
 *
 * Cost: everything here is O(1). A bucket of n cells takes n / CHUNK_ROOM
 * chunks and one more at most.
 *
 * A push that needs a chunk can fail for memory. Whoever must not fail asks for
 * one of the chunks that are kept for that (chunk_take_kept), or does without.
 */
#ifndef TW_CHUNK_H
#define TW_CHUNK_H

#include "memory.h"
#include "timer.h"

/* Cells in a chunk, the link included: a power of two. 32 cells are four cache
 * lines. 64 would save 1.6 % of the cells and double what half-empty chunks of
 * a thousand slots cost. */
#ifndef TW_CHUNK_CELLS
#define TW_CHUNK_CELLS 32
#endif

#define CHUNK_BYTES (TW_CHUNK_CELLS * sizeof(tw_bare_timer *))
#define CHUNK_ROOM (TW_CHUNK_CELLS - 1)

/* Chunks kept for what must not fail: merging two queues takes as many more than
 * they had, at most. */
#define CHUNK_KEPT 3

struct chunk {
    union {
        struct chunk *link;             /* in a queue, or free: the next one; a slab's first chunk:
                                           see chunk.c */
        tw_bare_timer **below;          /* in a bucket: what its end is when this chunk is empty */
    };
    tw_bare_timer *cells[TW_CHUNK_CELLS - 1];
};

struct chunk_pool {
    struct chunk *free;     /* given back, last in first out: the top is hot */
    struct chunk *unused;   /* never used yet, up to unused_end, in the slab being filled */
    struct chunk *unused_end;
    struct chunk *kept;     /* CHUNK_KEPT of them, once there is a slab */
    size_t total;           /* chunks in all slabs */
    struct chunk *slabs;    /* all slabs, oldest first, linked through their first chunks */
    struct chunk *filling;  /* the slab that unused is in; none of those after it has been used */
    struct chunk *newest;
    struct memory *memory;
};

struct bucket {
    tw_bare_timer **end;   /* the cell after the top one; a chunk's end when the chunk is full
                              or there is none */
    uint64_t earliest;     /* ns: no timer in it is due before; if it has cells */
    uint32_t count;        /* cells */
};

struct queue {
    tw_bare_timer **head;  /* the next cell to take; NULL: there is no chunk */
    tw_bare_timer **tail;  /* the cell after the last */
    size_t count;          /* cells, empty ones included */
};

void chunk_pool_init(struct chunk_pool *pool, struct memory *memory);
void chunk_pool_free(struct chunk_pool *pool); /* to be initialised before it is used again */

/* Makes chunks enough for `cells` cells in all, in at most so many containers at
 * once. touch: also their page faults. 0, or -1 if there is no memory. */
int chunk_pool_reserve(struct chunk_pool *pool, size_t cells, size_t containers, bool touch);

/* Chunks that were never used. O(slabs). */
size_t chunk_pool_unused(const struct chunk_pool *pool);

/* chunk_take where no free one is at hand. */
struct chunk *chunk_pool_grow(struct chunk_pool *pool);

/* ------------------------------------------------------------ chunk by chunk */

TW_INLINE struct chunk *chunk_of(tw_bare_timer **cell)
{
    return (struct chunk *)((uintptr_t)cell & ~(uintptr_t)(CHUNK_BYTES - 1));
}

/* Whether this "cell after the last" lies outside of its chunk. */
TW_INLINE bool chunk_ends_at(tw_bare_timer **cell)
{
    return ((uintptr_t)cell & (CHUNK_BYTES - 1)) == 0;
}

TW_INLINE bool chunk_begins_at(tw_bare_timer **cell)
{
    return ((uintptr_t)cell & (CHUNK_BYTES - 1)) == sizeof(tw_bare_timer *);
}

/* Asks for all of a chunk's cache lines. NULL is good enough: a hint to nowhere. */
TW_INLINE void chunk_prefetch(const void *chunk)
{
    for (size_t line = 0; line < CHUNK_BYTES; line += 64)
        TW_PREFETCH((const void *)((uintptr_t)chunk + line));
}

/* One that was given back; NULL: there is none. */
TW_INLINE struct chunk *chunk_take_free(struct chunk_pool *pool)
{
    struct chunk *chunk = pool->free;
    if (TW_LIKELY(chunk != NULL))
        pool->free = chunk->link;
    return chunk;
}

/* NULL: there is no memory. */
TW_INLINE struct chunk *chunk_take(struct chunk_pool *pool)
{
    struct chunk *chunk = chunk_take_free(pool);
    return TW_LIKELY(chunk != NULL) ? chunk : chunk_pool_grow(pool);
}

TW_INLINE void chunk_give(struct chunk_pool *pool, struct chunk *chunk)
{
    chunk->link = pool->free;
    pool->free = chunk;
}

/* Gives back a list of them, linked; NULL: none. */
TW_INLINE void chunk_give_all(struct chunk_pool *pool, struct chunk *chunks)
{
    while (chunks) {
        struct chunk *next = chunks->link;
        chunk_give(pool, chunks);
        chunks = next;
    }
}

/* One that is kept, for a while: chunk_keep_again afterwards. */
struct chunk *chunk_take_kept(struct chunk_pool *pool);
void chunk_keep_again(struct chunk_pool *pool);

/* ------------------------------------------------------------------- bucket */

/* Whether the next push takes a new chunk: the bucket's others are full, or it
 * has none. */
TW_INLINE bool bucket_is_full(const struct bucket *bucket)
{
    return chunk_ends_at(bucket->end);
}

/* Gives a full bucket one more chunk. false: there is no memory. */
TW_INLINE bool bucket_extend(struct chunk_pool *pool, struct bucket *bucket)
{
    struct chunk *chunk = chunk_take(pool);
    if (TW_UNLIKELY(!chunk))
        return false;
    chunk->below = bucket->end;
    bucket->end = chunk->cells;
    return true;
}

/* The bucket is not full. Whether the timer is the earliest in it, as far as it knows. */
TW_INLINE bool bucket_push_hot(struct bucket *bucket, tw_bare_timer *timer, uint64_t deadline)
{
    tw_bare_timer **end = bucket->end;
    *end = timer;
    timer->place_ = end;
    bucket->end = end + 1;
    bucket->count++;
    if (deadline >= bucket->earliest)
        return false;
    bucket->earliest = deadline;
    return true;
}

/* false: there is no memory, and nothing has changed. */
TW_INLINE bool bucket_push(struct chunk_pool *pool, struct bucket *bucket, tw_bare_timer *timer,
                           uint64_t deadline)
{
    if (TW_UNLIKELY(bucket_is_full(bucket)) && !bucket_extend(pool, bucket))
        return false;
    if (bucket->count == 0)
        bucket->earliest = UINT64_MAX;
    (void)bucket_push_hot(bucket, timer, deadline);
    return true;
}

/* Takes the top cell away; the bucket is not empty. */
TW_INLINE tw_bare_timer *bucket_pop(struct chunk_pool *pool, struct bucket *bucket)
{
    tw_bare_timer **top = bucket->end - 1;
    tw_bare_timer *timer = *top;
    if (TW_UNLIKELY(chunk_begins_at(top))) {
        struct chunk *chunk = chunk_of(top);
        bucket->end = chunk->below;
        chunk_give(pool, chunk);
    } else {
        bucket->end = top;
    }
    bucket->count--;
    return timer;
}

/* Takes the only cell away that the bucket has. */
TW_INLINE void bucket_pop_last(struct chunk_pool *pool, struct bucket *bucket)
{
    struct chunk *chunk = chunk_of(bucket->end - 1);
    TW_ASSERT(bucket->count == 1 && chunk_begins_at(bucket->end - 1));
    bucket->end = chunk->below;
    bucket->count = 0;
    chunk_give(pool, chunk);
}

/* For walking down a bucket: the top cell, and the one under a cell; NULL: there is
 * none. */
TW_INLINE tw_bare_timer **bucket_top(const struct bucket *bucket)
{
    return bucket->count > 0 ? bucket->end - 1 : NULL;
}

TW_INLINE tw_bare_timer **bucket_below(tw_bare_timer **cell)
{
    if (TW_UNLIKELY(chunk_begins_at(cell)))
        cell = chunk_of(cell)->below;
    return cell ? cell - 1 : NULL;
}

/* Takes the cell of this timer away: the top cell moves into the hole. */
TW_INLINE void bucket_remove(struct chunk_pool *pool, struct bucket *bucket, tw_bare_timer *timer)
{
    tw_bare_timer **hole = timer->place_;
    if (TW_HARDENED && *hole != timer)
        tw_misuse("a timer that is stopped or moved was overwritten while active or parked");
    TW_ASSERT(*hole == timer);
    tw_bare_timer *top = bucket_pop(pool, bucket);
    *hole = top;
    top->place_ = hole;
}

/* Cells taken out of a bucket at once: from the top, all in one chunk. */
struct cells {
    tw_bare_timer **first;
    unsigned count;
    struct chunk *emptied;     /* their chunk, if they were all it held: to be given back */
};

/* Takes up to `limit` of the topmost cells out, at least one; the bucket is not empty. The
 * cells stay readable until their chunk is given back or pushed to. */
TW_INLINE struct cells bucket_take(struct bucket *bucket, size_t limit)
{
    TW_ASSERT(bucket->count > 0 && limit > 0);
    struct cells taken = {0};
    struct chunk *chunk = chunk_of(bucket->end - 1);
    size_t held = (size_t)(bucket->end - chunk->cells);
    taken.count = (unsigned)(held < limit ? held : limit);
    taken.first = bucket->end - taken.count;
    bucket->count -= taken.count;
    bucket->end = taken.first;
    if (taken.count == held) {
        taken.emptied = chunk;
        bucket->end = chunk->below;
        if (bucket->count > CHUNK_ROOM) /* the one that is the top now was asked for before */
            chunk_prefetch(chunk_of(bucket->end - 1)->below - TW_CHUNK_CELLS);
    }
    return taken;
}

/* How many cells ahead of the one that is read its timer is asked for. A whole chunk's
 * timers at once are too many misses: a processor lets go of those it has no room for. */
#define CELLS_AHEAD 12

/* Asks for the timer of this cell, if there is one. */
TW_INLINE void cells_ask(const struct cells *cells, unsigned at)
{
    if (at < cells->count)
        TW_PREFETCH(cells->first[at]);
}

/* For reading them from the first up, and from the last down: asks for the timers that
 * cells_ask will not be told of. */
TW_INLINE void cells_ask_upwards(const struct cells *cells)
{
    for (unsigned i = 0; i < CELLS_AHEAD && i < cells->count; i++)
        TW_PREFETCH(cells->first[i]);
}

TW_INLINE void cells_ask_downwards(const struct cells *cells)
{
    for (unsigned i = 0; i < CELLS_AHEAD && i < cells->count; i++)
        TW_PREFETCH(cells->first[cells->count - 1 - i]);
}

/* -------------------------------------------------------------------- queue */

/* Appends one more chunk to a queue whose last one is full, or that has none. */
TW_INLINE void queue_extend(struct queue *queue, struct chunk *chunk)
{
    if (queue->tail)
        chunk_of(queue->tail - 1)->link = chunk;
    else
        queue->head = chunk->cells;
    queue->tail = chunk->cells;
}

/* The last chunk has room. */
TW_INLINE void queue_push_hot(struct queue *queue, tw_bare_timer *timer)
{
    tw_bare_timer **tail = queue->tail;
    *tail = timer;
    timer->place_ = tail;
    queue->tail = tail + 1;
    queue->count++;
}

/* Sees to it that the last chunk has room. false: there is no memory. */
TW_INLINE bool queue_make_room(struct chunk_pool *pool, struct queue *queue)
{
    if (!chunk_ends_at(queue->tail))
        return true;
    struct chunk *chunk = chunk_take(pool);
    if (TW_UNLIKELY(!chunk))
        return false;
    queue_extend(queue, chunk);
    return true;
}

/* false: there is no memory, and nothing has changed. */
TW_INLINE bool queue_push(struct chunk_pool *pool, struct queue *queue, tw_bare_timer *timer)
{
    if (!queue_make_room(pool, queue))
        return false;
    queue_push_hot(queue, timer);
    return true;
}

/* The first cell, which may be empty (NULL); the queue has one. */
TW_INLINE tw_bare_timer *queue_pop(struct chunk_pool *pool, struct queue *queue)
{
    tw_bare_timer **head = queue->head;
    tw_bare_timer *timer = *head++;
    if (--queue->count == 0) {
        chunk_give(pool, chunk_of(head - 1));
        queue->head = queue->tail = NULL;
    } else if (TW_UNLIKELY(chunk_ends_at(head))) {
        struct chunk *chunk = chunk_of(head - 1);
        queue->head = chunk->link->cells;
        chunk_give(pool, chunk);
    } else {
        queue->head = head;
    }
    return timer;
}

/* The first timer; empty cells before it are dropped. NULL: there is none. */
TW_INLINE tw_bare_timer *queue_first(struct chunk_pool *pool, struct queue *queue)
{
    while (queue->count > 0) {
        if (TW_LIKELY(*queue->head != NULL)) /* NOLINT: it counts cells, so it has a chunk (B2) */
            return *queue->head;
        queue_pop(pool, queue);
    }
    return NULL;
}

/* Drops empty cells at the head, so many at most. How many. */
size_t queue_skip(struct chunk_pool *pool, struct queue *queue, size_t limit);

/* For walking along a queue, from its head, which is NULL if it is empty: the cell
 * after this one; NULL: it was the last. */
TW_INLINE tw_bare_timer **queue_after(const struct queue *queue, tw_bare_timer **cell)
{
    if (++cell == queue->tail)
        return NULL;
    return chunk_ends_at(cell) ? chunk_of(cell - 1)->link->cells : cell;
}

/* Empties the cell of this timer; it stays in the queue until its turn. */
TW_INLINE void queue_remove(tw_bare_timer *timer)
{
    tw_bare_timer **cell = timer->place_;
    if (TW_HARDENED && *cell != timer)
        tw_misuse("a timer that is stopped or moved was overwritten while active or parked");
    TW_ASSERT(*cell == timer);
    *cell = NULL;
}

/* queue_push that takes a kept chunk where there is no other: for what gives as many
 * back in the end, and then says chunk_keep_again. */
void queue_push_sure(struct chunk_pool *pool, struct queue *queue, tw_bare_timer *timer);

/* Takes the empty cells out of the queue. O(count). */
void queue_compact(struct chunk_pool *pool, struct queue *queue);

#endif
