/* SPDX-License-Identifier: MIT */
/* tickwheel's embedded timers, the library compiled into the program: see
 * tickwheel_inline.c. */
#include "tickwheel.h"

#include "tickwheel_inline.h"

namespace
{

template <bench::Fire *fire> struct Inline : bench::Defaults {
    static constexpr size_t MALLOC_PER_TIMER = 0; /* it reserves, and so touches, its memory */

    using Node = tw_timer;

    explicit Inline(const bench::Plan &plan)
    {
        tw_options options = {};
        options.size = sizeof options;
        options.clock = bench::read_virtual_clock;
        loop = inline_loop_new(&options);
        bench::TickwheelLoop::must(loop != nullptr, "tw_loop_new");
        bench::TickwheelLoop::must(inline_reserve(loop, plan.timers) == 0, "tw_reserve_embedded");
    }
    Inline(const Inline &) = delete;
    Inline &operator=(const Inline &) = delete;
    ~Inline()
    {
        inline_loop_free(loop);
    }

    void init(Node &node, void *arg)
    {
        inline_init(&node, fire, arg);
    }
    void start(Node &node, uint64_t due_ns)
    {
        inline_start(loop, &node, due_ns);
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        inline_start(loop, &node, due_ns);
    }
    void stop(Node &node)
    {
        inline_stop(loop, &node);
    }
    void advance(uint64_t now_ns)
    {
        inline_advance(loop, now_ns);
    }
    uint64_t next_ns()
    {
        return inline_next_ns(loop);
    }
    void count(bench::Counts &counts)
    {
        tw_stats stats = {};
        stats.size = sizeof stats;
        inline_stats(loop, &stats);
        counts.known = true;
        counts.bytes = stats.bytes;
        counts.moved = stats.moved;
        counts.moved_max = stats.moved_max;
        counts.relocated = stats.relocated;
        counts.visited = stats.visited;
    }

    tw_loop *loop;
};

} // namespace

BENCH_CONTENDER_WITH_THREADS("tickwheel-inline", Inline)
