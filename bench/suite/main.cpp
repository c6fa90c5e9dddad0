/* SPDX-License-Identifier: MIT */
/*
 * The benchmark program: Google Benchmark's own main, with defaults that suit
 * the suite, a memory for what must fire, and a verdict at the end.
 *
 * Environment:
 *     TICKWHEEL_BENCH_HUGE=1    register 10^8 timers too
 * and what progress.h lists.
 */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <numeric>
#include <pthread.h>
#include <random>

#include "register.h"
#include "harness.h"
#include "rounds.h"

namespace bench
{

namespace
{

std::mutex mutex; /* of everything below */
bool something_was_wrong = false;

std::string &absences()
{
    static std::string text;
    return text;
}

} // namespace

const std::vector<size_t> &sizes()
{
    static const std::vector<size_t> all = [] {
        std::vector<size_t> some = {10000, 100000, 1000000, 10000000};
        if (environment("TICKWHEEL_BENCH_HUGE") != nullptr)
            some.push_back(100000000);
        return some;
    }();
    return all;
}

void meet(int threads)
{
    static std::mutex making;
    static std::map<int, pthread_barrier_t> barriers;
    pthread_barrier_t *barrier;
    {
        std::lock_guard<std::mutex> lock(making);
        auto [at, is_new] = barriers.try_emplace(threads);
        if (is_new)
            pthread_barrier_init(&at->second, nullptr, static_cast<unsigned>(threads));
        barrier = &at->second;
    }
    pthread_barrier_wait(barrier);
}

const std::vector<uint32_t> &shuffled(size_t count, size_t rounds)
{
    static std::mutex making;
    static std::map<std::pair<size_t, size_t>, std::vector<uint32_t>> orders;
    std::lock_guard<std::mutex> lock(making);
    std::vector<uint32_t> &order = orders[{count, rounds}];
    if (!order.empty())
        return order;
    order.resize(count * rounds);
    std::mt19937_64 random(count);
    for (auto begin = order.begin(); begin != order.end(); begin += static_cast<ptrdiff_t>(count)) {
        std::iota(begin, begin + static_cast<ptrdiff_t>(count), uint32_t{0});
        std::shuffle(begin, begin + static_cast<ptrdiff_t>(count), random);
    }
    return order;
}

void report(benchmark::State &state, const std::string &name, const Figures &figures)
{
    for (auto &[counter, value] : figures.counters)
        state.counters[counter] = benchmark::Counter(value, benchmark::Counter::kAvgThreads);
    std::lock_guard<std::mutex> lock(mutex);
    /* Not SkipWithError: version 1.7.1 aborts when an early repetition fails and a later one
     * does not, and leaves a JSON file that is cut off. */
    if (!figures.wrong.empty()) {
        something_was_wrong = true;
        fprintf(stderr, "WRONG: %s: %s\n", name.c_str(), figures.wrong.c_str());
        state.SetLabel("WRONG: " + figures.wrong);
    }
}

bool leave_out(benchmark::State &state, const std::string &name)
{
    if (!was_slow(name))
        return false;
    /* Version 1.7.1 stands this if one repetition alone is without an error. */
    state.SkipWithError("not repeated: slow");
    if (state.thread_index() == 0)
        left_out(name);
    return true;
}

void note_absence(const std::string &workload, const std::string &contender,
                  const std::string &reason)
{
    absences() += workload + "/" + contender + ": " + reason + "\n";
}

/* Takes --benchmark_out=FILE out of the arguments: in rounds we write it ourselves. */
static std::string take_out(int &argc, char **argv)
{
    static const std::string flag = "--benchmark_out=";
    std::string path;
    auto is_other = [&path](const char *argument) {
        if (std::string(argument).rfind(flag, 0) != 0)
            return true;
        path = argument + flag.size();
        return false;
    };
    char **end = std::stable_partition(argv + 1, argv + argc, is_other);
    argc = static_cast<int>(end - argv);
    return path;
}

static int run(int argc, char **argv)
{
    const bool lists = std::any_of(argv, argv + argc, [](const char *argument) {
        return std::string(argument).rfind("--benchmark_list_tests", 0) == 0;
    });
    const bool in_rounds = rounds_of(10000) > 0 && !lists;
    const std::string out = in_rounds ? take_out(argc, argv) : "";
    if (!initialize(argc, argv, in_rounds ? 1 : 3))
        return 1;
    benchmark::AddCustomContext("missing", BENCH_MISSING);
    benchmark::AddCustomContext("absent", absences());
    if (!in_rounds)
        run_benchmarks(shows_progress());
    else if (!run_rounds(benchmark::GetBenchmarkFilter(), out)) {
        fprintf(stderr, "bench: no benchmark was run, or %s cannot be written\n", out.c_str());
        return 1;
    }
    if (something_was_wrong)
        fprintf(stderr, "The contenders disagree about what fired: this run is void.\n");
    return something_was_wrong ? 1 : 0;
}

} // namespace bench

int main(int argc, char **argv)
{
    if (bench::is_debug_build())
        return 1;
    bench::prepare_malloc(argv);
    return bench::run(argc, argv);
}
