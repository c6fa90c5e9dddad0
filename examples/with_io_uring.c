/*
 * with_io_uring: one timeout request carries a whole wheel. To use it, copy struct
 * wheel_on_uring and its functions; the rest is a check.
 *
 * The request is absolute and in nanoseconds, on the clock of the wheel: nothing
 * is rounded. It is submitted with whatever else the program submits before it
 * sleeps, so it costs no system call of its own. Needs Linux 5.11 (a timeout
 * request that can be moved).
 *
 *     with_io_uring [SEED]      checks ten thousand timers, and counts the wake-ups
 *
 * Exits with 77 where io_uring is not allowed, as in many containers.
 */
#include "trial.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>

struct wheel_on_uring {
    tw_loop *wheel;
    struct io_uring *ring;
    struct __kernel_timespec at; /* read by the kernel when it takes the request */
    uint64_t armed_ns;           /* what the timeout is set for; UINT64_MAX: it is not */
    size_t wakeups, arms;        /* counted for the check only */
};

/* The address of `on` marks the completions of its timeout, and that of its
 * timespec those of moving it, which nobody waits for. */
static void wheel_on_uring_open(struct wheel_on_uring *on, struct io_uring *ring, tw_loop *wheel)
{
    *on = (struct wheel_on_uring){.wheel = wheel, .ring = ring, .armed_ns = UINT64_MAX};
}

/* Sets the timeout, if it is not set early enough: to be called before each sleep.
 * One that is set earlier than need be is left alone: it costs one wake-up, which
 * sets it anew. If it ends just when it is to be moved, moving it fails, but its
 * completion is in the queue already.
 * Returns 0, or -EBUSY if the submission queue is full even after a submit. */
static int wheel_on_uring_arm(struct wheel_on_uring *on)
{
    uint64_t next_ns = tw_next_ns(on->wheel);
    if (next_ns >= on->armed_ns)
        return 0;
    struct io_uring_sqe *request = io_uring_get_sqe(on->ring);
    if (request == NULL && io_uring_submit(on->ring) >= 0)
        request = io_uring_get_sqe(on->ring);
    if (request == NULL)
        return -EBUSY;
    on->at.tv_sec = (long long)(next_ns / 1000000000u);
    on->at.tv_nsec = (long long)(next_ns % 1000000000u);
    if (on->armed_ns == UINT64_MAX) {
        io_uring_prep_timeout(request, &on->at, 0, IORING_TIMEOUT_ABS);
        io_uring_sqe_set_data(request, on);
    } else {
        io_uring_prep_timeout_update(request, &on->at, (uintptr_t)on, IORING_TIMEOUT_ABS);
        io_uring_sqe_set_data(request, &on->at);
    }
    on->armed_ns = next_ns;
    on->arms++;
    return 0;
}

/* Whether the completion is the wheel's; runs it if it is its timeout. */
static bool wheel_on_uring_handle(struct wheel_on_uring *on, const struct io_uring_cqe *completion)
{
    void *data = io_uring_cqe_get_data(completion);
    if (data != on)
        return data == &on->at;
    on->armed_ns = UINT64_MAX;
    on->wakeups++;
    tw_run(on->wheel);
    return true;
}

/* ------------------------------------------------------------- the check */

/* Stands for a socket: a request that completes once, in a while. */
static void request_event(struct io_uring *ring)
{
    static struct __kernel_timespec in_a_while = {.tv_nsec = TRIAL_EVENT_MS * 1000000};
    struct io_uring_sqe *request = io_uring_get_sqe(ring);
    io_uring_prep_timeout(request, &in_a_while, 0, 0);
    io_uring_sqe_set_data(request, &in_a_while);
}

static int drive(struct wheel_on_uring *on, struct io_uring *ring)
{
    struct io_uring_cqe *completion;
    while (!trial_over()) {
        int error = wheel_on_uring_arm(on);
        if (error == 0)
            error = io_uring_submit_and_wait(ring, 1);
        if (error < 0 && error != -EINTR)
            return error;
        while (io_uring_peek_cqe(ring, &completion) == 0) {
            struct io_uring_cqe copy = *completion;
            io_uring_cqe_seen(ring, completion);
            if (!wheel_on_uring_handle(on, &copy))
                trial_event();
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct io_uring ring;
    struct wheel_on_uring on;
    int error = io_uring_queue_init(8, &ring, 0);
    if (error == -ENOSYS || error == -EPERM || error == -EACCES) {
        printf("io_uring: not allowed here (%s)\n", strerror(-error));
        return 77;
    }
    if (error == 0) {
        wheel_on_uring_open(&on, &ring, trial_new(argc, argv));
        request_event(&ring);
        error = drive(&on, &ring);
        io_uring_queue_exit(&ring);
    }
    if (error < 0) {
        printf("io_uring: %s\n", strerror(-error));
        return 1;
    }
    return trial_end("io_uring", on.wakeups, on.arms);
}
