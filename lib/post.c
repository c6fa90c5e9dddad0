#include "post.h"

#include <stdlib.h>

/* Posts come from malloc, not from the loop's allocator, which belongs to the
 * loop's thread. */

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
                                                    memory_order_release, memory_order_relaxed));
    return newest == NULL;
}

void post_collect(struct post_queue *queue)
{
    struct post *stack = atomic_exchange_explicit(&queue->newest, NULL, memory_order_acquire);
    struct post *oldest_first = NULL;
    while (stack) {
        struct post *next = stack->next;
        stack->next = oldest_first;
        oldest_first = stack;
        stack = next;
    }
    struct post **end = &queue->taken;
    while (*end)
        end = &(*end)->next;
    *end = oldest_first;
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
