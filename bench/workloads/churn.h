/* SPDX-License-Identifier: MIT */
/* Stop a random timer and start it with a new random deadline, 1,000 times per
 * ms. What fires meanwhile starts again too, so that N stay live. */
#ifndef TICKWHEEL_BENCH_WORKLOADS_CHURN_H
#define TICKWHEEL_BENCH_WORKLOADS_CHURN_H

#include "common.h"

namespace bench
{

template <template <Fire *> class C, bool latency> class Churn
{
  public:
    static constexpr Workload kind = Workload::churn;
    static constexpr const char *name = latency ? "churn-latency" : "churn";
    static void fire(void *arg)
    {
        Connection &connection = Connection::of(arg);
        auto &self = *static_cast<Churn *>(connection.world);
        self.world_.note(connection);
        self.world_.start(connection, self.draw_due(connection));
    }
    using Timers = C<&Churn::fire>;

    explicit Churn(const Setting &setting) : world_(this, setting, setting.timers)
    {
    }

    void run(Stopwatch &watch, Figures &figures)
    {
        const size_t timers = world_.connections();
        world_.open();
        for (uint32_t id = 0; id < timers; id++)
            world_.start(world_.connection(id), draw_due(world_.connection(id)));
        world_.measure_bytes();
        churn(is_counting() ? 100 : timers <= 100000 ? 500 : timers <= 1000000 ? 1000 : 2000);
        const uint64_t steps = is_counting()       ? 200
                               : timers <= 100000  ? 1000
                               : timers <= 1000000 ? 2000
                                                   : 4000;
        watch.start();
        churn(steps);
        watch.stop();
        world_.close();
        figures.operations = steps * PER_STEP;
        world_.report(figures);
    }

  private:
    static constexpr uint64_t PER_STEP = 1000;

    uint64_t draw_due(Connection &connection)
    {
        uint64_t draw = random64(connection.id + (uint64_t{++connection.starts} << 32));
        return virtual_ns + random_delay(SPAN_NS, draw);
    }
    void churn(uint64_t steps)
    {
        for (uint64_t step = 0; step < steps; step++) {
            world_.step();
            for (uint64_t i = 0; i < PER_STEP; i++)
                replace(static_cast<uint32_t>(below(world_.connections(), random64(~choice_++))));
        }
    }
    void replace(uint32_t id)
    {
        Connection &connection = world_.connection(id);
        world_.stop(connection);
        world_.start(connection, draw_due(connection));
        choice_ = after<latency>(connection, choice_);
    }

    World<Timers> world_;
    uint64_t choice_ = 0;
};

} // namespace bench

#endif
