/* SPDX-License-Identifier: MIT */
/*
 * The real-time benchmark program: Google Benchmark's own main, with defaults
 * that suit it, a check of its own measuring, and a verdict at the end.
 *
 * Environment:
 *     TICKWHEEL_BENCH_SECONDS=x   one run of `lateness` measures so long, instead of 1
 *     TICKWHEEL_BENCH_TOTAL=n     print "[i/n] name ..." to stderr after each run,
 *                                 and no table to stdout
 */
#include <cstdio>
#include <cstdlib>

#include "../suite/harness.h"
#include "lateness.h"

namespace realtime
{

namespace
{

bool something_was_wrong = false;
int runs = 0; /* so far, for the progress */

double load_average()
{
    double load = 0;
    return getloadavg(&load, 1) == 1 ? load : -1;
}

double counter_of(const Outcome &outcome, const std::string &name)
{
    for (auto &[counter, value] : outcome.counters) {
        if (counter == name)
            return value;
    }
    return 0;
}

void report(benchmark::State &state, const std::string &name, const Outcome &outcome)
{
    for (auto &[counter, value] : outcome.counters)
        state.counters[counter] = value;
    state.counters["load"] = load_average();
    /* Not SkipWithError: version 1.7.1 crashes when the first repetition fails. */
    if (!outcome.wrong.empty()) {
        something_was_wrong = true;
        fprintf(stderr, "WRONG: %s: %s\n", name.c_str(), outcome.wrong.c_str());
        state.SetLabel("WRONG: " + outcome.wrong);
    }
    if (const char *total = getenv("TICKWHEEL_BENCH_TOTAL"))
        fprintf(stderr, "[%d/%s] %s: median %.3g ns, 99 %% %.3g ns, a post %.3g ns\n", ++runs,
                total, name.c_str(), counter_of(outcome, "p50_ns"), counter_of(outcome, "p99_ns"),
                counter_of(outcome, "call_ns"));
}

/* The instrument before its use: is early seen as early, and late as late? */
bool can_measure()
{
    Lateness lateness(3);
    lateness.add(SECOND, SECOND - 1);
    lateness.add(SECOND, SECOND);
    lateness.add(SECOND, SECOND + 5);
    Outcome outcome;
    lateness.report(outcome);
    return counter_of(outcome, "early") == 1 && counter_of(outcome, "early_max_ns") == 1 &&
           counter_of(outcome, "early_bin_01") == 1 && counter_of(outcome, "late_bin_00") == 1 &&
           counter_of(outcome, "late_bin_03") == 1 && counter_of(outcome, "p50_ns") == 1 &&
           counter_of(outcome, "max_ns") == 5;
}

int run(int argc, char **argv)
{
    if (!bench::initialize(argc, argv))
        return 1;
    benchmark::AddCustomContext("missing", BENCH_MISSING);
    bench::run_benchmarks(getenv("TICKWHEEL_BENCH_TOTAL") != nullptr);
    return something_was_wrong ? 1 : 0;
}

} // namespace

uint64_t duration_ns()
{
    const char *seconds = getenv("TICKWHEEL_BENCH_SECONDS");
    double chosen = seconds != nullptr ? atof(seconds) : 1;
    return chosen > 0 ? static_cast<uint64_t>(chosen * SECOND) : SECOND;
}

void register_benchmark(const std::string &name, const std::function<Outcome()> &run,
                        int repetitions)
{
    auto *registered =
        benchmark::RegisterBenchmark(name.c_str(), [name, run](benchmark::State &state) {
            for (auto _ : state)
                report(state, name, run());
        });
    if (repetitions > 0)
        registered->Repetitions(repetitions);
}

} // namespace realtime

int main(int argc, char **argv)
{
    if (bench::is_debug_build())
        return 1;
    if (!realtime::can_measure()) {
        fprintf(stderr, "WRONG: the program does not tell early from late.\n");
        return 1;
    }
    return realtime::run(argc, argv);
}
