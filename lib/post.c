#include "post.h"

#include <stdlib.h>

/* Posts come from malloc, not from the loop's allocator, which belongs to the
 * loop's thread. */

/* Whether the loop sleeps and nobody has woken it before the caller. */
static bool claim_wake(struct post_queue *queue)
{
    int asleep = POST_ASLEEP;
    return atomic_load(&queue->reader) == POST_ASLEEP &&
           atomic_compare_exchange_strong(&queue->reader, &asleep, POST_WOKEN);
}

int post_push(struct post_queue *queue, tw_callback *callback, void *arg)
{
    struct post *post = malloc(sizeof *post);
    if (!post)
        return -1;
    *post = (struct post){.callback = callback, .arg = arg};
    struct post *newest = atomic_load_explicit(&queue->newest, memory_order_relaxed);
    do {
        post->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&queue->newest, &newest, post,
                                                    memory_order_seq_cst, memory_order_relaxed));
    return claim_wake(queue);
}

void post_collect(struct post_queue *queue)
{
    /* The load spares the usual run, which finds nothing, the dearer exchange. */
    if (!atomic_load_explicit(&queue->newest, memory_order_relaxed))
        return;
    struct post *stack = atomic_exchange_explicit(&queue->newest, NULL, memory_order_acquire);
    struct post *last = stack, *oldest_first = NULL;
    while (stack) {
        struct post *next = stack->next;
        stack->next = oldest_first;
        oldest_first = stack;
        stack = next;
    }
    if (queue->taken)
        queue->last_taken->next = oldest_first;
    else
        queue->taken = oldest_first;
    queue->last_taken = last;
}

bool post_next(struct post_queue *queue, struct post *out)
{
    struct post *post = queue->taken;
    if (!post)
        return false;
    *out = *post;
    queue->taken = post->next;
    free(post);
    return true;
}
