/* SPDX-License-Identifier: MIT */
/* tw_call_every: no drift, missed times, and its handle. */
#include "support.h"

static tw_loop *the_loop;

Test(periodic, first_call_comes_after_one_interval_and_then_at_exact_multiples)
{
    the_loop = loop_new();
    tw_handle call = tw_call_every_ns(the_loop, 300 * MS, record, ID(1));

    cr_assert_neq(call, 0);
    cr_assert_eq(tw_pending_count(the_loop), 1);
    for (uint64_t i = 1; i <= 20; i++) {
        cr_assert_eq(tw_when_ns(the_loop, call), START + i * 300 * MS);
        cr_assert_eq(run_at(the_loop, START + i * 300 * MS - 1), 0);
        cr_assert_eq(run_at(the_loop, START + i * 300 * MS), 1);
        cr_assert_eq(tw_run(the_loop), 0);
    }
    cr_assert(tw_cancel(the_loop, call));
    run_at(the_loop, START + HOUR);
    cr_assert_eq(fired_count, 20);
    loop_free(the_loop);
}

Test(periodic, late_runs_do_not_drift)
{
    uint64_t chance = 10;

    the_loop = loop_new();
    tw_handle call = tw_call_every(the_loop, 0.25, record, ID(1));
    for (uint64_t i = 1; i <= 1000; i++) {      /* each run late, but by less than an interval */
        uint64_t when_ns = START + i * 250 * MS;
        cr_assert_eq(tw_when_ns(the_loop, call), when_ns);
        REQUIRE(run_at(the_loop, when_ns + random_below(&chance, 250 * MS)) == 1, "call %zu",
                (size_t)i);
    }
    loop_free(the_loop);
}

Test(periodic, interval_in_seconds_is_rounded_up_once_and_kept)
{
    the_loop = loop_new();
    tw_handle call = tw_call_every(the_loop, 1e-9 / 3, record, ID(1));
    cr_assert_eq(tw_when_ns(the_loop, call), START + 1);
    run_at(the_loop, START + 1);
    cr_assert_eq(tw_when_ns(the_loop, call), START + 2);
    loop_free(the_loop);
}

Test(periodic, missed_times_are_skipped_by_default)
{
    the_loop = loop_new();
    tw_handle call = tw_call_every(the_loop, 1.0, record, ID(1));

    cr_assert_eq(run_at(the_loop, START + 5500 * MS), 1);
    cr_assert_eq(tw_when_ns(the_loop, call), START + 6 * SECOND);
    cr_assert_eq(tw_run(the_loop), 0);
    cr_assert_eq(run_at(the_loop, START + 6 * SECOND), 1);
    cr_assert_eq(tw_when_ns(the_loop, call), START + 7 * SECOND);
    cr_assert_eq(run_at(the_loop, START + YEAR), 1);
    cr_assert_eq(tw_when_ns(the_loop, call), START + YEAR + SECOND);
    cr_assert_eq(fired_count, 3);
    loop_free(the_loop);
}

Test(periodic, skipping_goes_on_with_the_next_deadline_after_now)
{
    the_loop = loop_new();
    tw_handle call = tw_call_every(the_loop, 1.0, record, ID(1));

    cr_assert_eq(run_at(the_loop, START + 3 * SECOND), 1);      /* exactly on the third */
    cr_assert_eq(tw_when_ns(the_loop, call), START + 4 * SECOND);
    loop_free(the_loop);
}

Test(periodic, missed_times_are_caught_up_with_one_by_one)
{
    tw_options options = test_options();

    options.missed = TW_MISSED_CATCH_UP;
    the_loop = loop_with(&options);
    tw_handle call = tw_call_every(the_loop, 1.0, record, ID(1));
    clock_ns = START + 5500 * MS;
    for (uint64_t i = 1; i <= 5; i++) {
        cr_assert_leq(tw_next_ns(the_loop), clock_ns);
        cr_assert_eq(tw_timeout_ms(the_loop), 0);
        cr_assert_eq(tw_run(the_loop), 1, "one call a run");
        cr_assert_eq(tw_when_ns(the_loop, call), START + (i + 1) * SECOND);
    }
    cr_assert_eq(tw_run(the_loop), 0);
    cr_assert_eq(run_at(the_loop, START + 6 * SECOND), 1);
    cr_assert_eq(fired_count, 6);
    loop_free(the_loop);
}

