#include "pool.h"

#include <string.h>

#include "bits.h"

#define FIRST_BITS 6    /* nodes in the first slab: 64 */
#define LARGEST_BITS 15 /* 32768 nodes of 64 bytes: 2 MiB */
#define LARGEST ((uint32_t)1 << LARGEST_BITS)
#define GROWING (LARGEST_BITS - FIRST_BITS) /* slabs before the first of the largest */

void pool_init(struct pool *pool, struct memory *memory)
{
    *pool = (struct pool){.memory = memory};
}

static uint32_t slab_nodes(unsigned slab)
{
    return slab < GROWING ? (uint32_t)1 << (FIRST_BITS + slab) : LARGEST;
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
    pool_init(pool, pool->memory);
}

static int grow_directory(struct pool *pool)
{
    unsigned entries = pool->directory ? pool->directory * 2 : 16;
    struct node **slabs = memory_alloc(pool->memory, entries * sizeof *slabs, sizeof *slabs);
    if (!slabs)
        return -1;
    if (pool->slab_count > 0)
        memcpy(slabs, pool->slabs, pool->slab_count * sizeof *slabs);
    memory_free(pool->memory, pool->slabs, pool->directory * sizeof *slabs);
    pool->slabs = slabs;
    pool->directory = entries;
    return 0;
}

static int add_slab(struct pool *pool, bool touch)
{
    uint32_t nodes = slab_nodes(pool->slab_count);
    if (nodes > UINT32_MAX - pool->room)
        return -1;
    if (pool->slab_count == pool->directory && grow_directory(pool) != 0)
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
        if (add_slab(pool, touch) != 0)
            return -1;
    }
    return 0;
}

struct node *pool_at(const struct pool *pool, uint32_t index)
{
    /* With 64 added, slab s of the growing ones begins at 2^(6 + s). */
    uint64_t shifted = (uint64_t)index + ((uint64_t)1 << FIRST_BITS);
    if (TW_LIKELY(shifted >= LARGEST))
        return &pool->slabs[GROWING - 1 + (shifted >> LARGEST_BITS)][shifted & (LARGEST - 1)];
    unsigned bits = bits_width(shifted) - 1;
    return &pool->slabs[bits - FIRST_BITS][shifted - ((uint64_t)1 << bits)];
}

static struct node *take_fresh(struct pool *pool)
{
    if (pool->used == pool->room && add_slab(pool, false) != 0)
        return NULL;
    uint32_t index = pool->used++;
    struct node *node = pool_at(pool, index);
    *node = (struct node){.index = index};
    return node;
}

struct node *pool_take(struct pool *pool)
{
    struct node *node = pool->free;
    if (TW_LIKELY(node != NULL)) {
        pool->free = node->next;
    } else {
        node = take_fresh(pool);
        if (!node)
            return NULL;
    }
    node->generation++;
    pool->taken++;
    return node;
}

void pool_give(struct pool *pool, struct node *node)
{
    TW_ASSERT(node->generation & 1);
    pool->taken--;
    if (TW_UNLIKELY(++node->generation == 0)) {
        pool->retired++;
        return;
    }
    node->next = pool->free;
    pool->free = node;
}

struct node *pool_find(const struct pool *pool, tw_handle handle)
{
    uint32_t index = (uint32_t)handle, generation = (uint32_t)(handle >> 32);
    if (TW_UNLIKELY(index >= pool->used))
        return NULL;
    struct node *node = pool_at(pool, index);
    return node->generation == generation && (generation & 1) ? node : NULL;
}
