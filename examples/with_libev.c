/* SPDX-License-Identifier: MIT */
/*
 * with_libev: a libev loop carries a wheel, by tickwheel_ev.h.
 *
 *     cc with_libev.c trial.c support.c -ltickwheel -lev
 *     with_libev [SEED]      checks ten thousand timers, and counts the turns of the loop
 */
#include "trial.h"

#include <tickwheel_ev.h>

static void on_event(struct ev_loop *loop, ev_timer *event, int events)
{
    (void)loop, (void)event, (void)events;
    trial_event(); /* starts timers: libev need not be told */
}

int main(int argc, char **argv)
{
    tw_ev on;
    ev_timer event; /* stands for a socket */
    struct ev_loop *loop = ev_default_loop(0);
    tw_loop *wheel = trial_new(argc, argv);
    if (tw_ev_attach(&on, loop, wheel) != 0)
        return 1;
    ev_timer_init(&event, on_event, TRIAL_EVENT_MS / 1e3, 0);
    ev_timer_start(loop, &event);

    ev_run(loop, 0); /* returns when the wheel is empty */

    size_t turns = ev_iteration(loop);
    tw_ev_detach(&on);
    ev_loop_destroy(loop);
    return trial_end("libev", turns);
}
