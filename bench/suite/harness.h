/* SPDX-License-Identifier: MIT */
/* How the benchmark programs use Google Benchmark, all alike. */
#ifndef TICKWHEEL_BENCH_HARNESS_H
#define TICKWHEEL_BENCH_HARNESS_H

#include <benchmark/benchmark.h>
#include <cstdio>
#include <string>
#include <vector>

namespace bench
{

/* Whether this build's figures would mean nothing; then it has said so. */
inline bool is_debug_build()
{
#if !defined(NDEBUG) || !defined(__OPTIMIZE__) || defined(BENCH_CHECKED_LIBRARY)
    fprintf(stderr, "This is a debug build, whose figures would mean nothing. Configure with "
                    "-DCMAKE_BUILD_TYPE=Release and without TICKWHEEL_CHECKED.\n");
    return true;
#else
    return false;
#endif
}

/* Prints nothing: bench/run makes its own table from the JSON file. */
class Quiet : public benchmark::BenchmarkReporter
{
  public:
    bool ReportContext(const Context &) override
    {
        return true;
    }
    void ReportRuns(const std::vector<Run> &) override
    {
    }
};

/* Reads the flags. Each run measures a fixed piece of work, so one batch of it is
 * enough. The user's own flags come after these and win. false: one is unknown. */
inline bool initialize(int argc, char **argv, int repetitions = 3)
{
    std::vector<std::string> defaults = {"--benchmark_min_time=0.000001",
                                         "--benchmark_repetitions=" + std::to_string(repetitions),
                                         "--benchmark_enable_random_interleaving=true"};
    std::vector<char *> arguments = {argv[0]};
    for (std::string &flag : defaults)
        arguments.push_back(flag.data());
    arguments.insert(arguments.end(), argv + 1, argv + argc);
    int count = static_cast<int>(arguments.size());
    arguments.push_back(nullptr);
    benchmark::Initialize(&count, arguments.data());
    return !benchmark::ReportUnrecognizedArguments(count, arguments.data());
}

inline void run_benchmarks(bool is_quiet)
{
    Quiet quiet;
    benchmark::RunSpecifiedBenchmarks(is_quiet ? &quiet : nullptr);
    benchmark::Shutdown();
}

} // namespace bench

#endif
