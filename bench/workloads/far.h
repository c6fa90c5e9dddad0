/* SPDX-License-Identifier: MIT */
/* Deadlines from a minute to ten years: half of them spread over what the
 * wheel's span of 9.8 hours reaches, half beyond, by orders of magnitude. Half
 * of the timers are stopped, in random order; the others fire, as the clock
 * jumps ahead in 10,000 steps of growing length. */
#ifndef TICKWHEEL_BENCH_WORKLOADS_FAR_H
#define TICKWHEEL_BENCH_WORKLOADS_FAR_H

#include <cmath>

#include "common.h"

namespace bench
{

template <template <Fire *> class C> class Far
{
  public:
    static constexpr Workload kind = Workload::far;
    static constexpr const char *name = "far";
    static void fire(void *arg)
    {
        Connection &connection = Connection::of(arg);
        static_cast<Far *>(connection.world)->world_.note(connection);
    }
    using Timers = C<&Far::fire>;

    explicit Far(const Setting &setting)
        : world_(this, setting, setting.timers), order_(shuffled(setting.timers, 1)),
          delays_(setting.timers)
    {
        for (size_t i = 0; i < delays_.size(); i++)
            delays_[i] = draw_delay(random64(i), i % 2 == 0);
        samples_.reserve(STEPS);
    }

    void run(Stopwatch &watch, Figures &figures)
    {
        const size_t timers = world_.connections();
        world_.open();
        watch.start();
        for (uint32_t id = 0; id < timers; id++)
            world_.start(world_.connection(id), START_NS + delays_[id]);
        watch.stop("start_ns", timers);
        world_.measure_bytes();
        watch.start();
        for (size_t i = 0; i < timers / 2; i++)
            world_.stop(world_.connection(order_[i]));
        watch.stop("stop_ns", timers / 2);
        watch.start();
        expire();
        watch.stop("expire_ns", timers - timers / 2);
        world_.close();
        figures.operations = timers;
        add_quantiles(figures, samples_);
        world_.report(figures);
    }

  private:
    static constexpr uint64_t STEPS = 10000;
    static constexpr double MINUTE_NS = 60e9, REACH_NS = 9.77 * 3600e9, DECADE_NS = 3653 * 86400e9;

    static uint64_t between(double low_ns, double high_ns, double share)
    {
        return static_cast<uint64_t>(low_ns * std::pow(high_ns / low_ns, share));
    }
    static uint64_t draw_delay(uint64_t draw, bool is_near)
    {
        double share = static_cast<double>(draw >> 11) * 0x1p-53;
        return (is_near ? between(MINUTE_NS, REACH_NS, share)
                        : between(REACH_NS, DECADE_NS, share)) |
               1;
    }
    void expire()
    {
        for (uint64_t step = 1; step <= STEPS; step++) {
            uint64_t ahead_ns = between(MINUTE_NS, DECADE_NS, per(step, STEPS));
            uint64_t before = sample_ns();
            world_.advance(START_NS + ahead_ns / MS * MS + MS);
            samples_.add(sample_ns() - before);
        }
    }

    World<Timers> world_;
    const std::vector<uint32_t> &order_;
    std::vector<uint64_t> delays_;
    Samples samples_;
};

} // namespace bench

#endif
