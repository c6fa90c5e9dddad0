/* SPDX-License-Identifier: MIT */
/* Re-arm a random connection's 60 s idle timeout, each about every 30 s: in
 * rounds of 30 s, each in another order. So none ever fires. */
#ifndef TICKWHEEL_BENCH_WORKLOADS_IDLE_H
#define TICKWHEEL_BENCH_WORKLOADS_IDLE_H

#include "common.h"

namespace bench
{

template <template <Fire *> class C, bool latency> class Idle
{
  public:
    static constexpr Workload kind = Workload::idle;
    static constexpr const char *name = latency ? "idle-latency" : "idle";
    static void fire(void *arg)
    {
        Connection &connection = Connection::of(arg);
        static_cast<Idle *>(connection.world)->world_.note(connection);
    }
    using Timers = C<&Idle::fire>;

    explicit Idle(const Setting &setting)
        : world_(this, setting, setting.timers), steps_(window_steps(setting.timers)),
          order_(shuffled(setting.timers, 2 + steps_ / ROUND_STEPS)),
          pace_(setting.timers, ROUND_STEPS)
    {
    }

    void run(Stopwatch &watch, Figures &figures)
    {
        world_.open();
        open_connections();
        world_.measure_bytes();
        watch.start();
        refresh();
        watch.stop();
        world_.close();
        figures.operations = next_ - world_.connections();
        world_.report(figures);
    }

  private:
    static constexpr uint64_t ROUND_STEPS = 30000;
    static constexpr uint64_t TIMEOUT_NS = 60 * SECOND - 1;

    /* A round of 30 s in which the connections come. Each timer is started
     * somewhere in its timeout first, where its last visit would have left it. */
    void open_connections()
    {
        while (next_ < world_.connections()) {
            world_.step();
            for (uint64_t count = pace_.in_step(); count > 0; count--) {
                Connection &connection = world_.connection(order_[next_++]);
                world_.start(connection, virtual_ns + random_delay(TIMEOUT_NS, random64(next_)));
                world_.rearm(connection, virtual_ns + TIMEOUT_NS);
            }
        }
    }
    void refresh()
    {
        for (uint64_t step = 0; step < steps_; step++) {
            world_.step();
            for (uint64_t count = pace_.in_step(); count > 0; count--) {
                Connection &connection = world_.connection(order_[next_++]);
                world_.rearm(connection, virtual_ns + TIMEOUT_NS);
                next_ = after<latency>(connection, next_);
            }
        }
    }

    World<Timers> world_;
    const uint64_t steps_;
    const std::vector<uint32_t> &order_;
    Pace pace_;
    size_t next_ = 0; /* into order_; the first round sets up */
};

} // namespace bench

#endif
