/* SPDX-License-Identifier: MIT */
/*
 * chunk: where chunks come from.
 *
 * Slabs of them, which grow by half while they are few and by an eighth, then a
 * 32nd, when there are many: so little of them is wasted. A slab's first chunk is
 * spent on the slab's own header.
 */
#include "chunk.h"

struct slab {
    struct chunk *next; /* the next slab */
    size_t bytes;
};

_Static_assert(sizeof(struct chunk) == CHUNK_BYTES, "a chunk has no padding");
_Static_assert(sizeof(struct slab) <= sizeof(struct chunk), "a slab's header fits a chunk");
_Static_assert((TW_CHUNK_CELLS & (TW_CHUNK_CELLS - 1)) == 0, "chunks align to their size");

/* Chunks of the first slab, and how many slabs hold when they stop growing by
 * half, and by an eighth. */
#define CHUNK_FIRST 32
#define CHUNK_FEW 128
#define CHUNK_MANY 4096

static struct slab *slab_of(struct chunk *first)
{
    return (struct slab *)(void *)first;
}

void chunk_pool_init(struct chunk_pool *pool, struct memory *memory)
{
    *pool = (struct chunk_pool){.memory = memory};
}

void chunk_pool_free(struct chunk_pool *pool)
{
    while (pool->slabs) {
        struct slab slab = *slab_of(pool->slabs);
        memory_free(pool->memory, pool->slabs, slab.bytes);
        pool->slabs = slab.next;
    }
}

static void fill_slab(struct chunk_pool *pool, struct chunk *first)
{
    pool->filling = first;
    pool->unused = first + 1;
    pool->unused_end = first + slab_of(first)->bytes / CHUNK_BYTES;
}

size_t chunk_pool_unused(const struct chunk_pool *pool)
{
    size_t unused = (size_t)(pool->unused_end - pool->unused);
    for (struct chunk *after = pool->filling ? slab_of(pool->filling)->next : NULL; after;
         after = slab_of(after)->next)
        unused += slab_of(after)->bytes / CHUNK_BYTES - 1;
    return unused;
}

static int add_chunks(struct chunk_pool *pool, size_t chunks, bool touch)
{
    size_t bytes = (chunks + 1) * CHUNK_BYTES;
    if (bytes >= 16 * PORT_HUGE_PAGE)
        bytes = (bytes + PORT_HUGE_PAGE - 1) / PORT_HUGE_PAGE * PORT_HUGE_PAGE;
    struct chunk *first = memory_alloc(pool->memory, bytes,
                                       memory_slab_alignment(bytes, CHUNK_BYTES));
    if (!first)
        return -1;
    if (touch)
        memory_touch(first, bytes);
    *slab_of(first) = (struct slab){.bytes = bytes};
    if (pool->newest)
        slab_of(pool->newest)->next = first;
    else
        pool->slabs = first;
    pool->newest = first;
    if (!pool->filling)
        fill_slab(pool, first);
    pool->total += bytes / CHUNK_BYTES - 1;
    if (!pool->kept)
        chunk_keep_again(pool);
    return 0;
}

/* c cells in k containers take at most (c - k) / CHUNK_ROOM + k chunks, and k is
 * at most the smaller of c and `containers`. One more is a bucket's that is being
 * read. */
static size_t chunks_for(size_t cells, size_t containers)
{
    size_t partial = cells < containers ? cells : containers;
    return cells / CHUNK_ROOM + partial + CHUNK_KEPT + 2;
}

int chunk_pool_reserve(struct chunk_pool *pool, size_t cells, size_t containers, bool touch)
{
    if (cells > SIZE_MAX / CHUNK_BYTES)
        return -1;
    size_t chunks = chunks_for(cells, containers);
    return chunks <= pool->total ? 0 : add_chunks(pool, chunks - pool->total, touch);
}

/* Chunks of the next slab: whole huge pages, where that is one. */
static size_t next_slab(const struct chunk_pool *pool)
{
    size_t chunks = pool->total / (pool->total < CHUNK_FEW ? 2 : pool->total < CHUNK_MANY ? 8 : 32);
    if (chunks < CHUNK_FIRST)
        chunks = CHUNK_FIRST;
    if (chunks * CHUNK_BYTES > PORT_HUGE_PAGE)
        chunks = chunks / (PORT_HUGE_PAGE / CHUNK_BYTES) * (PORT_HUGE_PAGE / CHUNK_BYTES) - 1;
    return chunks;
}

/* One that is there already; NULL: there is none. */
static struct chunk *take_at_hand(struct chunk_pool *pool)
{
    struct chunk *chunk = chunk_take_free(pool);
    if (chunk)
        return chunk;
    while (pool->unused == pool->unused_end && pool->filling && slab_of(pool->filling)->next)
        fill_slab(pool, slab_of(pool->filling)->next);
    return pool->unused < pool->unused_end ? pool->unused++ : NULL;
}

TW_COLD struct chunk *chunk_pool_grow(struct chunk_pool *pool)
{
    struct chunk *chunk;
    while (!(chunk = take_at_hand(pool))) {
        if (add_chunks(pool, next_slab(pool), false) != 0 &&
            add_chunks(pool, 2 * CHUNK_KEPT, false) != 0) /* perhaps for the least */
            return NULL;
    }
    return chunk;
}

struct chunk *chunk_take_kept(struct chunk_pool *pool)
{
    struct chunk *chunk = pool->kept;
    TW_ASSERT(chunk);
    pool->kept = chunk->link;
    return chunk;
}

/* As many were given back: so none is made for it. */
void chunk_keep_again(struct chunk_pool *pool)
{
    unsigned kept = 0;
    for (const struct chunk *chunk = pool->kept; chunk; chunk = chunk->link)
        kept++;
    for (; kept < CHUNK_KEPT; kept++) {
        struct chunk *chunk = take_at_hand(pool);
        if (!chunk)
            return;
        chunk->link = pool->kept;
        pool->kept = chunk;
    }
}

void queue_push_sure(struct chunk_pool *pool, struct queue *queue, tw_bare_timer *timer)
{
    if (chunk_ends_at(queue->tail)) {
        struct chunk *chunk = take_at_hand(pool);
        if (!chunk)
            chunk = chunk_take_kept(pool);
        queue_extend(queue, chunk);
    }
    queue_push_hot(queue, timer);
}

size_t queue_skip(struct chunk_pool *pool, struct queue *queue, size_t limit)
{
    size_t skipped = 0;
    for (; skipped < limit && queue->count > 0 && !*queue->head; skipped++)
        queue_pop(pool, queue);
    return skipped;
}

void queue_compact(struct chunk_pool *pool, struct queue *queue)
{
    struct queue full = {0};
    while (queue->count > 0) {
        tw_bare_timer *timer = queue_pop(pool, queue);
        if (timer)
            queue_push_sure(pool, &full, timer);
    }
    *queue = full;
    chunk_keep_again(pool);
}
