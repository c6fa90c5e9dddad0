/* SPDX-License-Identifier: MIT */
/*
 * tickwheel_ev: a libev loop carries a wheel.
 *
 *     tw_ev on;
 *     tw_loop *wheel = tw_loop_new(NULL);
 *     tw_ev_attach(&on, loop, wheel);
 *     tw_call_later(wheel, 0.5, hello, "world");
 *     ev_run(loop, 0);                    // returns when nothing is left, in the wheel either
 *     tw_ev_detach(&on);
 *     tw_loop_free(wheel);
 *
 * Header only: link libev and tickwheel. Functions that give an int return 0, or -1
 * with errno set and nothing changed. All are for the loop's thread, and may be
 * called from its callbacks and the wheel's.
 *
 * One of libev's watchers stands for all timers:
 *     an ev_io on tw_fd, where there is one: timers are to the nanosecond, and calls
 *         from other threads (tw_call_soon_threadsafe, tw_post_send and the like)
 *         wake the loop;
 *     an ev_timer where not: a wheel with options.clock, or a system other than
 *         Linux. Calls from other threads then wait for the next time that the wheel
 *         is due: send an ev_async as well.
 * It keeps ev_run from returning while the wheel has something pending, and only
 * then. After a fork an ev_fork, which libev sees to, makes the wheel's descriptors
 * anew in the child.
 */
#ifndef TICKWHEEL_EV_H
#define TICKWHEEL_EV_H

#include <errno.h>
#include <ev.h>
#include <tickwheel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where it lies it stays until it is detached. Only `data` is the caller's. */
typedef struct tw_ev {
    void *data;              /* for the caller; not touched */
    tw_loop *wheel;          /* NULL: detached */
    struct ev_loop *loop;
    ev_io io;                /* on tw_fd, if there is one, */
    ev_timer timer;          /* and if not */
    ev_prepare prepare;      /* before libev sleeps, and */
    ev_check check;          /* after everything else: is anything pending, and when is it due? */
    ev_fork fork;
    bool has_fd;
    bool watched;            /* the ev_io is started, */
    bool counted;            /* and keeps ev_run from returning */
    bool refused;            /* the wheel could not be run inside one of its callbacks */
    bool *gone;              /* during a run: set if it is detached meanwhile */
    uint64_t armed_ns;       /* what the timer is set for; UINT64_MAX: it is not */
} tw_ev;

/* Not for callers. The ev_io is started or stopped, and counts as active or not. */
static inline void tw_ev_watch_(tw_ev *on, bool watched, bool counted)
{
    if (on->watched && !on->counted)
        ev_ref(on->loop);
    if (watched)
        ev_io_start(on->loop, &on->io);
    else
        ev_io_stop(on->loop, &on->io);
    if (watched && !counted)
        ev_unref(on->loop);
    on->watched = watched;
    on->counted = counted;
}

/* Tells libev what has been started since the loop last slept. Only for what is
 * started outside of ev_run, after it had returned: before it is called again. From
 * any callback of the loop or the wheel there is no need to.
 * Cost: O(1). */
static inline void tw_ev_update(tw_ev *on)
{
    if (!on || !on->wheel || on->refused)
        return;
    bool pending = tw_pending_count(on->wheel) > 0;
    if (on->has_fd) {
        if (!on->watched || pending != on->counted)
            tw_ev_watch_(on, true, pending);
        return;
    }
    uint64_t next_ns = tw_next_ns(on->wheel);
    if (!pending) {
        ev_timer_stop(on->loop, &on->timer);
        on->armed_ns = UINT64_MAX;
    } else if (next_ns < on->armed_ns) {
        /* One that is set too early is left alone: it costs a wake-up, which sets it
         * anew. libev adds the delay to the time when it last woke. */
        uint64_t now_ns = tw_time_ns(on->wheel);
        double wait = next_ns > now_ns ? (double)(next_ns - now_ns) * 1e-9 : 0.;
        ev_timer_stop(on->loop, &on->timer);
        ev_now_update(on->loop);
        ev_timer_set(&on->timer, wait, 0.);
        ev_timer_start(on->loop, &on->timer);
        on->armed_ns = next_ns;
    }
}

/* A callback may detach, and then free `on`. It may call ev_run, too: if the wheel
 * may not be run in there, libev is not to see that it is due until the callback
 * has returned. */
