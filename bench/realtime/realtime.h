/* SPDX-License-Identifier: MIT */
/*
 * The real-time part of the suite: loops that drive themselves, on the real
 * clock, with threads that post to them. A program of its own, since the rest of
 * the suite runs on a virtual clock.
 *
 * What takes part is a Loop, one class per library:
 *
 *     struct Loop {
 *         struct Timer;
 *         void init(Timer &, Callback *, void *arg);   // once
 *         static constexpr bool NEVER_EARLY;           // what it promises, and is held to
 *         void start(Timer &, uint64_t delay_ms);      // not started; from the loop's thread
 *         void close(Timer &);                         // started or not; freed after the loop
 *         void init_post(Callback *, void *arg);       // once, before run
 *         void post();                                 // from another thread: call it back
 *         static constexpr bool POSTS_MERGE;           // posts on their way become one call
 *         void keep_busy();                            // from now on run does not sleep
 *         void run();                                  // until stop
 *         void stop();                                 // from a callback
 *     };
 */
#ifndef TICKWHEEL_BENCH_REALTIME_H
#define TICKWHEEL_BENCH_REALTIME_H

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <string>
#include <sys/resource.h>
#include <utility>
#include <vector>

namespace realtime
{

using Callback = void(void *arg);

constexpr uint64_t MS = 1000000, SECOND = 1000 * MS;

inline uint64_t read_clock(clockid_t clock)
{
    timespec now;
    clock_gettime(clock, &now);
    return static_cast<uint64_t>(now.tv_sec) * SECOND + static_cast<uint64_t>(now.tv_nsec);
}

inline uint64_t clock_ns()
{
    return read_clock(CLOCK_MONOTONIC);
}

/* How often the calling thread has gone to sleep. Counted by the kernel, so it
 * means the same for every library. */
inline uint64_t sleeps_of_thread()
{
    rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return static_cast<uint64_t>(usage.ru_nvcsw);
}

/* Times in ns, in the order in which they were measured. */
class Samples
{
  public:
    /* Touches the memory, so that no sample meets a page fault. */
    explicit Samples(size_t expected)
    {
        all_ns_.assign(expected, 1);
        all_ns_.clear();
    }
    void add(uint64_t ns)
    {
        all_ns_.push_back(ns);
    }
    size_t count() const
    {
        return all_ns_.size();
    }
    /* The smallest that at least this share of them does not exceed. */
    double quantile(double share)
    {
        if (all_ns_.empty())
            return 0;
        std::sort(all_ns_.begin(), all_ns_.end());
        auto rank = static_cast<size_t>(share * static_cast<double>(all_ns_.size()));
        return static_cast<double>(all_ns_[std::min(rank, all_ns_.size() - 1)]);
    }

  private:
    std::vector<uint64_t> all_ns_;
};

/* What one run answers. */
struct Outcome {
    std::string wrong; /* what did not happen that had to; empty: all is well */
    std::vector<std::pair<std::string, double>> counters;

    void add(const std::string &name, double value)
    {
        counters.emplace_back(name, value);
    }
};

/* Enters a benchmark, called kind/contender/size.
 * repetitions: 0 for as many as the command line says. */
void register_benchmark(const std::string &name, const std::function<Outcome()> &run,
                        int repetitions = 0);

/* How long one run of the lateness benchmark measures. */
uint64_t duration_ns();

} // namespace realtime

#endif
