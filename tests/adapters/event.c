/* SPDX-License-Identifier: MIT */
/* The cases on a libevent base. */
#include "outer.h"

#include <stdlib.h>
#include <tickwheel_event.h>

static struct event_base *base;
static tw_event *on;
static void (*timer_event)(void);

static void open_base(void)
{
    if (!(base = event_base_new()))
        abort();
}

static int attach_to(struct event_base *to, tw_loop *wheel)
{
    tw_event *fresh = malloc(sizeof *fresh);
    if (tw_event_attach(fresh, to, wheel) != 0) {
        free(fresh);
        return -1;
    }
    on = fresh;
    return 0;
}

static int attach(tw_loop *wheel)
{
    return attach_to(base, wheel);
}

static int attach_nothing(tw_loop *wheel)
{
    return attach_to(NULL, wheel);
}

static void detach(void)
{
    tw_event_detach(on);
    free(on);
    on = NULL;
}

static void update(void)
{
    tw_event_update(on);
}

static void turn(void)
{
    event_base_loop(base, EVLOOP_ONCE);
}

static void run(void)
{
    event_base_dispatch(base);
}

static void close_base(void)
{
    event_base_free(base);
}

static void on_event(evutil_socket_t none, short what, void *arg)
{
    (void)none, (void)what, (void)arg;
    timer_event();
}

static void in_a_while(void (*event)(void))
{
    struct timeval wait = {.tv_usec = 5000};
    timer_event = event;
    event_base_once(base, -1, EV_TIMEOUT, on_event, NULL, &wait);
}

static void child(void)
{
    if (event_reinit(base) != 0 || tw_event_fork(on) != 0)
        abort();
}

const struct outer outer = {
    .name = "libevent",
    .forks = true,
    .open = open_base,
    .close = close_base,
    .attach = attach,
    .attach_nothing = attach_nothing,
    .detach = detach,
    .update = update,
    .turn = turn,
    .run = run,
    .in_a_while = in_a_while,
    .child = child,
};
