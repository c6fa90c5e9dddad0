/* What tickwheel's contenders share: the loop on the virtual clock. */
#ifndef TICKWHEEL_BENCH_CONTENDERS_TICKWHEEL_H
#define TICKWHEEL_BENCH_CONTENDERS_TICKWHEEL_H

#include <cstdio>
#include <cstdlib>
#include <tickwheel.h>

#include "enter.h"

namespace bench
{

struct TickwheelLoop : Defaults {
    explicit TickwheelLoop(const tw_allocator *allocator = nullptr)
    {
        tw_options options = {};
        options.size = sizeof options;
        options.clock = read_virtual_clock;
        options.allocator = allocator;
        loop = tw_loop_new(&options);
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

} // namespace bench

#endif
