/* SPDX-License-Identifier: MIT */
/*
 * pool: slabs of nodes, made when they are needed, given back by trimming, made again.
 */
#include "pool.h"

#include <string.h>

void pool_init(struct pool *pool, struct memory *memory, unsigned number)
{
    /* The golden ratio's multiples lie as far apart as so many numbers can. */
    uint32_t generation = ((uint32_t)number * 0x9E3779B1u & 0x7FFFFFFEu) | 2; /* 0: retired */
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

/* The first index of a slab. */
static uint32_t slab_begins(unsigned slab)
{
    if (slab < POOL_GROWING)
        return ((uint32_t)1 << (POOL_FIRST_BITS + slab)) - ((uint32_t)1 << POOL_FIRST_BITS);
    return slab_begins(POOL_GROWING - 1) + slab_nodes(POOL_GROWING - 1) +
           (slab - POOL_GROWING) * POOL_LARGEST;
}

/* How many nodes of a slab have been free or taken, ever. */
static uint32_t slab_used(const struct pool *pool, unsigned slab)
{
    uint32_t begins = slab_begins(slab), nodes = slab_nodes(slab);
    if (pool->used <= begins)
        return 0;
    return pool->used - begins < nodes ? pool->used - begins : nodes;
}

/* How many nodes have been taken, or which slabs there are, has changed. */
static void set_found_at_once(struct pool *pool)
{
    pool->found_at_once = pool->missing == 0 ? pool->used : 0;
}

void pool_free(struct pool *pool)
{
    /* Before the allocator's hook, which may ask for a handle. */
    pool->used = pool->found_at_once = 0;
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

/* The memory of a slab; NULL: there is none. */
static struct node *make_nodes(struct pool *pool, unsigned slab)
{
    size_t bytes = slab_bytes(slab);
    return memory_alloc(pool->memory, bytes, memory_slab_alignment(bytes, 64));
}

/* Puts nodes that were never taken onto the list of free ones, the first on top. */
static void list_never_taken(struct pool *pool, struct node *nodes, uint32_t index, uint32_t count)
{
    for (uint32_t i = count; i-- > 0;) {
        struct node *node = &nodes[i]; /* the rest is written when it is taken */
        node->timer.bare_.state_ = 0;
        node->index = index + i;
        node->generation = pool->first_generation;
        node->next = pool->free;
        pool->free = node;
    }
}

/* Makes the first slab again that was given back. All its nodes become free ones at
 * once, since a stale handle may lead to any of them. */
static int refill(struct pool *pool)
{
    unsigned slab = 0;
    while (pool->slabs[slab])
        slab++;
    struct node *nodes = make_nodes(pool, slab);
    if (!nodes)
        return -1;
    list_never_taken(pool, nodes, slab_begins(slab), slab_nodes(slab));
    pool->slabs[slab] = nodes;
    pool->room += slab_nodes(slab);
    pool->missing -= slab_nodes(slab);
    set_found_at_once(pool);
    return 0;
}

static int pool_add_slab(struct pool *pool)
{
    if (pool->missing > 0)
        return refill(pool);
    uint32_t nodes = slab_nodes(pool->slab_count);
    if (nodes > POOL_MOST - pool->room)
        return -1;
    if (pool->slab_count == pool->directory && pool_grow_directory(pool) != 0)
        return -1;
    struct node *slab = make_nodes(pool, pool->slab_count);
    if (!slab)
        return -1;
    pool->slabs[pool->slab_count++] = slab;
    pool->room += nodes;
    return 0;
}

/* Puts all nodes that were never taken onto the list of free ones, the first on top. So no page
 * fault is left for whoever takes them. */
static void list_all_never_taken(struct pool *pool)
{
    for (unsigned slab = pool->slab_count; slab-- > 0;) {
        uint32_t used = slab_used(pool, slab), fresh = slab_nodes(slab) - used;
        if (fresh > 0 && pool->slabs[slab])
            list_never_taken(pool, pool->slabs[slab] + used, slab_begins(slab) + used, fresh);
    }
    pool->used = pool->room + pool->missing;
    set_found_at_once(pool);
}

int pool_reserve(struct pool *pool, size_t nodes)
{
    while (pool->room - pool->retired < nodes) {
        if (pool_add_slab(pool) != 0)
            return -1;
    }
    list_all_never_taken(pool);
    return 0;
}

/* Whether the node may be taken again. One that is retired has a generation of 0, which
 * no other has that was ever taken. */
static bool is_free(const struct node *node)
{
    return !(node->generation & 1) && node->generation != 0;
}

/* Whether all its nodes are free, and no cell leads to one. */
static bool is_idle(const struct pool *pool, unsigned slab)
{
    for (uint32_t i = slab_used(pool, slab); i-- > 0;) {
        const struct node *node = &pool->slabs[slab][i];
        if (!is_free(node) || timer_placed(&node->timer.bare_))
            return false;
    }
    return true;
}

/* Puts the free nodes of a slab onto the list. */
static void list_free(struct pool *pool, unsigned slab)
{
    for (uint32_t i = slab_used(pool, slab); i-- > 0;) {
        struct node *node = &pool->slabs[slab][i];
        if (!is_free(node))
            continue;
        node->next = pool->free;
        pool->free = node;
    }
}

/* Gives a slab back. The handles of its nodes are stale for good: whoever takes such an
 * index again begins with a later generation. */
static void give_slab(struct pool *pool, unsigned slab)
{
    struct node *nodes = pool->slabs[slab];
    uint32_t used = slab_used(pool, slab);
    for (uint32_t i = 0; i < used; i++) {
        if (nodes[i].generation > pool->first_generation)
            pool->first_generation = nodes[i].generation;
    }
    pool->missing += used;
    pool->room -= slab_nodes(slab);
    pool->slabs[slab] = NULL; /* before the allocator's hook, which may ask for a handle */
    memory_free(pool->memory, nodes, slab_bytes(slab));
}

/* Forgets what is missing at the end. */
static void cut_directory(struct pool *pool)
{
    while (pool->slab_count > 0 && !pool->slabs[pool->slab_count - 1]) {
        pool->slab_count--;
        pool->missing -= slab_used(pool, pool->slab_count);
        if (pool->used > slab_begins(pool->slab_count))
            pool->used = slab_begins(pool->slab_count);
    }
}

/* The lowest indices are taken first from here on, so that the last slabs become idle. */
void pool_trim(struct pool *pool)
{
    pool->free = NULL;
    pool->found_at_once = 0;
    for (unsigned slab = pool->slab_count; slab-- > 0;) {
        if (!pool->slabs[slab])
            continue;
        if (is_idle(pool, slab))
            give_slab(pool, slab);
        else
            list_free(pool, slab);
    }
    cut_directory(pool);
    set_found_at_once(pool);
}

struct node *pool_find(const struct pool *pool, tw_handle handle)
{
    uint32_t index = (uint32_t)handle, generation = (uint32_t)(handle >> 32), at;
    if (index >= pool->used || !(generation & 1))
        return NULL;
    struct node *nodes = pool->slabs[pool_slab_of(index, &at)];
    return nodes && nodes[at].generation == generation ? &nodes[at] : NULL;
}

/* Nodes that become free ones together, before they are taken for the first time: slabs
 * are of whole batches. */
#define POOL_BATCH 16

int pool_make_free(struct pool *pool)
{
    if (pool->used == pool->room + pool->missing) {
        if (pool_add_slab(pool) != 0)
            return -1;
        if (pool->free) /* a slab was made again */
            return 0;
    }
    uint32_t index = pool->used, batch = POOL_BATCH - index % POOL_BATCH;
    list_never_taken(pool, pool_at(pool, index), index, batch);
    pool->used += batch;
    set_found_at_once(pool);
    return 0;
}
