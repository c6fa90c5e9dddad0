#include "chunk.h"

/* The first chunk of a slab is spent on this. */
struct slab {
    struct chunk *next; /* the next slab */
    size_t bytes;
};

_Static_assert(sizeof(struct chunk) == CHUNK_BYTES, "a chunk has no padding");
_Static_assert(sizeof(struct slab) <= sizeof(struct chunk), "a slab's header fits a chunk");
_Static_assert((TW_CHUNK_CELLS & (TW_CHUNK_CELLS - 1)) == 0, "chunks align to their size");

/* Chunks that no count of cells explains: a queue's half-used first one (the
 * soon calls, the ready runs and the one they are merged into), and a bucket
 * that is being read. */
#define CHUNK_SPARE 16

/* The smallest slab, and below how many chunks in all slabs grow by half. */
#define CHUNK_FIRST 64
#define CHUNK_FEW 2048

static struct slab *slab_of(struct chunk *first)
{
    return (struct slab *)(void *)first;
}

void chunk_pool_init(struct chunk_pool *pool, struct memory *memory, size_t containers)
{
    *pool = (struct chunk_pool){.memory = memory, .containers = containers};
}

void chunk_pool_free(struct chunk_pool *pool)
{
    while (pool->slabs) {
        struct slab slab = *slab_of(pool->slabs);
        memory_free(pool->memory, pool->slabs, slab.bytes);
        pool->slabs = slab.next;
    }
}

/* How many cells n chunks always hold: c cells in k containers take at most
 * (c - k) / CHUNK_ROOM + k chunks, and k is at most the smaller of c and
 * `containers`. */
static size_t room_of(const struct chunk_pool *pool, size_t chunks)
{
    if (chunks <= CHUNK_SPARE)
        return 0;
    chunks -= CHUNK_SPARE;
    size_t room = chunks / TW_CHUNK_CELLS * CHUNK_ROOM + chunks % TW_CHUNK_CELLS;
    if (room > chunks * CHUNK_ROOM / TW_CHUNK_CELLS)
        room = chunks * CHUNK_ROOM / TW_CHUNK_CELLS;
    if (chunks > pool->containers && (chunks - pool->containers) * CHUNK_ROOM > room)
        room = (chunks - pool->containers) * CHUNK_ROOM;
    return room;
}

static size_t chunks_for(const struct chunk_pool *pool, size_t cells)
{
    size_t partial = cells < pool->containers ? cells : pool->containers;
    return cells / CHUNK_ROOM + partial + CHUNK_SPARE + 2;
}

static void fill_slab(struct chunk_pool *pool, struct chunk *first)
{
    pool->filling = first;
    pool->fresh = first + 1;
    pool->fresh_end = first + slab_of(first)->bytes / CHUNK_BYTES;
}

void chunk_pool_next_slab(struct chunk_pool *pool)
{
    TW_ASSERT(pool->filling && slab_of(pool->filling)->next);
    fill_slab(pool, slab_of(pool->filling)->next);
}

static int add_slab(struct chunk_pool *pool, size_t chunks, bool touch)
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
    pool->room = room_of(pool, pool->total);
    return 0;
}

int chunk_pool_reserve(struct chunk_pool *pool, size_t cells, bool touch)
{
    if (cells <= pool->room)
        return 0;
    if (cells > SIZE_MAX / CHUNK_BYTES)
        return -1;
    size_t chunks = chunks_for(pool, cells);
    return add_slab(pool, chunks - pool->total, touch);
}

int chunk_pool_grow(struct chunk_pool *pool)
{
    if (pool->cells < pool->room)
        return 0;
    /* By half while small; then by a 32nd, so that little is held in vain (48
     * bytes a timer are meant), and in whole huge pages where that is one. */
    size_t chunks = pool->total < CHUNK_FEW ? pool->total / 2 : pool->total / 32;
    if (chunks < CHUNK_FIRST)
        chunks = CHUNK_FIRST;
    if (chunks * CHUNK_BYTES > PORT_HUGE_PAGE)
        chunks = chunks / (PORT_HUGE_PAGE / CHUNK_BYTES) * (PORT_HUGE_PAGE / CHUNK_BYTES) - 1;
    if (add_slab(pool, chunks, false) == 0)
        return 0;
    /* Perhaps there is memory for the least that is needed. */
    return chunk_pool_reserve(pool, pool->cells + 1, false);
}

void queue_compact(struct chunk_pool *pool, struct queue *queue)
{
    struct queue kept = {0};
    while (queue->count > 0) {
        tw_timer *timer = queue_pop(pool, queue);
        if (timer)
            queue_push(pool, &kept, timer);
    }
    *queue = kept;
}
