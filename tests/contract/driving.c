/* SPDX-License-Identifier: MIT */
/* Driving the loop: tw_run's answers, tw_advance, tw_next_ns, tw_timeout_ms, slack. */
#include "support.h"

#include <limits.h>

static tw_loop *the_loop;

static void break_errno(void *id)
{
    record(id);
    errno = ERANGE;
}

Test(run, answers_the_number_of_calls_and_leaves_errno_alone)
{
    the_loop = loop_new();
    errno = E2BIG;
    cr_assert_eq(tw_run(the_loop), 0);
    cr_assert_eq(errno, E2BIG);
    tw_call_soon(the_loop, record, ID(1));
    tw_call_at_ns(the_loop, 0, record, ID(2));
    cr_assert_eq(tw_run(the_loop), 2);
    cr_assert_eq(errno, E2BIG);
    tw_call_soon(the_loop, break_errno, ID(3));
    cr_assert_eq(tw_run(the_loop), 1);
    loop_free(the_loop);
}

Test(run, empty_loop_may_be_run_over_years)
{
    the_loop = loop_new();
    for (uint64_t step_ns = 1; step_ns < UINT64_C(1) << 60; step_ns *= 2) {
        cr_assert_eq(run_at(the_loop, clock_ns + step_ns), 0);
        check_loop(the_loop);
    }
    cr_assert_eq(tw_next_ns(the_loop), NEVER);
    loop_free(the_loop);
}

Test(advance, runs_what_is_due_at_the_callers_reading)
{
    the_loop = loop_new();
    tw_call_at_ns(the_loop, START + SECOND, record, ID(1));
    tw_call_at_ns(the_loop, START + 2 * SECOND, record, ID(2));
    cr_assert_eq(tw_advance(the_loop, START + SECOND - 1), 0);
    cr_assert_eq(tw_advance(the_loop, START + SECOND), 1);
    cr_assert_eq(tw_now_ns(the_loop), START + SECOND);
    cr_assert_eq(tw_advance(the_loop, START), 0);
    cr_assert_eq(tw_now_ns(the_loop), START + SECOND);
    cr_assert_eq(tw_advance(the_loop, START + HOUR), 1);
    expect_fired(1, 2);
    cr_assert_geq(tw_time_ns(the_loop), tw_now_ns(the_loop), "the clock never reads less");
    loop_free(the_loop);
}

Test(advance, reading_below_what_the_clock_has_answered_counts_as_that)
{
    the_loop = loop_new();
    tw_call_at_ns(the_loop, START + SECOND, record, ID(1));
    clock_ns = START + 2 * SECOND;
    cr_assert_eq(tw_time_ns(the_loop), START + 2 * SECOND);
    cr_assert_eq(tw_advance(the_loop, START + 1), 1, "time has come to START + 2 s");
    cr_assert_eq(tw_now_ns(the_loop), START + 2 * SECOND);
    clock_ns = START + 3 * SECOND;
    tw_call_later_ns(the_loop, 0, record, ID(2));       /* reads it, too */
    cr_assert_eq(tw_advance(the_loop, START + 2 * SECOND), 1);
    cr_assert_eq(tw_now_ns(the_loop), START + 3 * SECOND);
    loop_free(the_loop);
}

/* With timers to fire and without: delays count from what it was told, not from the
 * clock that reads less. */
Test(advance, reading_of_the_callers_counts_for_the_clock_whatever_the_run_has_to_do)
{
    the_loop = loop_new();
    tw_call_at_ns(the_loop, START + SECOND, record, ID(1));
    tw_call_at_ns(the_loop, START + HOUR, record, ID(2));
    tw_run(the_loop);
    for (uint64_t told = START + SECOND - 2; told <= START + SECOND + 2; told++) {
        tw_advance(the_loop, told);
        cr_assert_eq(tw_time_ns(the_loop), told);
        tw_handle handle = tw_call_later_ns(the_loop, MINUTE, record, ID(3));
        cr_assert_eq(tw_when_ns(the_loop, handle), told + MINUTE);
        tw_cancel(the_loop, handle);
    }
    expect_fired(1);
    loop_free(the_loop);
}

