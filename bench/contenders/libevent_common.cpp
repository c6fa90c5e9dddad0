/* SPDX-License-Identifier: MIT */
/*
 * libevent's common timeouts: for a delay that many events share, a queue in
 * order of deadline, so that starting one is an append. They serve workloads in
 * which all delays are the same; a server knows its timeouts and tells libevent.
 */
#include <event2/event.h>
#include <event2/event_struct.h>

#include "register.h"

namespace
{

template <bench::Fire *fire> struct LibeventCommon : bench::Defaults {
    using Node = event;

    static constexpr const char *cannot_run(bench::Workload workload)
    {
        return workload == bench::Workload::idle || workload == bench::Workload::request ||
                       workload == bench::Workload::herd
                   ? nullptr
                   : "it is for delays that are all the same";
    }
    explicit LibeventCommon(const bench::Plan &)
    {
        event_config *config = event_config_new();
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        base_ = event_base_new_with_config(config);
        event_config_free(config);
        for (size_t i = 0; i < COMMON; i++) {
            timeval delay = {SECONDS[i], 0};
            common_[i] = event_base_init_common_timeout(base_, &delay);
        }
    }
    ~LibeventCommon()
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
        const timeval *chosen = &delay;
        for (size_t i = 0; i < COMMON && delay.tv_usec == 0; i++)
            if (delay.tv_sec == SECONDS[i])
                chosen = common_[i];
        event_add(&node, chosen);
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        start(node, due_ns);
    }
    void stop(Node &node)
    {
        event_del(&node);
    }
    void advance(uint64_t)
    {
        event_base_loop(base_, EVLOOP_NONBLOCK);
    }
    void sleep()
    {
        event_base_loop(base_, EVLOOP_ONCE);
    }

  private:
    static void on_timer(evutil_socket_t, short, void *arg)
    {
        fire(arg);
    }

    static constexpr size_t COMMON = 3;
    static constexpr time_t SECONDS[COMMON] = {60, 30, 10}; /* idle, request, herd */

    event_base *base_;
    const timeval *common_[COMMON];
};

} // namespace

BENCH_CONTENDER("libevent-common", LibeventCommon)
