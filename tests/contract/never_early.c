/* SPDX-License-Identifier: MIT */
/* Promises 1, 2 and 14: never early, late only by the caller, and the clock. */
#include "support.h"

#include <float.h>

static tw_loop *the_loop;

static uint64_t when_of_call_later(double delay)
{
    tw_handle call = tw_call_later(the_loop, delay, record, ID(1));

    cr_assert_neq(call, 0);
    uint64_t when_ns = tw_when_ns(the_loop, call);
    cr_assert(tw_cancel(the_loop, call));
    return when_ns;
}

Test(clock, update_now_reads_it)
{
    the_loop = loop_new();
    clock_ns = START + 5;
    cr_assert_eq(tw_update_now(the_loop), START + 5);
    clock_ns = START;
    cr_assert_eq(tw_update_now(the_loop), START + 5, "it went backwards");
    cr_assert_eq(tw_now_ns(the_loop), START, "no run has seen it");
    loop_free(the_loop);
}

Test(clock, loop_may_be_adopted_anywhere)
{
    the_loop = loop_new();
    cr_assert_eq(tw_loop_adopt(the_loop), 0);
    cr_assert_eq(tw_loop_adopt(the_loop), 0);
    loop_free(the_loop);
}

Test(never_early, relative_delay_counts_from_a_fresh_reading)
{
    the_loop = loop_new();
    tw_run(the_loop);
    clock_ns += 5 * SECOND;      /* time passes, and nobody runs the loop */

    tw_handle call = tw_call_later_ns(the_loop, 10 * MS, record, ID(1));
    cr_assert_eq(tw_when_ns(the_loop, call), clock_ns + 10 * MS);
    cr_assert_eq(when_of_call_later(0.5), clock_ns + 500 * MS);

    tw_timer timer;
    tw_timer_init(&timer, record, ID(2));
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &timer, 20 * MS), 0);
    cr_assert_eq(tw_timer_when_ns(&timer), clock_ns + 20 * MS);

    clock_ns += SECOND;
    cr_assert(tw_reschedule_later_ns(the_loop, call, 30 * MS));
    cr_assert_eq(tw_when_ns(the_loop, call), clock_ns + 30 * MS);
    cr_assert(tw_reschedule_later(the_loop, call, 0.25));
    cr_assert_eq(tw_when_ns(the_loop, call), clock_ns + 250 * MS);
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &timer, 40 * MS), 0);
    cr_assert_eq(tw_timer_when_ns(&timer), clock_ns + 40 * MS);

    tw_handle periodic = tw_call_every(the_loop, 0.125, record, ID(3));
    cr_assert_eq(tw_when_ns(the_loop, periodic), clock_ns + 125 * MS);
    tw_timer_stop(the_loop, &timer);
    loop_free(the_loop);
}

static void take_a_second_then_call_later(void *arg)
{
    clock_ns += SECOND;
    *(tw_handle *)arg = tw_call_later_ns(the_loop, 10 * MS, record, ID(1));
}

Test(never_early, delay_given_in_a_callback_counts_from_when_it_is_given)
{
    tw_handle call = 0;

    the_loop = loop_new();
    tw_call_soon(the_loop, take_a_second_then_call_later, &call);
    tw_run(the_loop);
    cr_assert_eq(tw_now_ns(the_loop), START);
    cr_assert_eq(tw_when_ns(the_loop, call), START + SECOND + 10 * MS);
    run_at(the_loop, START + SECOND + 10 * MS - 1);
    expect_nothing_fired();
    loop_free(the_loop);
}

/* A clock that ticks by itself at each reading: however often it is read, the
 * delay counts from a reading inside the call. */
Test(never_early, clock_that_moves_at_each_reading_never_shortens_a_delay)
{
    the_loop = loop_new();
    clock_step_ns = 7 * US;
    for (int i = 0; i < 100; i++) {
        uint64_t before_ns = clock_ns;
        tw_handle call = tw_call_later_ns(the_loop, MS, record, ID(i));
        uint64_t when_ns = tw_when_ns(the_loop, call);

        cr_assert_geq(when_ns, before_ns + MS);
        cr_assert_leq(when_ns, clock_ns + MS);
    }
    loop_free(the_loop);
}