Test(periodic, calls_stay_in_order_with_other_timers)
{
    the_loop = loop_new();
    tw_call_every(the_loop, 1.0, record, ID(1));
    tw_call_at_ns(the_loop, START + SECOND, record, ID(2));
    tw_call_at_ns(the_loop, START + 2 * SECOND, record, ID(3));    /* before the repeat was */
    run_at(the_loop, START + SECOND);
    tw_call_at_ns(the_loop, START + 2 * SECOND, record, ID(4));
    run_at(the_loop, START + 2 * SECOND);
    expect_fired(1, 2, 3, 1, 4);
    loop_free(the_loop);
}

Test(periodic, call_that_is_due_at_every_run_starves_nobody)
{
    the_loop = loop_new();
    tw_call_every_ns(the_loop, 1, record, ID(1));
    tw_call_later_ns(the_loop, SECOND, record, ID(2));
    cr_assert_eq(run_at(the_loop, START + SECOND), 2);
    cr_assert_eq(run_at(the_loop, START + SECOND + 1), 1);
    loop_free(the_loop);
}

static tw_handle own_handle;
static uint64_t own_when_ns;

static void look_at_myself(void *id)
{
    record(id);
    cr_assert(tw_pending(the_loop, own_handle), "it stays pending in its own callback");
    own_when_ns = tw_when_ns(the_loop, own_handle);
    cr_assert_eq(tw_pending_count(the_loop), 1);
}

Test(periodic, handle_stays_pending_in_its_own_callback)
{
    the_loop = loop_new();
    own_handle = tw_call_every(the_loop, 1.0, look_at_myself, ID(1));
    run_at(the_loop, START + SECOND);
    expect_fired(1);
    cr_assert_neq(own_when_ns, NEVER);
    cr_assert_eq(tw_when_ns(the_loop, own_handle), START + 2 * SECOND);
    loop_free(the_loop);
}

static void cancel_myself_at_the_third(void *id)
{
    record(id);
    if (fired_count == 3) {
        cr_assert(tw_cancel(the_loop, own_handle));
        cr_assert(!tw_pending(the_loop, own_handle));
        cr_assert(!tw_cancel(the_loop, own_handle));
        tw_call_later_ns(the_loop, MS, record, ID(2));      /* may take the slot just freed */
    }
}

Test(periodic, cancelled_in_its_own_callback_it_never_runs_again)
{
    the_loop = loop_new();
    own_handle = tw_call_every(the_loop, 1.0, cancel_myself_at_the_third, ID(1));
    for (uint64_t i = 1; i <= 10; i++) {
        run_at(the_loop, START + i * SECOND);
        check_loop(the_loop);
    }
    expect_fired(1, 1, 1, 2);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    cr_assert_eq(tw_next_ns(the_loop), NEVER);
    loop_free(the_loop);
}

static void move_myself(void *id)
{
    record(id);
    if (fired_count == 1) {
        cr_assert(tw_reschedule_later(the_loop, own_handle, 10.0));
        cr_assert_eq(tw_when_ns(the_loop, own_handle), clock_ns + 10 * SECOND);
    }
}

Test(periodic, rescheduled_in_its_own_callback_it_goes_on_from_there)
{
    the_loop = loop_new();
    own_handle = tw_call_every(the_loop, 1.0, move_myself, ID(1));
    run_at(the_loop, START + SECOND);
    cr_assert_eq(tw_when_ns(the_loop, own_handle), START + 11 * SECOND);
    cr_assert_eq(run_at(the_loop, START + 11 * SECOND - 1), 0);
    cr_assert_eq(run_at(the_loop, START + 11 * SECOND), 1);
    cr_assert_eq(tw_when_ns(the_loop, own_handle), START + 12 * SECOND);
    loop_free(the_loop);
}

