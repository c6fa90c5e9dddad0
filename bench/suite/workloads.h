/* SPDX-License-Identifier: MIT */
/*
 * The workloads, as templates over a contender. Each has
 *
 *     kind, name        what it is called
 *     W(setting)        before the clock runs
 *     run(watch, out)   set-up, the measured part, teardown
 *
 * and works in steps of one virtual millisecond. Windows are chosen so that a
 * run takes a second or so at most sizes, and covers whole turns of the
 * wheels' levels (16.4 s for the textbook's, 4.3 s for tickwheel's), since a
 * cascade is paid for at once there.
 *
 * Three workloads begin in the state that they would settle into, so that no
 * long time must pass before what is measured is typical: deadlines are drawn
 * from the stationary distribution, and timers that have been re-armed for
 * long are started at an earlier deadline first and then moved, as they would
 * have been.
 */
#ifndef TICKWHEEL_BENCH_WORKLOADS_H
#define TICKWHEEL_BENCH_WORKLOADS_H

#include <cmath>

#include "wait_for_loads.h"
#include "world.h"

namespace bench
{

constexpr uint64_t SPAN_NS = 60 * SECOND;

/* Steps measured where the work comes with time: more of them when a step has
 * little to do. To count, a turn of the textbook wheel's level is enough. */
inline uint64_t window_steps(size_t timers)
{
    if (is_counting())
        return 16384;
    return timers <= 10000 ? 65536 : timers <= 100000 ? 32768 : 16384;
}

/* Below this size single advances are so short that reading the clock between
 * them would be most of the time: they are timed in a pass of their own. */
constexpr size_t TIMED_IN_PASSING = 1000000;

inline double per(uint64_t total, uint64_t count)
{
    return static_cast<double>(total) / static_cast<double>(count);
}

/* The next choice. In latency mode it depends on what the last operation read,
 * and waits for all of it: no two misses overlap, as in a server that does
 * other work in between. */
template <bool latency, class Choice> Choice after(const Connection &connection, Choice choice)
{
    if constexpr (latency) {
        wait_for_loads();
        return static_cast<Choice>(choice + connection.zero);
    }
    return choice;
}

inline void add_quantiles(Figures &figures, Samples &samples)
{
    if (samples.empty())
        return;
    figures.add("p50_ns", samples.quantile(0.5));
    figures.add("p99_ns", samples.quantile(0.99));
    figures.add("p999_ns", samples.quantile(0.999));
    figures.add("max_ns", samples.quantile(1));
}

/* How many operations are due by a step, at `count` per `steps` steps: the rate
 * holds on average, however few there are in one step. */
class Pace
{
  public:
    Pace(uint64_t count, uint64_t steps) : count_(count), steps_(steps)
    {
    }
    uint64_t in_step()
    {
        step_++;
        uint64_t due = step_ * count_ / steps_;
        return due - std::exchange(done_, due);
    }

  private:
    uint64_t count_, steps_, step_ = 0, done_ = 0;
};

/* ------------------------------------------------------------------ fill */

/* N starts, deadlines uniform over 60 s; then time moves on step by step until
 * all have fired. */
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

/* ---------------------------------------------------------------- steady */

/* Every timer that fires starts again, uniform over 60 s. */
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

/* ----------------------------------------------------------------- churn */

/* Stop a random timer and start it with a new random deadline, 1,000 times per
 * ms. What fires meanwhile starts again too, so that N stay live. */
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

/* ------------------------------------------------------------------ idle */

/* Re-arm a random connection's 60 s idle timeout, each about every 30 s: in
 * rounds of 30 s, each in another order. So none ever fires. */
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

/* --------------------------------------------------------------- request */

/* Start a 30 s timeout, stop it when it is the oldest; 1,000 per ms, or as many
 * as keep the oldest from firing. */
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

/* ----------------------------------------------------------------- proxy */

/* A simulated proxy. Each connection has four timers: idle (60 s, re-armed at
 * every event), pacing (5 to 50 ms, then the next write), request (30 s,
 * started and stopped) and total (an hour from its opening). Each has an event
 * about every 2 s, at random: half of them only bytes, 39 % a request's begin
 * or end, 9 % a write that is to be paced, 2 % a close. Half of the timers or
 * more are live at a time; some requests time out, connections reach their
 * total lifetime, and then a new connection takes the place of the old one. */
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

/* ------------------------------------------------------------------ herd */

/* N timers with one deadline, ten seconds away, started in random order. */
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

/* ------------------------------------------------------------------- far */

/* Deadlines from a minute to ten years: half of them spread over what the
 * wheel's span of 9.8 hours reaches, half beyond, by orders of magnitude. Half
 * of the timers are stopped, in random order; the others fire, as the clock
 * jumps ahead in 10,000 steps of growing length. */
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

/* --------------------------------------------------------------- sleeper */

/* Nothing is due for a minute, then all N within four seconds. Time moves only
 * to where the contender asks to be woken: so each fires the same timers, but
 * at its own times, and the checksum leaves the times out. */
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

/* ---------------------------------------------------------------- memory */

/* What N timers make resident, their part of the caller's records included. No
 * time is measured. */
template <template <Fire *> class C> class Memory
{
  public:
    static constexpr Workload kind = Workload::fill;
    static constexpr const char *name = "memory";
    static void fire(void *)
    {
    }
    using Timers = C<&Memory::fire>;

    explicit Memory(const Setting &setting)
        : world_(this, setting, setting.timers), measures_(setting.recording == nullptr)
    {
    }

    void run(Stopwatch &, Figures &figures)
    {
        if (measures_)
            world_.measure_resident([this] {
                world_.open();
                for (uint32_t id = 0; id < world_.connections(); id++)
                    world_.start(world_.connection(id),
                                 START_NS + random_delay(SPAN_NS, random64(id)));
            });
        figures.operations = 1;
        world_.report(figures);
    }

  private:
    World<Timers> world_;
    const bool measures_;
};

} // namespace bench

#endif
