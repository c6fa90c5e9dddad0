/* SPDX-License-Identifier: MIT */
/* libevent does not tell when its next timer is due, so it is the one to sleep:
 * the server's epoll descriptor is an event of it, which costs a second system
 * call a turn that the other backends do not make. Its caching of the time is
 * off, and its coarse clock too: with either, timers fire early. */
#include "http_timers.h"

#include <stdlib.h>

const char http_timers_name[] = "libevent's heap";

struct http_timers {
    struct event_base *base;
    struct event *sockets;
    http_serve *serve;
    void *arg;
};

static void on_sockets(evutil_socket_t fd, short what, void *arg)
{
    struct http_timers *timers = arg;
    (void)fd, (void)what;
    timers->serve(timers->arg, 0);
}

static void on_timer(evutil_socket_t none, short what, void *arg)
{
    struct http_timer *timer = arg;
    (void)none, (void)what;
    timer->callback(timer->arg);
}

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

struct http_timers *http_timers_new(int sockets, http_serve *serve, void *arg)
{
    struct http_timers *timers = malloc(sizeof *timers);
    struct event_base *base = new_base();
    if (timers == NULL || base == NULL)
        goto failed;
    *timers = (struct http_timers){.base = base, .serve = serve, .arg = arg};
    timers->sockets = event_new(base, sockets, EV_READ | EV_PERSIST, on_sockets, timers);
    if (timers->sockets == NULL || event_add(timers->sockets, NULL) != 0)
        goto failed;
    return timers;
failed:
    if (base != NULL)
        event_base_free(base);
    free(timers);
    return NULL;
}

size_t http_timers_free(struct http_timers *timers)
{
    event_free(timers->sockets);
    int active = event_base_get_num_events(timers->base, EVENT_BASE_COUNT_ADDED);
    event_base_free(timers->base);
    free(timers);
    return (size_t)active;
}

void http_timers_turn(struct http_timers *timers)
{
    event_base_loop(timers->base, EVLOOP_ONCE);
}

void http_timer_init(struct http_timers *timers, struct http_timer *timer, tw_callback *callback,
                     void *arg)
{
    evtimer_assign(&timer->event, timers->base, on_timer, timer);
    timer->callback = callback;
    timer->arg = arg;
}

int http_timer_start(struct http_timers *timers, struct http_timer *timer, uint64_t delay_ns)
{
    (void)timers;
    /* libevent cuts its clock to microseconds: one more, or it may fire 1 us early. */
    uint64_t delay_us = delay_ns / 1000 + (delay_ns % 1000 != 0) + 1;
    struct timeval delay = {
        .tv_sec = (time_t)(delay_us / 1000000),
        .tv_usec = (suseconds_t)(delay_us % 1000000),
    };
    return evtimer_add(&timer->event, &delay);
}

void http_timer_pause(struct http_timers *timers, struct http_timer *timer)
{
    (void)timers;
    evtimer_del(&timer->event);
}

void http_timer_stop(struct http_timers *timers, struct http_timer *timer)
{
    (void)timers;
    evtimer_del(&timer->event);
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