/* ------------------------------------------------------------------ tw_next_ns */

Test(next, nothing_pending_is_never)
{
    the_loop = loop_new();
    cr_assert_eq(tw_next_ns(the_loop), NEVER);
    cr_assert_eq(tw_timeout_ms(the_loop), -1);
    tw_call_later_ns(the_loop, SECOND, record, ID(1));
    run_at(the_loop, START + SECOND);
    cr_assert_eq(tw_next_ns(the_loop), NEVER);
    loop_free(the_loop);
}

Test(next, post_is_due_at_once)
{
    the_loop = loop_new();
    tw_call_at_ns(the_loop, START + SECOND, record, ID(1));
    cr_assert_eq(tw_earliest_ns(the_loop), START + SECOND);
    cr_assert_eq(tw_call_soon_threadsafe(the_loop, record, ID(2)), 0);
    cr_assert_eq(tw_earliest_ns(the_loop), START);
    cr_assert_eq(tw_next_ns(the_loop), START);
    cr_assert_eq(tw_run(the_loop), 1);
    cr_assert_eq(tw_earliest_ns(the_loop), START + SECOND);
    loop_free(the_loop);
}

Test(next, single_timer_is_waited_for_to_the_nanosecond)
{
    the_loop = loop_new();
    for (uint64_t delay_ns = 1; delay_ns < 100 * YEAR; delay_ns = delay_ns * 5 + 1) {
        tw_handle call = tw_call_later_ns(the_loop, delay_ns, record, ID(1));
        cr_assert_eq(tw_next_ns(the_loop), clock_ns + delay_ns, "delay %zu", (size_t)delay_ns);
        cr_assert(tw_cancel(the_loop, call));
        tw_run(the_loop);
    }
    loop_free(the_loop);
}

Test(next, what_is_due_is_not_in_the_future)
{
    the_loop = loop_new();
    tw_handle call = tw_call_soon(the_loop, record, ID(1));
    cr_assert_leq(tw_next_ns(the_loop), START);
    tw_cancel(the_loop, call);
    tw_call_at_ns(the_loop, 5, record, ID(2));
    cr_assert_leq(tw_next_ns(the_loop), START);
    tw_run(the_loop);
    tw_call_at_ns(the_loop, START + SECOND, record, ID(3));
    clock_ns = START + 2 * SECOND;
    cr_assert_leq(tw_next_ns(the_loop), START + SECOND);
    loop_free(the_loop);
}

Test(next, follows_starts_cancels_and_moves_of_the_earliest)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_call_later_ns(the_loop, HOUR, record, ID(1));
    cr_assert_eq(tw_next_ns(the_loop), START + HOUR);
    tw_timer_init(&timer, record, ID(2));
    tw_timer_start_later_ns(the_loop, &timer, MINUTE);
    cr_assert_eq(tw_next_ns(the_loop), START + MINUTE);
    tw_timer_start_later_ns(the_loop, &timer, SECOND);
    cr_assert_eq(tw_next_ns(the_loop), START + SECOND);
    tw_timer_stop(the_loop, &timer);
    if (tw_next_ns(the_loop) < START + HOUR) {      /* one wake-up for what was stopped */
        cr_assert_eq(run_next(the_loop), 0);
    }
    cr_assert_eq(tw_next_ns(the_loop), START + HOUR);
    loop_free(the_loop);
}

/* A random program found that what is moved on from the past was overlooked
 * when it had to wait beyond the span. */
