/* SPDX-License-Identifier: MIT */
/*
 * The limit: what no facility that stores anything can beat. Starting,
 * stopping and re-arming write the timer's own 32-byte record and keep no
 * order. What fires, and in which order, was worked out beforehand; it visits
 * those records, prefetching well ahead, and calls their callbacks.
 */
#include "register.h"

namespace
{

template <bench::Fire *fire> struct Limit : bench::Defaults {
    static constexpr size_t MALLOC_PER_TIMER = 0; /* it allocates nothing */
    static constexpr bool READS_SCHEDULE = true;

    struct Node {
        uint64_t due_ns;
        uint64_t order;
        bench::Fire *callback;
        void *arg;
    };

    explicit Limit(const bench::Plan &plan) : plan_(plan), steps_(plan.schedule->steps)
    {
    }

    void init(Node &node, void *arg)
    {
        node = Node{bench::NEVER, 0, fire, arg};
    }
    void start(Node &node, uint64_t due_ns)
    {
        node.due_ns = due_ns;
        node.order = order_++;
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        start(node, due_ns);
    }
    void stop(Node &node)
    {
        node.due_ns = bench::NEVER;
    }
    void advance(uint64_t now_ns)
    {
        for (; step_ < steps_.size() && steps_[step_].now_ns <= now_ns; step_++)
            visit(steps_[step_].end);
    }

    uint64_t next_ns() const
    {
        return step_ < steps_.size() ? steps_[step_].now_ns : bench::NEVER;
    }

  private:
    static constexpr size_t AHEAD = 16;

    void visit(size_t end)
    {
        const std::vector<uint32_t> &ids = plan_.schedule->ids;
        for (; next_ < end; next_++) {
            if (next_ + AHEAD < ids.size()) {
                __builtin_prefetch(plan_.record(ids[next_ + AHEAD]), 1);
                __builtin_prefetch(plan_.node(ids[next_ + AHEAD]), 1);
            }
            auto &node = *reinterpret_cast<Node *>(plan_.node(ids[next_]));
            node.due_ns = bench::NEVER;
            node.callback(node.arg);
        }
    }

    const bench::Plan plan_;
    const std::vector<bench::Schedule::Step> &steps_;
    size_t step_ = 0, next_ = 0; /* into the schedule */
    uint64_t order_ = 0;
};

} // namespace

BENCH_CONTENDER_WITH_THREADS("limit", Limit)