Test(periodic, rescheduled_from_outside_it_goes_on_with_its_interval)
{
    the_loop = loop_new();
    tw_handle call = tw_call_every(the_loop, 1.0, record, ID(1));

    cr_assert(tw_reschedule_at_ns(the_loop, call, START + 300 * MS));
    cr_assert_eq(run_at(the_loop, START + 300 * MS), 1);
    cr_assert_eq(tw_when_ns(the_loop, call), START + 1300 * MS);
    cr_assert_eq(run_at(the_loop, START + 1300 * MS), 1);
    loop_free(the_loop);
}

Test(periodic, interval_must_be_more_than_zero)
{
    const double refused[] = {0.0, -0.0, -1.0, (double)-INFINITY, (double)NAN};

    the_loop = loop_new();
    for (int i = 0; i < 5; i++) {
        errno = 0;
        cr_assert_eq(tw_call_every(the_loop, refused[i], record, ID(1)), 0, "interval %d", i);
        cr_assert_eq(errno, EINVAL);
    }
    errno = 0;
    cr_assert_eq(tw_call_every_ns(the_loop, 0, record, ID(1)), 0);
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    loop_free(the_loop);
}

Test(periodic, long_intervals_saturate_to_never)
{
    the_loop = loop_new();
    tw_handle call = tw_call_every_ns(the_loop, UINT64_C(1) << 63, record, ID(1));

    cr_assert_eq(run_at(the_loop, START + (UINT64_C(1) << 63)), 1);
    cr_assert(tw_pending(the_loop, call));
    cr_assert_eq(tw_when_ns(the_loop, call), NEVER);
    cr_assert_eq(run_at(the_loop, NEVER), 0);
    cr_assert(tw_cancel(the_loop, call));
    loop_free(the_loop);
}

Test(periodic, many_calls_of_many_intervals_each_come_as_often_as_they_should)
{
    enum { CALLS = 500 };
    static size_t counts[CALLS];

    the_loop = loop_new();
    for (uintptr_t i = 0; i < CALLS; i++) {
        REQUIRE(tw_call_every_ns(the_loop, (i + 1) * 10 * MS, record, ID(i)) != 0, "%d", errno);
    }
    for (uint64_t now_ns = START; now_ns <= START + 10 * SECOND; now_ns += 10 * MS) {
        run_at(the_loop, now_ns);
    }
    for (size_t i = 0; i < fired_count; i++) {
        counts[fired[i].id]++;
        REQUIRE((fired[i].at_ns - START) % ((fired[i].id + 1) * 10 * MS) == 0, "call %zu", i);
    }
    for (size_t i = 0; i < CALLS; i++) {
        REQUIRE(counts[i] == 1000 / (i + 1), "call %zu ran %zu times", i, counts[i]);
    }
    check_loop(the_loop);
    loop_free(the_loop);
}

/* ------------------------------------------------------ deadlines left out */

static uint64_t missed[16];
static size_t missed_count;

static void note_missed(void *id)
{
    record(id);
    missed[missed_count++] = tw_missed(the_loop);
}

Test(missed, says_how_many_deadlines_were_left_out)
{
    the_loop = loop_new();
    tw_call_every(the_loop, 1.0, note_missed, ID(1));
    cr_assert_eq(tw_missed(the_loop), 0);
    run_at(the_loop, START + SECOND);
    run_at(the_loop, START + 5500 * MS);        /* 2; 3, 4 and 5 are left out */
    run_at(the_loop, START + 6 * SECOND);
    run_at(the_loop, START + 8 * SECOND);       /* 7; 8 is left out */
    run_at(the_loop, START + 9 * SECOND);
    run_at(the_loop, START + YEAR);
    const uint64_t expected[] = {0, 3, 0, 1, 0, YEAR / SECOND - 10};
    cr_assert_eq(missed_count, 6);
    for (size_t i = 0; i < 6; i++) {
        cr_assert_eq(missed[i], expected[i], "call %zu", i);
    }
    cr_assert_eq(tw_missed(the_loop), 0, "outside of a callback");
    loop_free(the_loop);
}

Test(missed, calls_and_left_out_deadlines_add_up)
{
    uint64_t chance = 11, seen = 0;

    the_loop = loop_new();
    tw_call_every_ns(the_loop, 7 * MS, note_missed, ID(1));
    for (int i = 0; i < 2000; i++) {
        missed_count = 0;
        run_at(the_loop, clock_ns + random_below(&chance, 30 * MS));
        seen += missed_count ? 1 + missed[0] : 0;
        REQUIRE(seen == (clock_ns - START) / (7 * MS), "run %d", i);
    }
    loop_free(the_loop);
}

