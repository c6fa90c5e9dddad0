/* SPDX-License-Identifier: MIT */
/* progress: what is shown while the suite runs, as progress.h says. */
#include "progress.h"
#include "stopwatch.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>

namespace bench
{

namespace
{

/* The benchmarks of one size: workloads and contenders differ by much less than
 * sizes do. */
struct Size {
    size_t benchmarks = 0; /* that are to be run */
    size_t known = 0;      /* of which so many have been run at least once, */
    double expected_s = 0; /* which will take so long for all their repetitions, */
    double spent_s = 0;    /* so much of which has passed */
};

class Progress
{
  public:
    Progress()
    {
        if (const char *done = environment("TICKWHEEL_BENCH_DONE"))
            runs_ = atoi(done);
        if (const char *total = environment("TICKWHEEL_BENCH_TOTAL"))
            total_ = atoi(total);
        if (const char *slow = environment("TICKWHEEL_BENCH_SLOW"))
            slow_s_ = atof(slow);
        if (const char *path = environment("TICKWHEEL_BENCH_AHEAD"))
            read_names(path);
    }

    bool is_slow(const std::string &name)
    {
        auto found = first_s_.find(name);
        return slow_s_ > 0 && found != first_s_.end() && found->second > slow_s_;
    }

    void finished(const std::string &name, double seconds)
    {
        runs_++;
        Size &size = sizes_[timers_of(name)];
        size.spent_s += seconds;
        if (!first_s_.try_emplace(name, seconds).second)
            return;
        size.known++;
        const int rounds = rounds_of(timers_of(name));
        size.expected_s += seconds * (is_slow(name) ? 1 : rounds > 0 ? rounds : repetitions_);
    }
    void once_more(size_t runs)
    {
        runs_ -= static_cast<int>(runs);
    }
    void left_out()
    {
        runs_++;
    }

    void tell(const std::string &name, const std::string &what)
    {
        if (total_ == 0)
            return;
        fprintf(stderr, "[%d/%d] %s: %s%s\n", runs_, total_, name.c_str(), what.c_str(),
                remaining().c_str());
    }

  private:
    /* Benchmarks come in random order, so those of a size that have been run
     * stand for those that have not. */
    std::string remaining() const
    {
        double left_s = 0, each_s = 0, timers_known = 0;
        for (auto &[timers, size] : sizes_) {
            auto here = static_cast<double>(timers);
            if (size.known > 0)
                each_s = size.expected_s / static_cast<double>(size.known);
            else if (timers_known > 0)
                each_s *= here / timers_known; /* no better guess: by the next smaller size */
            else
                return "";
            timers_known = here;
            left_s += std::max(0.0, each_s * static_cast<double>(size.benchmarks) - size.spent_s);
        }
        if (runs_ >= total_ || repetitions_ == 0)
            return "";
        char text[64];
        if (left_s < 90)
            snprintf(text, sizeof text, ", about %.0f s left", left_s);
        else
            snprintf(text, sizeof text, ", about %.0f min left", left_s / 60);
        return text;
    }

    /* workload/contender/timers, perhaps with more behind it */
    static size_t timers_of(const std::string &name)
    {
        size_t slash = name.find('/', name.find('/') + 1);
        return slash == std::string::npos ? 0 : strtoul(name.c_str() + slash + 1, nullptr, 10);
    }

    void read_names(const char *path)
    {
        std::ifstream file(path);
        int names = 0;
        for (std::string name; std::getline(file, name); names++)
            sizes_[timers_of(name)].benchmarks++;
        if (names > 0)
            repetitions_ = (total_ - runs_) / names;
    }

    int runs_ = 0, total_ = 0, repetitions_ = 0;
    double slow_s_ = 0;
    std::map<std::string, double> first_s_; /* what the first run of a benchmark took */
    std::map<size_t, Size> sizes_;
};

std::mutex mutex;

Progress &progress()
{
    static Progress progress;
    return progress;
}

} // namespace

const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != nullptr && *value != '\0' ? value : nullptr;
}

bool is_counting()
{
    static const bool counts = environment("TICKWHEEL_BENCH_COUNT") != nullptr;
    return counts;
}

bool shows_progress()
{
    return environment("TICKWHEEL_BENCH_TOTAL") != nullptr;
}

int rounds_of(size_t timers)
{
    const char *text = environment("TICKWHEEL_BENCH_ROUNDS");
    int rounds[4];
    if (text == nullptr)
        return 0;
    if (sscanf(text, "%d %d %d %d", &rounds[0], &rounds[1], &rounds[2], &rounds[3]) != 4) {
        fprintf(stderr, "bench: TICKWHEEL_BENCH_ROUNDS is not four numbers: %s\n", text);
        exit(1);
    }
    return rounds[timers <= 10000 ? 0 : timers <= 100000 ? 1 : timers <= 1000000 ? 2 : 3];
}

void once_more(size_t runs)
{
    std::lock_guard<std::mutex> lock(mutex);
    progress().once_more(runs);
}

bool was_slow(const std::string &name)
{
    std::lock_guard<std::mutex> lock(mutex);
    return progress().is_slow(name);
}

void finished(const std::string &name, double seconds, double operation_ns)
{
    std::lock_guard<std::mutex> lock(mutex);
    progress().finished(name, seconds);
    char cost[32];
    snprintf(cost, sizeof cost, "%.3g ns", operation_ns);
    progress().tell(name, cost);
}

void left_out(const std::string &name)
{
    std::lock_guard<std::mutex> lock(mutex);
    progress().left_out();
    progress().tell(name, "slow, not repeated");
}

} // namespace bench
