/* SPDX-License-Identifier: MIT */
/* Promise 8: any delay, near and far, on a clock that the test moves. */
#include "support.h"

static tw_loop *the_loop;

/* Deadlines of all sizes, and a nanosecond on either side of each. */
static const uint64_t delays_ns[] = {
    0, 1, 999, US, MS, TICK, 64 * TICK, 128 * TICK, SECOND, 4096 * TICK, 8192 * TICK, MINUTE,
    HOUR, SPAN - TICK, SPAN, SPAN + TICK, DAY, DAY + SECOND, 24 * DAY + 20 * HOUR, 50 * DAY, YEAR,
    100 * YEAR, UINT64_C(1) << 62, UINT64_C(1) << 63,
};
enum { DELAYS = sizeof(delays_ns) / sizeof(delays_ns[0]) };

static void schedule_all(uint64_t tick_ns)
{
    tw_options options = test_options();

    options.tick_ns = tick_ns;
    clock_ns = START;
    ledger_count = 0;
    the_loop = loop_with(&options);
    for (int i = DELAYS; i-- > 0;) {
        for (uint64_t near_ns = delays_ns[i] ? 0 : 1; near_ns < 3; near_ns++) {
            uint64_t when_ns = START + delays_ns[i] + near_ns - 1;
            size_t number = ledger_add(when_ns);
            cr_assert_neq(tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(number)), 0);
        }
    }
    check_loop(the_loop);
}

static const uint64_t tick_sizes_ns[] = {0, 1, 1 << 10, UINT64_C(1) << 30, UINT64_C(1) << 63};
#define FOR_EACH_TICK(tick_ns)                                                                     \
    for (size_t t = 0; t < 5; t++)                                                                 \
        for (uint64_t tick_ns = tick_sizes_ns[t], once = 1; once; once = 0)

Test(far, all_are_run_in_order_by_one_jump)
{
    FOR_EACH_TICK(tick_ns) {
        schedule_all(tick_ns);
        size_t all = ledger_pending();
        cr_assert_eq(ledger_run_at(the_loop, UINT64_MAX), all);
        check_loop(the_loop);
        loop_free(the_loop);
    }
}

/* On new loops and on such as have been run, since those have a shorter way. */
Test(far, what_is_never_due_is_not_run_at_the_end_of_time)
{
    for (int runs = 0; runs < 4; runs++) {
        clock_ns = START;
        ledger_count = 0;
        the_loop = loop_new();
        for (int run = 0; run < runs; run++)
            cr_assert_eq(ledger_run_at(the_loop, START + 1 + (uint64_t)run), 0);
        tw_handle never = tw_call_at_ns(the_loop, UINT64_MAX, ledger_fire, ID(ledger_add(UINT64_MAX)));
        for (int again = 0; again < 2; again++)
            cr_assert_eq(tw_advance(the_loop, UINT64_MAX), 0);
        cr_assert(tw_cancel(the_loop, never));
        check_loop(the_loop);
        loop_free(the_loop);
    }
}

Test(far, each_is_run_on_its_nanosecond_by_jumping_to_just_before_and_on_it)
{
    FOR_EACH_TICK(tick_ns) {
        schedule_all(tick_ns);
        while (ledger_pending() > 0) {
            uint64_t earliest_ns = ledger_earliest_ns();

            REQUIRE(tw_next_ns(the_loop) <= earliest_ns, "it would oversleep");
            if (earliest_ns > clock_ns) {
                cr_assert_eq(ledger_run_at(the_loop, earliest_ns - 1), 0);
            } else {
                earliest_ns = clock_ns;      /* a deadline in the past */
            }
            cr_assert_geq(ledger_run_at(the_loop, earliest_ns), 1);
            check_loop(the_loop);
        }
        loop_free(the_loop);
    }
}

