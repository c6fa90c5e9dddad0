/* SPDX-License-Identifier: MIT */
/* Promise 16: windows of time instead of points. */
#include "support.h"

static tw_loop *loop;
static size_t calls, runs;
static uint64_t earliest[10000], latest[10000];

static void expect_in_window(void *id)
{
    size_t i = (uintptr_t)id;
    calls++;
    REQUIRE(clock_ns >= earliest[i] && clock_ns <= latest[i], "window %zu", i);
}

static void run_to_the_end(size_t count)
{
    while (calls < count) {
        uint64_t next_ns = tw_next_ns(loop);
        REQUIRE(next_ns != NEVER, "%zu calls", calls);
        runs += run_at(loop, next_ns > clock_ns ? next_ns : clock_ns) > 0;
    }
}

Test(windows, ten_thousand_of_a_second_over_a_minute_share_150_runs)
{
    uint64_t chance = 41;
    loop = loop_new();
    for (size_t i = 0; i < 10000; i++) {
        earliest[i] = START + random_below(&chance, MINUTE);
        latest[i] = earliest[i] + SECOND;
        cr_assert_neq(tw_call_between_ns(loop, earliest[i], latest[i], expect_in_window,
                                         (void *)(uintptr_t)i), 0);
    }
    run_to_the_end(10000);
    cr_assert_leq(runs, 150);
    loop_free(loop);
}

Test(windows, slack_does_not_put_a_call_off_beyond_its_window)
{
    uint64_t chance = 42;
    tw_options options = test_options();
    options.slack_ns = 100 * MS;
    loop = tw_loop_new(&options);
    for (size_t i = 0; i < 2000; i++) {
        earliest[i] = START + random_below(&chance, MINUTE);
        latest[i] = earliest[i] + random_below(&chance, 300 * MS);
        if (i % 4 == 0) { /* one without a window, which may come so late */
            latest[i] = earliest[i] + options.slack_ns;
            tw_call_at_ns(loop, earliest[i], expect_in_window, (void *)(uintptr_t)i);
        } else {
            tw_call_between_ns(loop, earliest[i], latest[i], expect_in_window,
                               (void *)(uintptr_t)i);
        }
    }
    run_to_the_end(2000);
    loop_free(loop);
}

Test(windows, shorter_than_the_slack_is_woken_for_at_its_beginning)
{
    tw_options options = test_options();
    options.slack_ns = 100 * MS;
    loop = loop_with(&options);
    tw_handle handle = tw_call_between_ns(loop, START + SECOND, START + SECOND + MS, record, ID(1));
    cr_assert_eq(tw_when_ns(loop, handle), START + SECOND);
    cr_assert_eq(tw_next_ns(loop), START + SECOND);
    tw_call_at_ns(loop, START + 2 * SECOND, record, ID(2));
    cr_assert_eq(run_at(loop, START + SECOND), 1);
    cr_assert_eq(tw_next_ns(loop), START + 2 * SECOND + 100 * MS);
    loop_free(loop);
}

Test(windows, active_timer_that_is_due_in_the_window_is_left_as_it_is)
{
    tw_timer timer;
    loop = loop_new();
    tw_timer_init(&timer, record, ID(1));
    cr_assert_eq(tw_timer_start_at_ns(loop, &timer, START + 7777), 0);
    cr_assert_eq(tw_timer_start_between_ns(loop, &timer, START + 7000, START + 9000), 0);
    cr_assert_eq(tw_timer_when_ns(&timer), START + 7777);
    tw_stats stats = stats_of(loop);
    cr_assert_eq(stats.rearmed, 0);
    cr_assert_eq(tw_timer_start_between_ns(loop, &timer, START + SECOND, START + 2 * SECOND), 0);
    cr_assert_geq(tw_timer_when_ns(&timer), START + SECOND);
    cr_assert_leq(tw_timer_when_ns(&timer), START + 2 * SECOND);
    tw_timer_park(loop, &timer);
    cr_assert_eq(tw_timer_start_between_ns(loop, &timer, START + SECOND, START + 2 * SECOND), 0);
    cr_assert(tw_timer_active(&timer));
    tw_timer_stop(loop, &timer);
    loop_free(loop);
}

Test(windows, timer_that_is_active_on_another_loop_is_refused)
{
    tw_timer timer;
    tw_loop *other = loop_new();
    loop = loop_new();
    tw_timer_init(&timer, record, ID(1));
    cr_assert_eq(tw_timer_start_at_ns(other, &timer, START + 5), 0);
    errno = 0;
    cr_assert_eq(tw_timer_start_between_ns(loop, &timer, START, START + SECOND), -1);
    cr_assert_eq(errno, EBUSY);
    cr_assert_eq(tw_timer_when_ns(&timer), START + 5);
    cr_assert_eq(run_at(other, START + 5), 1);
    cr_assert_eq(tw_timer_start_between_ns(loop, &timer, START, START + SECOND), 0);
    cr_assert_eq(run_at(loop, START + SECOND), 1);
    tw_loop_free(other);
    loop_free(loop);
}

Test(windows, wrong_way_round_or_at_the_ends_of_time)
{
    tw_timer timer;
    loop = loop_new();
    tw_timer_init(&timer, record, ID(1));
    errno = 0;
    cr_assert_eq(tw_call_between_ns(loop, 2, 1, record, ID(1)), 0);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(tw_timer_start_between_ns(loop, &timer, 2, 1), -1);
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(tw_call_between_ns(NULL, 1, 2, record, ID(1)), 0);
    cr_assert_eq(tw_call_between_ns(loop, 1, 2, NULL, ID(1)), 0);
    cr_assert_eq(tw_timer_start_between_ns(loop, NULL, 1, 2), -1);
    expect_nothing_fired();

    const struct { uint64_t earliest, latest; } ends[] = {
        {0, 0}, {0, 1}, {0, START}, {START, START}, {0, NEVER}, {START + SECOND, NEVER},
        {NEVER - 1, NEVER}, {NEVER, NEVER},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        tw_handle call = tw_call_between_ns(loop, ends[i].earliest, ends[i].latest, record, ID(2));
        cr_assert_neq(call, 0);
        cr_assert_geq(tw_when_ns(loop, call), ends[i].earliest, "window %zu", i);
        cr_assert_leq(tw_when_ns(loop, call), ends[i].latest, "window %zu", i);
        cr_assert_leq(tw_next_ns(loop), ends[i].latest, "window %zu", i);
        cr_assert(tw_cancel(loop, call));
    }
    loop_free(loop);
}
