/* SPDX-License-Identifier: MIT */
/*
 * What the workloads have in common. Each is a template over a contender, in a
 * file of its own, and has
 *
 *     kind, name        what it is called
 *     W(setting)        before the clock runs
 *     run(watch, out)   set-up, the measured part, teardown
 *
 * and works in steps of one virtual millisecond. Windows are chosen so that a
 * run takes a second or so at most sizes, and covers whole turns of the
 * wheels' levels (16.4 s for the textbook's, 4.3 s for tickwheel's), since a
 * cascade is paid for at once there.
 *
 * Three workloads begin in the state that they would settle into, so that no
 * long time must pass before what is measured is typical: deadlines are drawn
 * from the stationary distribution, and timers that have been re-armed for
 * long are started at an earlier deadline first and then moved, as they would
 * have been.
 */
#ifndef TICKWHEEL_BENCH_WORKLOADS_COMMON_H
#define TICKWHEEL_BENCH_WORKLOADS_COMMON_H

#include "../suite/wait_for_loads.h"
#include "../suite/world.h"

namespace bench
{

constexpr uint64_t SPAN_NS = 60 * SECOND;

/* Steps measured where the work comes with time: more of them when a step has
 * little to do. To count, a turn of the textbook wheel's level is enough. */
inline uint64_t window_steps(size_t timers)
{
    if (is_counting())
        return 16384;
    return timers <= 10000 ? 65536 : timers <= 100000 ? 32768 : 16384;
}

/* Below this size single advances are so short that reading the clock between
 * them would be most of the time: they are timed in a pass of their own. */
constexpr size_t TIMED_IN_PASSING = 1000000;

inline double per(uint64_t total, uint64_t count)
{
    return static_cast<double>(total) / static_cast<double>(count);
}

/* The next choice. In latency mode it depends on what the last operation read,
 * and waits for all of it: no two misses overlap, as in a server that does
 * other work in between. */
template <bool latency, class Choice> Choice after(const Connection &connection, Choice choice)
{
    if constexpr (latency) {
        wait_for_loads();
        return static_cast<Choice>(choice + connection.zero);
    }
    return choice;
}

inline void add_quantiles(Figures &figures, Samples &samples)
{
    if (samples.empty())
        return;
    figures.add("p50_ns", samples.quantile(0.5));
    figures.add("p99_ns", samples.quantile(0.99));
    figures.add("p999_ns", samples.quantile(0.999));
    figures.add("max_ns", samples.quantile(1));
}

/* How many operations are due by a step, at `count` per `steps` steps: the rate
 * holds on average, however few there are in one step. */
class Pace
{
  public:
    Pace(uint64_t count, uint64_t steps) : count_(count), steps_(steps)
    {
    }
    uint64_t in_step()
    {
        step_++;
        uint64_t due = step_ * count_ / steps_;
        return due - std::exchange(done_, due);
    }

  private:
    uint64_t count_, steps_, step_ = 0, done_ = 0;
};

} // namespace bench

#endif
