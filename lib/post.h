/*
 * post: calls from other threads, on their way to the loop.
 *
 * A stack that any thread pushes to with one compare-and-swap, and that the
 * loop takes whole with one exchange and turns around: so the calls of one
 * thread stay in order, nobody ever waits for a lock, and the loop's cost is
 * one load while nothing was posted.
 */
#ifndef TW_POST_H
#define TW_POST_H

#include <stdatomic.h>

#include "timer.h"

struct post {
    struct post *next;
    tw_callback *callback;
    void *arg;
};

struct post_queue {
    _Atomic(struct post *) newest;
    struct post *taken;            /* the loop's: oldest first, still to be made */
};

/* Any thread. Answers 1 if the queue was empty before, so that the loop may
 * have to be woken; 0 if not; -1 if there is no memory. */
int post_push(struct post_queue *queue, tw_callback *callback, void *arg);

/* The loop's thread: whether there is anything to make. */
static inline bool post_waiting(const struct post_queue *queue)
{
    return queue->taken != NULL ||
           atomic_load_explicit(&queue->newest, memory_order_acquire) != NULL;
}

/* The loop's thread: takes over what has been posted until now. */
void post_collect(struct post_queue *queue);

/* The loop's thread: the next call taken over, copied to *out; false: none. */
bool post_next(struct post_queue *queue, struct post *out);

#endif
