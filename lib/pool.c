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

struct node *pool_take_fresh(struct pool *pool)
{
    if (pool->used == pool->room && pool_add_slab(pool, false) != 0)
        return NULL;
    uint32_t index = pool->used++;
    struct node *node = pool_at(pool, index);
    *node = (struct node){.index = index, .generation = pool->first_generation};
    return node;
}
