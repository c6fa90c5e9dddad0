/* SPDX-License-Identifier: MIT */
/* The cases on an io_uring. */
#include "outer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tickwheel_uring.h>

static struct io_uring ring;
static tw_uring *on, *leaving; /* detached, but not idle yet */
static void (*timer_event)(void);

static void open_ring(void)
{
    int error = io_uring_queue_init(8, &ring, 0);
    if (error != 0) {
        fprintf(stderr, "io_uring: %s\n", strerror(-error));
        abort();
    }
}

static int attach_to(struct io_uring *to, tw_loop *wheel)
{
    tw_uring *fresh = malloc(sizeof *fresh);
    if (tw_uring_attach(fresh, to, wheel) != 0) {
        free(fresh);
        return -1;
    }
    on = fresh;
    return 0;
}

static int attach(tw_loop *wheel)
{
    return attach_to(&ring, wheel);
}

static int attach_nothing(tw_loop *wheel)
{
    return attach_to(NULL, wheel);
}

static void sweep(void)
{
    if (leaving && tw_uring_idle(leaving)) {
        free(leaving);
        leaving = NULL;
    }
}

static void detach(void)
{
    if (!on)
        return;
    if (tw_uring_detach(on) != 0)
        abort();
    leaving = on;
    on = NULL;
    sweep();
}

static void handle(const struct io_uring_cqe *completion)
{
    bool ours = (on && tw_uring_handle(on, completion)) ||
                (leaving && tw_uring_handle(leaving, completion));
    sweep();
    if (!ours)
        timer_event();
}

static void turn(void)
{
    struct io_uring_cqe *completion;
    if (on && tw_uring_prepare(on) != 0)
        abort();
    io_uring_submit_and_wait(&ring, 1);
    while (io_uring_peek_cqe(&ring, &completion) == 0) {
        struct io_uring_cqe copy = *completion;
        io_uring_cqe_seen(&ring, completion);
        handle(&copy);
    }
}

static void run(void)
{
    while (on)
        turn();
}

static void close_ring(void)
{
    while (leaving)
        turn();
    io_uring_queue_exit(&ring);
}

static void in_a_while(void (*event)(void))
{
    static struct __kernel_timespec wait = {.tv_nsec = 5000000};
    struct io_uring_sqe *request = io_uring_get_sqe(&ring);
    timer_event = event;
    io_uring_prep_timeout(request, &wait, 0, 0);
    io_uring_sqe_set_data(request, &wait);
}

const struct outer outer = {
    .name = "io_uring",
    .nests = true,
    .open = open_ring,
    .close = close_ring,
    .attach = attach,
    .attach_nothing = attach_nothing,
    .detach = detach,
    .turn = turn,
    .run = run,
    .in_a_while = in_a_while,
};
