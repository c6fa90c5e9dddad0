/* SPDX-License-Identifier: MIT */
/* libuv's timers: handles that the caller embeds, in a binary heap
 * linked by pointers; in whole milliseconds. */
#include <uv.h>

#include "register.h"

namespace
{

template <bench::Fire *fire> struct Libuv : bench::Defaults {
    using Node = uv_timer_t;

    explicit Libuv(const bench::Plan &)
    {
        uv_loop_init(&loop_);
    }
    /* A handle must be closed before its loop. */
    void finish(Node &node)
    {
        uv_close(reinterpret_cast<uv_handle_t *>(&node), nullptr);
    }
    ~Libuv()
    {
        uv_run(&loop_, UV_RUN_NOWAIT);
        uv_loop_close(&loop_);
    }
    void init(Node &node, void *arg)
    {
        uv_timer_init(&loop_, &node);
        node.data = arg;
    }
    void start(Node &node, uint64_t due_ns)
    {
        uv_timer_start(&node, on_timer, bench::delay_in(bench::MS, due_ns, bench::virtual_ns), 0);
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        start(node, due_ns); /* uv_timer_start moves an active timer */
    }
    void stop(Node &node)
    {
        uv_timer_stop(&node);
    }
    void advance(uint64_t)
    {
        uv_run(&loop_, UV_RUN_NOWAIT);
    }
    /* Sleeps until it wakes by itself; the virtual epoll_wait moves the clock. */
    void sleep()
    {
        uv_run(&loop_, UV_RUN_ONCE);
    }

  private:
    static void on_timer(uv_timer_t *timer)
    {
        fire(timer->data);
    }

    uv_loop_t loop_;
};

} // namespace

BENCH_CONTENDER("libuv", Libuv)
