/*
 * with_libevent: one event carries a whole wheel. To use it, copy struct
 * wheel_on_event and its functions; the rest is a check.
 *
 * libevent 2.1 has no hook before it sleeps, so whoever starts timers from
 * another event's callback calls wheel_on_event_arm afterwards. (From the wheel's
 * own callbacks there is no need to.)
 *
 *     with_libevent [SEED]      checks ten thousand timers, and counts the wake-ups
 */
#include "trial.h"

#include <event2/event.h>
#include <sys/time.h>

struct wheel_on_event {
    tw_loop *wheel;
    struct event_base *base;
    struct event *event;
    uint64_t armed_ns;    /* what the event is set for; UINT64_MAX: it is not */
    size_t wakeups, arms; /* counted for the check only */
};

/* Sets the event, if it is not set early enough. An event that is set earlier
 * than need be is left alone: it costs one wake-up, which sets it anew. libevent
 * adds the delay to the time when it last woke, so that is renewed first. */
static void wheel_on_event_arm(struct wheel_on_event *on)
{
    uint64_t next_ns = tw_next_ns(on->wheel);
    if (next_ns >= on->armed_ns)
        return;
    event_base_update_cache_time(on->base);
    uint64_t now_ns = tw_time_ns(on->wheel);
    uint64_t delay_us = next_ns > now_ns ? (next_ns - now_ns) / 1000 + 1 : 0;
    struct timeval delay = {
        .tv_sec = (time_t)(delay_us / 1000000),
        .tv_usec = (suseconds_t)(delay_us % 1000000),
    };
    event_add(on->event, &delay);
    on->armed_ns = next_ns;
    on->arms++;
}

static void on_timer(evutil_socket_t none, short what, void *arg)
{
    struct wheel_on_event *on = arg;
    (void)none, (void)what;
    on->armed_ns = UINT64_MAX;
    on->wakeups++;
    tw_run(on->wheel);
    wheel_on_event_arm(on);
}

/* The event keeps event_base_dispatch from returning only while the wheel has
 * something pending. Returns 0, or -1 without memory. */
static int wheel_on_event_open(struct wheel_on_event *on, struct event_base *base, tw_loop *wheel)
{
    *on = (struct wheel_on_event){.wheel = wheel, .base = base, .armed_ns = UINT64_MAX};
    on->event = evtimer_new(base, on_timer, on);
    if (on->event == NULL)
        return -1;
    wheel_on_event_arm(on);
    return 0;
}

/* The wheel itself stays. */
static void wheel_on_event_close(struct wheel_on_event *on)
{
    event_free(on->event);
}

/* ------------------------------------------------------------- the check */

static void on_event(evutil_socket_t none, short what, void *arg)
{
    (void)none, (void)what;
    trial_event();
    wheel_on_event_arm(arg);
}

/* Without this flag libevent reads a clock that lags by up to a kernel tick: it
 * then wakes early now and then, and the wheel finds nothing due. */
static struct event_base *precise_base(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

int main(int argc, char **argv)
{
    struct wheel_on_event on;
    struct timeval in_a_while = {.tv_usec = TRIAL_EVENT_MS * 1000};
    struct event_base *base = precise_base();
    if (base == NULL || wheel_on_event_open(&on, base, trial_new(argc, argv)) != 0 ||
        event_base_once(base, -1, EV_TIMEOUT, on_event, &on, &in_a_while) != 0)
        return 1;
    event_base_dispatch(base); /* returns when the wheel is empty */
    wheel_on_event_close(&on);
    event_base_free(base);
    return trial_end("libevent", on.wakeups, on.arms);
}
