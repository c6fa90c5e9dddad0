/* SPDX-License-Identifier: MIT */
/*
 * remote_call: what any thread may call: posting, starting a call with a deadline,
 * cancelling it, and waiting until it has returned. See post.h and remote.h.
 *
 * Other threads stay away from the loop's own fields, which it writes all the time:
 * what they need is in struct remote and in struct post_queue.
 */
#include "remote_call.h"

#include "alarm.h"
#include "threads.h"

/* ---------------------------------------------------------- calls without a deadline */

/* Whether something may be posted; else sets errno. Other threads stay away from
 * the loop's own fields, which it writes all the time. */
static bool may_post(const tw_loop *loop, tw_callback *callback)
{
    if (TW_LIKELY(loop && callback && !loop->posts.closed))
        return true;
    errno = loop && callback ? EBUSY : EINVAL;
    return false;
}

int tw_call_soon_threadsafe(tw_loop *loop, tw_callback *callback, void *arg)
{
    if (!may_post(loop, callback))
        return -1;
    int wake = post_push(&loop->posts, callback, arg);
    if (wake < 0) {
        errno = ENOMEM;
        return -1;
    }
    if (wake)
        alarm_wake(loop);
    return 0;
}

int tw_post_send(tw_loop *loop, tw_post *post)
{
    if (!may_post(loop, post ? post->callback_ : NULL))
        return -1;
    if (post_send(&loop->posts, post))
        alarm_wake(loop);
    return 0;
}

/* -------------------------------------------------------------- calls with a deadline */

/* The clock, read by any thread: not before the loop's highest reading. */
static uint64_t read_remote_clock(const struct remote *remote)
{
    uint64_t reading = bits_clamp_now(remote->clock(remote->clock_arg));
    uint64_t reported = atomic_load_explicit(&remote->reported_ns, memory_order_relaxed);
    return reading > reported ? reading : reported;
}

/* Counts one more start, and returns its number; 0: max_pending does not allow it. */
static uint64_t admit(struct remote *remote)
{
    if (TW_LIKELY(remote->pending_cap == UINT64_MAX))
        return atomic_fetch_add(&remote->started, 1) + 1;
    uint64_t others = atomic_load_explicit(&remote->others, memory_order_relaxed);
    struct remote_tally counts = remote_counts(remote);
    do {
        uint64_t over = atomic_load(&remote->over) + atomic_load(&remote->cancelled);
        if (counts.started - over + others >= remote->pending_cap)
            return 0;
        /* by a race alone: another was counted since */
    } while (!atomic_compare_exchange_weak(&remote->started, &counts.started, counts.started + 1));
    return counts.started + 1;
}

/* Makes the node's call known: the loop finds it among the arrivals. Returns the state
 * that it has then. */
static uint64_t publish(struct post_queue *queue, struct remote_node *node)
{
    uint64_t state = atomic_load(&node->state), posted;
    uint64_t generation = (uint64_t)remote_generation(state) + 1;
    bool linked;
    do { /* it fails if the loop unlinks the node at this moment */
        linked = state & REMOTE_LINKED;
        posted = generation << 32 | REMOTE_LINKED | REMOTE_POSTED;
        /* by a race alone: see above */
    } while (!atomic_compare_exchange_weak(&node->state, &state, posted));
    if (!linked)
        remote_push_arrival(queue, node);
    return posted;
}

static tw_handle refuse_remote(int error)
{
    errno = error;
    return 0;
}

/* When the loop must be awake for a call. What is due already is not put off. */
static uint64_t latest_wake(const struct remote *remote, uint64_t when_ns)
{
    if (remote->slack_ns == 0 || when_ns <= read_remote_clock(remote))
        return when_ns;
    return bits_add_saturated(when_ns, remote->slack_ns);
}

static tw_handle start_remote(tw_loop *loop, uint64_t when_ns, tw_callback *callback, void *arg)
{
    struct remote *remote = &loop->remote;
    if (loop->posts.closed)
        return refuse_remote(EBUSY);
    struct remote_node *node = remote_pool_take(&remote->pool);
    if (!node)
        return refuse_remote(ENOMEM);
    uint64_t number = admit(remote);
    if (number == 0) {
        remote_pool_give(&remote->pool, node);
        return refuse_remote(ENOBUFS);
    }
    tw_bare_timer *timer = &node->node.timer.bare_;
    __atomic_store_n(&timer->deadline_, when_ns, __ATOMIC_RELEASE); /* see remote_when_ns */
    timer_whole(timer)->callback_ = callback;
    timer_whole(timer)->arg_ = arg;
    node->number = number;
    uint32_t index = node->node.index; /* once it is published it may be over, and trimmed away */
    tw_handle handle = remote_handle(index, publish(&loop->posts, node));
    if (post_claim_wake(&loop->posts, latest_wake(remote, when_ns)))
        alarm_wake(loop);
    return handle;
}

