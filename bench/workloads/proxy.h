/* SPDX-License-Identifier: MIT */
/* A simulated proxy. Each connection has four timers: idle (60 s, re-armed at
 * every event), pacing (5 to 50 ms, then the next write), request (30 s,
 * started and stopped) and total (an hour from its opening). Each has an event
 * about every 2 s, at random: half of them only bytes, 39 % a request's begin
 * or end, 9 % a write that is to be paced, 2 % a close. Half of the timers or
 * more are live at a time; some requests time out, connections reach their
 * total lifetime, and then a new connection takes the place of the old one. */
#ifndef TICKWHEEL_BENCH_WORKLOADS_PROXY_H
#define TICKWHEEL_BENCH_WORKLOADS_PROXY_H

#include "common.h"

namespace bench
{

template <template <Fire *> class C, bool latency> class Proxy
{
  public:
    static constexpr Workload kind = Workload::proxy;
    static constexpr const char *name = latency ? "proxy-latency" : "proxy";
    static void fire(void *arg)
    {
        Connection &connection = Connection::of(arg);
        static_cast<Proxy *>(connection.world)->fired(connection, Connection::timer_of(arg));
    }
    using Timers = C<&Proxy::fire>;

    /* setting.timers counts the timers, live or not. */
    explicit Proxy(const Setting &setting)
        : world_(this, setting, setting.timers / TIMERS), steps_(window_steps(setting.timers)),
          pace_(setting.timers / TIMERS, EVENT_STEPS)
    {
    }

    void run(Stopwatch &watch, Figures &figures)
    {
        world_.open();
        for (uint32_t id = 0; id < world_.connections(); id++)
            open_connection(world_.connection(id), below(TOTAL_NS, random64(~uint64_t{id})));
        serve(WARM_STEPS);
        world_.measure_bytes();
        uint64_t before = events_;
        watch.start();
        serve(steps_);
        watch.stop();
        figures.operations = events_ - before;
        world_.close();
        world_.report(figures);
    }

  private:
    enum Timer : unsigned { IDLE, PACING, REQUEST, TOTAL, TIMERS };
    static constexpr uint64_t IDLE_NS = 60 * SECOND - 1, REQUEST_NS = 30 * SECOND - 1,
                              TOTAL_NS = 3600 * SECOND, EVENT_STEPS = 2000, WARM_STEPS = 4096;

    void start(Connection &connection, Timer timer, uint64_t delay_ns)
    {
        connection.active |= static_cast<uint8_t>(1u << timer);
        world_.start(connection, virtual_ns + delay_ns, timer);
    }
    static bool is_active(const Connection &connection, unsigned timer)
    {
        return connection.active >> timer & 1;
    }
    void open_connection(Connection &connection, uint64_t age_ns)
    {
        start(connection, IDLE, IDLE_NS);
        start(connection, TOTAL, (TOTAL_NS - age_ns) | 1);
    }
    void close_connection(Connection &connection)
    {
        for (unsigned timer = 0; timer < TIMERS; timer++)
            if (is_active(connection, timer))
                world_.stop(connection, timer);
        connection.active = 0;
    }

    void fired(Connection &connection, unsigned timer)
    {
        world_.note(connection, timer);
        connection.active &= static_cast<uint8_t>(~(1u << timer));
        if (timer == PACING) {
            world_.rearm(connection, virtual_ns + IDLE_NS, IDLE);
        } else {
            close_connection(connection);
            open_connection(connection, 0);
        }
    }
    void event(Connection &connection, uint64_t draw)
    {
        uint64_t percent = draw % 100;
        if (percent < 2) {
            close_connection(connection);
            open_connection(connection, 0);
            return;
        }
        world_.rearm(connection, virtual_ns + IDLE_NS, IDLE);
        if (percent < 41)
            toggle_request(connection);
        else if (percent < 50 && !is_active(connection, PACING))
            start(connection, PACING, (5 * MS + below(45 * MS, draw)) | 1);
    }
    void toggle_request(Connection &connection)
    {
        if (!is_active(connection, REQUEST)) {
            start(connection, REQUEST, REQUEST_NS);
            return;
        }
        connection.active &= static_cast<uint8_t>(~(1u << REQUEST));
        world_.stop(connection, REQUEST);
    }
    void serve(uint64_t steps)
    {
        for (uint64_t step = 0; step < steps; step++) {
            world_.step();
            for (uint64_t count = pace_.in_step(); count > 0; count--) {
                uint64_t draw = random64(events_++);
                uint64_t id = below(world_.connections(), draw * 0xD1342543DE82EF95);
                Connection &connection = world_.connection(static_cast<uint32_t>(id));
                event(connection, draw);
                events_ = after<latency>(connection, events_);
            }
        }
    }

    World<Timers, TIMERS> world_;
    const uint64_t steps_;
    Pace pace_;
    uint64_t events_ = 0;
};

} // namespace bench

#endif
