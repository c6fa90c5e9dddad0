/* SPDX-License-Identifier: MIT */
/*
 * pool: the memory of calls by handle.
 *
 * A handle is | generation (32) | index (32) |. A node's generation goes up by
 * one when it is taken and again when it is given back, so that it is odd while
 * a call is pending, and no handle is ever right twice. A node whose generation
 * would wrap is retired: 64 bytes lost in a billion uses, or two. Each pool begins
 * with another generation, so that handles of one are stale in another.
 *
 *     index  0..63   64..191   192..447  ...  32704..65471   65472..98239
 *     slab   0       1         2              9               10           ...
 *
 * Slabs double up to 32768 nodes, 2 MiB, a huge page, and stay there. Nodes
 * never move. Free nodes are taken last in, first out: the hottest first. Trimming gives
 * idle slabs back wherever they are; they are made again before there are further ones.
 */
#ifndef TW_POOL_H
#define TW_POOL_H

#include "bits.h"
#include "memory.h"
#include "timer.h"

struct node {
    tw_timer timer;             /* first: a timer with TIMER_NODE is a node */
    uint32_t generation;        /* odd while pending */
    uint32_t index;
    union {
        tw_context *context;    /* pending: one reference is held; NULL: none */
        struct node *next;      /* free: the next free one */
    };
    uint64_t interval_ns;       /* of a periodic call; 0: once */
};

struct pool {
    struct node *free;          /* last in, first out */
    struct node **slabs;        /* NULL: it was given back */
    unsigned slab_count;
    unsigned directory;         /* entries there is room for in `slabs` */
    uint32_t used;              /* nodes that have been free or taken: the next index */
    uint32_t missing;           /* of them are in slabs that were given back: whole ones */
    uint32_t found_at_once;     /* nodes that pool_find_at_once finds: `used`, or 0 while
                                   slabs are missing */
    uint32_t room;              /* nodes in all slabs that there are */
    uint32_t retired;           /* nodes out of use for good */
    uint32_t first_generation;  /* of a node that was never taken: even; not below those of nodes
                                   that were given back with their slab */
    struct memory *memory;
};

/* number: of the loop. */
void pool_init(struct pool *pool, struct memory *memory, unsigned number);
void pool_free(struct pool *pool);

/* Makes room for `nodes` nodes in use at once, and makes all nodes free ones, so that their
 * first use costs no page fault. 0, or -1 if there is no memory. O(nodes). */
int pool_reserve(struct pool *pool, size_t nodes);

/* Gives back the slabs without a node that is in use, or retired, or that a cell still
 * leads to. O(nodes). */
void pool_trim(struct pool *pool);

/* Makes nodes that were never taken free ones. 0, or -1 if there is no memory. */
int pool_make_free(struct pool *pool);

/* The rest is inline: every call by handle comes through here. */

#define POOL_FIRST_BITS 6    /* nodes in the first slab: 64 */
#define POOL_LARGEST_BITS 15 /* in the largest: 32768 of 64 bytes, 2 MiB */
#define POOL_LARGEST ((uint32_t)1 << POOL_LARGEST_BITS)
#define POOL_MOST ((uint32_t)1 << 31) /* beyond are the handles of remote_pool.h */
#define POOL_GROWING (POOL_LARGEST_BITS - POOL_FIRST_BITS) /* slabs before the first largest */

/* Which slab an index is in, and where there. */
TW_INLINE unsigned pool_slab_of(uint32_t index, uint32_t *at)
{
    /* With 64 added, slab s of the growing ones begins at 2^(6 + s). */
    uint64_t shifted = (uint64_t)index + ((uint64_t)1 << POOL_FIRST_BITS);
    if (TW_LIKELY(shifted >= POOL_LARGEST)) {
        *at = (uint32_t)shifted & (POOL_LARGEST - 1);
        return POOL_GROWING - 1 + (unsigned)(shifted >> POOL_LARGEST_BITS);
    }
    unsigned bits = bits_width(shifted) - 1;
    *at = (uint32_t)(shifted - ((uint64_t)1 << bits)); /* NOLINT: shifted is 64 at least */
    return bits - POOL_FIRST_BITS;
}

/* The node with this index, below `used`, in a slab that there is. */
TW_INLINE struct node *pool_at(const struct pool *pool, uint32_t index)
{
    uint32_t at;
    unsigned slab = pool_slab_of(index, &at);
    return &pool->slabs[slab][at];
}

/* Takes the first of the free ones, of which there is one: a node of an odd generation.
 * Its timer may still have a cell, and is parked then. */
TW_INLINE struct node *pool_take_first(struct pool *pool)
{
    struct node *node = pool->free;
    TW_ASSERT(!(node->generation & 1)); /* P2 */
    pool->free = node->next;
    node->generation++;
    return node;
}

/* The same, of new ones where none is free. NULL: there is no memory. */
TW_INLINE struct node *pool_take(struct pool *pool)
{
    if (TW_UNLIKELY(!pool->free) && pool_make_free(pool) != 0)
        return NULL;
    return pool_take_first(pool);
}

/* The handle it was known by is stale from here on. */
TW_INLINE void pool_give(struct pool *pool, struct node *node)
{
    TW_ASSERT(node->generation & 1); /* P1 */
    if (TW_UNLIKELY(++node->generation == 0)) {
        pool->retired++;
        return;
    }
    node->next = pool->free;
    pool->free = node;
}

/* The call is over: its node is given back. Returns its context, whose reference the
 * caller still has to release. */
TW_INLINE tw_context *pool_retire(struct pool *pool, struct node *node)
{
    tw_context *context = node->context;
    node->timer.arg_ = NULL;
    pool_give(pool, node);
    return context;
}

TW_INLINE struct node *pool_node_of(tw_bare_timer *timer)
{
    return (struct node *)(void *)timer;
}

TW_INLINE tw_handle pool_handle(const struct node *node)
{
    return (uint64_t)node->generation << 32 | node->index;
}

/* The node of a pending call, or NULL if the handle is stale or was never given
 * out, or needs a second look. */
TW_INLINE struct node *pool_find_at_once(const struct pool *pool, tw_handle handle)
{
    uint32_t index = (uint32_t)handle, generation = (uint32_t)(handle >> 32);
    if (TW_UNLIKELY(index >= pool->found_at_once || !(generation & 1)))
        return NULL;
    struct node *node = pool_at(pool, index);
    return TW_LIKELY(node->generation == generation) ? node : NULL;
}

/* The same with that second look. */
struct node *pool_find(const struct pool *pool, tw_handle handle);

#endif
