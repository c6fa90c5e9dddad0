/* SPDX-License-Identifier: MIT */
/* Ticks of a millisecond. A delay is counted from the clock and rounded up to the
 * next tick, and a tick is run when it has begun: never early. */
#include "http_timers.h"
#include "support.h"

#include <limits.h>
#include <stdlib.h>

#define NS_PER_TICK 1000000u

const char http_timers_name[] = "the textbook's wheel";

struct http_timers {
    struct list_wheel wheel;
    http_serve *serve;
    void *arg;
};

struct http_timers *http_timers_new(int sockets, http_serve *serve, void *arg)
{
    (void)sockets; /* serve itself sleeps on them */
    struct http_timers *timers = malloc(sizeof *timers);
    if (timers == NULL)
        return NULL;
    list_wheel_init(&timers->wheel, monotonic_ns() / NS_PER_TICK);
    timers->serve = serve;
    timers->arg = arg;
    return timers;
}

size_t http_timers_free(struct http_timers *timers)
{
    size_t active = timers->wheel.active;
    free(timers);
    return active;
}

static int timeout_ms(const struct http_timers *timers)
{
    uint64_t next_tick = list_wheel_next_tick(&timers->wheel);
    if (next_tick == UINT64_MAX)
        return -1;
    uint64_t now_ns = monotonic_ns();
    if (next_tick * NS_PER_TICK <= now_ns)
        return 0;
    uint64_t ms = (next_tick * NS_PER_TICK - now_ns + 999999) / 1000000;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

void http_timers_turn(struct http_timers *timers)
{
    timers->serve(timers->arg, timeout_ms(timers));
    list_wheel_advance(&timers->wheel, monotonic_ns() / NS_PER_TICK);
}

void http_timer_init(struct http_timers *timers, struct http_timer *timer, tw_callback *callback,
                     void *arg)
{
    (void)timers;
    list_timer_init(&timer->timer, callback, arg);
}

int http_timer_start(struct http_timers *timers, struct http_timer *timer, uint64_t delay_ns)
{
    uint64_t when_ns = monotonic_ns() + delay_ns;
    uint64_t tick = when_ns / NS_PER_TICK + (when_ns % NS_PER_TICK != 0);
    list_timer_start(&timers->wheel, &timer->timer, tick);
    return 0;
}

void http_timer_pause(struct http_timers *timers, struct http_timer *timer)
{
    list_timer_stop(&timers->wheel, &timer->timer);
}

void http_timer_stop(struct http_timers *timers, struct http_timer *timer)
{
    list_timer_stop(&timers->wheel, &timer->timer);
}

int http_timers_stats(const struct http_timers *timers, tw_stats *stats)
{
    (void)timers, (void)stats;
    return -1;
}

void http_timers_trim(struct http_timers *timers)
{
    (void)timers;
}

int http_timers_record(struct http_timers *timers, FILE *file)
{
    (void)timers, (void)file;
    return -1;
}