tw_handle tw_call_at_threadsafe_ns(tw_loop *loop, uint64_t when_ns, tw_callback *callback,
                                   void *arg)
{
    return loop && callback ? start_remote(loop, when_ns, callback, arg) : refuse_remote(EINVAL);
}

tw_handle tw_call_later_threadsafe_ns(tw_loop *loop, uint64_t delay_ns, tw_callback *callback,
                                      void *arg)
{
    if (!loop || !callback)
        return refuse_remote(EINVAL);
    uint64_t now_ns = read_remote_clock(&loop->remote);
    return start_remote(loop, bits_add_saturated(now_ns, delay_ns), callback, arg);
}

tw_handle tw_call_at_threadsafe(tw_loop *loop, double when, tw_callback *callback, void *arg)
{
    if (when != when)
        return refuse_remote(EINVAL);
    return tw_call_at_threadsafe_ns(loop, bits_ns_from_seconds(when), callback, arg);
}

tw_handle tw_call_later_threadsafe(tw_loop *loop, double delay, tw_callback *callback, void *arg)
{
    if (delay != delay)
        return refuse_remote(EINVAL);
    return tw_call_later_threadsafe_ns(loop, bits_ns_from_seconds(delay), callback, arg);
}

/* ------------------------------------------------------------------- cancelling */

/* The loop ends when nothing is pending, and this may have been the last. */
static void wake_if_last(tw_loop *loop)
{
    if (remote_counts(&loop->remote).live == 0 && post_claim_wake(&loop->posts, 0))
        alarm_wake(loop);
}

/* What a cancel_remote makes of a state: the loop has to forget what it has scheduled. */
static uint64_t cancelled_state(uint64_t state)
{
    uint64_t rest = state & ~REMOTE_PHASE_MASK;
    return remote_phase(state) == REMOTE_SCHEDULED ? rest | REMOTE_LINKED | REMOTE_CANCELLED
                                                   : rest | REMOTE_FREE;
}

static bool cancel_remote(tw_loop *loop, struct remote_node *node, tw_handle handle)
{
    struct remote *remote = &loop->remote;
    uint64_t state = atomic_load(&node->state);
    do {
        bool pending = remote_phase(state) == REMOTE_POSTED ||
                       remote_phase(state) == REMOTE_SCHEDULED;
        if (!pending || remote_generation(state) != (uint32_t)(handle >> 32))
            return false;
        /* by a race alone: it was taken in, or has started, since */
    } while (!atomic_compare_exchange_weak(&node->state, &state, cancelled_state(state)));
    atomic_fetch_add(&remote->cancelled, 1);
    if (remote_phase(state) == REMOTE_SCHEDULED)
        remote_push_arrival(&loop->posts, node);
    else
        remote_pool_give(&remote->pool, node);
    if (atomic_load(&remote->ends_empty))
        wake_if_last(loop);
    return true;
}

bool remote_cancel(tw_loop *loop, tw_handle handle)
{
    struct remote_node *node = remote_pool_find(&loop->remote.pool, handle);
    return node && cancel_remote(loop, node, handle);
}

/* The node of a handle that a start here may have given; else EINVAL. */
static struct remote_node *find_remote(tw_loop *loop, tw_handle handle)
{
    struct remote_node *node = loop ? remote_pool_find(&loop->remote.pool, handle) : NULL;
    if (!node)
        errno = EINVAL;
    return node;
}

bool tw_cancel_threadsafe(tw_loop *loop, tw_handle handle)
{
    struct remote_node *node = find_remote(loop, handle);
    return node && cancel_remote(loop, node, handle);
}

/* Waits while the call is running, but not on the thread that runs it. */
static void await_return(const struct remote *remote, const struct remote_node *node,
                         tw_handle handle)
{
    uint64_t running = handle >> 32 << 32 | REMOTE_RUNNING;
    if (atomic_load(&node->state) != running)
        return;
    if (atomic_load_explicit(&remote->thread, memory_order_relaxed) == threads_current())
        return;
    threads_wait_begin();
    while (atomic_load(&node->state) == running)
        threads_wait();
    threads_wait_end();
}

bool tw_cancel_and_wait(tw_loop *loop, tw_handle handle)
{
    struct remote_node *node = find_remote(loop, handle);
    if (!node)
        return false;
    if (cancel_remote(loop, node, handle))
        return true;
    await_return(&loop->remote, node, handle);
    return false;
}
