/* SPDX-License-Identifier: MIT */
/*
 * with_libevent: a libevent base carries a wheel, by tickwheel_event.h.
 *
 *     cc with_libevent.c trial.c support.c -ltickwheel -levent_core
 *     with_libevent [SEED]      checks ten thousand timers, and counts the turns of the loop
 */
#include "trial.h"

#include <tickwheel_event.h>

static void on_event(evutil_socket_t none, short what, void *arg)
{
    (void)none, (void)what, (void)arg;
    trial_event(); /* starts timers: libevent need not be told */
}

int main(int argc, char **argv)
{
    tw_event on;
    size_t turns = 0;
    struct timeval in_a_while = {.tv_usec = TRIAL_EVENT_MS * 1000};
    struct event_base *base = event_base_new();
    tw_loop *wheel = trial_new(argc, argv);
    if (base == NULL || tw_event_attach(&on, base, wheel) != 0 ||
        event_base_once(base, -1, EV_TIMEOUT, on_event, NULL, &in_a_while) != 0)
        return 1;

    for (; !trial_over(); turns++) /* a server has event_base_dispatch(base) here */
        event_base_loop(base, EVLOOP_ONCE);

    tw_event_detach(&on);
    event_base_free(base);
    return trial_end("libevent", turns);
}