Test(next, call_moved_from_the_past_beyond_the_span_is_woken_for)
{
    the_loop = loop_new();
    tw_handle call = tw_call_at_ns(the_loop, 0, record, ID(1));
    cr_assert(tw_reschedule_at_ns(the_loop, call, START + 2 * DAY));
    tw_call_at_ns(the_loop, START + 100 * DAY, record, ID(2));
    cr_assert_eq(tw_next_ns(the_loop), START + 2 * DAY);
    loop_free(the_loop);
}

static size_t calls_made, empty_wakeups;

/* Follows tw_next_ns until nothing is left, and never oversleeps. */
static void follow(void)
{
    while (ledger_pending() > 0) {
        uint64_t next_ns = tw_next_ns(the_loop);

        REQUIRE(next_ns <= ledger_earliest_ns(), "it would oversleep");
        size_t made = ledger_run_at(the_loop, next_ns > clock_ns ? next_ns : clock_ns);
        calls_made += made;
        empty_wakeups += made == 0;
        REQUIRE(empty_wakeups < 100000, "woken without end");
    }
    cr_log_info("%zu calls, %zu wake-ups without any", calls_made, empty_wakeups);
}

Test(next, few_timers_are_never_woken_for_in_vain)
{
    uint64_t chance = 11;

    the_loop = loop_new();
    for (int i = 0; i < 20; i++) {
        uint64_t when_ns = START + random_below(&chance, 2 * HOUR);
        tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(ledger_add(when_ns)));
    }
    follow();
    cr_assert_eq(calls_made, 20);
    cr_assert_leq(empty_wakeups, 2);
    loop_free(the_loop);
}

/* A thousand timers are not "a large number": a wake-up in ten for housekeeping
 * would be too many for a program on a battery. */
Test(next, thousand_timers_over_an_hour_take_few_more_wakeups_than_calls)
{
    uint64_t chance = 12;

    the_loop = loop_new();
    for (int i = 0; i < 1000; i++) {
        uint64_t when_ns = START + random_below(&chance, HOUR);
        tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(ledger_add(when_ns)));
    }
    follow();
    cr_assert_eq(calls_made, 1000);
    cr_assert_leq(empty_wakeups, 100);
    loop_free(the_loop);
}

/* Idle timeouts that are refreshed: the wake-ups for the deadlines that have
 * moved away stay far below the number of refreshes. */
Test(next, refreshed_timers_cost_at_most_a_wakeup_each_and_timeout)
{
    enum { TIMERS = 200, REFRESHES = 20000 };
    static tw_handle calls[TIMERS];
    uint64_t chance = 13;
    size_t runs = 0;

    the_loop = loop_new();
    for (size_t i = 0; i < TIMERS; i++) {
        calls[i] = tw_call_later_ns(the_loop, 10 * SECOND, record, ID(i));
    }
    for (int i = 0; i < REFRESHES; i++) {
        clock_ns += MS;
        if (tw_next_ns(the_loop) <= clock_ns) {
            tw_run(the_loop);
            runs++;
        }
        size_t which = random_below(&chance, TIMERS);
        REQUIRE(tw_reschedule_later_ns(the_loop, calls[which], 10 * SECOND), "call %zu", which);
    }
    expect_nothing_fired();
    cr_log_info("%zu runs for %d refreshes", runs, REFRESHES);
    /* 20 s of refreshes: each timer's old place is met at most twice. */
    cr_assert_leq(runs, 2 * TIMERS + 20);
    loop_free(the_loop);
}

/* --------------------------------------------------------------- tw_timeout_ms */

Test(timeout, milliseconds_are_rounded_up)
{
    const struct { uint64_t delay_ns; int timeout_ms; } cases[] = {
        {0, 0}, {1, 1}, {MS - 1, 1}, {MS, 1}, {MS + 1, 2}, {10 * MS, 10}, {10 * MS + 1, 11},
        {SECOND, 1000}, {HOUR, 3600000}, {DAY, 86400000},
    };

    the_loop = loop_new();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tw_handle call = tw_call_later_ns(the_loop, cases[i].delay_ns, record, ID(1));
        cr_assert_eq(tw_timeout_ms(the_loop), cases[i].timeout_ms, "case %zu: %d", i,
                     tw_timeout_ms(the_loop));
        cr_assert(tw_cancel(the_loop, call));
        tw_run(the_loop);
    }
    loop_free(the_loop);
}

