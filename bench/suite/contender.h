/* SPDX-License-Identifier: MIT */
/*
 * The interface that a contender implements. Its file includes register.h, which
 * has this and the macro that registers it. bench/CONTRIBUTING.md takes a stranger
 * through it; contenders/list_wheel.cpp is the commented example.
 *
 * A contender is a class template over the function to call when a timer
 * fires, so that the workloads and the contender call each other directly: no
 * virtual call and no std::function is ever measured. It offers
 *
 *     struct Node             its part of the caller's record
 *     Contender(const Plan &) plan.timers may be reserved
 *     init(node, arg)         once per node; fire(arg) is to be called at its deadline
 *     start(node, due_ns)     the node is idle
 *     rearm(node, due_ns)     the node is started: move it
 *     start(node, due_ns, arg), rearm(node, due_ns, arg)
 *                             instead of both, for who needs the argument again: a server has it
 *                             at hand, and does not read it from its record
 *     stop(node)              the node is started, and never fires
 *     advance(now_ns)         the clock now reads now_ns: call what is due
 *
 * and may redefine what Defaults offers. All times are absolute nanoseconds on
 * the virtual clock.
 */
#ifndef TICKWHEEL_BENCH_CONTENDER_H
#define TICKWHEEL_BENCH_CONTENDER_H

#include <cstddef>
#include <cstdint>

#include "plan.h"
#include "virtual_time.h"

namespace bench
{

using Fire = void(void *arg);

enum class Workload { fill, steady, churn, idle, request, proxy, herd, far, sleeper };

/* Figures that only the contender can know. */
struct Counts {
    size_t bytes = 0;       /* held from its allocator; 0: let the harness ask malloc */
    uint64_t moved = 0;     /* timers moved by cascades, in all */
    uint64_t moved_max = 0; /* and the most in one tick */
    uint64_t relocated =
        0; /* starts of parked and moves of live timers that were more than a store */
    uint64_t visited = 0; /* cells read by cascades and opened ticks */
    bool known = false;
};

struct Defaults {
    /* Workloads that a contender cannot run, with the reason; NULL: it can. */
    static constexpr const char *cannot_run(Workload)
    {
        return nullptr;
    }
    /* The most timers that it can be waited for with, and the reason. */
    static constexpr size_t MOST_TIMERS = SIZE_MAX;
    static constexpr const char *WHY_NO_MORE = "";
    /* Only the limit knows beforehand what will fire. */
    static constexpr bool READS_SCHEDULE = false;
    /* Called for each node after the measured part, before the destructor. */
    template <class Node> void finish(Node &)
    {
    }
    void count(Counts &)
    {
    }
    /* What malloc should have at hand for each timer before anything is measured;
     * more than it needs. A contender that reserves its memory needs nothing. */
    static constexpr size_t MALLOC_PER_TIMER = 256;
    /* What the timer takes of the caller's record, for the bytes per timer. */
    template <class Node> static constexpr size_t bytes_of()
    {
        return sizeof(Node);
    }
};

/* Nanoseconds from `now_ns` until `due_ns` in units of `unit_ns`, rounded up. */
inline uint64_t delay_in(uint64_t unit_ns, uint64_t due_ns, uint64_t now_ns)
{
    return due_ns <= now_ns ? 0 : (due_ns - now_ns + unit_ns - 1) / unit_ns;
}

} // namespace bench

#endif
