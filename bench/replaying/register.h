/* SPDX-License-Identifier: MIT */
/*
 * Found before the suite's own register.h when the contenders are compiled for
 * bench/replay: what they are registered for there is one workload, a trace.
 */
#ifndef TICKWHEEL_BENCH_REPLAY_REGISTER_H
#define TICKWHEEL_BENCH_REPLAY_REGISTER_H

#include "../suite/register.h"
#include "replay.h"

namespace bench
{

template <template <Fire *> class C> bool register_replay(const std::string &contender)
{
    using W = Replay<C>;
    if (const char *reason = W::Timers::cannot_run(W::kind)) {
        note_absence(W::name, contender, reason);
        return true;
    }
    if (W::Timers::MOST_TIMERS <= 10000) {
        note_absence(W::name, contender, W::Timers::WHY_NO_MORE);
        return true;
    }
    std::string name =
        std::string(W::name) + "/" + contender + "/" + std::to_string(script().timers);
    note_benchmark(W::name, name, script().timers);
    benchmark::RegisterBenchmark(name.c_str(), [name](benchmark::State &state) {
        Figures figures;
        Stopwatch watch(&state);
        const uint64_t began_ns = real_ns();
        auto operations = script().schedule.operations * script().passes;
        while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(operations))) {
            state.PauseTiming();
            figures = {};
            W({script().timers, 0, &script().schedule, nullptr}).run(watch, figures);
            state.ResumeTiming();
        }
        const double seconds = static_cast<double>(real_ns() - began_ns) * 1e-9;
        add_totals(figures, watch, operations, seconds);
        report(state, name, figures);
        finished(name, seconds, per(watch.total_ns(), operations));
    });
    return true;
}

} // namespace bench

#undef BENCH_CONTENDER
#undef BENCH_CONTENDER_WITH_THREADS
#define BENCH_CONTENDER(name, Template) \
    static const bool registered_##Template = bench::register_replay<Template>(name);
#define BENCH_CONTENDER_WITH_THREADS(name, Template) BENCH_CONTENDER(name, Template)

#endif
