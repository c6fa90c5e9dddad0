/* SPDX-License-Identifier: MIT */
/*
 * with_io_uring: an io_uring carries a wheel, by tickwheel_uring.h.
 *
 *     cc with_io_uring.c trial.c support.c -ltickwheel -luring
 *     with_io_uring [SEED]      checks ten thousand timers, and counts the turns of the loop
 *
 * Exits with 77 where io_uring is not allowed, as in many containers.
 */
#include "trial.h"

#include <stdio.h>
#include <string.h>
#include <tickwheel_uring.h>

/* Stands for a socket: a request that completes once, in a while. */
static void request_event(struct io_uring *ring)
{
    static struct __kernel_timespec in_a_while = {.tv_nsec = TRIAL_EVENT_MS * 1000000};
    struct io_uring_sqe *request = io_uring_get_sqe(ring);
    io_uring_prep_timeout(request, &in_a_while, 0, 0);
    io_uring_sqe_set_data(request, &in_a_while);
}

static void handle_completions(tw_uring *on, struct io_uring *ring)
{
    struct io_uring_cqe *completion;
    while (io_uring_peek_cqe(ring, &completion) == 0) {
        struct io_uring_cqe copy = *completion;
        io_uring_cqe_seen(ring, completion);
        if (!tw_uring_handle(on, &copy))
            trial_event(); /* starts timers: the ring need not be told */
    }
}

int main(int argc, char **argv)
{
    struct io_uring ring;
    tw_uring on;
    size_t turns = 0;
    int error = io_uring_queue_init(8, &ring, 0);
    if (error == -ENOSYS || error == -EPERM || error == -EACCES) {
        printf("io_uring: not allowed here (%s)\n", strerror(-error));
        return 77;
    }
    if (error != 0 || tw_uring_attach(&on, &ring, trial_new(argc, argv)) != 0)
        return 1;
    request_event(&ring);
    for (; !trial_over(); turns++) {
        if (tw_uring_prepare(&on) != 0)
            return 1;
        io_uring_submit_and_wait(&ring, 1);
        handle_completions(&on, &ring);
    }
    io_uring_queue_exit(&ring); /* and so nothing of it is left with the kernel */
    tw_uring_detach(&on);
    return trial_end("io_uring", turns);
}
