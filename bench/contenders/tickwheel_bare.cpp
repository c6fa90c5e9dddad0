/* SPDX-License-Identifier: MIT */
/* tickwheel's bare timers: 24 bytes in the caller's struct, and one hook in the loop
 * that finds the struct around the timer. */
#include "tickwheel.h"

namespace
{

template <bench::Fire *fire> struct Bare : bench::TickwheelLoop {
    struct Node {
        tw_bare_timer timer;
        void *arg; /* what stands around the timer in a server's own struct */
    };

    template <class> static constexpr size_t bytes_of()
    {
        return sizeof(tw_bare_timer);
    }

    explicit Bare(const bench::Plan &plan) : TickwheelLoop(bench::read_virtual_clock, make)
    {
        must(tw_reserve_embedded(loop, plan.timers) == 0, "tw_reserve_embedded");
    }
    void init(Node &node, void *arg)
    {
        node = Node{{}, arg};
    }
    void start(Node &node, uint64_t due_ns)
    {
        tw_bare_start_at_ns(loop, &node.timer, due_ns);
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        tw_bare_start_at_ns(loop, &node.timer, due_ns);
    }
    void stop(Node &node)
    {
        tw_bare_park(loop, &node.timer);
    }
    void discard(Node &node)
    {
        tw_bare_stop(loop, &node.timer);
    }

  private:
    static tw_loop *make(const tw_options *given)
    {
        tw_options options = *given;
        options.on_bare = on_bare;
        return tw_loop_new(&options);
    }
    static void on_bare(void *, tw_bare_timer *timer)
    {
        fire(reinterpret_cast<Node *>(timer)->arg);
    }
};

} // namespace

BENCH_CONTENDER("tickwheel-bare", Bare)