Test(never_early, run_a_nanosecond_before_the_deadline_calls_nothing)
{
    the_loop = loop_new();
    for (uint64_t delay_ns = 1; delay_ns < DAY; delay_ns = delay_ns * 3 + 1) {
        uint64_t when_ns = clock_ns + delay_ns;

        forget_fired();
        tw_call_at_ns(the_loop, when_ns, record, ID(1));
        cr_assert_eq(run_at(the_loop, when_ns - 1), 0, "early by 1 ns of %zu", (size_t)delay_ns);
        cr_assert_eq(run_at(the_loop, when_ns), 1, "late after %zu ns", (size_t)delay_ns);
        cr_assert_eq(fired[0].at_ns, when_ns);
    }
    loop_free(the_loop);
}

Test(never_early, run_calls_every_deadline_to_the_nanosecond_within_one_tick)
{
    the_loop = loop_new();
    for (uint64_t i = 0; i < 64; i++) {     /* all in one tick or two, a nanosecond apart */
        tw_call_at_ns(the_loop, START + MS + i, record, ID(i));
    }
    for (uint64_t i = 0; i < 64; i++) {
        cr_assert_eq(run_at(the_loop, START + MS + i), 1);
        cr_assert_eq(fired[i].id, i);
    }
    loop_free(the_loop);
}

Test(never_early, random_deadlines_run_at_the_first_run_that_reaches_them)
{
    uint64_t chance = 1;

    the_loop = loop_new();
    for (int i = 0; i < 2000; i++) {
        uint64_t when_ns = START + random_below(&chance, UINT64_C(1) << random_below(&chance, 44));
        size_t number = ledger_add(when_ns);
        cr_assert_neq(tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(number)), 0);
    }
    uint64_t now_ns = START;
    while (ledger_pending() > 0) {
        now_ns += random_below(&chance, UINT64_C(1) << random_below(&chance, 40));
        ledger_run_at(the_loop, now_ns);
        check_loop(the_loop);
    }
    loop_free(the_loop);
}

Test(never_early, seconds_are_rounded_up_to_the_next_nanosecond)
{
    the_loop = loop_new();
    cr_assert_eq(when_of_call_later(0.0), START);
    cr_assert_eq(when_of_call_later(1e-9), START + 1);
    cr_assert_eq(when_of_call_later(1.25e-9), START + 2);
    cr_assert_eq(when_of_call_later(1e-10), START + 1);
    cr_assert_eq(when_of_call_later(DBL_TRUE_MIN), START + 1);
    cr_assert_eq(when_of_call_later(0.5), START + 500 * MS);
    cr_assert_eq(when_of_call_later(ldexp(1, -30)), START + 1);     /* 0.93 ns */
    cr_assert_eq(when_of_call_later(ldexp(1, -29)), START + 2);     /* 1.86 ns */
    loop_free(the_loop);
}

/* The header says how: the product of doubles, rounded up. Where doubles are
 * kept in wider registers the product is nearer to the exact one. */
Test(never_early, seconds_become_the_product_of_doubles_rounded_up)
{
    uint64_t chance = 2;

    the_loop = loop_new();
    cr_assert_eq(when_of_call_later(0.1), START + 100 * MS);
    cr_assert_eq(when_of_call_later(0.3), START + 300 * MS);
    for (int i = 0; i < 20000; i++) {
        uint64_t mantissa = (random_next(&chance) >> 11) | (UINT64_C(1) << 52);
        double delay = ldexp((double)mantissa, -30 - (int)random_below(&chance, 50));
        uint64_t delay_ns = when_of_call_later(delay) - START;
        volatile double product = delay * 1e9;
        double ulp = FLT_EVAL_METHOD == 0 ? 0 : product * DBL_EPSILON;

        REQUIRE((double)delay_ns >= product - ulp, "%.17g s became %zu ns", delay,
                (size_t)delay_ns);
        REQUIRE((double)(delay_ns - 1) < product + ulp, "%.17g s became %zu ns, too long", delay,
                (size_t)delay_ns);
    }
    loop_free(the_loop);
}

