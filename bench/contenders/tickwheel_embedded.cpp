/* SPDX-License-Identifier: MIT */
/* tickwheel's embedded timers: with tw_timer_stop, and with tw_timer_park. */
#include "tickwheel.h"

namespace
{

template <bench::Fire *fire> struct Embedded : bench::TickwheelLoop {
    using Node = tw_timer;

    explicit Embedded(const bench::Plan &plan)
    {
        must(tw_reserve_embedded(loop, plan.timers) == 0, "tw_reserve_embedded");
    }
    void init(Node &node, void *arg)
    {
        tw_timer_init(&node, fire, arg);
    }
    void start(Node &node, uint64_t due_ns)
    {
        tw_timer_start_at_ns(loop, &node, due_ns);
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        tw_timer_start_at_ns(loop, &node, due_ns);
    }
    void stop(Node &node)
    {
        tw_timer_stop(loop, &node);
    }
};

template <bench::Fire *fire> struct EmbeddedPark : Embedded<fire> {
    using Embedded<fire>::Embedded;

    void stop(tw_timer &node)
    {
        tw_timer_park(this->loop, &node);
    }
    void discard(tw_timer &node)
    {
        tw_timer_stop(this->loop, &node);
    }
};

} // namespace

BENCH_CONTENDER_WITH_THREADS("tickwheel-embedded", Embedded)
BENCH_CONTENDER_WITH_THREADS("tickwheel-park", EmbeddedPark)