Test(far, all_are_run_by_many_steps_of_growing_size)
{
    FOR_EACH_TICK(tick_ns) {
        schedule_all(tick_ns);
        uint64_t step_ns = 1;
        while (ledger_pending() > 0) {
            uint64_t room_ns = UINT64_MAX - clock_ns;
            ledger_run_at(the_loop, clock_ns + (step_ns < room_ns ? step_ns : room_ns));
            check_loop(the_loop);
            step_ns += step_ns / 16 + 1;
        }
        loop_free(the_loop);
    }
}

Test(far, all_are_run_on_time_by_following_tw_next_ns)
{
    FOR_EACH_TICK(tick_ns) {
        schedule_all(tick_ns);
        size_t wakeups = 0;
        while (ledger_pending() > 0) {
            uint64_t next_ns = tw_next_ns(the_loop);

            REQUIRE(next_ns <= ledger_earliest_ns(), "it would oversleep");
            ledger_run_at(the_loop, next_ns > clock_ns ? next_ns : clock_ns);
            REQUIRE(++wakeups < 10 * 3 * DELAYS, "woken %zu times at tick %zu", wakeups,
                    (size_t)tick_ns);
        }
        cr_assert_eq(tw_next_ns(the_loop), NEVER);
        loop_free(the_loop);
    }
}

Test(far, century_in_steps_of_a_day_and_a_second)
{
    tw_handle call;

    the_loop = loop_new();
    tw_call_later(the_loop, 86401.0, record, ID(1));
    tw_call_later(the_loop, 50 * 86400.0, record, ID(2));
    call = tw_call_later(the_loop, 100 * 365 * 86400.0, record, ID(3));
    cr_assert_eq(tw_when_ns(the_loop, call), START + 100 * YEAR);
    run_at(the_loop, START + DAY + SECOND - 1);
    expect_nothing_fired();
    run_at(the_loop, START + DAY + SECOND);
    expect_fired(1);
    for (uint64_t day = 2; day <= 100 * 365; day++) {
        run_at(the_loop, START + day * (DAY + SECOND) < START + 100 * YEAR
                             ? START + day * (DAY + SECOND)
                             : START + 100 * YEAR - 1);
    }
    expect_fired(1, 2);
    check_loop(the_loop);
    run_at(the_loop, START + 100 * YEAR);
    expect_fired(1, 2, 3);
    loop_free(the_loop);
}

Test(far, never_is_pending_and_is_not_run_even_at_the_end_of_time)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, record, ID(9));
    tw_handle calls[] = {
        tw_call_later(the_loop, (double)INFINITY, record, ID(1)),
        tw_call_at(the_loop, (double)INFINITY, record, ID(2)),
        tw_call_at_ns(the_loop, NEVER, record, ID(3)),
        tw_call_later_ns(the_loop, NEVER, record, ID(4)),
        tw_call_later_ns(the_loop, NEVER - 1, record, ID(5)),      /* the sum saturates */
        tw_call_every(the_loop, (double)INFINITY, record, ID(6)),
        tw_call_every_ns(the_loop, NEVER, record, ID(7)),
        tw_call_later(the_loop, 1e300, record, ID(8)),
    };
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &timer, NEVER), 0);
    cr_assert_eq(tw_pending_count(the_loop), 9);
    cr_assert_eq(tw_next_ns(the_loop), NEVER);
    cr_assert_eq(tw_timeout_ms(the_loop), -1);
    for (int i = 0; i < 8; i++) {
        cr_assert(tw_pending(the_loop, calls[i]), "call %d", i);
        cr_assert_eq(tw_when_ns(the_loop, calls[i]), NEVER, "call %d", i);
    }
    run_at(the_loop, START + 100 * YEAR);
    run_at(the_loop, NEVER - 1);
    run_at(the_loop, NEVER);
    expect_nothing_fired();
    check_loop(the_loop);
    for (int i = 0; i < 8; i++) {
        cr_assert(tw_cancel(the_loop, calls[i]), "call %d", i);
    }
    tw_timer_stop(the_loop, &timer);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    loop_free(the_loop);
}

