/*
 * pool: the memory of calls by handle.
 *
 * A handle is | generation (32) | index (32) |. A node's generation goes up by
 * one when it is taken and again when it is given back, so that it is odd while
 * a call is pending, and no handle is ever right twice. A node whose generation
 * would wrap is retired: 64 bytes lost in two billion uses.
 *
 *     index  0..63   64..191   192..447  ...  32704..65471   65472..98239
 *     slab   0       1         2              9               10           ...
 *
 * Slabs double up to 32768 nodes, 2 MiB, a huge page, and stay there. Nodes
 * never move. Free nodes are taken last in, first out: the hottest first.
 */
#ifndef TW_POOL_H
#define TW_POOL_H

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
    struct node **slabs;
    unsigned slab_count;
    unsigned directory;         /* entries there is room for in `slabs` */
    uint32_t used;              /* nodes ever taken: the next index */
    uint32_t room;              /* nodes in all slabs */
    uint32_t taken;             /* nodes in use now */
    uint32_t retired;           /* nodes out of use for good */
    struct memory *memory;
};

void pool_init(struct pool *pool, struct memory *memory);
void pool_free(struct pool *pool);

/* Makes room for `nodes` nodes in use at once. touch: also its page faults.
 * 0, or -1 if there is no memory. */
int pool_reserve(struct pool *pool, size_t nodes, bool touch);

/* A node of an odd generation, or NULL if there is no memory. Its timer may
 * still have a cell, and is parked then. */
struct node *pool_take(struct pool *pool);

/* The handle it was known by is stale from here on. */
void pool_give(struct pool *pool, struct node *node);

/* The node with this index, below `used`. */
struct node *pool_at(const struct pool *pool, uint32_t index);

TW_INLINE struct node *pool_node_of(tw_timer *timer)
{
    return (struct node *)(void *)timer;
}

TW_INLINE tw_handle pool_handle(const struct node *node)
{
    return (uint64_t)node->generation << 32 | node->index;
}

/* The node of a pending call, or NULL if the handle is stale or was never given
 * out. */
struct node *pool_find(const struct pool *pool, tw_handle handle);

#endif
