/* SPDX-License-Identifier: MIT */
/*
 * tickwheel_uv: a libuv loop carries a wheel.
 *
 *     tw_uv on;
 *     tw_loop *wheel = tw_loop_new(NULL);
 *     tw_uv_attach(&on, loop, wheel);
 *     tw_call_later(wheel, 0.5, hello, "world");
 *     uv_run(loop, UV_RUN_DEFAULT);       // returns when nothing is left, in the wheel either
 *     tw_uv_detach(&on, NULL);
 *     uv_run(loop, UV_RUN_DEFAULT);       // as after every uv_close
 *     tw_loop_free(wheel);
 *
 * Header only: link libuv and tickwheel. Functions that give an int return 0, or -1
 * with errno set and nothing changed. All are for the loop's thread, and may be
 * called from its callbacks and the wheel's.
 *
 * One of libuv's handles stands for all timers:
 *     a uv_poll_t on tw_fd, where there is one: timers are to the nanosecond, and
 *         calls from other threads (tw_call_soon_threadsafe, tw_post_send and the
 *         like) wake the loop;
 *     a uv_timer_t where not: a wheel with options.clock, or a system other than
 *         Linux. libuv counts whole milliseconds; rounded up, nothing is early. Calls
 *         from other threads wait for the next time that the wheel is due: send a
 *         uv_async_t as well.
 * It keeps uv_run from returning while the wheel has something pending, and only
 * then.
 *
 * For one reading of the clock a turn, let options.clock return
 * uv_now(loop) * 1000000: docs/REPLACING_TIMERS.md.
 */
#ifndef TICKWHEEL_UV_H
#define TICKWHEEL_UV_H

#include <errno.h>
#include <tickwheel.h>
#include <uv.h>

#ifndef _WIN32
#include <unistd.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tw_uv tw_uv;

/* Where it lies it stays until it is detached. Only `data` is the caller's. */
struct tw_uv {
    void *data;                    /* for the caller; not touched */
    tw_loop *wheel;                /* NULL: detached */
    union {
        uv_handle_t handle;
        uv_poll_t poll;
        uv_timer_t timer;
    } carrier;
    uv_prepare_t prepare;          /* before libuv sleeps, and */
    uv_check_t check;              /* after it: is anything pending, and when is it due? */
    int fd;                        /* a duplicate of tw_fd; -1: the carrier is a timer */
    uint64_t armed_ns;             /* what the timer is set for; UINT64_MAX: it is not */
    int handles;                   /* still to be closed by libuv */
    void (*detached)(tw_uv *on);   /* see tw_uv_detach */
};

/* Not for callers. */
static inline void tw_uv_on_timer_(uv_timer_t *timer);

/* Tells libuv what has been started since the loop last slept. Only for what is
 * started outside of uv_run, after it had returned: before it is called again. From
 * any callback of the loop or the wheel there is no need to.
 * Cost: O(1). */
static inline void tw_uv_update(tw_uv *on)
{
    if (!on || !on->wheel)
        return;
    if (on->fd >= 0) {
        if (tw_pending_count(on->wheel) > 0)
            uv_ref(&on->carrier.handle);
        else
            uv_unref(&on->carrier.handle);
        return;
    }
    uint64_t next_ns = tw_next_ns(on->wheel);
    if (tw_pending_count(on->wheel) == 0) {
        (void)uv_timer_stop(&on->carrier.timer);
        on->armed_ns = UINT64_MAX;
    } else if (next_ns < on->armed_ns) {
        /* One that is set too early is left alone: it costs a wake-up, which sets it anew. */
        uint64_t now_ns = tw_time_ns(on->wheel);
        uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
        (void)uv_timer_start(&on->carrier.timer, tw_uv_on_timer_,
                             wait_ns / 1000000u + (wait_ns % 1000000u != 0), 0);
        on->armed_ns = next_ns;
    }
}

/* What was attached may be freed by a callback, once libuv has closed it, but
 * libuv does so between callbacks only: `on` outlasts the run. */
static inline void tw_uv_run_(tw_uv *on)
{
    if (!on->wheel)
        return;
    on->armed_ns = UINT64_MAX;
    (void)tw_run(on->wheel);
    tw_uv_update(on);
}

static inline void tw_uv_on_timer_(uv_timer_t *timer)
{
    tw_uv_run_((tw_uv *)timer->data);
}

static inline void tw_uv_on_poll_(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    tw_uv_run_((tw_uv *)poll->data);
}

