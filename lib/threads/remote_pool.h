/* SPDX-License-Identifier: MIT */
/*
 * remote_pool: the nodes of calls that other threads start.
 *
 * A handle is | generation (32) | 1 | index (31) |. The bit tells it from a handle
 * of the loop's own calls, of which there are never so many.
 *
 *     index  0..63   64..191   192..447   448..959   ...
 *     slab   0       1         2          3          ...   each twice the last
 *
 * The memory is malloc's: an allocator of the loop's belongs to the loop's thread.
 * Nodes never move, and their slabs stay until the loop is freed, so that a
 * stale handle may be looked at by any thread at any time. Trimming gives the pages of a
 * slab back to the system, but not its addresses: then all its nodes are as if never
 * taken, but for their generation.
 *
 *     free ──> node ──> node ──> node       a stack; its head is | tag (32) | index + 1 |
 *
 * Any thread takes from it and gives back to it. The tag goes up with each that is
 * taken: a thread that was stopped half-way through taking one cannot mistake
 * what has been taken and given back meanwhile for what it saw.
 */
#ifndef TW_REMOTE_POOL_H
#define TW_REMOTE_POOL_H

#include <stdatomic.h>

#include "pool.h"

#define REMOTE_BIT ((uint32_t)1 << 31)   /* in the index of each of these nodes */
#define REMOTE_FIRST_BITS 6              /* nodes in the first slab: 64 */
#define REMOTE_SLABS (31 - REMOTE_FIRST_BITS)

/* What is in a node's state: | generation (32) | ... | linked (1) | phase (3) | */
enum remote_phase {
    REMOTE_FREE,          /* nobody's, or of the thread that has just taken it */
    REMOTE_POSTED,        /* started, on its way to the loop */
    REMOTE_SCHEDULED,     /* the loop has it */
    REMOTE_RUNNING,       /* its callback has started, and not returned */
    REMOTE_CANCELLED,     /* the loop has it, and is to give it back */
};
#define REMOTE_PHASE_MASK ((uint64_t)7)
#define REMOTE_LINKED ((uint64_t)8)      /* it is on the loop's stack of arrivals */

struct remote_node {
    struct node node;              /* first, so that it runs as any call does; see remote.h */
    _Atomic(uint64_t) state;
    uint64_t number;               /* of all starts: which came first */
    struct remote_node *next;      /* in the stack of arrivals, while it is linked */
    _Atomic(uint32_t) next_free;   /* index + 1 of the next free one; 0: none */
};

struct remote_slab {
    _Atomic(struct remote_node *) nodes; /* NULL: there is none */
    _Atomic(uint32_t) used;        /* nodes ever taken of it */
    uint32_t generation;           /* that its next new node continues from */
};

struct remote_pool {
    _Atomic(uint64_t) free;
    struct remote_slab slabs[REMOTE_SLABS];
};

/* The memory of zeroes is an empty pool. */
void remote_pool_free(struct remote_pool *pool);

/* A free node, which is the caller's alone from now on. NULL: there is no memory. */
struct remote_node *remote_pool_take(struct remote_pool *pool);

/* Gives a free node back. */
void remote_pool_give(struct remote_pool *pool, struct remote_node *node);

/* Gives the memory of slabs back whose nodes are all free, where the system can take
 * pages so. How many bytes. One thread at a time; others may take and give meanwhile. */
size_t remote_pool_trim(struct remote_pool *pool);

/* The node of a handle, whatever it is used for now; NULL if there is none. */
struct remote_node *remote_pool_find(struct remote_pool *pool, tw_handle handle);

/* Calls visit(arg, node) for each node that was ever taken. */
void remote_pool_visit(struct remote_pool *pool, void (*visit)(void *arg, struct remote_node *node),
                       void *arg);

/* Whether the node of a call is one of these. */
TW_INLINE bool remote_owns(const struct node *node)
{
    return node->index & REMOTE_BIT;
}

TW_INLINE struct remote_node *remote_node_of(struct node *node)
{
    return (struct remote_node *)(void *)node;
}

TW_INLINE enum remote_phase remote_phase(uint64_t state)
{
    return (enum remote_phase)(state & REMOTE_PHASE_MASK);
}

TW_INLINE uint32_t remote_generation(uint64_t state)
{
    return (uint32_t)(state >> 32);
}

TW_INLINE tw_handle remote_handle(uint32_t index, uint64_t state)
{
    return (uint64_t)remote_generation(state) << 32 | index;
}

#endif
