/* SPDX-License-Identifier: MIT */
/* What tickwheel's contenders share: the loop on the virtual clock, and calls
 * by handle, which run on two allocators. */
#ifndef TICKWHEEL_BENCH_CONTENDERS_TICKWHEEL_H
#define TICKWHEEL_BENCH_CONTENDERS_TICKWHEEL_H

#include <cstdio>
#include <cstdlib>
#include <tickwheel.h>

#include "register.h"

namespace bench
{

using Clock = uint64_t(void *);

struct TickwheelLoop : Defaults {
    static constexpr size_t MALLOC_PER_TIMER = 0; /* it reserves, and so touches, its memory */

    explicit TickwheelLoop(Clock *clock = read_virtual_clock,
                           tw_loop *(*make)(const tw_options *) = tw_loop_new)
    {
        tw_options options = {};
        options.size = sizeof options;
        options.clock = clock;
        loop = make(&options);
        must(loop != nullptr, "tw_loop_new");
    }
    TickwheelLoop(const TickwheelLoop &) = delete;
    TickwheelLoop &operator=(const TickwheelLoop &) = delete;
    ~TickwheelLoop()
    {
        tw_loop_free(loop);
    }

    void advance(uint64_t now_ns)
    {
        tw_advance(loop, now_ns);
    }
    uint64_t next_ns()
    {
        return tw_next_ns(loop);
    }
    void count(Counts &counts)
    {
        tw_stats stats = {};
        stats.size = sizeof stats;
        tw_stats_get(loop, &stats);
        counts.known = true;
        counts.bytes = stats.bytes;
        counts.moved = stats.moved;
        counts.moved_max = stats.moved_max;
        counts.relocated = stats.relocated;
        counts.visited = stats.visited;
    }

    static void must(bool worked, const char *call)
    {
        if (!worked) {
            perror(call);
            exit(1);
        }
    }

    tw_loop *loop;
};

/* Calls by handle: the caller's record keeps only the handle. */
template <Fire *fire> struct TickwheelHandles : TickwheelLoop {
    struct Node {
        tw_handle handle;
    };

    explicit TickwheelHandles(const Plan &plan, tw_loop *(*make)(const tw_options *) = tw_loop_new)
        : TickwheelLoop(read_virtual_clock, make)
    {
        must(tw_reserve_calls(loop, plan.timers) == 0, "tw_reserve_calls");
    }
    void init(Node &node, void *)
    {
        node = Node{0};
    }
    void start(Node &node, uint64_t due_ns, void *arg)
    {
        node.handle = tw_call_at_ns(loop, due_ns, fire, arg);
    }
    void rearm(Node &node, uint64_t due_ns, void *)
    {
        tw_reschedule_at_ns(loop, node.handle, due_ns);
    }
    void stop(Node &node)
    {
        tw_cancel(loop, node.handle);
    }
};

} // namespace bench

#endif
