/* SPDX-License-Identifier: MIT */
/* Bad input: each has its documented answer, and changes nothing. */
#include "support.h"

static tw_loop *the_loop;
static tw_timer the_timer;
static tw_handle the_call;

/* Evaluates an expression and expects EINVAL of it. */
#define EXPECT_EINVAL(expression)                                                                  \
    do {                                                                                           \
        errno = 0;                                                                                 \
        cr_assert(expression, "line %d: %s", __LINE__, #expression);                               \
        cr_assert_eq(errno, EINVAL, "line %d: %s: errno %d", __LINE__, #expression, errno);        \
    } while (0)

static void set_up(void)
{
    the_loop = loop_new();
    tw_timer_init(&the_timer, record, ID(1));
    the_call = tw_call_later(the_loop, 1.0, record, ID(2));
}

/* The one call that set_up made is all there is, and it runs. */
static void tear_down(void)
{
    check_loop(the_loop);
    cr_assert_eq(tw_pending_count(the_loop), 1);
    cr_assert_eq(stats_of(the_loop).started, 1);
    forget_fired();
    run_at(the_loop, START + YEAR);
    expect_fired(2);
    loop_free(the_loop);
}

TestSuite(bad_input, .init = set_up, .fini = tear_down);

Test(bad_input, null_loop_where_a_handle_is_answered)
{
    tw_context context = {NULL};

    EXPECT_EINVAL(tw_call_soon(NULL, record, NULL) == 0);
    EXPECT_EINVAL(tw_call_later(NULL, 1.0, record, NULL) == 0);
    EXPECT_EINVAL(tw_call_later_ns(NULL, 1, record, NULL) == 0);
    EXPECT_EINVAL(tw_call_at(NULL, 1.0, record, NULL) == 0);
    EXPECT_EINVAL(tw_call_at_ns(NULL, 1, record, NULL) == 0);
    EXPECT_EINVAL(tw_call_every(NULL, 1.0, record, NULL) == 0);
    EXPECT_EINVAL(tw_call_every_ns(NULL, 1, record, NULL) == 0);
    EXPECT_EINVAL(tw_call_later_in(NULL, 1.0, record, NULL, &context) == 0);
    EXPECT_EINVAL(tw_call_at_in(NULL, 1.0, record, NULL, &context) == 0);
}

Test(bad_input, null_loop_where_true_or_false_is_answered)
{
    EXPECT_EINVAL(!tw_cancel(NULL, the_call));
    EXPECT_EINVAL(!tw_reschedule_later(NULL, the_call, 1.0));
    EXPECT_EINVAL(!tw_reschedule_later_ns(NULL, the_call, 1));
    EXPECT_EINVAL(!tw_reschedule_at(NULL, the_call, 1.0));
    EXPECT_EINVAL(!tw_reschedule_at_ns(NULL, the_call, 1));
    EXPECT_EINVAL(!tw_set_interval_ns(NULL, the_call, 1));
}

Test(bad_input, null_loop_where_a_number_is_answered)
{
    EXPECT_EINVAL(tw_run(NULL) == 0);
    EXPECT_EINVAL(tw_run_max(NULL, 5) == 0);
    EXPECT_EINVAL(tw_run_for_ns(NULL, 5) == 0);
    EXPECT_EINVAL(tw_advance(NULL, 5) == 0);
    EXPECT_EINVAL(tw_timeout_ms(NULL) == -1);
    EXPECT_EINVAL(tw_cancel_all(NULL) == 0);
    EXPECT_EINVAL(tw_loop_adopt(NULL) == -1);
    EXPECT_EINVAL(tw_reserve(NULL, 1) == -1);
    EXPECT_EINVAL(tw_reserve_calls(NULL, 1) == -1);
    EXPECT_EINVAL(tw_reserve_embedded(NULL, 1) == -1);
    EXPECT_EINVAL(tw_timer_start_later_ns(NULL, &the_timer, 1) == -1);
    EXPECT_EINVAL(tw_timer_start_at_ns(NULL, &the_timer, 1) == -1);
    cr_assert(!tw_timer_active(&the_timer));
}

Test(bad_input, null_loop_where_something_is_only_read)
{
    cr_assert_eq(tw_time_ns(NULL), 0);
    cr_assert(isnan(tw_time(NULL)));
    cr_assert_eq(tw_update_now(NULL), 0);
    cr_assert_eq(tw_now_ns(NULL), 0);
    cr_assert_eq(tw_missed(NULL), 0);
    cr_assert_eq(tw_pending_count(NULL), 0);
    cr_assert_null(tw_context_current(NULL));
    cr_assert(!tw_pending(NULL, the_call));
    cr_assert_eq(tw_when_ns(NULL, the_call), NEVER);
    cr_assert_eq(tw_next_ns(NULL), NEVER);
}

Test(bad_input, null_callback)
{
    tw_context context = {NULL};

    EXPECT_EINVAL(tw_call_soon(the_loop, NULL, NULL) == 0);
    EXPECT_EINVAL(tw_call_later(the_loop, 1.0, NULL, NULL) == 0);
    EXPECT_EINVAL(tw_call_later_ns(the_loop, 1, NULL, NULL) == 0);
    EXPECT_EINVAL(tw_call_at(the_loop, 1.0, NULL, NULL) == 0);
    EXPECT_EINVAL(tw_call_at_ns(the_loop, 1, NULL, NULL) == 0);
    EXPECT_EINVAL(tw_call_every(the_loop, 1.0, NULL, NULL) == 0);
    EXPECT_EINVAL(tw_call_every_ns(the_loop, 1, NULL, NULL) == 0);
    EXPECT_EINVAL(tw_call_later_in(the_loop, 1.0, NULL, NULL, &context) == 0);
    EXPECT_EINVAL(tw_call_at_in(the_loop, 1.0, NULL, NULL, &context) == 0);
}

Test(bad_input, null_timer)
{
    EXPECT_EINVAL(tw_timer_start_later_ns(the_loop, NULL, 1) == -1);
    EXPECT_EINVAL(tw_timer_start_at_ns(the_loop, NULL, 1) == -1);
    cr_assert(!tw_timer_active(NULL));
    cr_assert_eq(tw_timer_when_ns(NULL), NEVER);
    tw_timer_init(NULL, record, NULL);
    EXPECT_EINVAL((tw_timer_stop(the_loop, NULL), true));
    EXPECT_EINVAL((tw_timer_park(the_loop, NULL), true));
    EXPECT_EINVAL((tw_stats_get(the_loop, NULL), true));
}

Test(bad_input, timer_that_was_not_initialised_or_has_no_callback)
{
    tw_timer zero;

    memset(&zero, 0, sizeof(zero));
    EXPECT_EINVAL(tw_timer_start_later_ns(the_loop, &zero, 1) == -1);
    EXPECT_EINVAL(tw_timer_start_at_ns(the_loop, &zero, 1) == -1);
    cr_assert(!tw_timer_active(&zero));
    tw_timer_stop(the_loop, &zero);
    tw_timer_park(the_loop, &zero);

    tw_timer_init(&zero, NULL, NULL);
    EXPECT_EINVAL(tw_timer_start_later_ns(the_loop, &zero, 1) == -1);
    cr_assert(!tw_timer_active(&zero));
}

Test(bad_input, nan_is_refused)
{
    const double nans[] = {(double)NAN, -(double)NAN};
    tw_context context = {NULL};

    for (int i = 0; i < 2; i++) {
        EXPECT_EINVAL(tw_call_later(the_loop, nans[i], record, NULL) == 0);
        EXPECT_EINVAL(tw_call_at(the_loop, nans[i], record, NULL) == 0);
        EXPECT_EINVAL(tw_call_every(the_loop, nans[i], record, NULL) == 0);
        EXPECT_EINVAL(tw_call_later_in(the_loop, nans[i], record, NULL, &context) == 0);
        EXPECT_EINVAL(tw_call_at_in(the_loop, nans[i], record, NULL, &context) == 0);
        EXPECT_EINVAL(!tw_reschedule_later(the_loop, the_call, nans[i]));
        EXPECT_EINVAL(!tw_reschedule_at(the_loop, the_call, nans[i]));
        cr_assert_eq(tw_when_ns(the_loop, the_call), START + SECOND, "it was moved");
        cr_assert_eq(stats_of(the_loop).rearmed, 0);
    }
}

Test(bad_input, stats_of_no_size_are_not_written)
{
    tw_stats stats;

    memset(&stats, 0xcc, sizeof(stats));
    stats.size = 0;
    tw_stats before = stats;
    tw_stats_get(the_loop, &stats);
    cr_assert_eq(memcmp(&stats, &before, sizeof(stats)), 0);
}

/* Its own suite: here the timer is started. */
Test(null_loop, functions_that_answer_nothing_do_nothing)
{
    tw_stats stats;

    set_up();
    memset(&stats, 0xcc, sizeof(stats));
    stats.size = sizeof(stats);
    tw_stats before = stats;
    EXPECT_EINVAL((tw_stats_get(NULL, &stats), true));
    cr_assert_eq(memcmp(&stats, &before, sizeof(stats)), 0);
    tw_timer_start_at_ns(the_loop, &the_timer, START);
    EXPECT_EINVAL((tw_timer_stop(NULL, &the_timer), true));
    EXPECT_EINVAL((tw_timer_park(NULL, &the_timer), true));
    cr_assert(tw_timer_active(&the_timer), "it is active on its loop still");
    tw_run(the_loop);
    expect_fired(1);
    EXPECT_EINVAL(tw_context_set(NULL, NULL) == NULL);
    errno = 0;
    tw_loop_free(NULL);
    cr_assert_eq(errno, 0, "freeing NULL is allowed");
    loop_free(the_loop);
}

/* The checker is there to find this very mistake: a timer whose memory was
 * overwritten while it was active. */
Test(checker, timer_overwritten_while_active_is_found)
{
    tw_timer timers[3], backup;

    the_loop = loop_new();
    for (int i = 0; i < 3; i++) {
        tw_timer_init(&timers[i], record, ID(i));
        tw_timer_start_later_ns(the_loop, &timers[i], SECOND);
    }
    check_loop(the_loop);
    backup = timers[1];
    memset(&timers[1], 0, sizeof(timers[1]));
    const char *broken = tw_check(the_loop);
    cr_assert_not_null(broken, "the checker saw nothing");
    cr_assert_gt(strlen(broken), 0);
    timers[1] = backup;
    check_loop(the_loop);
    run_at(the_loop, START + SECOND);
    expect_fired(0, 1, 2);
    loop_free(the_loop);
}

Test(bad_input, timer_that_is_none_is_not_initialised)
{
    errno = 0;
    tw_timer_init(NULL, record, NULL);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    tw_post_init(NULL, record, NULL);
    cr_assert_eq(errno, EINVAL);
}
