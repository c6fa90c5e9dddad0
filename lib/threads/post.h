/* SPDX-License-Identifier: MIT */
/*
 * post: calls from other threads, on their way to the loop.
 *
 *     any thread ──push──> newest ... oldest ──collect, turned round──> taken ──next──> called
 *
 * A stack that any thread pushes to with one compare-and-swap, and that the
 * loop takes whole with one exchange and turns round: so the calls of one
 * thread stay in order, nobody ever waits for a lock, and the loop's cost is
 * one load while nothing was posted.
 *
 * Waking. Only a thread that finds the loop asleep has to wake it, and only the
 * first of them:
 *
 *     AWAKE   the loop will look at the queue before it sleeps
 *     ASLEEP  it sleeps, or is about to: whoever turns this into WOKEN wakes it
 *     WOKEN   somebody has woken it, or is about to
 *
 * The loop says that it sleeps and then looks at the queue once more; a thread
 * pushes and then looks whether the loop sleeps. All four steps are sequentially
 * consistent, so at least one of the two sees the other.
 *
 * For calls with a deadline (remote.h) the loop also says, before it says that it
 * sleeps, when its alarm goes off: what is due later needs no waking. A thread that
 * reads ASLEEP and then the time may read that of a later sleep. Then the loop
 * has woken in between, and has seen what the thread had pushed before it looked.
 */
#ifndef TW_POST_H
#define TW_POST_H

#include <stdatomic.h>

#include "timer.h"

/* A call to be made. */
struct post {
    tw_callback *callback;
    void *arg;
};

enum post_reader { POST_AWAKE, POST_ASLEEP, POST_WOKEN };

struct remote_node;

/* The two halves lie in cache lines of their own: the loop's thread writes its
 * half with every call it makes, while others push. */
struct post_queue {
    /* Any thread's. */
    _Alignas(64) _Atomic(tw_post *) newest;
    _Atomic(struct remote_node *) arrivals; /* see remote.h; here, so that a run looks at both */
    atomic_int reader;             /* enum post_reader: what the loop is doing */
    _Atomic(uint64_t) alarm_ns;    /* while it sleeps: until when, at the latest */
    bool closed;                   /* the loop is being freed: see tw_loop_free */
    /* The loop's. */
    _Alignas(64) tw_post *taken; /* oldest first, still to be made; NULL: none */
    tw_post *last_taken;           /* the end of that list, if there is one */
    tw_post *turning;              /* a stack that was taken, as far as it is still to be turned
                                      round; NULL: none */
    tw_post *turned;               /* what has been, oldest first, */
    tw_post *last_turned;          /* and its end */
    size_t turned_count;
    uint64_t collected;            /* how many were taken over, ever */
    uint64_t handed;               /* of them given out by post_next */
};

/* Any thread. Returns 1 if the caller now has to wake the loop, 0 if not. */
int post_send(struct post_queue *queue, tw_post *post);

/* The same with memory of our own; -1 if there is none. */
int post_push(struct post_queue *queue, tw_callback *callback, void *arg);

/* Whether the loop sleeps, and would do so past this time, and nobody has woken it
 * before the caller, who now has to. Any thread, having pushed what is due then. */
bool post_claim_wake(struct post_queue *queue, uint64_t when_ns);

/* The loop's thread: whether anything was posted since post_collect. */
static inline bool post_arrived(const struct post_queue *queue)
{
    return atomic_load(&queue->newest) != NULL;
}

/* The loop's thread: whether other threads have started or cancelled calls since
 * remote_collect. */
static inline bool post_has_arrivals(const struct post_queue *queue)
{
    return atomic_load(&queue->arrivals) != NULL;
}

/* The loop's thread: either of them. */
static inline bool post_anything_arrived(const struct post_queue *queue)
{
    return ((uintptr_t)atomic_load(&queue->newest) | (uintptr_t)atomic_load(&queue->arrivals)) != 0;
}

/* The loop's thread: whether anything that was taken over, or is about to be, is still to be
 * made. */
static inline bool post_left(const struct post_queue *queue)
{
    return queue->taken != NULL || queue->turning != NULL;
}

/* The loop's thread: whether there is anything to make. */
static inline bool post_waiting(const struct post_queue *queue)
{
    return post_left(queue) || post_arrived(queue);
}

/* Posts that a bounded run turns round. */
#define POST_SHORT ((size_t)4096)

/* The loop's thread: takes over what has been posted until now, but turns round no more
 * than `limit` posts at once; a stack is taken over when it has been turned to its end.
 * Returns how many it has turned. */
size_t post_collect(struct post_queue *queue, size_t limit);

/* The loop's thread: the next call taken over; false: none is left. From now on
 * its post may be sent again, or freed. */
bool post_next(struct post_queue *queue, struct post *out);

/* The loop's thread: what it has said that it is doing, or POST_WOKEN. */
static inline enum post_reader post_reader(const struct post_queue *queue)
{
    return (enum post_reader)atomic_load_explicit(&queue->reader, memory_order_relaxed);
}

/* The loop's thread: says when its alarm goes off. Before it says that it sleeps; while
 * it does, only an earlier time. */
static inline void post_alarm_is(struct post_queue *queue, uint64_t alarm_ns)
{
    atomic_store_explicit(&queue->alarm_ns, alarm_ns, memory_order_relaxed);
}

/* The loop's thread: says what the loop is doing. Returns what it was doing
 * before: POST_WOKEN if a wake-up has come or is on its way. */
static inline enum post_reader post_reader_is(struct post_queue *queue, enum post_reader reader)
{
    return (enum post_reader)atomic_exchange(&queue->reader, (int)reader);
}

#endif