Test(far, sums_saturate)
{
    the_loop = loop_new();
    clock_ns = NEVER - 10;
    tw_handle last = tw_call_later_ns(the_loop, 9, record, ID(1));
    tw_handle never = tw_call_later_ns(the_loop, 10, record, ID(2));
    tw_handle beyond = tw_call_later_ns(the_loop, 11, record, ID(3));
    cr_assert_eq(tw_when_ns(the_loop, last), NEVER - 1);
    cr_assert_eq(tw_when_ns(the_loop, never), NEVER);
    cr_assert_eq(tw_when_ns(the_loop, beyond), NEVER);
    cr_assert(tw_reschedule_later(the_loop, beyond, 1e18));
    cr_assert_eq(tw_when_ns(the_loop, beyond), NEVER);
    run_at(the_loop, NEVER - 2);
    expect_nothing_fired();
    run_at(the_loop, NEVER - 1);
    expect_fired(1);
    run_at(the_loop, NEVER);
    expect_fired(1);
    loop_free(the_loop);
}

Test(far, negative_and_past_times_are_due_at_the_next_run)
{
    the_loop = loop_new();
    const tw_handle calls[] = {
        tw_call_later(the_loop, -1.0, record, ID(1)),
        tw_call_later(the_loop, -1e300, record, ID(2)),
        tw_call_later(the_loop, (double)-INFINITY, record, ID(3)),
        tw_call_later(the_loop, -0.0, record, ID(4)),
        tw_call_at(the_loop, -1e300, record, ID(5)),
        tw_call_at(the_loop, (double)-INFINITY, record, ID(6)),
        tw_call_at(the_loop, -1.0, record, ID(7)),
        tw_call_at(the_loop, 0.0, record, ID(8)),
        tw_call_at_ns(the_loop, 0, record, ID(9)),
        tw_call_at(the_loop, 999.0, record, ID(10)),
    };
    for (int i = 0; i < 10; i++) {
        cr_assert_neq(calls[i], 0, "call %d", i + 1);
        cr_assert_leq(tw_when_ns(the_loop, calls[i]), START, "call %d", i + 1);
    }
    cr_assert_leq(tw_next_ns(the_loop), clock_ns);
    cr_assert_eq(tw_timeout_ms(the_loop), 0);
    cr_assert_eq(tw_run(the_loop), 10);
    tw_handle call = tw_call_later(the_loop, 5.0, record, ID(11));
    cr_assert(tw_reschedule_later(the_loop, call, -3.0));
    cr_assert_eq(tw_run(the_loop), 1);
    call = tw_call_later(the_loop, 5.0, record, ID(12));
    cr_assert(tw_reschedule_at(the_loop, call, (double)-INFINITY));
    cr_assert_eq(tw_run(the_loop), 1);
    loop_free(the_loop);
}

Test(far, calls_beyond_the_span_are_cancelled_and_moved_like_any_other)
{
    enum { CALLS = 3000 };
    static tw_handle calls[CALLS];
    uint64_t chance = 9;

    the_loop = loop_new();
    for (size_t i = 0; i < CALLS; i++) {
        uint64_t when_ns = START + SPAN + random_below(&chance, 10 * YEAR);
        calls[i] = tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(ledger_add(when_ns)));
    }
    cr_assert_eq(stats_of(the_loop).overflow, CALLS);
    for (size_t i = 0; i < CALLS; i++) {
        uint64_t when_ns = START + random_below(&chance, UINT64_C(1) << 58);
        if (i % 3 == 0) {
            REQUIRE(tw_cancel(the_loop, calls[i]), "call %zu", i);
            ledger_cancel(i);
        } else if (i % 3 == 1) {
            REQUIRE(tw_reschedule_at_ns(the_loop, calls[i], when_ns), "call %zu", i);
            ledger_move(i, when_ns);
        }
    }
    check_loop(the_loop);
    while (ledger_pending() > 0) {
        ledger_run_at(the_loop, clock_ns + random_below(&chance, YEAR / 10));
    }
    check_loop(the_loop);
    cr_assert_eq(stats_of(the_loop).overflow, 0);
    loop_free(the_loop);
}