static inline void tw_uv_on_prepare_(uv_prepare_t *prepare)
{
    tw_uv_update((tw_uv *)prepare->data);
}

static inline void tw_uv_on_check_(uv_check_t *check)
{
    tw_uv_update((tw_uv *)check->data);
}

static inline void tw_uv_on_close_(uv_handle_t *handle)
{
    tw_uv *on = (tw_uv *)handle->data;
    if (--on->handles > 0)
        return;
#ifndef _WIN32
    if (on->fd >= 0)
        (void)close(on->fd);
#endif
    on->fd = -1;
    if (on->detached)
        on->detached(on);
}

/* A descriptor for libuv to poll, which stays the same when the wheel makes new
 * ones after a fork. -1: the wheel has none; -2: an error, in errno. */
static inline int tw_uv_descriptor_(tw_loop *wheel)
{
#ifdef _WIN32
    (void)wheel;
    return -1;
#else
    int fd = tw_fd(wheel);
    if (fd < 0)
        return errno == ENOTSUP ? -1 : -2;
    fd = dup(fd);
    return fd < 0 ? -2 : fd;
#endif
}

/* Attaches the wheel to the loop. `on` is written whole, but for `data`.
 *   on     must stay where it is until it is detached
 *   wheel  carried by this loop alone; not to be freed before it is detached
 * -1: EINVAL for a NULL, EMFILE, ENFILE, ENOMEM, EBUSY (the wheel is being freed). */
static inline int tw_uv_attach(tw_uv *on, uv_loop_t *loop, tw_loop *wheel)
{
    if (!on || !loop || !wheel) {
        errno = EINVAL;
        return -1;
    }
    int fd = tw_uv_descriptor_(wheel);
    if (fd == -2)
        return -1;
    int result = fd >= 0 ? uv_poll_init(loop, &on->carrier.poll, fd)
                         : uv_timer_init(loop, &on->carrier.timer);
    if (result != 0) {
#ifndef _WIN32
        if (fd >= 0)
            (void)close(fd);
#endif
        errno = -result;
        return -1;
    }
    on->wheel = wheel;
    on->fd = fd;
    on->armed_ns = UINT64_MAX;
    on->handles = 3;
    on->detached = NULL;
    (void)uv_prepare_init(loop, &on->prepare);
    (void)uv_check_init(loop, &on->check);
    on->carrier.handle.data = on->prepare.data = on->check.data = on;
    if (fd >= 0)
        (void)uv_poll_start(&on->carrier.poll, UV_READABLE, tw_uv_on_poll_);
    else /* keeps uv_run from returning before it has looked for the first time */
        (void)uv_timer_start(&on->carrier.timer, tw_uv_on_timer_, 0, 0);
    (void)uv_prepare_start(&on->prepare, tw_uv_on_prepare_);
    (void)uv_check_start(&on->check, tw_uv_on_check_);
    uv_unref((uv_handle_t *)&on->prepare);
    uv_unref((uv_handle_t *)&on->check);
    return 0;
}

/* Detaches the wheel, which stays as it is and may be freed at once (not from one
 * of its callbacks). Nothing happens if it is detached already.
 *   detached  called, unless NULL, when libuv has closed its handles, in a later
 *             turn of the loop: only then may the memory of `on` go, or be attached
 *             again. uv_loop_close returns UV_EBUSY until then. */
static inline void tw_uv_detach(tw_uv *on, void (*detached)(tw_uv *on))
{
    if (!on || !on->wheel)
        return;
    on->wheel = NULL;
    on->detached = detached;
    uv_close(&on->carrier.handle, tw_uv_on_close_);
    uv_close((uv_handle_t *)&on->prepare, tw_uv_on_close_);
    uv_close((uv_handle_t *)&on->check, tw_uv_on_close_);
}

/* In the child after a fork, right after uv_loop_fork, if it is to go on with the
 * wheel: parent and child then each have a copy of what is pending.
 * -1: EINVAL, or the errors of tw_fd; the wheel is then not carried. */
static inline int tw_uv_fork(tw_uv *on)
{
    if (!on || !on->wheel) {
        errno = EINVAL;
        return -1;
    }
#ifndef _WIN32
    if (on->fd >= 0) {
        (void)uv_poll_stop(&on->carrier.poll);
        int fd = tw_fd(on->wheel);
        if (fd < 0 || dup2(fd, on->fd) < 0)
            return -1;
        (void)uv_poll_start(&on->carrier.poll, UV_READABLE, tw_uv_on_poll_);
    }
#endif
    return 0;
}

#ifdef __cplusplus
}
#endif
#endif
