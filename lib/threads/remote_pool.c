/* SPDX-License-Identifier: MIT */
/*
 * remote_pool: taking and giving nodes from any thread, and finding one by its handle.
 */
#include "remote_pool.h"

#include <stdlib.h>

static uint32_t remote_slab_nodes(unsigned slab)
{
    return (uint32_t)1 << (REMOTE_FIRST_BITS + slab);
}

/* Where a node is. With 64 added to the index, slab s begins at 2^(6 + s). */
static unsigned remote_slab_of(uint32_t index, uint32_t *at)
{
    uint32_t shifted = index + ((uint32_t)1 << REMOTE_FIRST_BITS);
    unsigned bits = bits_width(shifted) - 1;
    *at = shifted - ((uint32_t)1 << bits); /* NOLINT: an index has 31 bits, so there is one */
    return bits - REMOTE_FIRST_BITS;
}

static uint32_t first_index(unsigned slab)
{
    return remote_slab_nodes(slab) - ((uint32_t)1 << REMOTE_FIRST_BITS);
}

/* The node with this index, of those that have been taken. */
static struct remote_node *node_at(struct remote_pool *pool, uint32_t index)
{
    uint32_t at;
    unsigned slab = remote_slab_of(index, &at);
    return &atomic_load_explicit(&pool->slabs[slab].nodes, memory_order_acquire)[at];
}

void remote_pool_free(struct remote_pool *pool)
{
    /* The allocator's hooks, which come later, may still ask for a handle. */
    for (unsigned slab = 0; slab < REMOTE_SLABS; slab++)
        free(atomic_exchange_explicit(&pool->slabs[slab].nodes, NULL, memory_order_relaxed));
}

/* ------------------------------------------------------------- nodes never taken */

