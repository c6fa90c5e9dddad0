/* SPDX-License-Identifier: MIT */
/* N starts, deadlines uniform over 60 s; then time moves on step by step until
 * all have fired. */
#ifndef TICKWHEEL_BENCH_WORKLOADS_FILL_H
#define TICKWHEEL_BENCH_WORKLOADS_FILL_H

#include "common.h"

namespace bench
{

template <template <Fire *> class C> class Fill
{
  public:
    static constexpr Workload kind = Workload::fill;
    static constexpr const char *name = "fill";
    static void fire(void *arg)
    {
        Connection &connection = Connection::of(arg);
        static_cast<Fill *>(connection.world)->world_.note(connection);
    }
    using Timers = C<&Fill::fire>;

    explicit Fill(const Setting &setting)
        : world_(this, setting, setting.timers), timed_(setting.timers >= TIMED_IN_PASSING)
    {
        samples_.reserve(STEPS);
    }

    void run(Stopwatch &watch, Figures &figures)
    {
        const size_t timers = world_.connections();
        const uint64_t passes = timers > 100000 || is_counting() ? 1 : timers > 10000 ? 2 : 4;
        for (uint64_t pass = 0; pass < passes; pass++) {
            world_.open();
            watch.start();
            start_all();
            watch.stop("start_ns", timers);
            world_.measure_bytes();
            watch.start();
            expire_all();
            watch.stop("expire_ns", timers);
            world_.close();
        }
        if (!timed_)
            time_advances();
        figures.operations = timers * passes;
        add_quantiles(figures, samples_);
        world_.report(figures);
    }

  private:
    static constexpr uint64_t STEPS = SPAN_NS / MS;

    void start_all()
    {
        for (uint32_t id = 0; id < world_.connections(); id++)
            world_.start(world_.connection(id), START_NS + random_delay(SPAN_NS, random64(id)));
    }
    void expire_all()
    {
        if (timed_)
            world_.steps_timed(STEPS, samples_);
        else
            world_.steps(STEPS);
    }
    void time_advances()
    {
        world_.open();
        start_all();
        world_.steps_timed(STEPS, samples_);
        world_.close();
    }

    World<Timers> world_;
    const bool timed_;
    Samples samples_;
};

} // namespace bench

#endif