/* From 2^53 ns on, 104 days, a double of ns is coarser than a nanosecond. */
Test(never_early, long_delays_are_exact_where_the_seconds_are)
{
    clock_ns = 0;
    the_loop = loop_new();
    cr_assert_eq(tw_when_ns(the_loop, tw_call_later(the_loop, 1e10, record, ID(1))),
                 UINT64_C(10000000000) * SECOND);
    cr_assert_eq(tw_when_ns(the_loop, tw_call_later(the_loop, 1e10 + 0.5, record, ID(2))),
                 UINT64_C(10000000000) * SECOND + SECOND / 2);
    cr_assert_eq(tw_when_ns(the_loop, tw_call_at(the_loop, 134217729.25, record, ID(3))),
                 UINT64_C(134217729) * SECOND + SECOND / 4);
    loop_free(the_loop);
}

Test(never_early, absolute_seconds_are_on_the_clock_of_tw_time)
{
    the_loop = loop_new();
    double now = tw_time(the_loop);
    cr_assert_eq(now, 1000.0);
    cr_assert_eq(tw_time_ns(the_loop), START);

    tw_handle call = tw_call_at(the_loop, now + 0.25, record, ID(1));
    cr_assert_eq(tw_when_ns(the_loop, call), START + 250 * MS);
    cr_assert(tw_reschedule_at(the_loop, call, now + 0.5));
    cr_assert_eq(tw_when_ns(the_loop, call), START + 500 * MS);
    run_at(the_loop, START + 500 * MS - 1);
    expect_nothing_fired();
    run_at(the_loop, START + 500 * MS);
    expect_fired(1);
    cr_assert_eq(tw_time(the_loop), 1000.5);
    loop_free(the_loop);
}

Test(clock, absolute_call_reads_no_clock_and_a_relative_one_reads_it)
{
    the_loop = loop_new();
    uint64_t readings = clock_readings;
    tw_handle call = tw_call_at_ns(the_loop, START + SECOND, record, ID(1));
    tw_reschedule_at_ns(the_loop, call, START + 2 * SECOND);
    tw_now_ns(the_loop);
    tw_next_ns(the_loop);
    tw_advance(the_loop, START + 1);
    cr_assert_eq(clock_readings, readings);
    tw_call_later_ns(the_loop, 1, record, ID(2));
    cr_assert_gt(clock_readings, readings);
    loop_free(the_loop);
}

static void *expected_argument;

static uint64_t clock_with_argument(void *arg)
{
    REQUIRE(arg == expected_argument, "the clock got an argument that is not its own");
    return clock_ns;
}

Test(clock, clock_of_the_options_is_called_with_its_argument)
{
    int somewhere = 0;
    tw_options options = test_options();

    expected_argument = options.clock_arg = &somewhere;
    options.clock = clock_with_argument;
    the_loop = loop_with(&options);
    clock_ns = START + 123456789;
    cr_assert_eq(tw_time_ns(the_loop), START + 123456789);
    loop_free(the_loop);
}

Test(clock, default_clock_is_monotonic_and_moves)
{
    the_loop = tw_loop_new(NULL);
    cr_assert_not_null(the_loop);
    uint64_t first_ns = tw_time_ns(the_loop);
    uint64_t last_ns = first_ns;

    while (last_ns == first_ns) {
        uint64_t now_ns = tw_time_ns(the_loop);
        REQUIRE(now_ns >= last_ns, "the clock went backwards");
        last_ns = now_ns;
    }
    cr_assert_geq(tw_time(the_loop), (double)first_ns / 1e9);
    tw_loop_free(the_loop);
}

Test(clock, boottime_clock_moves_too_or_is_said_to_be_missing)
{
    tw_options options = {.size = sizeof(options), .clock_id = TW_CLOCK_BOOTTIME};

    the_loop = tw_loop_new(&options);
    if (the_loop == NULL) {
        cr_assert_eq(errno, ENOTSUP);
        return;
    }
    uint64_t first_ns = tw_time_ns(the_loop);
    while (tw_time_ns(the_loop) == first_ns) {
    }
    cr_assert_gt(tw_time_ns(the_loop), first_ns);
    tw_loop_free(the_loop);
}

