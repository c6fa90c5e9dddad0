/* SPDX-License-Identifier: MIT */
/* Nothing is due for a minute, then all N within four seconds. Time moves only
 * to where the contender asks to be woken: so each fires the same timers, but
 * at its own times, and the checksum leaves the times out. */
#ifndef TICKWHEEL_BENCH_WORKLOADS_SLEEPER_H
#define TICKWHEEL_BENCH_WORKLOADS_SLEEPER_H

#include "common.h"

namespace bench
{

template <template <Fire *> class C> class Sleeper
{
  public:
    static constexpr Workload kind = Workload::sleeper;
    static constexpr const char *name = "sleeper";
    static void fire(void *arg)
    {
        Connection &connection = Connection::of(arg);
        static_cast<Sleeper *>(connection.world)->world_.note(connection);
    }
    using Timers = C<&Sleeper::fire>;

    explicit Sleeper(const Setting &setting) : world_(this, setting, setting.timers)
    {
        world_.check_no_times();
        samples_.reserve(2 * LAST_NS / MS);
    }

    void run(Stopwatch &watch, Figures &figures)
    {
        const size_t timers = world_.connections();
        world_.open();
        for (uint32_t id = 0; id < timers; id++)
            world_.start(world_.connection(id),
                         START_NS + FIRST_NS + random_delay(LAST_NS - FIRST_NS, random64(id)));
        uint64_t wakes = 0;
        watch.start();
        for (uint64_t before = sample_ns(); world_.fired() < timers && virtual_ns < GIVE_UP_NS;) {
            wakes += world_.sleep();
            uint64_t now = sample_ns();
            samples_.add(now - before);
            before = now;
        }
        watch.stop();
        world_.close();
        figures.operations = timers;
        figures.add("wakes", static_cast<double>(wakes));
        add_quantiles(figures, samples_);
        world_.report(figures);
    }

  private:
    static constexpr uint64_t FIRST_NS = 60 * SECOND, LAST_NS = 64 * SECOND,
                              GIVE_UP_NS = 100 * SECOND;

    World<Timers> world_;
    Samples samples_;
};

} // namespace bench

#endif
