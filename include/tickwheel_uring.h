/* SPDX-License-Identifier: MIT */
/*
 * tickwheel_uring: an io_uring carries a wheel.
 *
 *     tw_uring on;
 *     tw_loop *wheel = tw_loop_new(NULL);
 *     tw_uring_attach(&on, &ring, wheel);
 *     tw_call_later(wheel, 0.5, hello, "world");
 *     for (;;) {
 *         tw_uring_prepare(&on);                     // before each sleep
 *         io_uring_submit_and_wait(&ring, 1);
 *         while (io_uring_peek_cqe(&ring, &cqe) == 0) {
 *             struct io_uring_cqe copy = *cqe;
 *             io_uring_cqe_seen(&ring, cqe);
 *             if (!tw_uring_handle(&on, &copy))      // not the wheel's: yours
 *                 ...
 *         }
 *     }
 *
 * Header only: link liburing and tickwheel. Functions that give an int return 0, or
 * -1 with errno set and nothing changed. All are for the thread that submits, and may
 * be called from the wheel's callbacks.
 *
 * One request stands for all timers. It is submitted with whatever else the program
 * submits, and is
 *     a poll of tw_fd, where there is one: timers are to the nanosecond, and calls
 *         from other threads (tw_call_soon_threadsafe, tw_post_send and the like)
 *         end the wait;
 *     a timeout where not, for a wheel with options.clock: it is moved when something
 *         earlier is started (Linux 5.11). Calls from other threads then wait for the
 *         next time that the wheel is due.
 * Its user_data are addresses in the struct; the program's own must differ from them,
 * as those of its own objects do.
 */
#ifndef TICKWHEEL_URING_H
#define TICKWHEEL_URING_H

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <tickwheel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where it lies it stays until it is detached, and idle. Only `data` is the caller's. */
typedef struct tw_uring {
    void *data;                  /* for the caller; not touched */
    tw_loop *wheel;              /* NULL: detached */
    struct io_uring *ring;
    int fd;                      /* tw_fd; -1: timeouts are used */
    bool armed;                  /* the request is on its way, its completion is to come */
    bool running;                /* a run is under way */
    unsigned others;             /* completions to come of requests that move or cancel it */
    uint64_t armed_ns;           /* what the timeout is set for */
    struct __kernel_timespec at; /* read by the kernel when it takes the request */
} tw_uring;

/* Attaches the wheel to the ring. `on` is written whole, but for `data`; nothing is
 * submitted.
 *   on     must stay where it is until it is detached and idle, or the ring is gone
 *   wheel  carried by this ring alone; not to be freed before it is detached
 * -1: EINVAL for a NULL, EMFILE, ENFILE, ENOMEM, EBUSY (the wheel is being freed). */
static inline int tw_uring_attach(tw_uring *on, struct io_uring *ring, tw_loop *wheel)
{
    if (!on || !ring || !wheel) {
        errno = EINVAL;
        return -1;
    }
    int fd = tw_fd(wheel);
    if (fd < 0 && errno != ENOTSUP)
        return -1;
    on->wheel = wheel;
    on->ring = ring;
    on->fd = fd;
    on->armed = on->running = false;
    on->others = 0;
    on->armed_ns = UINT64_MAX;
    return 0;
}

/* Not for callers. A request; NULL if the queue is full even after a submit. */
static inline struct io_uring_sqe *tw_uring_request_(tw_uring *on)
{
    struct io_uring_sqe *request = io_uring_get_sqe(on->ring);
    if (!request && io_uring_submit(on->ring) >= 0)
        request = io_uring_get_sqe(on->ring);
    if (!request)
        errno = EBUSY;
    return request;
}

static inline int tw_uring_poll_(tw_uring *on)
{
    if (on->armed)
        return 0;
    struct io_uring_sqe *request = tw_uring_request_(on);
    if (!request)
        return -1;
    io_uring_prep_poll_add(request, on->fd, POLLIN);
    io_uring_sqe_set_data(request, on);
    on->armed = true;
    return 0;
}

/* A timeout that is set earlier than need be is left alone: it costs one wake-up,
 * which sets it anew. If it ends just when it is to be moved, moving it fails, but its
 * completion is in the queue already. */
static inline int tw_uring_timeout_(tw_uring *on)
{
    uint64_t next_ns = tw_next_ns(on->wheel);
    if (next_ns == UINT64_MAX || (on->armed && next_ns >= on->armed_ns))
        return 0;
    struct io_uring_sqe *request = tw_uring_request_(on);
    if (!request)
        return -1;
    uint64_t now_ns = tw_time_ns(on->wheel);
    uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
    on->at.tv_sec = (long long)(wait_ns / 1000000000u);
    on->at.tv_nsec = (long long)(wait_ns % 1000000000u);
    if (!on->armed) {
        io_uring_prep_timeout(request, &on->at, 0, 0);
        io_uring_sqe_set_data(request, on);
    } else {
        io_uring_prep_timeout_update(request, &on->at, (uintptr_t)on, 0);
        io_uring_sqe_set_data(request, &on->at);
        on->others++;
    }
    on->armed = true;
    on->armed_ns = next_ns;
    return 0;
}

/* Sees to it that the ring wakes when the wheel is due: before each wait. What was
 * started since, by whomever, is seen here.
 * Returns 0, also if it is detached; or -1: EINVAL, EBUSY (the submission queue is
 * full even after a submit).
 * Cost: O(1), a request for each wake-up of the wheel; no system call. */
static inline int tw_uring_prepare(tw_uring *on)
{
    if (!on) {
        errno = EINVAL;
        return -1;
    }
    if (!on->wheel || on->running)
        return 0;
    return on->fd >= 0 ? tw_uring_poll_(on) : tw_uring_timeout_(on);
}

/* Whether the completion, already marked as seen, is the wheel's; runs the wheel if
 * it says that it is due. Completions of a wheel that was detached are claimed, too. */
static inline bool tw_uring_handle(tw_uring *on, const struct io_uring_cqe *completion)
{
    const void *data = io_uring_cqe_get_data(completion);
    if (data == &on->at) {
        on->others--;
        return true;
    }
    if (data != on)
        return false;
    on->armed = false;
    on->armed_ns = UINT64_MAX;
    if (on->wheel) {
        on->running = true;
        (void)tw_run(on->wheel);
        on->running = false;
    }
    return true;
}

/* Whether the ring holds nothing of it any more: the memory of `on`, once detached,
 * may go. */
static inline bool tw_uring_idle(const tw_uring *on)
{
    return !on || (!on->armed && on->others == 0 && !on->running);
}

/* Detaches the wheel, which stays as it is and may be freed (not from one of its
 * callbacks); cancels the request, if it is on its way. Go on to submit, wait and
 * call tw_uring_handle until tw_uring_idle; or end the ring, which makes it idle.
 * Nothing happens if it is detached already.
 * Returns 0, or -1 with EBUSY (the submission queue is full even after a submit). */
static inline int tw_uring_detach(tw_uring *on)
{
    if (!on || !on->wheel)
        return 0;
    if (on->armed) {
        struct io_uring_sqe *request = tw_uring_request_(on);
        if (!request)
            return -1;
        io_uring_prep_cancel(request, on, 0);
        io_uring_sqe_set_data(request, &on->at);
        on->others++;
    }
    on->wheel = NULL;
    return 0;
}

#ifdef __cplusplus
}
#endif
#endif