/* Makes the slab, unless another thread is faster. NULL: there is no memory. */
static struct remote_node *make_slab(struct remote_slab *slab, uint32_t nodes)
{
    struct remote_node *made = calloc(nodes, sizeof *made), *there = NULL;
    if (!made)
        return NULL;
    /* by a race alone: another has made it since */
    if (atomic_compare_exchange_strong_explicit(&slab->nodes, &there, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    free(made);  /* by a race alone: it is not needed */
    return there; /* by a race alone: it is the other's */
}

/* The number of a node of the slab that nobody has taken before; `nodes`: all have
 * been. */
static uint32_t take_number(struct remote_slab *slab, uint32_t nodes)
{
    uint32_t used = atomic_load_explicit(&slab->used, memory_order_acquire);
    /* by a race alone: another has taken one since */
    while (used < nodes && !atomic_compare_exchange_weak_explicit(&slab->used, &used, used + 1,
                                                                  memory_order_acquire,
                                                                  memory_order_acquire)) {
    }
    return used;
}

static struct remote_node *take_new(struct remote_pool *pool)
{
    /* The end is unreachable because so many nodes do not fit any memory. */
    for (unsigned i = 0; i < REMOTE_SLABS; i++) {
        struct remote_slab *slab = &pool->slabs[i];
        struct remote_node *nodes = atomic_load_explicit(&slab->nodes, memory_order_acquire);
        if (!nodes && !(nodes = make_slab(slab, remote_slab_nodes(i))))
            return NULL;
        uint32_t at = take_number(slab, remote_slab_nodes(i));
        if (at == remote_slab_nodes(i))
            continue;
        struct remote_node *node = &nodes[at];
        node->node.index = REMOTE_BIT | (first_index(i) + at);
        node->node.interval_ns = 1; /* see fire_call */
        atomic_store_explicit(&node->state, (uint64_t)slab->generation << 32 | REMOTE_FREE,
                              memory_order_relaxed);
        return node;
    }
    return NULL;
}

/* ---------------------------------------------------------------- taking, giving */

struct remote_node *remote_pool_take(struct remote_pool *pool)
{
    uint64_t head = atomic_load_explicit(&pool->free, memory_order_acquire), next;
    struct remote_node *node;
    do {
        uint32_t index = (uint32_t)head;
        if (index == 0)
            return take_new(pool);
        node = node_at(pool, index - 1);
        uint64_t tag = (head >> 32) + 1;
        next = tag << 32 | atomic_load_explicit(&node->next_free, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&pool->free, &head, next, memory_order_acquire,
                                                    memory_order_acquire));
    return node;
}

void remote_pool_give(struct remote_pool *pool, struct remote_node *node)
{
    uint64_t state = atomic_load_explicit(&node->state, memory_order_relaxed);
    if (remote_generation(state) == UINT32_MAX)
        return; /* no handle is ever given out twice */
    uint64_t index = (node->node.index & ~REMOTE_BIT) + 1;
    uint64_t head = atomic_load_explicit(&pool->free, memory_order_relaxed), next;
    do {
        atomic_store_explicit(&node->next_free, (uint32_t)head, memory_order_relaxed);
        next = (head >> 32) << 32 | index;
        /* by a race alone: another thread takes or gives one */
    } while (!atomic_compare_exchange_weak_explicit(&pool->free, &head, next, memory_order_release,
                                                    memory_order_relaxed));
}

/* What trimming knows of a slab. */
struct remote_census {
    uint32_t free;        /* of its nodes are in our hand */
    uint32_t generation;  /* the highest that one of them has had */
    bool claimed;         /* all it has given out are, and it gives out no more */
};

static void take_census(struct remote_pool *pool, uint32_t first, struct remote_census *census)
{
    for (uint32_t index = first, at; index != 0;) {
        struct remote_node *node = node_at(pool, index - 1);
        struct remote_census *of_slab = &census[remote_slab_of(index - 1, &at)];
        uint64_t state = atomic_load_explicit(&node->state, memory_order_relaxed);
        if (remote_generation(state) > of_slab->generation)
            of_slab->generation = remote_generation(state);
        of_slab->free += !(state & REMOTE_LINKED);
        index = atomic_load_explicit(&node->next_free, memory_order_relaxed);
    }
}

static bool claim_slab(struct remote_slab *slab, uint32_t nodes, uint32_t free)
{
    uint32_t used = free;
    return free > 0 && atomic_compare_exchange_strong(&slab->used, &used, nodes);
}

static void give_unclaimed(struct remote_pool *pool, uint32_t first,
                           const struct remote_census *census)
{
    for (uint32_t index = first, at; index != 0;) {
        struct remote_node *node = node_at(pool, index - 1);
        bool claimed = census[remote_slab_of(index - 1, &at)].claimed;
        index = atomic_load_explicit(&node->next_free, memory_order_relaxed);
        if (!claimed)
            remote_pool_give(pool, node);
    }
}

size_t remote_pool_trim(struct remote_pool *pool)
{
    struct remote_census census[REMOTE_SLABS] = {{0, 0, false}};
    uint64_t head = atomic_load(&pool->free);
    /* by a race alone: another has taken or given one since */
    while (!atomic_compare_exchange_weak(&pool->free, &head, ((head >> 32) + 1) << 32)) {
    }
    take_census(pool, (uint32_t)head, census);
    for (unsigned i = 0; i < REMOTE_SLABS; i++)
        census[i].claimed = claim_slab(&pool->slabs[i], remote_slab_nodes(i), census[i].free);
    give_unclaimed(pool, (uint32_t)head, census);
    size_t bytes = 0;
    for (unsigned i = 0; i < REMOTE_SLABS; i++) {
        struct remote_slab *slab = &pool->slabs[i];
        if (!census[i].claimed)
            continue;
        bytes += port_discard(atomic_load_explicit(&slab->nodes, memory_order_relaxed),
                              remote_slab_nodes(i) * sizeof(struct remote_node));
        slab->generation = census[i].generation;
        atomic_store(&slab->used, 0);
    }
    return bytes;
}

struct remote_node *remote_pool_find(struct remote_pool *pool, tw_handle handle)
{
    uint32_t at, index = (uint32_t)handle & ~REMOTE_BIT;
    if (!((uint32_t)handle & REMOTE_BIT) || index >= first_index(REMOTE_SLABS))
        return NULL;
    struct remote_slab *slab = &pool->slabs[remote_slab_of(index, &at)];
    struct remote_node *nodes = atomic_load_explicit(&slab->nodes, memory_order_acquire);
    return nodes ? &nodes[at] : NULL;
}

void remote_pool_visit(struct remote_pool *pool, void (*visit)(void *arg, struct remote_node *node),
                       void *arg)
{
    for (unsigned i = 0; i < REMOTE_SLABS; i++) {
        struct remote_slab *slab = &pool->slabs[i];
        struct remote_node *nodes = atomic_load_explicit(&slab->nodes, memory_order_acquire);
        uint32_t used = nodes ? atomic_load_explicit(&slab->used, memory_order_acquire) : 0;
        for (uint32_t at = 0; at < used; at++)
            visit(arg, &nodes[at]);
    }
}
