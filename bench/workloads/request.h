/* SPDX-License-Identifier: MIT */
/* Start a 30 s timeout, stop it when it is the oldest; 1,000 per ms, or as many
 * as keep the oldest from firing. */
#ifndef TICKWHEEL_BENCH_WORKLOADS_REQUEST_H
#define TICKWHEEL_BENCH_WORKLOADS_REQUEST_H

#include "common.h"

namespace bench
{

template <template <Fire *> class C, bool latency> class Request
{
  public:
    static constexpr Workload kind = Workload::request;
    static constexpr const char *name = latency ? "request-latency" : "request";
    static void fire(void *arg)
    {
        Connection &connection = Connection::of(arg);
        static_cast<Request *>(connection.world)->world_.note(connection);
    }
    using Timers = C<&Request::fire>;

    explicit Request(const Setting &setting)
        : world_(this, setting, setting.timers),
          per_step_(std::max<uint64_t>(1000, setting.timers / 20000))
    {
    }

    void run(Stopwatch &watch, Figures &figures)
    {
        const size_t timers = world_.connections();
        world_.open();
        open_requests();
        world_.measure_bytes();
        const uint64_t steps = is_counting()       ? 256
                               : timers <= 10000   ? 2048
                               : timers <= 1000000 ? 4096
                                                   : 16384;
        watch.start();
        serve(steps);
        watch.stop();
        world_.close();
        figures.operations = steps * per_step_;
        world_.report(figures);
    }

  private:
    static constexpr uint64_t TIMEOUT_NS = 30 * SECOND - 1;

    /* The first record's request is the oldest. As in Idle, each timer is
     * started somewhere in its timeout and then moved. */
    void open_requests()
    {
        for (size_t i = 0; i < world_.connections(); i++) {
            if (i % per_step_ == 0)
                world_.step();
            Connection &connection = world_.connection(static_cast<uint32_t>(i));
            world_.start(connection, virtual_ns + random_delay(TIMEOUT_NS, random64(i)));
            world_.stop(connection);
            world_.start(connection, virtual_ns + TIMEOUT_NS);
        }
    }
    void serve(uint64_t steps)
    {
        uint32_t oldest = 0;
        for (uint64_t step = 0; step < steps; step++) {
            world_.step();
            for (uint64_t i = 0; i < per_step_; i++) {
                Connection &connection = world_.connection(oldest);
                world_.stop(connection);
                world_.start(connection, virtual_ns + TIMEOUT_NS);
                oldest = after<latency>(connection, oldest + 1);
                if (oldest >= world_.connections())
                    oldest = 0;
            }
        }
    }

    World<Timers> world_;
    const uint64_t per_step_;
};

} // namespace bench

#endif
