/* SPDX-License-Identifier: MIT */
/* http_timers_tickwheel: the timers of http_server (http_timers.h), kept by tickwheel. */
#include "http_timers.h"

#include <stdlib.h>

const char http_timers_name[] = "tickwheel";

struct http_timers {
    tw_loop *wheel;
    http_serve *serve;
    void *arg;
};

struct http_timers *http_timers_new(int sockets, http_serve *serve, void *arg)
{
    (void)sockets; /* serve itself sleeps on them */
    struct http_timers *timers = malloc(sizeof *timers);
    if (timers == NULL)
        return NULL;
    *timers = (struct http_timers){.wheel = tw_loop_new(NULL), .serve = serve, .arg = arg};
    if (timers->wheel == NULL) {
        free(timers);
        return NULL;
    }
    return timers;
}

size_t http_timers_free(struct http_timers *timers)
{
    size_t active = tw_pending_count(timers->wheel);
    tw_loop_free(timers->wheel);
    free(timers);
    return active;
}

void http_timers_turn(struct http_timers *timers)
{
    timers->serve(timers->arg, tw_timeout_ms(timers->wheel));
    tw_run(timers->wheel);
}

void http_timer_init(struct http_timers *timers, struct http_timer *timer, tw_callback *callback,
                     void *arg)
{
    (void)timers;
    tw_timer_init(&timer->timer, callback, arg);
}

int http_timer_start(struct http_timers *timers, struct http_timer *timer, uint64_t delay_ns)
{
    return tw_timer_start_later_ns(timers->wheel, &timer->timer, delay_ns);
}

void http_timer_pause(struct http_timers *timers, struct http_timer *timer)
{
    tw_timer_park(timers->wheel, &timer->timer);
}

void http_timer_stop(struct http_timers *timers, struct http_timer *timer)
{
    tw_timer_stop(timers->wheel, &timer->timer);
}

void http_timers_trim(struct http_timers *timers)
{
    tw_trim(timers->wheel);
}

static int write_trace(void *file, const void *bytes, size_t count)
{
    return fwrite(bytes, 1, count, file) == count ? 0 : -1;
}

int http_timers_record(struct http_timers *timers, FILE *file)
{
    return tw_record_start(timers->wheel, write_trace, file);
}

int http_timers_stats(const struct http_timers *timers, tw_stats *stats)
{
    stats->size = sizeof *stats;
    tw_stats_get(timers->wheel, stats);
    return 0;
}