Test(timeout, it_counts_from_a_fresh_reading_of_the_clock)
{
    the_loop = loop_new();
    tw_call_later_ns(the_loop, SECOND, record, ID(1));
    clock_ns += 400 * MS;
    cr_assert_eq(tw_timeout_ms(the_loop), 600);
    clock_ns += 600 * MS;
    cr_assert_eq(tw_timeout_ms(the_loop), 0);
    clock_ns += SECOND;
    cr_assert_eq(tw_timeout_ms(the_loop), 0);
    loop_free(the_loop);
}

Test(timeout, it_is_at_most_int_max)
{
    the_loop = loop_new();
    tw_handle call = tw_call_later_ns(the_loop, 2 * YEAR, record, ID(1));
    int timeout_ms = tw_timeout_ms(the_loop);
    cr_assert_gt(timeout_ms, 0);
    cr_assert_eq(timeout_ms, INT_MAX);
    tw_reschedule_later_ns(the_loop, call, (uint64_t)INT_MAX * MS);
    cr_assert_eq(tw_timeout_ms(the_loop), INT_MAX);
    loop_free(the_loop);
}

Test(timeout, soon_and_never)
{
    the_loop = loop_new();
    tw_handle never = tw_call_later(the_loop, (double)INFINITY, record, ID(1));
    cr_assert_eq(tw_timeout_ms(the_loop), -1);
    tw_call_soon(the_loop, record, ID(2));
    cr_assert_eq(tw_timeout_ms(the_loop), 0);
    tw_run(the_loop);
    cr_assert_eq(tw_timeout_ms(the_loop), -1);
    cr_assert(tw_cancel(the_loop, never));
    loop_free(the_loop);
}

/* A poll loop that sleeps as it is told: never early, at most 1 ms late. */
Test(timeout, poll_loop_is_never_early_and_less_than_a_millisecond_late)
{
    uint64_t chance = 14;

    the_loop = loop_new();
    for (int i = 0; i < 300; i++) {
        uint64_t when_ns = START + random_below(&chance, 30 * SECOND);
        tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(ledger_add(when_ns)));
    }
    while (ledger_pending() > 0) {
        int timeout_ms = tw_timeout_ms(the_loop);
        uint64_t earliest_ns = ledger_earliest_ns();

        REQUIRE(timeout_ms >= 0, "it would wait without end");
        ledger_run_at(the_loop, clock_ns + (uint64_t)timeout_ms * MS);
        REQUIRE(clock_ns < earliest_ns + MS, "a millisecond late or more");
    }
    loop_free(the_loop);
}

/* ------------------------------------------------------------------------ slack */

static size_t count_wakeups_with_slack(uint64_t slack_ns)
{
    uint64_t chance = 15;
    size_t wakeups = 0;
    tw_options options = test_options();

    options.slack_ns = slack_ns;
    clock_ns = START;
    ledger_count = 0;
    the_loop = loop_with(&options);
    for (int i = 0; i < 2000; i++) {
        uint64_t when_ns = START + random_below(&chance, 10 * SECOND);
        tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(ledger_add(when_ns)));
    }
    while (ledger_pending() > 0) {
        uint64_t next_ns = tw_next_ns(the_loop);

        REQUIRE(next_ns <= ledger_earliest_ns() + slack_ns, "later than the slack allows");
        ledger_run_at(the_loop, next_ns > clock_ns ? next_ns : clock_ns);
        wakeups++;
    }
    loop_free(the_loop);
    return wakeups;
}