static inline void tw_ev_run_(tw_ev *on)
{
    bool gone = false;
    bool *earlier = on->gone;
    on->gone = &gone;
    on->armed_ns = UINT64_MAX;
    errno = 0;
    bool refused = tw_run(on->wheel) == 0 && errno == EBUSY;
    if (gone) {
        if (earlier)
            *earlier = true;
        return;
    }
    on->gone = earlier;
    on->refused = refused;
    if (refused && on->has_fd)
        tw_ev_watch_(on, false, false);
    tw_ev_update(on);
}

static inline void tw_ev_on_timer_(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    tw_ev_run_((tw_ev *)timer->data);
}

static inline void tw_ev_on_io_(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    tw_ev_run_((tw_ev *)io->data);
}

static inline void tw_ev_on_prepare_(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    (void)loop, (void)events;
    tw_ev_update((tw_ev *)prepare->data);
}

static inline void tw_ev_on_check_(struct ev_loop *loop, ev_check *check, int events)
{
    (void)loop, (void)events;
    tw_ev_update((tw_ev *)check->data);
}

/* In the child. Without descriptors of its own the wheel goes on by the ev_timer. */
static inline void tw_ev_on_fork_(struct ev_loop *loop, ev_fork *fork, int events)
{
    tw_ev *on = (tw_ev *)fork->data;
    (void)loop, (void)events;
    if (!on->has_fd)
        return;
    tw_ev_watch_(on, false, false);
    int fd = tw_fd(on->wheel);
    on->has_fd = fd >= 0;
    if (on->has_fd)
        ev_io_set(&on->io, fd, EV_READ);
    tw_ev_update(on);
}

/* Attaches the wheel to the loop. `on` is written whole, but for `data`.
 *   on     must stay where it is until it is detached
 *   loop   not to be destroyed before that
 *   wheel  carried by this loop alone; not to be freed before it is detached
 * -1: EINVAL for a NULL, EMFILE, ENFILE, ENOMEM, EBUSY (the wheel is being freed). */
static inline int tw_ev_attach(tw_ev *on, struct ev_loop *loop, tw_loop *wheel)
{
    if (!on || !loop || !wheel) {
        errno = EINVAL;
        return -1;
    }
    int fd = tw_fd(wheel);
    if (fd < 0 && errno != ENOTSUP)
        return -1;
    on->wheel = wheel;
    on->loop = loop;
    on->has_fd = fd >= 0;
    on->watched = on->counted = on->refused = false;
    on->gone = NULL;
    on->armed_ns = UINT64_MAX;
    ev_io_init(&on->io, tw_ev_on_io_, fd, EV_READ);
    ev_timer_init(&on->timer, tw_ev_on_timer_, 0., 0.);
    ev_prepare_init(&on->prepare, tw_ev_on_prepare_);
    ev_check_init(&on->check, tw_ev_on_check_);
    ev_fork_init(&on->fork, tw_ev_on_fork_);
    ev_set_priority(&on->check, EV_MINPRI);
    on->io.data = on->timer.data = on->prepare.data = on->check.data = on->fork.data = on;
    ev_prepare_start(loop, &on->prepare);
    ev_unref(loop);
    ev_check_start(loop, &on->check);
    ev_unref(loop);
    ev_fork_start(loop, &on->fork);
    ev_unref(loop);
    /* Keeps ev_run from returning before it has looked for the first time. */
    if (on->has_fd)
        tw_ev_watch_(on, true, true);
    else
        ev_timer_start(loop, &on->timer);
    return 0;
}

/* Detaches the wheel, which stays as it is and may be freed (not from one of its
 * callbacks); so may the memory of `on`, at once. Nothing happens if it is detached
 * already. */
static inline void tw_ev_detach(tw_ev *on)
{
    if (!on || !on->wheel)
        return;
    if (on->has_fd)
        tw_ev_watch_(on, false, false);
    ev_timer_stop(on->loop, &on->timer);
    ev_ref(on->loop);
    ev_prepare_stop(on->loop, &on->prepare);
    ev_ref(on->loop);
    ev_check_stop(on->loop, &on->check);
    ev_ref(on->loop);
    ev_fork_stop(on->loop, &on->fork);
    on->wheel = NULL;
    if (on->gone)
        *on->gone = true;
}

#ifdef __cplusplus
}
#endif
#endif
