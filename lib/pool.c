#include "pool.h"

#include <string.h>

void pool_init(struct pool *pool, struct memory *memory, unsigned number)
{
    /* The golden ratio's multiples lie as far apart as so many numbers can. */
    uint32_t generation = (uint32_t)number * 0x9E3779B1u & 0x7FFFFFFEu;
    *pool = (struct pool){.memory = memory, .first_generation = generation};
}

static uint32_t slab_nodes(unsigned slab)
{
    return slab < POOL_GROWING ? (uint32_t)1 << (POOL_FIRST_BITS + slab) : POOL_LARGEST;
}

static size_t slab_bytes(unsigned slab)
{
    return slab_nodes(slab) * sizeof(struct node);
}

void pool_free(struct pool *pool)
{
    pool->used = 0; /* before the allocator's hook, which may ask for a handle */
    for (unsigned i = 0; i < pool->slab_count; i++)
        memory_free(pool->memory, pool->slabs[i], slab_bytes(i));
    memory_free(pool->memory, pool->slabs, pool->directory * sizeof *pool->slabs);
    *pool = (struct pool){.memory = pool->memory, .first_generation = pool->first_generation};
}

static int pool_grow_directory(struct pool *pool)
{
    unsigned entries = pool->directory ? pool->directory * 2 : 16;
    struct node **slabs = memory_alloc(pool->memory, entries * sizeof *slabs, sizeof *slabs);
    if (!slabs)
        return -1;
    if (pool->slab_count > 0)
        memcpy(slabs, pool->slabs, pool->slab_count * sizeof *slabs);
    struct node **before = pool->slabs;
    size_t before_bytes = pool->directory * sizeof *before;
    pool->slabs = slabs; /* before the allocator's hook, which may ask for a handle */
    pool->directory = entries;
    memory_free(pool->memory, before, before_bytes);
    return 0;
}

static int pool_add_slab(struct pool *pool, bool touch)
{
    uint32_t nodes = slab_nodes(pool->slab_count);
    if (nodes > POOL_MOST - pool->room)
        return -1;
    if (pool->slab_count == pool->directory && pool_grow_directory(pool) != 0)
        return -1;
    size_t bytes = slab_bytes(pool->slab_count);
    struct node *slab = memory_alloc(pool->memory, bytes, memory_slab_alignment(bytes, 64));
    if (!slab)
        return -1;
    if (touch)
        memory_touch(slab, bytes);
    pool->slabs[pool->slab_count++] = slab;
    pool->room += nodes;
    return 0;
}

int pool_reserve(struct pool *pool, size_t nodes, bool touch)
{
    while (pool->room - pool->retired < nodes) {
        if (pool_add_slab(pool, touch) != 0)
            return -1;
    }
    return 0;
}

/* Whether a handle may come back to it, or a cell leads to it: a node that is retired
 * is not taken again either. */
static bool pool_needs(const struct pool *pool, const struct node *node)
{
    return node->generation & 1 || timer_placed(&node->timer.bare_) ||
           (pool->retired > 0 && node->generation == 0);
}

/* The first index of a slab. */
static uint32_t slab_begins(unsigned slab)
{
    if (slab < POOL_GROWING)
        return ((uint32_t)1 << (POOL_FIRST_BITS + slab)) - ((uint32_t)1 << POOL_FIRST_BITS);
    return slab_begins(POOL_GROWING - 1) + slab_nodes(POOL_GROWING - 1) +
           (slab - POOL_GROWING) * POOL_LARGEST;
}

/* Forgets the free nodes from this index on. Their handles are stale for good: whoever
 * takes such an index again begins with a later generation. */
static void forget_free_from(struct pool *pool, uint32_t index)
{
    struct node **link = &pool->free;
    while (*link) {
        struct node *node = *link;
        if (node->index < index) {
            link = &node->next;
            continue;
        }
        if (node->generation > pool->first_generation)
            pool->first_generation = node->generation;
        *link = node->next;
    }
}

void pool_trim(struct pool *pool)
{
    uint32_t used = pool->used;
    while (used > 0 && !pool_needs(pool, pool_at(pool, used - 1)))
        used--;
    unsigned keep = 0;
    while (keep < pool->slab_count && slab_begins(keep) < used)
        keep++;
    if (keep == pool->slab_count)
        return;
    uint32_t begins = slab_begins(keep);
    forget_free_from(pool, begins);
    pool->used = pool->used < begins ? pool->used : begins;
    while (pool->slab_count > keep) {
        struct node *slab = pool->slabs[--pool->slab_count];
        pool->room -= slab_nodes(pool->slab_count);
        memory_free(pool->memory, slab, slab_bytes(pool->slab_count));
    }
}

struct node *pool_take_fresh(struct pool *pool)
{
    if (pool->used == pool->room && pool_add_slab(pool, false) != 0)
        return NULL;
    uint32_t index = pool->used++;
    struct node *node = pool_at(pool, index);
    *node = (struct node){.index = index, .generation = pool->first_generation};
    return node;
}
