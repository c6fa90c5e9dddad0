/* SPDX-License-Identifier: MIT */
/* The workload of bench/replay: a script, step by step. */
#ifndef TICKWHEEL_BENCH_REPLAY_REPLAY_H
#define TICKWHEEL_BENCH_REPLAY_REPLAY_H

#include "script.h"
#include "../workloads/common.h"

namespace bench
{

template <template <Fire *> class C> class Replay
{
  public:
    /* Contenders are asked about it as about the simulated proxy: several
     * delays, within hours. */
    static constexpr Workload kind = Workload::proxy;
    static constexpr const char *name = "replay";
    static void fire(void *arg)
    {
        Connection &connection = Connection::of(arg);
        static_cast<Replay *>(connection.world)->world_.note(connection);
    }
    using Timers = C<&Replay::fire>;

    explicit Replay(const Setting &setting) : world_(this, setting, setting.timers)
    {
    }

    void run(Stopwatch &watch, Figures &figures)
    {
        for (size_t pass = 0; pass < script().passes; pass++) {
            world_.open();
            watch.start();
            play([](auto advance) { advance(); });
            watch.stop();
            world_.close();
        }
        /* Once more, each advance timed: reading the clock would be most of it above. */
        Samples samples;
        samples.reserve(script().advances);
        world_.open();
        play([&samples](auto advance) {
            uint64_t before = real_ns();
            advance();
            samples.add(real_ns() - before);
        });
        world_.close();
        figures.operations = script().schedule.operations * script().passes;
        add_quantiles(figures, samples);
        world_.report(figures);
    }

  private:
    template <class Around> void play(Around around)
    {
        for (const Script::Step &step : script().steps) {
            switch (step.op) {
            case Script::ADVANCE:
                around([this, &step] { world_.advance(step.ns); });
                break;
            case Script::START:
                world_.start(world_.connection(step.id), step.ns);
                break;
            case Script::REARM:
                world_.rearm(world_.connection(step.id), step.ns);
                break;
            case Script::STOP:
                stop(world_.connection(step.id), step.ns);
                break;
            }
        }
    }

    void stop(Connection &connection, uint64_t how)
    {
        if (how == Script::PARK)
            world_.stop(connection);
        else if (how == Script::FOR_GOOD)
            world_.stop_for_good(connection);
        else
            world_.discard(connection);
    }

    World<Timers> world_;
};

} // namespace bench

#endif
