/* SPDX-License-Identifier: MIT */
// tickwheel.hpp: lambdas are kept as long as they may run and no longer, loops and
// timers end with their objects, exceptions pass, and failures are thrown.
#include <tickwheel.hpp>

#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using std::chrono::duration;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

namespace {

int failures;

void check(bool holds, const char *what, int line) {
    if (!holds) {
        std::fprintf(stderr, "line %d: not so: %s\n", line, what);
        failures++;
    }
}
#define CHECK(condition) check((condition), #condition, __LINE__)

uint64_t now_ns = 1000;

uint64_t read_clock(void *) { return now_ns; }

tw_options own_clock() {
    tw_options options = TW_OPTIONS_INIT;
    options.clock = read_clock;
    return options;
}

// Counts what lives: a lambda that has one lives as long.
struct witness {
    static int alive;
    witness() { alive++; }
    witness(const witness &) { alive++; }
    ~witness() { alive--; }
    witness &operator=(const witness &) = default;
};
int witness::alive;

void a_lambda_lives_until_it_has_run() {
    tickwheel::loop loop(own_clock());
    int calls = 0;
    {
        witness one;
        loop.call_later(nanoseconds(10), [&calls, one] { calls++; });
        loop.call_soon([&calls, one] { calls += 10; });
        loop.call_at_ns(now_ns + 20, [&calls, one] { calls += 100; });
    }
    CHECK(witness::alive == 3);
    tw_advance(loop, now_ns + 10);
    CHECK(calls == 11 && witness::alive == 1);
    tw_advance(loop, now_ns + 20);
    CHECK(calls == 111 && witness::alive == 0);
}

void a_cancel_destroys_it_at_once() {
    tickwheel::loop loop(own_clock());
    witness one;
    tw_handle handle = loop.call_later(hours(1), [one] {});
    tw_handle soon = loop.call_soon([one] {});
    CHECK(witness::alive == 3);
    CHECK(tw_cancel(loop, handle) && witness::alive == 2);
    CHECK(tw_cancel(loop, soon) && witness::alive == 1);
    CHECK(!tw_cancel(loop, handle));
    loop.call_later(hours(100), [one] {});
    CHECK(tw_cancel_all(loop) == 1 && witness::alive == 1);
}

void the_loops_end_destroys_it() {
    witness one;
    {
        tickwheel::loop loop(own_clock());
        loop.call_later(hours(1), [one] {});
        loop.call_every(seconds(1), [one] {});
        loop.call_soon([one] {});
        loop.call_soon_threadsafe([one] {});
        CHECK(witness::alive == 5);
    }
    CHECK(witness::alive == 1);
}

void a_periodic_call_may_cancel_itself() {
    tickwheel::loop loop(own_clock());
    int calls = 0;
    tw_handle handle = 0;
    {
        witness one;
        handle = loop.call_every(nanoseconds(10), [&, one] {
            if (++calls == 3) {
                CHECK(tw_cancel(loop, handle));
                CHECK(witness::alive == 1); // still running
            }
        });
    }
    uint64_t begin = now_ns;
    for (unsigned i = 1; i < 10; i++)
        tw_advance(loop, begin + 10 * i);
    CHECK(calls == 3 && witness::alive == 0);
    int fractions = 0;
    loop.call_every(duration<double>(1e-8), [&fractions] { fractions++; });
    uint64_t later = tw_time_ns(loop);
    tw_advance(loop, later + 10);
    tw_advance(loop, later + 20);
    CHECK(fractions == 2);
}

void an_exception_leaves_the_run_and_the_rest_stays_due() {
    tickwheel::loop loop(own_clock());
    int calls = 0;
    {
        witness one;
        loop.call_later(nanoseconds(1), [one] { throw std::runtime_error("first"); });
        loop.call_later(nanoseconds(2), [&calls, one] { calls++; });
        loop.call_soon([one] { throw std::runtime_error("zeroth"); });
    }
    std::string caught;
    for (int i = 0; i < 4; i++) {
        try {
            tw_advance(loop, now_ns + 5);
        } catch (const std::runtime_error &error) {
            caught += error.what();
            caught += ' ';
        }
    }
    CHECK(caught == "zeroth first ");
    CHECK(calls == 1 && witness::alive == 0);
    CHECK(tw_check(loop) == nullptr);
}

void what_is_thrown_by_a_periodic_call_does_not_end_it() {
    tickwheel::loop loop(own_clock());
    int calls = 0;
    witness one;
    tw_handle handle = loop.call_every(nanoseconds(10), [&calls, one] {
        calls++;
        throw calls;
    });
    uint64_t begin = now_ns;
    int thrown = 0;
    for (unsigned i = 1; i <= 3; i++) {
        try {
            tw_advance(loop, begin + 10 * i);
        } catch (int number) {
            thrown += number;
        }
    }
    CHECK(calls == 3 && thrown == 6 && witness::alive == 2);
    CHECK(tw_cancel(loop, handle) && witness::alive == 1);
}

struct counted_context : tw_context {
    int references = 0, entered = 0;
    counted_context() : tw_context() {
        static const tw_context_ops hooks = {
            [](tw_context *c) { static_cast<counted_context *>(c)->references++; },
            [](tw_context *c) { static_cast<counted_context *>(c)->references--; },
            [](tw_context *c) { static_cast<counted_context *>(c)->entered++; },
            [](tw_context *c) { static_cast<counted_context *>(c)->entered--; }};
        ops = &hooks;
    }
};

void contexts_are_inherited_through_lambdas() {
    counted_context mine;
    {
        tickwheel::loop loop(own_clock());
        tw_context_set(loop, &mine);
        int seen = 0;
        auto look = [&] { seen += tw_context_current(loop) == &mine && mine.entered == 1; };
        loop.call_soon([&, look] {
            look();
            loop.call_soon([&, look] {
                look();
                tw_call_soon(loop, [](void *arg) { ++*static_cast<int *>(arg); }, &seen);
            });
        });
        CHECK(tw_context_current(loop) == &mine && mine.references == 1);
        tw_context_set(loop, nullptr);
        for (int i = 0; i < 3; i++)
            tw_advance(loop, now_ns);
        CHECK(seen == 3);
        CHECK(mine.references == 0 && mine.entered == 0);
        CHECK(tw_context_current(loop) == nullptr);
        tw_context_set(loop, &mine);
        tw_cancel(loop, loop.call_later(hours(1), [] {}));
        CHECK(mine.references == 0);
        loop.call_later(hours(1), [] {});
    }
    CHECK(mine.references == 0);
}

void failures_are_thrown_and_leave_nothing() {
    tw_options options = own_clock();
    options.max_pending = 1;
    tickwheel::loop loop(options);
    witness one;
    loop.call_later(hours(1), [] {});
    int error = 0;
    try {
        loop.call_later(hours(1), [one] {});
    } catch (const std::system_error &thrown) {
        error = thrown.code().value();
    }
    CHECK(error == ENOBUFS && witness::alive == 1);
    error = 0;
    try {
        loop.call_every(seconds(0), [one] {});
    } catch (const std::system_error &thrown) {
        error = thrown.code().value();
    }
    CHECK(error == EINVAL && witness::alive == 1);
    error = 0;
    options.missed = 77;
    try {
        tickwheel::loop wrong(options);
    } catch (const std::system_error &thrown) {
        error = thrown.code().value();
    }
    CHECK(error == EINVAL);
    tw_allocator none = {};
    none.alloc = [](void *, size_t, size_t) -> void * { return nullptr; };
    none.free = [](void *, void *, size_t) {};
    options = own_clock();
    options.allocator = &none;
    bool out_of_memory = false;
    try {
        tickwheel::loop empty(options);
    } catch (const std::bad_alloc &) {
        out_of_memory = true;
    }
    CHECK(out_of_memory);
}

void loops_are_moved() {
    int calls = 0;
    tickwheel::loop first(own_clock());
    first.call_soon([&calls] { calls++; });
    tickwheel::loop second(std::move(first));
    CHECK(first.get() == nullptr);
    tw_advance(second, now_ns);
    CHECK(calls == 1);
    std::vector<tickwheel::loop> several;
    several.push_back(std::move(second));
    several.emplace_back(own_clock());
    several[0] = tickwheel::loop(own_clock());
    several[1].call_soon_threadsafe([&calls] { calls++; });
    tw_advance(several[1], now_ns);
    CHECK(calls == 2);
}

struct connection {
    tickwheel::timer idle;
    bool *closed;
    connection(tw_loop *loop, bool *flag)
        : idle(loop, [this] { delete this; }), closed(flag) {}
    ~connection() { *closed = true; }
};

void a_timer_stops_with_its_object() {
    tickwheel::loop loop(own_clock());
    int calls = 0;
    {
        tickwheel::timer timer(loop, [&calls] { calls++; });
        timer.start_later(milliseconds(1));
        CHECK(timer.active() && timer.when_ns() == now_ns + 1000000);
    }
    CHECK(tw_pending_count(loop) == 0);
    tickwheel::timer again(loop, [&] {
        if (++calls < 3)
            again.start_at_ns(0);
    });
    again.start_at_ns(0);
    for (int i = 0; i < 5; i++)
        tw_advance(loop, now_ns);
    CHECK(calls == 3);
    bool closed = false;
    connection *one = new connection(loop, &closed); // its timeout deletes it
    one->idle.start_later(nanoseconds(7));
    tw_advance(loop, now_ns + 7);
    CHECK(closed);
}

void a_timer_may_outlive_its_loop() {
    std::unique_ptr<tickwheel::timer> timer;
    {
        tickwheel::loop loop(own_clock());
        timer.reset(new tickwheel::timer(loop, [] {}));
        timer->start_later(seconds(1));
    }
    CHECK(!timer->active());
}

void calls_from_threads_run_here() {
    tickwheel::loop loop;
    std::vector<std::thread> threads;
    int calls = 0;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&] {
            for (int j = 0; j < 100; j++)
                loop.call_soon_threadsafe([&] {
                    witness one;
                    if (++calls == 400)
                        tw_stop(loop);
                });
        });
    }
    CHECK(tw_run_forever(loop) == 0);
    for (std::thread &thread : threads)
        thread.join();
    CHECK(calls == 400 && witness::alive == 0);
}

