/* tickwheel's calls by handle: the caller's record keeps only the handle. */
#include "tickwheel.h"

namespace
{

template <bench::Fire *fire> struct Handles : bench::TickwheelLoop {
    struct Node {
        tw_handle handle;
        void *arg;
    };

    /* The argument is there for start alone: a server has it at hand. */
    template <class> static constexpr size_t bytes_of()
    {
        return sizeof(tw_handle);
    }

    explicit Handles(const bench::Plan &plan)
    {
        must(tw_reserve(loop, plan.timers) == 0, "tw_reserve");
    }
    void init(Node &node, void *arg)
    {
        node = Node{0, arg};
    }
    void start(Node &node, uint64_t due_ns)
    {
        node.handle = tw_call_at_ns(loop, due_ns, fire, node.arg);
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        tw_reschedule_at_ns(loop, node.handle, due_ns);
    }
    void stop(Node &node)
    {
        tw_cancel(loop, node.handle);
    }
};

} // namespace

BENCH_CONTENDER_WITH_THREADS("tickwheel-handles", Handles)
