/* SPDX-License-Identifier: MIT */
/* Every timer that fires starts again, uniform over 60 s. */
#ifndef TICKWHEEL_BENCH_WORKLOADS_STEADY_H
#define TICKWHEEL_BENCH_WORKLOADS_STEADY_H

#include <cmath>

#include "common.h"

namespace bench
{

template <template <Fire *> class C> class Steady
{
  public:
    static constexpr Workload kind = Workload::steady;
    static constexpr const char *name = "steady";
    static void fire(void *arg)
    {
        Connection &connection = Connection::of(arg);
        auto &self = *static_cast<Steady *>(connection.world);
        self.world_.note(connection);
        uint64_t draw = random64(connection.id + (uint64_t{++connection.starts} << 32));
        self.world_.start(connection, virtual_ns + random_delay(SPAN_NS, draw));
    }
    using Timers = C<&Steady::fire>;

    explicit Steady(const Setting &setting)
        : world_(this, setting, setting.timers), window_(window_steps(setting.timers))
    {
        samples_.reserve(std::max(window_, TIMED_STEPS));
    }

    void run(Stopwatch &watch, Figures &figures)
    {
        const bool timed = world_.connections() >= TIMED_IN_PASSING;
        world_.open();
        for (uint32_t id = 0; id < world_.connections(); id++)
            world_.start(world_.connection(id), START_NS + stationary_delay(random64(id)));
        world_.measure_bytes();
        world_.steps(WARM_STEPS);
        uint64_t fired_before = world_.fired();
        watch.start();
        if (timed)
            world_.steps_timed(window_, samples_);
        else
            world_.steps(window_);
        watch.stop();
        figures.operations = world_.fired() - fired_before;
        if (!timed)
            world_.steps_timed(TIMED_STEPS, samples_);
        world_.close();
        add_quantiles(figures, samples_);
        world_.report(figures);
    }

  private:
    /* Two turns of the first level above the lowest: what fires later has gone
     * the way through the levels that it goes in the long run. */
    static constexpr uint64_t WARM_STEPS = 8192;
    static constexpr uint64_t TIMED_STEPS = 32768;

    /* What remains of delays uniform over the span, seen at a random time. */
    static uint64_t stationary_delay(uint64_t draw)
    {
        double rest = 1 - std::sqrt(static_cast<double>(draw >> 11) * 0x1p-53);
        return static_cast<uint64_t>(rest * static_cast<double>(SPAN_NS)) | 1;
    }

    World<Timers> world_;
    const uint64_t window_;
    Samples samples_;
};

} // namespace bench

#endif
