/* SPDX-License-Identifier: MIT */
/*
 * tickwheel_event: a libevent base carries a wheel.
 *
 *     tw_event on;
 *     tw_loop *wheel = tw_loop_new(NULL);
 *     tw_event_attach(&on, base, wheel);
 *     tw_call_later(wheel, 0.5, hello, "world");
 *     event_base_dispatch(base);          // until event_base_loopbreak, or tw_event_detach
 *     tw_event_detach(&on);
 *     tw_loop_free(wheel);
 *
 * Header only: link libevent_core (2.0 or later) and tickwheel. Functions that
 * give an int return 0, or -1 with errno set and nothing changed. All are for the
 * base's thread, and may be called from its callbacks and the wheel's.
 *
 * One event stands for all timers:
 *     on tw_fd, where there is one: timers are to the nanosecond, and calls from
 *         other threads (tw_call_soon_threadsafe, tw_post_send and the like) wake the
 *         base;
 *     a timeout where not: a wheel with options.clock, or a system other than Linux.
 *         Calls from other threads then wait for the next time that the wheel is due.
 * It keeps event_base_dispatch from returning as long as it is attached: libevent
 * has no events that do not count, and no hook before it sleeps.
 */
#ifndef TICKWHEEL_EVENT_H
#define TICKWHEEL_EVENT_H

#include <errno.h>
#include <event2/event.h>
#include <tickwheel.h>

#ifndef _WIN32
#include <sys/time.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Where it lies it stays until it is detached. Only `data` is the caller's. */
typedef struct tw_event {
    void *data;              /* for the caller; not touched */
    tw_loop *wheel;          /* NULL: detached */
    struct event_base *base;
    struct event *event;
    bool has_fd;             /* the event is on tw_fd, and not a timeout */
    bool *gone;              /* during a run: set if it is detached meanwhile */
    uint64_t armed_ns;       /* what the timeout is set for; UINT64_MAX: for a day, or not */
} tw_event;

/* Tells libevent that something has been started, which may be due earlier than
 * what it knows of. Only for a wheel without tw_fd (see above; with one it does
 * nothing), and not from the wheel's own callbacks.
 * Cost: O(1). */
static inline void tw_event_update(tw_event *on)
{
    const uint64_t day_us = 86400u * (uint64_t)1000000u;
    if (!on || !on->wheel || on->has_fd)
        return;
    uint64_t next_ns = tw_next_ns(on->wheel);
    if (next_ns >= on->armed_ns && event_pending(on->event, EV_TIMEOUT, NULL))
        return;
    /* One that is set too early is left alone: it costs a wake-up, which sets it
     * anew. libevent adds the delay to the time when it last woke. */
    uint64_t now_ns = tw_time_ns(on->wheel);
    uint64_t wait_us = next_ns > now_ns ? (next_ns - now_ns) / 1000u + 1 : 0;
    on->armed_ns = wait_us > day_us ? UINT64_MAX : next_ns;
    if (wait_us > day_us)
        wait_us = day_us;
    struct timeval wait;
    wait.tv_sec = (time_t)(wait_us / 1000000u);
    wait.tv_usec = (suseconds_t)(wait_us % 1000000u);
    (void)event_base_update_cache_time(on->base);
    (void)event_add(on->event, &wait);
}

/* Not for callers. A callback may detach, and then free `on`. */
static inline void tw_event_on_event_(evutil_socket_t fd, short what, void *arg)
{
    tw_event *on = (tw_event *)arg;
    bool gone = false;
    (void)fd, (void)what;
    on->gone = &gone;
    on->armed_ns = UINT64_MAX;
    (void)tw_run(on->wheel);
    if (gone)
        return;
    on->gone = NULL;
    tw_event_update(on);
}

/* The event that is to be, added. NULL: errno says why. */
static inline struct event *tw_event_make_(tw_event *on, int fd)
{
    struct event *event = fd >= 0 ? event_new(on->base, fd, EV_READ | EV_PERSIST,
                                              tw_event_on_event_, on)
                                  : event_new(on->base, -1, 0, tw_event_on_event_, on);
    if (!event) {
        errno = ENOMEM;
        return NULL;
    }
    struct timeval at_once;
    at_once.tv_sec = 0;
    at_once.tv_usec = 0;
    if (event_add(event, fd >= 0 ? NULL : &at_once) == 0)
        return event;
    event_free(event);
    errno = ENOMEM;
    return NULL;
}

/* Attaches the wheel to the base. `on` is written whole, but for `data`.
 *   on     must stay where it is until it is detached
 *   base   not to be freed before that. One that is made with
 *          EVENT_BASE_FLAG_PRECISE_TIMER wakes less often for nothing where the
 *          wheel has no tw_fd: libevent's usual clock lags by up to a kernel tick
 *   wheel  carried by this base alone; not to be freed before it is detached
 * -1: EINVAL for a NULL, EMFILE, ENFILE, ENOMEM, EBUSY (the wheel is being freed). */
static inline int tw_event_attach(tw_event *on, struct event_base *base, tw_loop *wheel)
{
    if (!on || !base || !wheel) {
        errno = EINVAL;
        return -1;
    }
    int fd = tw_fd(wheel);
    if (fd < 0 && errno != ENOTSUP)
        return -1;
    on->base = base;
    on->has_fd = fd >= 0;
    on->gone = NULL;
    on->armed_ns = UINT64_MAX;
    on->wheel = NULL;
    on->event = tw_event_make_(on, fd);
    if (!on->event)
        return -1;
    on->wheel = wheel;
    return 0;
}

/* Detaches the wheel, which stays as it is and may be freed (not from one of its
 * callbacks); so may the memory of `on`, at once. Nothing happens if it is detached
 * already. */
static inline void tw_event_detach(tw_event *on)
{
    if (!on || !on->wheel)
        return;
    event_free(on->event);
    on->event = NULL;
    on->wheel = NULL;
    if (on->gone)
        *on->gone = true;
}

/* In the child after a fork, right after event_reinit, if it is to go on with the
 * wheel: parent and child then each have a copy of what is pending.
 * -1: EINVAL, or the errors of tw_event_attach; the wheel is then not carried. */
static inline int tw_event_fork(tw_event *on)
{
    if (!on || !on->wheel) {
        errno = EINVAL;
        return -1;
    }
    if (!on->has_fd)
        return 0;
    int fd = tw_fd(on->wheel);
    if (fd < 0)
        return -1;
    struct event *event = tw_event_make_(on, fd);
    if (!event)
        return -1;
    event_free(on->event);
    on->event = event;
    return 0;
}

#ifdef __cplusplus
}
#endif
#endif
