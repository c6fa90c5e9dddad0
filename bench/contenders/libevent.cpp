/* SPDX-License-Identifier: MIT */
/*
 * libevent's timers: a binary heap of pointers to events that the caller embeds.
 * The base runs without locks, as one loop per thread allows.
 */
#include <event2/event.h>
#include <event2/event_struct.h>

#include "register.h"

namespace
{

template <bench::Fire *fire> struct Libevent : bench::Defaults {
    using Node = event;

    explicit Libevent(const bench::Plan &)
    {
        event_config *config = event_config_new();
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        base_ = event_base_new_with_config(config);
        event_config_free(config);
    }
    /* event_base_free would pop them one by one, each from the top of the heap; to
     * take them out where they are costs a tenth of that. */
    void finish(Node &node)
    {
        event_del(&node);
    }
    ~Libevent()
    {
        event_base_free(base_);
    }
    void init(Node &node, void *arg)
    {
        event_assign(&node, base_, -1, 0, on_timer, arg);
    }
    void start(Node &node, uint64_t due_ns)
    {
        uint64_t delay_us = bench::delay_in(1000, due_ns, bench::virtual_ns);
        timeval delay = {static_cast<time_t>(delay_us / 1000000),
                         static_cast<suseconds_t>(delay_us % 1000000)};
        event_add(&node, &delay);
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        start(node, due_ns); /* event_add moves a pending event */
    }
    void stop(Node &node)
    {
        event_del(&node);
    }
    void advance(uint64_t)
    {
        event_base_loop(base_, EVLOOP_NONBLOCK);
    }
    /* Sleeps until it wakes by itself; the virtual epoll_wait moves the clock. */
    void sleep()
    {
        event_base_loop(base_, EVLOOP_ONCE);
    }

  private:
    static void on_timer(evutil_socket_t, short, void *arg)
    {
        fire(arg);
    }

    event_base *base_;
};

} // namespace

BENCH_CONTENDER("libevent", Libevent)
