/* SPDX-License-Identifier: MIT */
/* The measured parts of one run, and the figures that come of it. Under bench/count
 * they are counted instead of timed. */
#ifndef TICKWHEEL_BENCH_STOPWATCH_H
#define TICKWHEEL_BENCH_STOPWATCH_H

#include <algorithm>
#include <benchmark/benchmark.h>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "allocations.h"
#include "../counts/counting.h"
#include "virtual_time.h"

namespace bench
{

/* Waits until all threads of the benchmark have come here. */
void meet(int threads);

/* Whether bench/count runs this: then windows are short, and no clock is read in them. */
bool is_counting();

/* What one of several measured parts took. */
struct Part {
    const char *figure; /* "start_ns" */
    uint64_t ns, operations;
};

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
        stolen_before_ = stolen_ns(); /* the first time, it opens a file */
        allocations_before_ = allocations;
        began_ = real_ns();
        started_ = cpu_ns();
        COUNTING_BEGIN();
    }

    /* Takes the processor time since start. It is what the table shows: on a machine
     * that does other work too, it is the steadier figure.
     *   figure      what it is called, where a workload has several; they are added
     *               up by name
     *   operations  that were done since start, if it has a name */
    void stop(const char *figure = nullptr, uint64_t operations = 0)
    {
        if (state_ == nullptr)
            return;
        COUNTING_END();
        uint64_t took = cpu_ns() - started_;
        uint64_t passed = real_ns() - began_;
        away_ns_ += std::max(passed - std::min(took, passed), stolen_ns() - stolen_before_);
        if (is_counting())
            COUNTING_REPORT(figure != nullptr ? figure : "operation_ns");
        total_ns_ += took;
        if (figure != nullptr)
            add_to_part(figure, took, operations);
        allocations_ += allocations - allocations_before_;
        uint64_t now = std::exchange(virtual_ns, 0);
        state_->PauseTiming();
        virtual_ns = now;
    }
    /* How long the system had the processor for something else meanwhile: time that
     * passed and was not this thread's, or that the hypervisor counts as stolen. */
    uint64_t away_ns() const
    {
        return away_ns_;
    }
    const std::vector<Part> &parts() const
    {
        return parts_;
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
    void add_to_part(const char *figure, uint64_t ns, uint64_t operations)
    {
        auto part = std::find_if(parts_.begin(), parts_.end(), [figure](const Part &known) {
            return strcmp(known.figure, figure) == 0;
        });
        if (part == parts_.end())
            part = parts_.insert(part, Part{figure, 0, 0});
        part->ns += ns;
        part->operations += operations;
    }

    benchmark::State *state_;
    std::vector<Part> parts_;
    uint64_t began_ = 0, started_ = 0, total_ns_ = 0;
    uint64_t stolen_before_ = 0, away_ns_ = 0;
    uint64_t allocations_before_ = 0, allocations_ = 0;
};

/* The clock that single advances are timed by. */
inline uint64_t sample_ns()
{
    return is_counting() ? 0 : real_ns();
}

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
    const struct Schedule *schedule; /* what must fire; NULL for the oracle itself */
    struct Schedule *recording;      /* for the oracle alone */
};

struct Figures {
    uint64_t operations = 0; /* that the benchmark's time is divided by */
    std::string wrong;       /* in what way something else fired than had to; empty: it did not */
    std::vector<std::pair<std::string, double>> counters;

    void add(const char *name, double value)
    {
        counters.emplace_back(name, value);
    }
};

} // namespace bench

#endif
