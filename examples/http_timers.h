/* SPDX-License-Identifier: MIT */
/*
 * http_timers: the timers of http_server, behind an interface just wide enough for
 * it, so that one server can be built with different ones and measured. One file
 * of these is linked:
 *
 *   http_timers_tickwheel.c    this library
 *   http_timers_libevent.c     libevent's binary heap    (HTTP_TIMERS_LIBEVENT)
 *   http_timers_list_wheel.c   the textbook's wheel      (HTTP_TIMERS_LIST_WHEEL)
 *
 * All are embedded in the caller's structs, belong to one thread, and promise
 * never to fire before their delay has passed on CLOCK_MONOTONIC.
 */
#ifndef HTTP_TIMERS_H
#define HTTP_TIMERS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <tickwheel.h>

struct http_timers; /* those of one loop */

#if defined HTTP_TIMERS_LIBEVENT
#include <event2/event.h>
#include <event2/event_struct.h>
struct http_timer {
    struct event event;
    tw_callback *callback;
    void *arg;
};
#elif defined HTTP_TIMERS_LIST_WHEEL
#include "list_wheel.h"
struct http_timer {
    struct list_timer timer;
};
#else
struct http_timer {
    tw_timer timer;
};
#endif

/* Sleeps for up to timeout_ms (as epoll_wait takes it) until a socket is ready,
 * and serves those that are. */
typedef void http_serve(void *arg, int timeout_ms);

/* NULL without memory.
 *   sockets  an epoll descriptor: readable when serve would have something to do */
struct http_timers *http_timers_new(int sockets, http_serve *serve, void *arg);

/* Returns how many timers were still active. */
size_t http_timers_free(struct http_timers *timers);

/* One turn of the loop: sleeps until a socket is ready or a timer is due, serves
 * the sockets, and then runs the timers. */
void http_timers_turn(struct http_timers *timers);

void http_timer_init(struct http_timers *timers, struct http_timer *timer, tw_callback *callback,
                     void *arg);

/* Starts the timer, or moves it if it is active. Returns 0, or -1 without memory. */
int http_timer_start(struct http_timers *timers, struct http_timer *timer, uint64_t delay_ns);

/* The timer will not fire, and will probably be started again soon. */
void http_timer_pause(struct http_timers *timers, struct http_timer *timer);

/* The timer will not fire, and its memory may be freed. */
void http_timer_stop(struct http_timers *timers, struct http_timer *timer);

/* Fills in the wheel's statistics. Returns 0, or -1 if these timers have none. */
int http_timers_stats(const struct http_timers *timers, tw_stats *stats);

/* Gives back memory that these timers hold but do not need now. */
void http_timers_trim(struct http_timers *timers);

/* Records what happens to these timers from here on until they are freed, in the
 * file (see docs/TRACES.md). Returns 0, or -1 if these timers cannot. */
int http_timers_record(struct http_timers *timers, FILE *file);

/* What stands behind the interface, for messages. */
extern const char http_timers_name[];

#endif
