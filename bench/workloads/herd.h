/* SPDX-License-Identifier: MIT */
/* A burst: N timers with one deadline, ten seconds away, started in random order. (It is called
 * herd in what has been published.) */
#ifndef TICKWHEEL_BENCH_WORKLOADS_HERD_H
#define TICKWHEEL_BENCH_WORKLOADS_HERD_H

#include "common.h"

namespace bench
{

template <template <Fire *> class C> class Herd
{
  public:
    static constexpr Workload kind = Workload::herd;
    static constexpr const char *name = "herd";
    static void fire(void *arg)
    {
        Connection &connection = Connection::of(arg);
        auto &self = *static_cast<Herd *>(connection.world);
        self.world_.note(connection);
        self.in_order_ += connection.starts == self.last_ + 1;
        self.last_ = connection.starts;
    }
    using Timers = C<&Herd::fire>;

    explicit Herd(const Setting &setting)
        : world_(this, setting, setting.timers), order_(shuffled(setting.timers, 1))
    {
        samples_.reserve(MOST_PASSES);
    }

    void run(Stopwatch &watch, Figures &figures)
    {
        const size_t timers = world_.connections();
        const uint64_t passes = timers > 100000 || is_counting()
                                    ? 1
                                    : std::min(MOST_PASSES, 1000000 / timers);
        for (uint64_t pass = 0; pass < passes; pass++) {
            world_.open();
            in_order_ = last_ = 0;
            for (uint32_t i = 0; i < timers; i++)
                start(world_.connection(order_[i]), i + 1);
            watch.start();
            world_.steps(STEPS - 1);
            world_.steps_timed(1, samples_); /* the one in which they fire */
            watch.stop();
            world_.close();
        }
        figures.operations = timers * passes;
        figures.add("in_order", per(in_order_, timers));
        add_quantiles(figures, samples_);
        world_.report(figures);
    }

  private:
    static constexpr uint64_t DUE_NS = START_NS + 10 * SECOND - 1;
    static constexpr uint64_t STEPS = 10000, MOST_PASSES = 4;

    void start(Connection &connection, uint32_t rank)
    {
        connection.starts = rank;
        world_.start(connection, DUE_NS);
    }

    World<Timers> world_;
    const std::vector<uint32_t> &order_;
    uint64_t in_order_ = 0;
    uint32_t last_ = 0;
    Samples samples_;
};

} // namespace bench

#endif