Test(slack, wakeups_are_coalesced_and_never_later_than_it_allows)
{
    size_t none = count_wakeups_with_slack(0);
    size_t some = count_wakeups_with_slack(10 * MS);
    size_t much = count_wakeups_with_slack(100 * MS);

    cr_log_info("wake-ups with slack 0, 10 ms, 100 ms: %zu, %zu, %zu", none, some, much);
    cr_assert_geq(none, 1900);
    /* Each wake-up covers its slack: 10 s take at most 10 s / slack, and a few. */
    cr_assert_leq(some, 1000 + 20);
    cr_assert_leq(much, 100 + 20);
}

Test(slack, single_timer_is_put_off_by_no_more_than_the_slack_and_run_says_so)
{
    tw_options options = test_options();

    options.slack_ns = 50 * MS;
    the_loop = loop_with(&options);
    tw_call_later_ns(the_loop, SECOND, record, ID(1));
    uint64_t next_ns = tw_next_ns(the_loop);
    cr_assert_geq(next_ns, START + SECOND);
    cr_assert_leq(next_ns, START + SECOND + 50 * MS);
    cr_assert_leq(tw_timeout_ms(the_loop), 1050);
    cr_assert_eq(run_at(the_loop, START + SECOND), 1, "slack is for sleeping, not for running");
    loop_free(the_loop);
}

Test(slack, what_is_due_at_once_is_not_put_off_and_never_stays_never)
{
    tw_options options = test_options();

    options.slack_ns = SECOND;
    the_loop = loop_with(&options);
    cr_assert_eq(tw_next_ns(the_loop), NEVER);
    cr_assert_eq(tw_timeout_ms(the_loop), -1);
    tw_handle never = tw_call_later(the_loop, (double)INFINITY, record, ID(1));
    cr_assert_eq(tw_next_ns(the_loop), NEVER);
    tw_call_soon(the_loop, record, ID(2));
    cr_assert_eq(tw_timeout_ms(the_loop), 0, "tw_call_soon has no deadline to put off");
    tw_run(the_loop);
    tw_reschedule_at_ns(the_loop, never, NEVER - 1);
    cr_assert_geq(tw_next_ns(the_loop), NEVER - 1, "the sum saturates");
    loop_free(the_loop);
}

static void expect_due_now(const char *what)
{
    cr_assert_leq(tw_next_ns(the_loop), clock_ns, "%s: not due", what);
    cr_assert_eq(tw_timeout_ms(the_loop), 0, "%s: not due", what);
}

Test(slack, what_is_due_already_is_not_put_off)
{
    tw_options options = test_options();
    tw_timer timer;

    options.slack_ns = 100 * MS;
    options.missed = TW_MISSED_CATCH_UP;
    the_loop = loop_with(&options);
    tw_call_later_ns(the_loop, 0, record, ID(1));
    expect_due_now("a delay of 0");
    cr_assert_eq(tw_run(the_loop), 1);
    tw_call_at_ns(the_loop, START - SECOND, record, ID(1));
    expect_due_now("a past deadline");
    cr_assert_eq(tw_run(the_loop), 1);
    tw_timer_init(&timer, record, ID(1));
    tw_timer_start_at_ns(the_loop, &timer, 0);
    expect_due_now("an embedded one");
    cr_assert_eq(tw_run(the_loop), 1);
    for (int i = 0; i < 3; i++) {
        tw_call_at_ns(the_loop, START + SECOND, record, ID(1));
    }
    clock_ns = START + SECOND;
    cr_assert_eq(tw_run_max(the_loop, 1), 1);
    expect_due_now("what tw_run_max left");
    cr_assert_eq(tw_run(the_loop), 2);
    tw_call_every_ns(the_loop, MS, record, ID(1));
    cr_assert_eq(run_at(the_loop, clock_ns + 3 * MS), 1);
    expect_due_now("a missed periodic call");
    cr_assert_eq(tw_run(the_loop), 1);
    cr_assert_eq(tw_run(the_loop), 1);
    cr_assert_eq(tw_next_ns(the_loop), clock_ns + MS + 100 * MS, "not due: put off");
    loop_free(the_loop);
}

