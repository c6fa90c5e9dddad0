/* SPDX-License-Identifier: MIT */
/*
 * What reading the clock adds to a start. tickwheel-later starts its embedded timers
 * by tw_timer_start_later_ns on a loop that reads the system's clock at each start,
 * as the default does; tickwheel-cached makes the same calls on a loop whose
 * options.clock returns what was read once a turn. The reading is a real one,
 * though the time that counts is the virtual one.
 */
#include "tickwheel.h"

namespace
{

uint64_t read_clock(void *)
{
    bench::real_ns();
    return bench::virtual_ns;
}

template <bench::Fire *fire> struct Later : bench::TickwheelLoop {
    using Node = tw_timer;

    static constexpr const char *cannot_run(bench::Workload workload)
    {
        return workload == bench::Workload::idle || workload == bench::Workload::request
                   ? nullptr
                   : "it is there to show what reading the clock adds";
    }
    explicit Later(const bench::Plan &plan, bench::Clock *clock = read_clock)
        : TickwheelLoop(clock)
    {
        must(tw_reserve_embedded(loop, plan.timers) == 0, "tw_reserve_embedded");
    }
    void init(Node &node, void *arg)
    {
        tw_timer_init(&node, fire, arg);
    }
    void start(Node &node, uint64_t due_ns)
    {
        tw_timer_start_later_ns(loop, &node, due_ns - bench::virtual_ns);
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        start(node, due_ns);
    }
    void stop(Node &node)
    {
        tw_timer_stop(loop, &node);
    }
};

template <bench::Fire *fire> struct Cached : Later<fire> {
    explicit Cached(const bench::Plan &plan) : Later<fire>(plan, bench::read_virtual_clock)
    {
    }
    void start(tw_timer &node, uint64_t due_ns)
    {
        if (!std::exchange(has_read_, true))
            bench::real_ns(); /* the one reading of a turn that starts something */
        Later<fire>::start(node, due_ns);
    }
    void rearm(tw_timer &node, uint64_t due_ns)
    {
        start(node, due_ns);
    }
    void advance(uint64_t now_ns)
    {
        has_read_ = false;
        Later<fire>::advance(now_ns);
    }

  private:
    bool has_read_ = false;
};

} // namespace

BENCH_CONTENDER("tickwheel-later", Later)
BENCH_CONTENDER("tickwheel-cached", Cached)
