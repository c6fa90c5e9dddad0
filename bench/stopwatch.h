/* The measured parts of one run, and the figures that come of it. */
#ifndef TICKWHEEL_BENCH_STOPWATCH_H
#define TICKWHEEL_BENCH_STOPWATCH_H

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "allocations.h"
#include "virtual_time.h"

namespace bench
{

/* Waits until all threads of the benchmark have come here. */
void meet(int threads);

/* Runs between start and stop; the benchmark's own time is paused elsewhere.
 * Its own clock readings need the virtual clock switched off. */
class Stopwatch
{
  public:
    /* state: NULL when nothing is measured */
    explicit Stopwatch(benchmark::State *state) : state_(state)
    {
    }

    void start()
    {
        if (state_ == nullptr)
            return;
        uint64_t now = std::exchange(virtual_ns, 0);
        if (state_->threads() > 1)
            meet(state_->threads());
        state_->ResumeTiming();
        virtual_ns = now;
        allocations_before_ = allocations;
        started_ = cpu_ns();
    }

    /* Answers the processor time since start, in ns. It is what the table shows:
     * on a machine that does other work too, it is the steadier figure. */
    uint64_t stop()
    {
        if (state_ == nullptr)
            return 0;
        uint64_t took = cpu_ns() - started_;
        total_ns_ += took;
        allocations_ += allocations - allocations_before_;
        uint64_t now = std::exchange(virtual_ns, 0);
        state_->PauseTiming();
        virtual_ns = now;
        return took;
    }
    uint64_t total_ns() const
    {
        return total_ns_;
    }
    /* Calls of malloc and its like while it ran. */
    uint64_t total_allocations() const
    {
        return allocations_;
    }

  private:
    benchmark::State *state_;
    uint64_t started_ = 0, total_ns_ = 0;
    uint64_t allocations_before_ = 0, allocations_ = 0;
};

/* What single advances took. */
class Samples
{
  public:
    void reserve(size_t count)
    {
        took_ns_.assign(count, 0); /* touched, so that none meets a page fault */
        took_ns_.clear();
    }
    void add(uint64_t took_ns)
    {
        took_ns_.push_back(took_ns);
    }
    bool empty() const
    {
        return took_ns_.empty();
    }
    /* The smallest that at least this share of them does not exceed. */
    double quantile(double share)
    {
        std::sort(took_ns_.begin(), took_ns_.end());
        auto rank = static_cast<size_t>(share * static_cast<double>(took_ns_.size()));
        return static_cast<double>(took_ns_[std::min(rank, took_ns_.size() - 1)]);
    }

  private:
    std::vector<uint64_t> took_ns_;
};

/* What one run is told, and what it answers. */
struct Setting {
    size_t timers;
    int thread;
    const struct Schedule *schedule; /* what must fire; NULL for the truth itself */
    struct Schedule *recording;      /* for the truth alone */
};

struct Figures {
    uint64_t operations = 0; /* that the benchmark's time is divided by */
    bool wrong = false;      /* something else fired than had to */
    std::vector<std::pair<std::string, double>> counters;

    void add(const char *name, double value)
    {
        counters.emplace_back(name, value);
    }
};

} // namespace bench

#endif
