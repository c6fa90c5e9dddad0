/* SPDX-License-Identifier: MIT */
/* The cases on a libev loop. */
#include "outer.h"

#include <stdlib.h>
#include <tickwheel_ev.h>

static struct ev_loop *loop;
static tw_ev *on;
static ev_timer timer;
static void (*timer_event)(void);

static void open_loop(void)
{
    if (!(loop = ev_loop_new(EVFLAG_AUTO)))
        abort();
}

static int attach_to(struct ev_loop *to, tw_loop *wheel)
{
    tw_ev *fresh = malloc(sizeof *fresh);
    if (tw_ev_attach(fresh, to, wheel) != 0) {
        free(fresh);
        return -1;
    }
    on = fresh;
    return 0;
}

static int attach(tw_loop *wheel)
{
    return attach_to(loop, wheel);
}

static int attach_nothing(tw_loop *wheel)
{
    return attach_to(NULL, wheel);
}

static void detach(void)
{
    tw_ev_detach(on);
    free(on);
    on = NULL;
}

static void update(void)
{
    tw_ev_update(on);
}

static void turn(void)
{
    ev_run(loop, EVRUN_ONCE);
}

static void run(void)
{
    ev_run(loop, 0);
}

static void close_loop(void)
{
    ev_loop_destroy(loop);
}

static void on_event(struct ev_loop *of, ev_timer *watcher, int what)
{
    (void)of, (void)watcher, (void)what;
    timer_event();
}

static void in_a_while(void (*event)(void))
{
    timer_event = event;
    ev_timer_init(&timer, on_event, 0.005, 0.);
    ev_timer_start(loop, &timer);
}

static void child(void)
{
    ev_loop_fork(loop);
}

const struct outer outer = {
    .name = "libev",
    .returns_when_empty = true,
    .nests = true,
    .forks = true,
    .open = open_loop,
    .close = close_loop,
    .attach = attach,
    .attach_nothing = attach_nothing,
    .detach = detach,
    .update = update,
    .turn = turn,
    .run = run,
    .in_a_while = in_a_while,
    .child = child,
};
