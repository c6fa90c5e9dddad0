/* SPDX-License-Identifier: MIT */
/*
 * lateness: a loop that drives itself, with `rate` timers that each start again
 * when they fire, a second later in the mean. Delays are drawn from an
 * exponential distribution, so deadlines arrive as a Poisson process: `rate` of
 * them a second, independent of each other.
 *
 * The lateness of a call is the clock, read first thing in it, minus its
 * deadline: the clock as it was when the timer was started, plus the delay that
 * was asked for. Delays are whole milliseconds, since that is what libuv takes;
 * the clock readings they are added to are not, so deadlines are anywhere.
 *
 * Percentiles are of the distance between the two: to fire a millisecond early
 * is no better than to fire it late. Who is early is counted by himself, too.
 */
#ifndef TICKWHEEL_BENCH_LATENESS_H
#define TICKWHEEL_BENCH_LATENESS_H

#include <cmath>
#include <cstdio>
#include <random>

#include "realtime.h"

namespace realtime
{

/* Distances from the deadline by powers of two: bin k has 2^(k-1) to 2^k - 1 ns,
 * as in tw_stats. */
class Lateness
{
  public:
    explicit Lateness(size_t expected) : distances_(expected)
    {
    }

    void add(uint64_t deadline_ns, uint64_t now_ns)
    {
        bool is_early = now_ns < deadline_ns;
        uint64_t distance_ns = is_early ? deadline_ns - now_ns : now_ns - deadline_ns;
        distances_.add(distance_ns);
        (is_early ? early_ : late_)[bin_of(distance_ns)]++;
        if (is_early) {
            early_count_++;
            early_max_ns_ = std::max(early_max_ns_, distance_ns);
        }
    }

    size_t early_count() const
    {
        return early_count_;
    }

    void report(Outcome &outcome)
    {
        outcome.add("fired", static_cast<double>(distances_.count()));
        outcome.add("early", static_cast<double>(early_count_));
        outcome.add("early_max_ns", static_cast<double>(early_max_ns_));
        outcome.add("p50_ns", distances_.quantile(0.5));
        outcome.add("p99_ns", distances_.quantile(0.99));
        outcome.add("p999_ns", distances_.quantile(0.999));
        outcome.add("max_ns", distances_.quantile(1));
        report_bins("early_bin_", early_, outcome);
        report_bins("late_bin_", late_, outcome);
    }

  private:
    static constexpr unsigned BINS = 65;

    static unsigned bin_of(uint64_t ns)
    {
        return ns == 0 ? 0 : 64 - static_cast<unsigned>(__builtin_clzll(ns));
    }

    static void report_bins(const char *prefix, const uint64_t *bins, Outcome &outcome)
    {
        for (unsigned bin = 0; bin < BINS; bin++) {
            char digits[3];
            snprintf(digits, sizeof digits, "%02u", bin % 100);
            if (bins[bin] > 0)
                outcome.add(std::string(prefix) + digits, static_cast<double>(bins[bin]));
        }
    }