Test(missed, is_none_for_other_calls_and_where_they_are_caught_up_with)
{
    tw_options options = test_options();

    options.missed = TW_MISSED_CATCH_UP;
    the_loop = loop_with(&options);
    tw_call_every(the_loop, 1.0, note_missed, ID(1));
    run_at(the_loop, START + 5 * SECOND);
    cr_assert_eq(missed[0], 0);
    loop_free(the_loop);

    the_loop = loop_new();
    tw_call_every_ns(the_loop, MS, note_missed, ID(1));
    tw_call_later(the_loop, 0.5, note_missed, ID(2));
    tw_call_soon(the_loop, note_missed, ID(3));
    run_at(the_loop, clock_ns + SECOND);
    cr_assert_eq(missed[1], 0);         /* 3 */
    cr_assert_eq(missed[2], 999);       /* 1 */
    cr_assert_eq(missed[3], 0);         /* 2 */
    loop_free(the_loop);
}

/* ------------------------------------------------------- another interval */

Test(set_interval, holds_from_the_next_deadline_on)
{
    the_loop = loop_new();
    tw_handle call = tw_call_every(the_loop, 1.0, record, ID(1));
    run_at(the_loop, START + SECOND);
    cr_assert(tw_set_interval_ns(the_loop, call, 300 * MS));
    cr_assert_eq(tw_when_ns(the_loop, call), START + 2 * SECOND);
    cr_assert_eq(run_at(the_loop, START + 2 * SECOND - 1), 0);
    cr_assert_eq(run_at(the_loop, START + 2 * SECOND), 1);
    cr_assert_eq(tw_when_ns(the_loop, call), START + 2300 * MS);
    loop_free(the_loop);
}

static void slow_down(void *id)
{
    record(id);
    cr_assert(tw_set_interval_ns(the_loop, own_handle, 10 * SECOND));
}

Test(set_interval, in_its_own_callback_holds_from_the_deadline_after_it)
{
    the_loop = loop_new();
    own_handle = tw_call_every(the_loop, 1.0, slow_down, ID(1));
    run_at(the_loop, START + SECOND);
    cr_assert_eq(tw_when_ns(the_loop, own_handle), START + 2 * SECOND);
    run_at(the_loop, START + 2 * SECOND);
    cr_assert_eq(tw_when_ns(the_loop, own_handle), START + 12 * SECOND);
    loop_free(the_loop);
}

Test(set_interval, refuses_what_is_not_periodic)
{
    the_loop = loop_new();
    tw_handle every = tw_call_every(the_loop, 1.0, record, ID(1));
    tw_handle once = tw_call_later(the_loop, 1.0, record, ID(2));
    tw_handle soon = tw_call_soon(the_loop, record, ID(3));
    tw_handle posted = tw_call_later_threadsafe(the_loop, 1.0, record, ID(4));
    const tw_handle calls[] = {every, once, soon, posted};

    for (int i = 0; i < 4; i++) {
        errno = 0;
        cr_assert(!tw_set_interval_ns(the_loop, calls[i], i == 0 ? 0 : SECOND), "call %d", i);
        cr_assert_eq(errno, EINVAL);
    }
    tw_cancel(the_loop, every);
    cr_assert(!tw_set_interval_ns(the_loop, every, SECOND), "a stale handle");
    run_at(the_loop, START + 2 * SECOND);
    expect_fired(3, 2, 4);
    loop_free(the_loop);
}

Test(set_interval, of_never_makes_the_next_call_the_last)
{
    the_loop = loop_new();
    tw_handle call = tw_call_every(the_loop, 1.0, record, ID(1));
    cr_assert(tw_set_interval_ns(the_loop, call, UINT64_MAX));
    cr_assert_eq(run_at(the_loop, START + YEAR), 1);
    cr_assert_eq(tw_when_ns(the_loop, call), NEVER);
    cr_assert(tw_pending(the_loop, call));
    loop_free(the_loop);
}
