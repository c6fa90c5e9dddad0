/* SPDX-License-Identifier: MIT */
/*
 * remote: counting, and the stack of arrivals; see remote.h.
 */
#include "remote.h"

struct remote_tally remote_counts(const struct remote *remote)
{
    /* In this order: no call is seen to be cancelled and not to have been started. */
    uint64_t over = atomic_load(&remote->over);
    uint64_t cancelled = atomic_load(&remote->cancelled);
    uint64_t started = atomic_load(&remote->started);
    return (struct remote_tally){started, cancelled, started - cancelled - over};
}

void remote_push_arrival(struct post_queue *queue, struct remote_node *node)
{
    struct remote_node *newest = atomic_load_explicit(&queue->arrivals, memory_order_relaxed);
    do {
        node->next = newest;
    } while (!atomic_compare_exchange_weak(&queue->arrivals, &newest, node));
}