    Samples distances_;
    uint64_t early_[BINS] = {}, late_[BINS] = {};
    size_t early_count_ = 0;
    uint64_t early_max_ns_ = 0;
};

/* The same delays in the same order for every contender. Drawn beforehand: a
 * logarithm in each callback would be a cost of ours. */
inline const std::vector<uint32_t> &delays_ms()
{
    static const std::vector<uint32_t> all = [] {
        std::vector<uint32_t> some(1 << 18);
        std::mt19937_64 random(20240229);
        for (uint32_t &delay_ms : some) {
            double uniform = static_cast<double>(random() >> 11) * 0x1p-53;
            delay_ms = 1 + static_cast<uint32_t>(-1000 * std::log1p(-uniform));
        }
        return some;
    }();
    return all;
}

template <class Loop> class LatenessRun
{
  public:
    explicit LatenessRun(size_t rate)
        : lateness_(rate * (duration_ns() / MS + WARM_UP_NS / MS) / 1000 * 3 / 2), timers_(rate)
    {
        for (Timer &timer : timers_) {
            timer.run = this;
            loop_.init(timer.timer, fired, &timer);
        }
    }

    Outcome run()
    {
        Outcome outcome;
        from_ns_ = clock_ns() + WARM_UP_NS;
        until_ns_ = from_ns_ + duration_ns();
        for (Timer &timer : timers_)
            start(timer, clock_ns());
        uint64_t began_ns = clock_ns(), cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
        uint64_t sleeps = sleeps_of_thread();
        loop_.run();
        double seconds = static_cast<double>(clock_ns() - began_ns) / SECOND;
        outcome.add("cpu_percent",
                    static_cast<double>(read_clock(CLOCK_THREAD_CPUTIME_ID) - cpu_ns) / SECOND /
                        seconds * 100);
        outcome.add("sleeps_per_s", static_cast<double>(sleeps_of_thread() - sleeps) / seconds);
        for (Timer &timer : timers_)
            loop_.close(timer.timer);
        lateness_.report(outcome);
        judge(outcome);
        return outcome;
    }

  private:
    /* Starting all of them takes a while, in which nothing can fire: what was due
     * before the warm-up is over does not count. */
    static constexpr uint64_t WARM_UP_NS = 200 * MS;
    /* When a timer that has not fired counts as lost. */
    static constexpr uint64_t PATIENCE_NS = 10 * SECOND;

    struct Timer {
        typename Loop::Timer timer;
        LatenessRun *run;
        uint64_t deadline_ns;
        bool started = false;
    };

    void start(Timer &timer, uint64_t now_ns)
    {
        const std::vector<uint32_t> &delays = delays_ms();
        uint64_t delay_ms = delays[draws_++ % delays.size()];
        timer.deadline_ns = now_ns + delay_ms * MS;
        timer.started = true;
        if (timer.deadline_ns < until_ns_)
            outstanding_++;
        loop_.start(timer.timer, delay_ms);
    }

    static void fired(void *arg)
    {
        uint64_t now_ns = clock_ns();
        Timer &timer = *static_cast<Timer *>(arg);
        timer.run->on_fired(timer, now_ns);
    }

    void on_fired(Timer &timer, uint64_t now_ns)
    {
        if (!std::exchange(timer.started, false))
            twice_++;
        if (timer.deadline_ns >= from_ns_ && timer.deadline_ns < until_ns_)
            lateness_.add(timer.deadline_ns, now_ns);
        if (timer.deadline_ns < until_ns_)
            outstanding_--;
        if (now_ns < until_ns_)
            start(timer, now_ns);
        else if (outstanding_ == 0 || now_ns > until_ns_ + PATIENCE_NS)
            loop_.stop();
    }

    void judge(Outcome &outcome)
    {
        if (twice_ > 0)
            outcome.wrong = std::to_string(twice_) + " calls of timers that were not started";
        else if (outstanding_ > 0)
            outcome.wrong = std::to_string(outstanding_) + " timers did not fire";
        else if (lateness_.early_count() > 0 && Loop::NEVER_EARLY)
            outcome.wrong = std::to_string(lateness_.early_count()) + " calls came early";
    }

    Lateness lateness_;
    std::vector<Timer> timers_; /* before the loop, so that it goes after it */
    Loop loop_;
    uint64_t from_ns_ = 0, until_ns_ = 0; /* deadlines that count */
    size_t draws_ = 0;
    size_t outstanding_ = 0; /* started, due before until_ns, and not fired */
    size_t twice_ = 0;
};

template <class Loop> bool register_lateness(const std::string &contender)
{
    for (size_t rate : {1000, 10000, 100000}) {
        register_benchmark("lateness/" + contender + "/" + std::to_string(rate),
              [rate] { return LatenessRun<Loop>(rate).run(); });
    }
    return true;
}

} // namespace realtime

#endif