Test(slack, what_has_become_due_by_the_timeouts_own_reading_is_due)
{
    tw_options options = test_options();

    options.slack_ns = SECOND;
    the_loop = loop_with(&options);
    tw_call_later_ns(the_loop, 10 * MS, record, ID(1));
    clock_ns = START + 9 * MS;
    cr_assert_eq(tw_timeout_ms(the_loop), 1001);
    clock_ns = START + 10 * MS;
    cr_assert_eq(tw_timeout_ms(the_loop), 0);
    cr_assert_leq(tw_next_ns(the_loop), clock_ns);
    loop_free(the_loop);
}

/* ------------------------------------------------------------- tw_run_for_ns */

static void take_a_while(void *id)
{
    record(id);
    clock_ns += 10 * US;
}

Test(run_for, starts_no_call_once_the_time_has_passed)
{
    the_loop = loop_new();
    for (uintptr_t i = 0; i < 100; i++) {
        tw_call_at_ns(the_loop, START + i, take_a_while, ID(i));
    }
    clock_ns = START + 100;
    cr_assert_eq(tw_run_for_ns(the_loop, 50 * US), 5);
    cr_assert_eq(tw_run_for_ns(the_loop, 50 * US + 1), 6);
    cr_assert_eq(tw_run_for_ns(the_loop, 1), 1);
    cr_assert_eq(tw_timeout_ms(the_loop), 0);
    cr_assert_eq(tw_run_for_ns(the_loop, UINT64_MAX), 88);
    for (size_t i = 0; i < 100; i++) {
        REQUIRE(fired[i].id == i, "call %zu was %zu", i, (size_t)fired[i].id);
    }
    loop_free(the_loop);
}

Test(run_for, budget_of_nothing_makes_one_call)
{
    the_loop = loop_new();
    cr_assert_eq(tw_run_for_ns(the_loop, 0), 0, "nothing is due");
    tw_call_at_ns(the_loop, 1, record, ID(4));
    tw_call_soon(the_loop, record, ID(1));
    tw_call_soon_threadsafe(the_loop, record, ID(3));
    tw_call_soon(the_loop, record, ID(2));
    for (int i = 1; i <= 4; i++) {
        cr_assert_eq(tw_run_for_ns(the_loop, 0), 1, "run %d", i);
    }
    cr_assert_eq(tw_run_for_ns(the_loop, 0), 0);
    expect_fired(1, 2, 3, 4);
    loop_free(the_loop);
}

Test(run_for, clock_that_stands_still_never_ends_it)
{
    the_loop = loop_new();
    for (uintptr_t i = 0; i < 1000; i++) {
        tw_call_soon(the_loop, record, ID(i));
        tw_call_at_ns(the_loop, START, record, ID(i));
    }
    uint64_t readings = clock_readings;
    cr_assert_eq(tw_run_for_ns(the_loop, 1), 2000);
    cr_assert_leq(clock_readings - readings, 2001, "one a call and one for the run");
    loop_free(the_loop);
}

static void post_myself_again(void *id)
{
    take_a_while(id);
    tw_call_soon(the_loop, post_myself_again, id);
}

Test(run_for, timers_get_their_turn_beside_soon_calls_that_repost_themselves)
{
    the_loop = loop_new();
    for (uintptr_t i = 0; i < 10; i++) {
        tw_call_soon(the_loop, post_myself_again, ID(0));
    }
    tw_call_at_ns(the_loop, START, record, ID(1));
    size_t calls = 0;
    for (int i = 0; i < 12; i++) {
        calls += tw_run_for_ns(the_loop, 10 * US);
    }
    size_t timers = 0;
    for (size_t i = 0; i < fired_count; i++) {
        timers += fired[i].id == 1;
    }
    cr_assert_eq(calls, 12);
    cr_assert_eq(timers, 1);
    loop_free(the_loop);
}
