/* SPDX-License-Identifier: MIT */
/* libev's timers: a 4-ary heap that caches the deadlines, over watchers that
 * the caller embeds. Idle timeouts are moved as its manual advises, by
 * ev_timer_again. */
#include <ev.h>

#include "register.h"

namespace
{

template <bench::Fire *fire> struct Libev : bench::Defaults {
    using Node = ev_timer;

    explicit Libev(const bench::Plan &) : loop_(ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL))
    {
    }
    ~Libev()
    {
        ev_loop_destroy(loop_);
    }
    void init(Node &node, void *arg)
    {
        ev_timer_init(&node, on_timer, 0., 0.);
        node.data = arg;
    }
    void start(Node &node, uint64_t due_ns)
    {
        ev_timer_set(&node, delay(due_ns), 0.);
        ev_timer_start(loop_, &node);
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        node.repeat = delay(due_ns);
        ev_timer_again(loop_, &node);
    }
    void stop(Node &node)
    {
        ev_timer_stop(loop_, &node);
    }
    void advance(uint64_t)
    {
        ev_run(loop_, EVRUN_NOWAIT);
    }
    /* Sleeps until it wakes by itself; the virtual epoll_wait moves the clock. */
    void sleep()
    {
        ev_run(loop_, EVRUN_ONCE);
    }

  private:
    static double delay(uint64_t due_ns)
    {
        return static_cast<double>(bench::delay_in(1, due_ns, bench::virtual_ns)) * 1e-9;
    }
    static void on_timer(struct ev_loop *loop, ev_timer *timer, int)
    {
        if (timer->repeat > 0.)
            ev_timer_stop(loop, timer); /* ev_timer_again has made it a periodic one */
        fire(timer->data);
    }

    struct ev_loop *loop_;
};

} // namespace

BENCH_CONTENDER("libev", Libev)
