/*
 * chunk: cells, the chunks they come in, and the two containers made of them.
 *
 * A cell is one pointer to a timer. A chunk is a fixed number of cells, aligned
 * to its own size, so that the address of a cell tells where it lies in its
 * chunk; the first cell of a chunk is its link.
 *
 *     bucket: a stack                      queue: first in, first out
 *
 *     |link|a|b|c|d|e|f|g|                 |link|/|/|c|d|e|f|g|
 *       ^                                    |      ^head
 *       |link|h|i|j| | | | |                 +->|link|h|i|j| | | | |
 *                   ^end                                    ^tail
 *
 * A push writes the next cell, which is hot. A bucket's order does not matter,
 * so a removal moves its top cell into the hole: no neighbours are walked and
 * nothing is left behind. A queue's order does, so a removal leaves an empty
 * cell, which is skipped when its turn comes.
 *
 * Cost: everything here is O(1). A bucket of n cells takes n / CHUNK_ROOM
 * chunks and one more at most.
 *
 * Chunks never run out while timers move about: chunk_room answers how many
 * cells, however they are spread over the containers, the chunks there are will
 * always hold, and nobody goes beyond that without chunk_grow.
 */
#ifndef TW_CHUNK_H
#define TW_CHUNK_H

#include "memory.h"
#include "timer.h"

/* Cells in a chunk, the link included: a power of two. 32 cells are four cache
 * lines. 64 would save 1.6 % of the cells and double what half-empty chunks of
 * a thousand slots cost: 48 bytes a timer plus 1 MiB a loop would not be met. */
#ifndef TW_CHUNK_CELLS
#define TW_CHUNK_CELLS 32
#endif

#define CHUNK_BYTES (TW_CHUNK_CELLS * sizeof(tw_timer *))
#define CHUNK_ROOM (TW_CHUNK_CELLS - 1)

struct chunk {
    struct chunk *link;                 /* free: the next free one; slab's first: see chunk.c */
    tw_timer *cells[TW_CHUNK_CELLS - 1];
};

struct chunk_pool {
    struct chunk *free;     /* given back, last in first out: the top is hot */
    struct chunk *fresh;    /* never used yet, up to fresh_end, in the slab being filled */
    struct chunk *fresh_end;
    size_t cells;           /* cells in use or promised, empty ones in queues included */
    size_t room;            /* cells that the chunks will always hold */
    size_t total;           /* chunks in all slabs */
    size_t containers;      /* how many can be partly filled at once */
    struct chunk *slabs;    /* all slabs, oldest first, linked through their first chunks */
    struct chunk *filling;  /* the slab that fresh is in; those after it are untouched */
    struct chunk *newest;
    struct memory *memory;
};

struct bucket {
    tw_timer **end;   /* the cell after the top one; a chunk's end when the chunk is full or
                         there is none */
    uint32_t count;   /* cells */
};

struct queue {
    tw_timer **head;  /* the next cell to take; NULL: there is no chunk */
    tw_timer **tail;  /* the cell after the last */
    size_t count;     /* cells, empty ones included */
};

void chunk_pool_init(struct chunk_pool *pool, struct memory *memory, size_t containers);
void chunk_pool_free(struct chunk_pool *pool);

/* Makes room for `cells` cells in all. touch: also its page faults.
 * 0, or -1 if there is no memory. */
int chunk_pool_reserve(struct chunk_pool *pool, size_t cells, bool touch);

/* Makes room for one more cell, and some: called when cells has reached room. */
int chunk_pool_grow(struct chunk_pool *pool);

/* Goes on to the next slab; there is one. */
void chunk_pool_next_slab(struct chunk_pool *pool);

/* ------------------------------------------------------------ chunk by chunk */

TW_INLINE struct chunk *chunk_of(tw_timer **cell)
{
    return (struct chunk *)((uintptr_t)cell & ~(uintptr_t)(CHUNK_BYTES - 1));
}

/* Whether this "cell after the last" lies outside of its chunk. */
TW_INLINE bool chunk_ends_at(tw_timer **cell)
{
    return ((uintptr_t)cell & (CHUNK_BYTES - 1)) == 0;
}

TW_INLINE bool chunk_begins_at(tw_timer **cell)
{
    return ((uintptr_t)cell & (CHUNK_BYTES - 1)) == sizeof(tw_timer *);
}

/* Asks for all of a chunk's cache lines. NULL is good enough: a hint to nowhere. */
TW_INLINE void chunk_prefetch(const struct chunk *chunk)
{
    for (size_t line = 0; line < CHUNK_BYTES; line += 64)
        TW_PREFETCH((const void *)((uintptr_t)chunk + line));
}

TW_INLINE struct chunk *chunk_take(struct chunk_pool *pool)
{
    struct chunk *chunk = pool->free;
    if (TW_LIKELY(chunk != NULL)) {
        pool->free = chunk->link;
        return chunk;
    }
    if (TW_UNLIKELY(pool->fresh == pool->fresh_end))
        chunk_pool_next_slab(pool);
    return pool->fresh++;
}

