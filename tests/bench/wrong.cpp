/* SPDX-License-Identifier: MIT */
/* A contender that is right but for one timer, and only in the first run of a
 * program: what a first repetition that fails does to the rest is the harder case. */
#include <map>

#include "register.h"

namespace
{

template <bench::Fire *fire> struct Forgetful : bench::Defaults {
    struct Node {
        void *arg;
    };

    explicit Forgetful(const bench::Plan &)
    {
        static int made = 0;
        forgets_ = made++ == 0;
    }
    static constexpr const char *cannot_run(bench::Workload workload)
    {
        return workload == bench::Workload::fill ? nullptr : "it cannot stop";
    }
    void init(Node &node, void *arg)
    {
        node.arg = arg;
    }
    void start(Node &node, uint64_t due_ns)
    {
        if (!std::exchange(forgets_, false))
            due_.emplace(due_ns, node.arg);
    }
    void rearm(Node &, uint64_t)
    {
    }
    void stop(Node &)
    {
    }
    void advance(uint64_t now_ns)
    {
        while (!due_.empty() && due_.begin()->first <= now_ns) {
            void *arg = due_.begin()->second;
            due_.erase(due_.begin());
            fire(arg);
        }
    }
    uint64_t next_ns()
    {
        return due_.empty() ? bench::NEVER : due_.begin()->first;
    }

  private:
    std::multimap<uint64_t, void *> due_;
    bool forgets_;
};

} // namespace

BENCH_CONTENDER("forgetful", Forgetful)
