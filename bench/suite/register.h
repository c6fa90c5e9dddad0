/* SPDX-License-Identifier: MIT */
/* How a contender joins the suite: BENCH_CONTENDER("name", Template). */
#ifndef TICKWHEEL_BENCH_REGISTER_H
#define TICKWHEEL_BENCH_REGISTER_H

#include <benchmark/benchmark.h>
#include <cinttypes>
#include <cstdio>
#include <functional>
#include <string>

#include "progress.h"
#include "rounds.h"
#include "oracle.h"
#include "../workloads/all.h"

namespace bench
{

/* What must fire in a workload at a size; worked out by `record` at first use.
 * whole: with the schedule itself, not only the counts and the checksum. */
const Schedule &schedule_of(const std::string &workload, size_t timers, bool whole,
                            const std::function<void(Schedule &)> &record);

/* After each run: counters, and the verdict. */
void report(benchmark::State &state, const std::string &name, const Figures &figures);

/* Whether a benchmark that has turned out slow is not to be run once more; the
 * state is told so. */
bool leave_out(benchmark::State &state, const std::string &name);

/* What the stopwatch knows, and how long the whole run took. */
inline void add_totals(Figures &figures, const Stopwatch &watch, uint64_t operations,
                       double seconds)
{
    for (const Part &part : watch.parts())
        figures.add(part.figure, per(part.ns, part.operations));
    if (watch.total_ns() > 0)
        figures.add("allocations", per(watch.total_allocations(), operations));
    figures.add("operation_ns", per(watch.total_ns(), operations));
    if (watch.total_ns() > 0)
        figures.add("away", per(watch.away_ns(), watch.total_ns()));
    figures.add("run_seconds", seconds);
}

/* For bench/count: what was counted under which name, and how often it was done. */
inline void print_counted(const Stopwatch &watch, uint64_t operations)
{
    if (!is_counting())
        return;
    if (watch.parts().empty())
        printf("operation_ns\t%" PRIu64 "\n", operations);
    for (const Part &part : watch.parts())
        printf("%s\t%" PRIu64 "\n", part.figure, part.operations);
}

/* For the table: a contender that cannot run a workload, and why. */
void note_absence(const std::string &workload, const std::string &contender,
                  const std::string &reason);

/* The sizes to be registered; the largest only on request. */
const std::vector<size_t> &sizes();

template <class W, class Expected>
void run_benchmark(benchmark::State &state, const std::string &name, size_t timers)
{
    auto record = [timers](Schedule &recording) {
        Stopwatch idle(nullptr);
        Figures figures;
        Expected({timers, 0, nullptr, &recording}).run(idle, figures);
        recording.operations = figures.operations;
    };
    const Schedule &schedule =
        schedule_of(W::name, timers, W::Timers::READS_SCHEDULE, record);
    const std::string whole_name =
        state.threads() > 1 ? name + "/threads:" + std::to_string(state.threads()) : name;
    if (leave_out(state, whole_name))
        return;
    Figures figures;
    Stopwatch watch(&state);
    const uint64_t began_ns = real_ns();
    while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(schedule.operations))) {
        state.PauseTiming();
        figures = {};
        COUNTING_WARM();
        W({timers, state.thread_index(), &schedule, nullptr}).run(watch, figures);
        state.ResumeTiming();
    }
    const double seconds = static_cast<double>(real_ns() - began_ns) * 1e-9;
    const auto operations = static_cast<uint64_t>(state.iterations());
    add_totals(figures, watch, operations, seconds);
    print_counted(watch, operations);
    report(state, whole_name, figures);
    if (state.thread_index() == 0)
        finished(whole_name, seconds, per(watch.total_ns(), operations));
}

template <class W, class Expected>
void register_workload(const std::string &contender, bool threads)
{
    if (const char *reason = W::Timers::cannot_run(W::kind)) {
        note_absence(W::name, contender, reason);
        return;
    }
    if (sizes().back() > W::Timers::MOST_TIMERS)
        note_absence(W::name, contender + ", beyond " + std::to_string(W::Timers::MOST_TIMERS) +
                                  " timers", W::Timers::WHY_NO_MORE);
    for (size_t timers : sizes()) {
        if (timers > W::Timers::MOST_TIMERS)
            break;
        std::string name = std::string(W::name) + "/" + contender + "/" + std::to_string(timers);
        auto run = [name, timers](benchmark::State &state) {
            run_benchmark<W, Expected>(state, name, timers);
        };
        benchmark::RegisterBenchmark(name.c_str(), run);
        note_benchmark(W::name, name, timers);
        if (threads && timers == 1000000) {
            benchmark::RegisterBenchmark(name.c_str(), run)->Threads(2);
            note_benchmark(std::string(W::name) + ", two loops", name + "/threads:2", timers);
        }
    }
}

/* threads: whether it is measured with two loops at once, too. */
template <template <Fire *> class C>
bool register_contender(const std::string &contender, bool threads)
{
    register_workload<Fill<C>, Fill<Oracle>>(contender, false);
    register_workload<Steady<C>, Steady<Oracle>>(contender, threads);
    register_workload<Churn<C, false>, Churn<Oracle, false>>(contender, threads);
    register_workload<Churn<C, true>, Churn<Oracle, true>>(contender, false);
    register_workload<Idle<C, false>, Idle<Oracle, false>>(contender, threads);
    register_workload<Idle<C, true>, Idle<Oracle, true>>(contender, false);
    register_workload<Request<C, false>, Request<Oracle, false>>(contender, threads);
    register_workload<Request<C, true>, Request<Oracle, true>>(contender, false);
    register_workload<Proxy<C, false>, Proxy<Oracle, false>>(contender, false);
    register_workload<Proxy<C, true>, Proxy<Oracle, true>>(contender, false);
    register_workload<Herd<C>, Herd<Oracle>>(contender, false);
    register_workload<Far<C>, Far<Oracle>>(contender, false);
    register_workload<Sleeper<C>, Sleeper<Oracle>>(contender, false);
    register_workload<Memory<C>, Memory<Oracle>>(contender, false);
    return true;
}

} // namespace bench

#define BENCH_CONTENDER(name, Template) \
    static const bool registered_##Template = bench::register_contender<Template>(name, false);
#define BENCH_CONTENDER_WITH_THREADS(name, Template) \
    static const bool registered_##Template = bench::register_contender<Template>(name, true);

#endif