void durations_are_exact_and_rounded_up() {
    using tickwheel::to_ns;
    using int64 = int64_t;
    CHECK(to_ns(milliseconds(3)) == 3000000);
    CHECK(to_ns(seconds(-1)) == 0 && to_ns(seconds(0)) == 0);
    CHECK(to_ns(duration<int64, std::pico>(1)) == 1);
    CHECK(to_ns(duration<int64, std::pico>(1001)) == 2);
    CHECK(to_ns(duration<int64, std::ratio<1, 3>>(1)) == 333333334);
    CHECK(to_ns(hours(std::numeric_limits<hours::rep>::max())) == UINT64_MAX);
    CHECK(to_ns(nanoseconds(INT64_MAX)) == static_cast<uint64_t>(INT64_MAX));
    tickwheel::loop loop(own_clock());
    tw_handle handle = loop.call_later(duration<double>(0.1), [] {});
    CHECK(tw_when_ns(loop, handle) == now_ns + 100000000);
    handle = loop.call_later(duration<float>(std::numeric_limits<float>::infinity()), [] {});
    CHECK(tw_when_ns(loop, handle) == UINT64_MAX && tw_pending(loop, handle));
}

} // namespace

int main() {
    a_lambda_lives_until_it_has_run();
    a_cancel_destroys_it_at_once();
    the_loops_end_destroys_it();
    a_periodic_call_may_cancel_itself();
    an_exception_leaves_the_run_and_the_rest_stays_due();
    what_is_thrown_by_a_periodic_call_does_not_end_it();
    contexts_are_inherited_through_lambdas();
    failures_are_thrown_and_leave_nothing();
    loops_are_moved();
    a_timer_stops_with_its_object();
    a_timer_may_outlive_its_loop();
    calls_from_threads_run_here();
    durations_are_exact_and_rounded_up();
    return failures == 0 ? 0 : 1;
}