Test(clock, now_is_the_reading_of_the_last_run)
{
    the_loop = loop_new();
    cr_assert_eq(tw_now_ns(the_loop), START);
    clock_ns += SECOND;
    cr_assert_eq(tw_now_ns(the_loop), START);
    tw_run(the_loop);
    cr_assert_eq(tw_now_ns(the_loop), START + SECOND);
    tw_advance(the_loop, START + 3 * SECOND);
    cr_assert_eq(tw_now_ns(the_loop), START + 3 * SECOND);
    loop_free(the_loop);
}

Test(clock, reading_that_goes_backwards_is_ignored)
{
    the_loop = loop_new();
    run_at(the_loop, START + 10 * SECOND);
    clock_ns = START;
    cr_assert_eq(tw_time_ns(the_loop), START + 10 * SECOND);
    cr_assert_eq(tw_time(the_loop), 1010.0);

    tw_handle call = tw_call_later_ns(the_loop, SECOND, record, ID(1));
    cr_assert_eq(tw_when_ns(the_loop, call), START + 11 * SECOND);
    cr_assert_eq(tw_run(the_loop), 0);
    cr_assert_eq(tw_now_ns(the_loop), START + 10 * SECOND);
    cr_assert_eq(tw_advance(the_loop, 5), 0);
    cr_assert_eq(tw_now_ns(the_loop), START + 10 * SECOND);
    check_loop(the_loop);

    cr_assert_eq(run_at(the_loop, START + 11 * SECOND), 1);
    loop_free(the_loop);
}

Test(clock, reading_between_runs_counts_as_seen)
{
    the_loop = loop_new();
    clock_ns = START + 10 * SECOND;
    cr_assert_eq(tw_time_ns(the_loop), START + 10 * SECOND);
    clock_ns = START + SECOND;
    cr_assert_eq(tw_time_ns(the_loop), START + 10 * SECOND);
    loop_free(the_loop);
}

Test(clock, stuttering_clock_keeps_order_and_loses_nothing)
{
    uint64_t chance = 3;

    the_loop = loop_new();
    for (int i = 0; i < 500; i++) {
        uint64_t when_ns = START + random_below(&chance, 20 * SECOND);
        tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(ledger_add(when_ns)));
    }
    uint64_t highest_ns = START;
    while (ledger_pending() > 0) {
        uint64_t step_ns = random_below(&chance, 100 * MS);

        /* Half of the readings are in the past: such a run is one at the highest. */
        if (random_below(&chance, 2)) {
            ledger_run_at(the_loop, highest_ns);
            clock_ns = highest_ns - step_ns;
            REQUIRE(tw_run(the_loop) == 0, "a run in the past made a call");
        } else {
            highest_ns += step_ns;
            ledger_run_at(the_loop, highest_ns);
        }
    }
    check_loop(the_loop);
    loop_free(the_loop);
}

Test(clock, jump_of_a_year_is_caught_up_with_in_order)
{
    uint64_t chance = 4;

    the_loop = loop_new();
    for (int i = 0; i < 20000; i++) {
        uint64_t when_ns = START + random_below(&chance, YEAR);
        tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(ledger_add(when_ns)));
    }
    cr_assert_eq(ledger_run_at(the_loop, START + YEAR), 20000);
    check_loop(the_loop);

    /* And what is scheduled after the jump is as exact as before it. */
    uint64_t when_ns = clock_ns + 10 * MS;
    tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(ledger_add(when_ns)));
    cr_assert_eq(ledger_run_at(the_loop, when_ns - 1), 0);
    cr_assert_eq(ledger_run_at(the_loop, when_ns), 1);
    loop_free(the_loop);
}

Test(clock, clock_that_starts_at_zero_or_near_the_end_works)
{
    const uint64_t starts[] = {0, 1, TICK - 1, TICK, UINT64_MAX - 10 * SECOND};

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        clock_ns = starts[i];
        forget_fired();
        the_loop = loop_new();
        tw_call_later_ns(the_loop, 2 * SECOND, record, ID(2));
        tw_call_later_ns(the_loop, SECOND, record, ID(1));
        tw_call_at_ns(the_loop, 0, record, ID(0));
        run_at(the_loop, starts[i] + 2 * SECOND - 1);
        expect_fired(0, 1);
        run_at(the_loop, starts[i] + 2 * SECOND);
        expect_fired(0, 1, 2);
        loop_free(the_loop);
    }
}