TW_INLINE void chunk_give(struct chunk_pool *pool, struct chunk *chunk)
{
    chunk->link = pool->free;
    pool->free = chunk;
}

/* ------------------------------------------------------------------- bucket */

/* Whether the next push takes a new chunk: the bucket's others are full, or it
 * has none. */
TW_INLINE bool bucket_is_full(const struct bucket *bucket)
{
    return chunk_ends_at(bucket->end);
}

/* Gives a full bucket one more chunk. */
TW_INLINE void bucket_extend(struct chunk_pool *pool, struct bucket *bucket)
{
    struct chunk *chunk = chunk_take(pool);
    chunk->link = (struct chunk *)(void *)bucket->end; /* what end will be when this is empty */
    bucket->end = chunk->cells;
}

/* The bucket is not full. */
TW_INLINE void bucket_push_hot(struct chunk_pool *pool, struct bucket *bucket, tw_timer *timer)
{
    tw_timer **end = bucket->end;
    *end = timer;
    timer->place_ = end;
    bucket->end = end + 1;
    bucket->count++;
    pool->cells++;
}

TW_INLINE void bucket_push(struct chunk_pool *pool, struct bucket *bucket, tw_timer *timer)
{
    if (TW_UNLIKELY(bucket_is_full(bucket)))
        bucket_extend(pool, bucket);
    bucket_push_hot(pool, bucket, timer);
}

/* Takes the top cell away; the bucket is not empty. */
TW_INLINE tw_timer *bucket_pop(struct chunk_pool *pool, struct bucket *bucket)
{
    tw_timer **top = bucket->end - 1;
    tw_timer *timer = *top;
    if (TW_UNLIKELY(chunk_begins_at(top))) {
        struct chunk *chunk = chunk_of(top);
        bucket->end = (tw_timer **)(void *)chunk->link;
        chunk_give(pool, chunk);
    } else {
        bucket->end = top;
    }
    bucket->count--;
    pool->cells--;
    return timer;
}

/* The cell under this one, for walking down from end - 1. */
TW_INLINE tw_timer **bucket_below(tw_timer **cell)
{
    if (TW_UNLIKELY(chunk_begins_at(cell)))
        cell = (tw_timer **)(void *)chunk_of(cell)->link;
    return cell - 1;
}

/* Takes the cell of this timer away: the top cell moves into the hole. */
TW_INLINE void bucket_remove(struct chunk_pool *pool, struct bucket *bucket, tw_timer *timer)
{
    tw_timer **hole = timer->place_;
    TW_ASSERT(*hole == timer);
    tw_timer *top = bucket_pop(pool, bucket);
    *hole = top;
    top->place_ = hole;
}

/* -------------------------------------------------------------------- queue */

TW_INLINE void queue_push(struct chunk_pool *pool, struct queue *queue, tw_timer *timer)
{
    tw_timer **tail = queue->tail;
    if (chunk_ends_at(tail)) {
        struct chunk *chunk = chunk_take(pool);
        if (tail)
            chunk_of(tail - 1)->link = chunk;
        else
            queue->head = chunk->cells;
        tail = chunk->cells;
    }
    *tail = timer;
    timer->place_ = tail;
    queue->tail = tail + 1;
    queue->count++;
    pool->cells++;
}

/* Puts a timer before the first cell; the queue has one. */
TW_INLINE void queue_push_front(struct chunk_pool *pool, struct queue *queue, tw_timer *timer)
{
    tw_timer **head = queue->head;
    if (chunk_begins_at(head)) {
        struct chunk *chunk = chunk_take(pool);
        chunk->link = chunk_of(head);
        head = chunk->cells + CHUNK_ROOM;
    }
    *--head = timer;
    timer->place_ = head;
    queue->head = head;
    queue->count++;
    pool->cells++;
}

/* The first cell, which may be empty (NULL); the queue has one. */
TW_INLINE tw_timer *queue_pop(struct chunk_pool *pool, struct queue *queue)
{
    tw_timer **head = queue->head;
    tw_timer *timer = *head++;
    pool->cells--;
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
TW_INLINE tw_timer *queue_first(struct chunk_pool *pool, struct queue *queue)
{
    while (queue->count > 0) {
        if (TW_LIKELY(*queue->head != NULL))
            return *queue->head;
        queue_pop(pool, queue);
    }
    return NULL;
}

/* Empties the cell of this timer; it stays in the queue until its turn. */
TW_INLINE void queue_remove(tw_timer *timer)
{
    tw_timer **cell = timer->place_;
    TW_ASSERT(*cell == timer);
    *cell = NULL;
}

/* Takes the empty cells out of the queue. O(count). */
void queue_compact(struct chunk_pool *pool, struct queue *queue);

#endif
