/* SPDX-License-Identifier: MIT */
/* Promise 15: calls from any thread. Here they all come from one, on the tests' own
 * clock; tests/runner has the threads. */
#include <inttypes.h>

#include "support.h"

/* ------------------------------------------------------------------- starting */

Test(threadsafe, a_call_runs_when_due_and_never_early)
{
    tw_loop *loop = loop_new();
    cr_assert_neq(tw_call_later_threadsafe_ns(loop, 5 * MS, record, ID(1)), 0);
    cr_assert_neq(tw_call_later_threadsafe(loop, 0.007, record, ID(2)), 0);
    cr_assert_neq(tw_call_at_threadsafe_ns(loop, START + 6 * MS, record, ID(3)), 0);
    cr_assert_neq(tw_call_at_threadsafe(loop, (double)START / 1e9 + 0.008, record, ID(4)), 0);
    cr_assert_eq(run_at(loop, START + 5 * MS - 1), 0);
    cr_assert_eq(run_at(loop, START + 5 * MS), 1);
    cr_assert_eq(run_at(loop, START + 6 * MS), 1);
    cr_assert_eq(run_at(loop, START + 7 * MS - 1), 0);
    cr_assert_eq(run_at(loop, START + 8 * MS), 2);
    expect_fired(1, 3, 2, 4);
    loop_free(loop);
}

Test(threadsafe, what_is_due_comes_in_with_the_next_run)
{
    tw_loop *loop = loop_new();
    cr_assert_neq(tw_call_later_threadsafe_ns(loop, 0, record, ID(1)), 0);
    cr_assert_neq(tw_call_later_threadsafe(loop, -3, record, ID(2)), 0);
    cr_assert_neq(tw_call_at_threadsafe(loop, -1, record, ID(3)), 0);
    cr_assert_neq(tw_call_at_threadsafe_ns(loop, 0, record, ID(4)), 0);
    cr_assert_eq(tw_run(loop), 4);
    expect_fired(3, 4, 1, 2);
    loop_free(loop);
}

/* As relative starts of the loop's own: a clock that goes back makes nothing early. */
Test(threadsafe, a_delay_counts_from_the_highest_reading)
{
    tw_loop *loop = loop_new();
    run_at(loop, START + 10 * SECOND);
    clock_ns = START + 4 * SECOND;
    tw_handle handle = tw_call_later_threadsafe_ns(loop, 5 * SECOND, record, ID(1));
    cr_assert_neq(handle, 0);
    cr_assert_eq(tw_run(loop), 0);
    cr_assert_eq(tw_when_ns(loop, handle), START + 15 * SECOND);
    cr_assert_eq(run_at(loop, START + 15 * SECOND), 1);
    expect_fired(1);
    loop_free(loop);
}

/* The delay counts from a reading of the clock in the call, not from the last run. */
Test(threadsafe, a_delay_counts_from_the_clock_as_it_is)
{
    tw_loop *loop = loop_new();
    clock_ns += SECOND;
    tw_handle handle = tw_call_later_threadsafe_ns(loop, MS, record, ID(1));
    cr_assert_eq(tw_when_ns(loop, handle), START + SECOND + MS);
    cr_assert_eq(run_at(loop, START + SECOND + MS - 1), 0);
    cr_assert_eq(run_at(loop, START + SECOND + MS), 1);
    loop_free(loop);
}

/* The same for the caller's own readings, in a loop on the system's clock. */
Test(threadsafe, a_delay_counts_from_what_tw_advance_was_told)
{
    tw_loop *loop = tw_loop_new(NULL);
    uint64_t far = tw_time_ns(loop) + HOUR;
    tw_advance(loop, far);
    tw_handle handle = tw_call_later_threadsafe_ns(loop, MS, record, ID(1));
    cr_assert_eq(tw_when_ns(loop, handle), far + MS);
    cr_assert_eq(tw_advance(loop, far + MS - 1), 0);
    cr_assert_eq(tw_advance(loop, far + MS), 1);
    tw_loop_free(loop);
}

Test(threadsafe, equal_deadlines_run_in_the_order_of_starting)
{
    tw_loop *loop = loop_new();
    enum { CALLS = 1000 };
    for (uintptr_t i = 0; i < CALLS; i++) {
        cr_assert_neq(tw_call_at_threadsafe_ns(loop, START + SECOND, record, ID(i)), 0);
    }
    cr_assert_eq(run_at(loop, START + SECOND), CALLS);
    for (uintptr_t i = 0; i < CALLS; i++) {
        REQUIRE(fired[i].id == i, "call %zu was %zu", (size_t)i, (size_t)fired[i].id);
    }
    loop_free(loop);
}

/* The nodes of what was cancelled are used again before the loop has seen it: that
 * must not move a later call forward. */
Test(threadsafe, equal_deadlines_keep_their_order_among_cancelled_calls)
{
    tw_loop *loop = loop_new();
    enum { CALLS = 1000 };
    uint64_t chance = 15;
    uintptr_t next = 0;
    for (uintptr_t i = 0; i < CALLS; i++) {
        tw_handle doomed[3];
        size_t count = (size_t)random_below(&chance, 4);
        for (size_t k = 0; k < count; k++) {
            doomed[k] = tw_call_at_threadsafe_ns(loop, START, record, ID(CALLS));
        }
        cr_assert_neq(tw_call_at_threadsafe_ns(loop, START + SECOND, record, ID(next++)), 0);
        for (size_t k = 0; k < count; k++) {
            cr_assert(tw_cancel_threadsafe(loop, doomed[k]));
        }
    }
    cr_assert_eq(run_at(loop, START + SECOND), CALLS);
    for (uintptr_t i = 0; i < CALLS; i++) {
        REQUIRE(fired[i].id == i, "call %zu was %zu", (size_t)i, (size_t)fired[i].id);
    }
    loop_free(loop);
}

Test(threadsafe, any_delay_is_taken)
{
    tw_loop *loop = loop_new();
    tw_handle never = tw_call_later_threadsafe(loop, INFINITY, record, ID(1));
    tw_handle never_ns = tw_call_later_threadsafe_ns(loop, UINT64_MAX, record, ID(2));
    tw_handle far = tw_call_later_threadsafe_ns(loop, 100 * YEAR, record, ID(3));
    cr_assert_eq(tw_when_ns(loop, never), NEVER);
    cr_assert_eq(tw_when_ns(loop, never_ns), NEVER);
    cr_assert_eq(tw_when_ns(loop, far), START + 100 * YEAR);
    cr_assert_eq(tw_next_ns(loop), START + 100 * YEAR);
    cr_assert_eq(run_at(loop, START + 100 * YEAR), 1);
    cr_assert_eq(tw_next_ns(loop), NEVER);
    cr_assert_eq(tw_pending_count(loop), 2);
    cr_assert(tw_cancel_threadsafe(loop, never));
    cr_assert(tw_cancel_and_wait(loop, never_ns));
    expect_fired(3);
    loop_free(loop);
}

/* What a callback starts, even for the past, runs in a later run. */
static tw_loop *the_loop;

static void start_another(void *arg)
{
    uintptr_t left = (uintptr_t)arg;
    record(arg);
    if (left > 0) {
        cr_assert_neq(tw_call_at_threadsafe_ns(the_loop, 0, start_another, ID(left - 1)), 0);
        cr_assert_leq(tw_next_ns(the_loop), clock_ns, "it is due at once");
    }
}

Test(threadsafe, what_a_callback_starts_waits_for_a_later_run)
{
    the_loop = loop_new();
    cr_assert_neq(tw_call_at_threadsafe_ns(the_loop, 0, start_another, ID(3)), 0);
    for (size_t run = 1; run <= 4; run++) {
        cr_assert_eq(tw_run(the_loop), 1);
        cr_assert_eq(fired_count, run);
    }
    cr_assert_eq(tw_run(the_loop), 0);
    loop_free(the_loop);
}

Test(threadsafe, a_bounded_run_makes_so_many_of_them_in_order)
{
    tw_loop *loop = loop_new();
    for (uintptr_t i = 0; i < 10; i++) {
        tw_call_later_threadsafe_ns(loop, i, record, ID(i));
    }
    clock_ns += SECOND;
    cr_assert_eq(tw_run_max(loop, 4), 4);
    cr_assert_eq(tw_run_max(loop, 4), 4);
    cr_assert_eq(tw_run_max(loop, 4), 2);
    expect_fired(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    loop_free(loop);
}

/* ----------------------------------------------------------------- when to run */

Test(threadsafe, the_next_run_is_told_with_what_has_been_started_until_then)
{
    tw_loop *loop = loop_new();
    cr_assert_eq(tw_next_ns(loop), NEVER);
    cr_assert_eq(tw_timeout_ms(loop), -1);
    tw_handle handle = tw_call_later_threadsafe_ns(loop, 5 * MS, record, ID(1));
    cr_assert_eq(tw_next_ns(loop), START + 5 * MS);
    cr_assert_eq(tw_timeout_ms(loop), 5);
    tw_call_later_threadsafe_ns(loop, 9 * MS, record, ID(2));
    cr_assert_eq(tw_next_ns(loop), START + 5 * MS);
    cr_assert(tw_cancel_threadsafe(loop, handle));
    tw_next_ns(loop); /* may have the old time once */
    cr_assert_eq(tw_next_ns(loop), START + 9 * MS);
    cr_assert_eq(tw_timeout_ms(loop), 9);
    tw_call_later_threadsafe_ns(loop, 0, record, ID(3));
    cr_assert_eq(tw_timeout_ms(loop), 0);
    loop_free(loop);
}

/* A run that has nothing else to do must not pass it by. */
Test(threadsafe, a_run_that_would_have_had_nothing_to_do_sees_them)
{
    tw_loop *loop = loop_new();
    tw_call_later_ns(loop, HOUR, record, ID(1));
    for (uint64_t i = 1; i <= 100; i++) {
        run_at(loop, START + i * MS);
    }
    tw_call_later_threadsafe_ns(loop, 0, record, ID(2));
    cr_assert_eq(run_at(loop, START + 101 * MS), 1);
    expect_fired(2);
    loop_free(loop);
}

/* ------------------------------------------------------------------ cancelling */

Test(threadsafe, a_cancelled_call_never_runs)
{
    tw_loop *loop = loop_new();
    tw_handle seen = tw_call_later_threadsafe_ns(loop, MS, record, ID(1));
    tw_run(loop);
    tw_handle unseen = tw_call_later_threadsafe_ns(loop, MS, record, ID(2));
    cr_assert(tw_cancel_threadsafe(loop, seen));
    cr_assert(tw_cancel_threadsafe(loop, unseen));
    cr_assert_not(tw_cancel_threadsafe(loop, seen));
    cr_assert_not(tw_cancel_threadsafe(loop, unseen));
    cr_assert_not(tw_cancel_and_wait(loop, seen));
    cr_assert_not(tw_cancel(loop, unseen));
    cr_assert_eq(run_at(loop, START + SECOND), 0);
    expect_nothing_fired();
    loop_free(loop);
}

Test(threadsafe, tw_cancel_takes_their_handles)
{
    tw_loop *loop = loop_new();
    tw_handle seen = tw_call_later_threadsafe_ns(loop, MS, record, ID(1));
    tw_run(loop);
    tw_handle unseen = tw_call_later_threadsafe_ns(loop, MS, record, ID(2));
    cr_assert(tw_cancel(loop, seen));
    cr_assert(tw_cancel(loop, unseen));
    cr_assert_not(tw_cancel(loop, seen));
    cr_assert_not(tw_cancel_threadsafe(loop, unseen));
    cr_assert_eq(run_at(loop, START + SECOND), 0);
    loop_free(loop);
}

Test(threadsafe, a_cancel_works_on_what_is_due_already)
{
    tw_loop *loop = loop_new();
    tw_handle due = tw_call_later_threadsafe_ns(loop, MS, record, ID(1));
    tw_call_later_threadsafe_ns(loop, 0, record, ID(2));
    clock_ns = START + SECOND;
    cr_assert_eq(tw_run_max(loop, 1), 1);
    cr_assert(tw_cancel_threadsafe(loop, due));
    cr_assert_eq(tw_run(loop), 0);
    expect_fired(2);
    loop_free(loop);
}

static tw_handle victim;

static void cancel_victim(void *id)
{
    record(id);
    cr_assert(tw_cancel_threadsafe(the_loop, victim));
}

/* Both are due in the same run: the second has been given out by then, or nearly. */
Test(threadsafe, a_callback_may_cancel_what_is_due_in_the_same_run)
{
    the_loop = loop_new();
    tw_call_later_threadsafe_ns(the_loop, 1, cancel_victim, ID(1));
    victim = tw_call_later_threadsafe_ns(the_loop, 2, record, ID(2));
    tw_call_later_threadsafe_ns(the_loop, 3, record, ID(3));
    cr_assert_eq(run_at(the_loop, START + MS), 2, "the answer is the number of callbacks made");
    expect_fired(1, 3);
    tw_stats stats = stats_of(the_loop);
    cr_assert_eq(stats.fired, 2);
    cr_assert_eq(stats.cancelled, 1);
    uint64_t late = 0;
    for (size_t i = 0; i < 64; i++) {
        late += stats.late[i];
    }
    cr_assert_eq(late, 2);
    loop_free(the_loop);
}

static void cancel_itself(void *id)
{
    record(id);
    cr_assert_not(tw_cancel_threadsafe(the_loop, victim));
    cr_assert_not(tw_cancel_and_wait(the_loop, victim), "it does not wait for itself");
    cr_assert_not(tw_cancel(the_loop, victim));
    cr_assert_not(tw_pending(the_loop, victim));
    cr_assert_not(tw_reschedule_later_ns(the_loop, victim, MS));
}

Test(threadsafe, a_call_that_runs_cannot_be_cancelled_or_waited_for_by_itself)
{
    the_loop = loop_new();
    victim = tw_call_later_threadsafe_ns(the_loop, 0, cancel_itself, ID(1));
    cr_assert_eq(tw_run(the_loop), 1);
    cr_assert_eq(tw_run(the_loop), 0);
    expect_fired(1);
    loop_free(the_loop);
}

/* ----------------------------------------------------- handles on the loop's thread */

Test(threadsafe, handles_are_told_when_they_are_due_until_they_are_over)
{
    tw_loop *loop = loop_new();
    tw_handle handle = tw_call_later_threadsafe_ns(loop, MS, record, ID(1));
    cr_assert(tw_pending(loop, handle));
    cr_assert_eq(tw_when_ns(loop, handle), START + MS);
    tw_run(loop);
    cr_assert(tw_pending(loop, handle));
    cr_assert_eq(tw_when_ns(loop, handle), START + MS);
    run_at(loop, START + MS);
    cr_assert_not(tw_pending(loop, handle));
    cr_assert_eq(tw_when_ns(loop, handle), NEVER);
    handle = tw_call_later_threadsafe_ns(loop, MS, record, ID(2));
    tw_cancel_threadsafe(loop, handle);
    cr_assert_not(tw_pending(loop, handle));
    cr_assert_eq(tw_when_ns(loop, handle), NEVER);
    loop_free(loop);
}

Test(threadsafe, calls_are_moved_before_and_after_the_loop_has_seen_them)
{
    tw_loop *loop = loop_new();
    tw_handle first = tw_call_later_threadsafe_ns(loop, MS, record, ID(1));
    cr_assert(tw_reschedule_later_ns(loop, first, 10 * MS));
    cr_assert_eq(tw_when_ns(loop, first), START + 10 * MS);
    cr_assert_eq(run_at(loop, START + 9 * MS), 0);
    cr_assert(tw_reschedule_at_ns(loop, first, START + 8 * MS));
    cr_assert_eq(run_at(loop, START + 9 * MS), 1);
    cr_assert_not(tw_reschedule_later(loop, first, 1));
    tw_handle second = tw_call_later_threadsafe_ns(loop, MS, record, ID(2));
    cr_assert(tw_reschedule_at(loop, second, 0));
    errno = 0;
    cr_assert_not(tw_reschedule_later(loop, second, NAN));
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(tw_run(loop), 1);
    expect_fired(1, 2);
    cr_assert_eq(stats_of(loop).rearmed, 3);
    loop_free(loop);
}

/* However often the memory behind it is used again. */
Test(threadsafe, a_stale_handle_is_never_mistaken_for_a_later_one)
{
    tw_loop *loop = loop_new();
    enum { ROUNDS = 1000 };
    static tw_handle old[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        old[i] = tw_call_later_threadsafe_ns(loop, SECOND, record, ID(i));
        for (size_t k = 0; k < i; k++) {
            REQUIRE(old[k] != old[i], "a handle was given out twice");
            REQUIRE(!tw_pending(loop, old[k]) && !tw_cancel_threadsafe(loop, old[k]) &&
                        !tw_reschedule_later_ns(loop, old[k], 1) && !tw_cancel(loop, old[k]),
                    "a stale handle was of use");
        }
        if (i % 3 == 0) {
            tw_run(loop);
        }
        REQUIRE(tw_pending(loop, old[i]), "a fresh one was not");
        cr_assert(tw_cancel_threadsafe(loop, old[i]));
    }
    loop_free(loop);
}

Test(threadsafe, handles_are_not_those_of_the_loops_own_calls)
{
    tw_loop *loop = loop_new();
    tw_handle own[300], theirs[300];
    for (uintptr_t i = 0; i < 300; i++) {
        own[i] = tw_call_later_ns(loop, MS, record, ID(i));
        theirs[i] = tw_call_later_threadsafe_ns(loop, MS, record, ID(i));
    }
    for (size_t i = 0; i < 300; i++) {
        errno = 0;
        REQUIRE(!tw_cancel_threadsafe(loop, own[i]) && errno == EINVAL, "%zu was taken", i);
        for (size_t k = 0; k < 300; k++) {
            REQUIRE(own[i] != theirs[k], "the same handle twice");
        }
    }
    cr_assert_eq(run_at(loop, START + MS), 600);
    loop_free(loop);
}

/* --------------------------------------------------------------------- contexts */

static tw_context *seen_context;

static void look_at_context(void *unused)
{
    (void)unused;
    seen_context = tw_context_current(the_loop);
}

Test(threadsafe, calls_run_in_the_loops_own_context)
{
    the_loop = loop_new();
    static tw_context own, other;
    tw_context_set(the_loop, &other);
    tw_call_later_threadsafe_ns(the_loop, 0, look_at_context, NULL);
    tw_context_set(the_loop, &own);
    cr_assert_eq(tw_run(the_loop), 1);
    cr_assert_eq(seen_context, &own);
    loop_free(the_loop);
}

/* ----------------------------------------------------------------------- counts */

static void expect_sum(const tw_loop *loop)
{
    tw_stats stats = stats_of(loop);
    cr_assert_eq(stats.started, stats.fired + stats.cancelled + stats.pending);
    cr_assert_eq(tw_pending_count(loop), stats.pending);
}

Test(threadsafe, calls_count_as_pending_from_their_start_to_their_end)
{
    tw_loop *loop = loop_new();
    tw_call_later_ns(loop, HOUR, record, ID(0));
    tw_handle first = tw_call_later_threadsafe_ns(loop, MS, record, ID(1));
    tw_handle second = tw_call_later_threadsafe_ns(loop, MS, record, ID(2));
    tw_call_later_threadsafe_ns(loop, MS, record, ID(3));
    cr_assert_eq(tw_pending_count(loop), 4);
    expect_sum(loop);
    tw_cancel_threadsafe(loop, first);
    cr_assert_eq(tw_pending_count(loop), 3);
    expect_sum(loop);
    tw_run(loop);
    cr_assert_eq(tw_pending_count(loop), 3);
    tw_cancel_threadsafe(loop, second);
    cr_assert_eq(tw_pending_count(loop), 2);
    expect_sum(loop);
    run_at(loop, START + MS);
    cr_assert_eq(tw_pending_count(loop), 1);
    expect_sum(loop);
    tw_stats stats = stats_of(loop);
    cr_assert_eq(stats.started, 4);
    cr_assert_eq(stats.fired, 1);
    cr_assert_eq(stats.cancelled, 2);
    cr_assert_eq(stats.rearmed, 0);
    loop_free(loop);
}

Test(threadsafe, max_pending_counts_them_as_it_counts_the_others)
{
    tw_options options = test_options();
    options.max_pending = 3;
    tw_loop *loop = loop_with(&options);
    tw_handle theirs = tw_call_later_threadsafe_ns(loop, MS, record, ID(1));
    tw_call_later_ns(loop, MS, record, ID(2));
    tw_call_later_threadsafe_ns(loop, 2 * MS, record, ID(3));
    errno = 0;
    cr_assert_eq(tw_call_later_threadsafe_ns(loop, MS, record, ID(4)), 0);
    cr_assert_eq(errno, ENOBUFS);
    errno = 0;
    cr_assert_eq(tw_call_later_ns(loop, MS, record, ID(5)), 0);
    cr_assert_eq(errno, ENOBUFS);
    tw_cancel_threadsafe(loop, theirs);
    cr_assert_neq(tw_call_later_threadsafe_ns(loop, 2 * MS, record, ID(6)), 0);
    cr_assert_eq(tw_call_later_threadsafe_ns(loop, MS, record, ID(7)), 0);
    cr_assert_eq(run_at(loop, START + MS), 1);
    cr_assert_neq(tw_call_later_threadsafe_ns(loop, 2 * MS, record, ID(8)), 0, "one has run");
    cr_assert_eq(tw_call_later_ns(loop, MS, record, ID(9)), 0);
    cr_assert_eq(run_at(loop, START + 3 * MS), 3);
    expect_fired(2, 3, 6, 8);
    loop_free(loop);
}

/* Each is handed back, or answered true to a cancel from on_drop. */
static tw_handle doomed[100];
static size_t given_back, cancelled_then;

static void drop_and_cancel(void *hook_arg, tw_callback *callback, void *arg)
{
    (void)callback;
    given_back++;
    size_t next = ((uintptr_t)arg + 1) % 100;
    cancelled_then += tw_cancel_threadsafe(*(tw_loop **)hook_arg, doomed[next]);
}

static tw_handle shown[3];

static bool show(void *unused, const tw_call_info *info)
{
    (void)unused;
    size_t id = (size_t)(uintptr_t)info->arg;
    cr_assert(info->callback == record && info->handle == shown[id] && info->timer == NULL);
    cr_assert(info->when_ns == START + id * MS && info->interval_ns == 0 && !info->context);
    errno = 0;
    cr_assert_not(tw_cancel(the_loop, info->handle));
    cr_assert_eq(errno, EBUSY);
    shown[id] = 0;
    return true;
}

Test(threadsafe, calls_are_shown_whether_the_loop_has_seen_them_or_not)
{
    the_loop = loop_new();
    for (size_t i = 0; i < 3; i++) {
        shown[i] = tw_call_later_threadsafe_ns(the_loop, i * MS, record, ID(i));
        tw_cancel_threadsafe(the_loop, tw_call_later_threadsafe_ns(the_loop, MS, record, NULL));
        if (i == 0) {
            tw_next_ns(the_loop);
        }
    }
    cr_assert_eq(tw_foreach(the_loop, show, NULL), 3);
    cr_assert(shown[0] == 0 && shown[1] == 0 && shown[2] == 0);
    cr_assert_eq(tw_earliest_ns(the_loop), START);
    loop_free(the_loop);
}

Test(threadsafe, tw_cancel_all_hands_them_over_and_goes_on)
{
    tw_options options = test_options();
    options.on_drop = drop_and_cancel;
    options.hook_arg = &the_loop;
    the_loop = loop_with(&options);
    for (size_t i = 0; i < 50; i++) {
        doomed[i] = tw_call_later_threadsafe_ns(the_loop, i * MS, record, ID(i));
        if (i == 25) {
            tw_run_max(the_loop, 0);
        }
    }
    cr_assert_eq(tw_cancel_all(the_loop), given_back);
    cr_assert_eq(given_back + cancelled_then, 50);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    expect_sum(the_loop);
    tw_call_later_threadsafe_ns(the_loop, MS, record, ID(1));
    cr_assert_eq(run_at(the_loop, START + MS), 1);
    loop_free(the_loop);
}

Test(threadsafe, interval_of_a_call_that_is_over_is_not_set)
{
    tw_loop *loop = loop_new();
    tw_handle handle = tw_call_later_threadsafe_ns(loop, MS, record, ID(1));
    errno = 0;
    cr_assert_not(tw_set_interval_ns(loop, handle, 5));
    cr_assert_eq(errno, EINVAL, "it runs once");
    tw_cancel(loop, handle);
    errno = 0;
    cr_assert_not(tw_set_interval_ns(loop, handle, 5));
    cr_assert_eq(errno, 0, "it is stale");
    loop_free(loop);
}

Test(threadsafe, slack_does_not_put_off_what_is_due_already)
{
    tw_options options = test_options();
    options.slack_ns = SECOND;
    tw_loop *loop = loop_with(&options);
    tw_call_at_threadsafe_ns(loop, START - 1, record, ID(1));
    cr_assert_eq(tw_next_ns(loop), START - 1);
    tw_call_at_threadsafe_ns(loop, START + 1, record, ID(2));
    cr_assert_eq(run_at(loop, START), 1);
    cr_assert_eq(tw_next_ns(loop), START + 1 + SECOND);
    loop_free(loop);
}

static size_t handed_over;

/* Two for one: the second has a node that is looked at after this one. */
static void drop_and_start(void *hook_arg, tw_callback *callback, void *arg)
{
    (void)hook_arg, (void)callback, (void)arg;
    handed_over++;
    for (size_t i = 0; i < 2; i++) {
        cr_assert_neq(tw_call_later_threadsafe_ns(the_loop, MS, record, ID(1)), 0);
    }
    tw_next_ns(the_loop); /* takes them in */
}

Test(threadsafe, what_on_drop_starts_stays)
{
    tw_options options = test_options();
    options.on_drop = drop_and_start;
    the_loop = loop_with(&options);
    tw_handle handles[6];
    for (size_t i = 0; i < 6; i++) {
        handles[i] = tw_call_later_threadsafe_ns(the_loop, MS, record, ID(0));
    }
    for (size_t i = 3; i < 6; i++) { /* whose nodes are the next to be taken */
        tw_cancel(the_loop, handles[i]);
    }
    cr_assert_eq(tw_cancel_all(the_loop), 3);
    cr_assert_eq(handed_over, 3);
    cr_assert_eq(tw_pending_count(the_loop), 6);
    cr_assert_eq(run_at(the_loop, START + MS), 6);
    expect_fired(1, 1, 1, 1, 1, 1);
    loop_free(the_loop);
}

/* ----------------------------------------------------------------------- dropping */

static size_t dropped;

static void drop(void *hook_arg, tw_callback *callback, void *arg)
{
    tw_loop *loop = *(tw_loop **)hook_arg;
    cr_assert(callback == record);
    errno = 0;
    cr_assert_eq(tw_call_later_threadsafe_ns(loop, MS, record, arg), 0);
    cr_assert_eq(errno, EBUSY);
    cr_assert(arg != ID(0) || !tw_pending(loop, victim));
    dropped |= (size_t)1 << (uintptr_t)arg;
}

Test(threadsafe, what_is_pending_is_dropped_with_the_loop)
{
    tw_options options = test_options();
    options.on_drop = drop;
    options.hook_arg = &the_loop;
    the_loop = loop_with(&options);
    victim = tw_call_later_threadsafe_ns(the_loop, HOUR, record, ID(1));
    tw_handle cancelled = tw_call_later_threadsafe_ns(the_loop, HOUR, record, ID(2));
    tw_call_later_threadsafe_ns(the_loop, MS, record, ID(3));
    run_at(the_loop, START + MS);
    tw_call_later_threadsafe_ns(the_loop, 30 * DAY, record, ID(4));
    tw_call_at_threadsafe_ns(the_loop, 0, record, ID(5));
    tw_handle unseen = tw_call_later_threadsafe_ns(the_loop, HOUR, record, ID(6));
    tw_cancel_threadsafe(the_loop, cancelled);
    tw_cancel_threadsafe(the_loop, unseen);
    tw_cancel(the_loop, victim);
    victim = tw_call_later_threadsafe_ns(the_loop, HOUR, record, ID(0));
    loop_free(the_loop);
    cr_assert_eq(dropped, 1 << 0 | 1 << 4 | 1 << 5, "dropped %#zx", dropped);
    expect_fired(3);
}

Test(threadsafe, a_call_cancelled_while_others_are_dropped_is_not_dropped)
{
    tw_options options = test_options();
    options.on_drop = drop_and_cancel;
    options.hook_arg = &the_loop;
    the_loop = loop_with(&options);
    for (size_t i = 0; i < 100; i++) {
        doomed[i] = tw_call_later_threadsafe_ns(the_loop, i * MS, record, ID(i));
    }
    loop_free(the_loop);
    cr_assert_eq(given_back + cancelled_then, 100);
    cr_assert_gt(cancelled_then, 0);
}

/* ----------------------------------------------------------------------- memory */

/* Of the loop's allocator. The nodes are malloc's: tests/runner counts those. */
Test(threadsafe, pairs_of_start_and_cancel_leave_the_memory_where_it_was)
{
    tw_loop *loop = loop_new();
    for (int seen = 0; seen < 2; seen++) {
        size_t before = 0;
        for (size_t i = 0; i < MANY; i++) {
            tw_handle handle = tw_call_later_threadsafe_ns(loop, HOUR, record, ID(1));
            if (seen || i % 1000 == 0) {
                tw_run(loop);
            }
            REQUIRE(tw_cancel_threadsafe(loop, handle), "it was lost");
            if (i == 10) {
                before = heap.live_bytes;
            }
        }
        tw_run(loop);
        cr_assert_eq(heap.live_bytes, before);
        cr_assert_eq(stats_of(loop).parked, 0);
        cr_assert_eq(stats_of(loop).overflow, 0);
    }
    cr_assert_eq(tw_next_ns(loop), NEVER);
    loop_free(loop);
}

/* The loop's memory ends: nothing is lost, nothing comes late, and what is due at one
 * time comes in order. */
Test(threadsafe, calls_for_which_the_loop_has_no_memory_come_all_the_same)
{
    tw_loop *loop = loop_new();
    enum { CALLS = 5000 };
    static tw_handle handles[CALLS];
    heap_exhaust();
    for (uintptr_t i = 0; i < CALLS; i++) {
        handles[i] = tw_call_later_threadsafe_ns(loop, (CALLS - i) / 100 * MS, record, ID(i));
        cr_assert_neq(handles[i], 0);
    }
    cr_assert_eq(tw_next_ns(loop), START);
    check_loop(loop);
    cr_assert_gt(heap.failed, 0, "there was memory after all");
    cr_assert_eq(tw_pending_count(loop), CALLS);
    for (size_t i = 0; i < CALLS; i += 2) {
        if (i % 4 == 0) {
            REQUIRE(tw_cancel_threadsafe(loop, handles[i]), "%zu was lost", i);
        } else {
            REQUIRE(tw_reschedule_at_ns(loop, handles[i], START + SECOND), "%zu was lost", i);
            REQUIRE(tw_when_ns(loop, handles[i]) == START + SECOND, "%zu did not move", i);
        }
    }
    size_t calls = 0;
    for (uint64_t ms = 0; ms <= 25; ms++) {
        calls += run_at(loop, START + ms * MS);
        check_loop(loop);
    }
    heap_recover();
    for (uint64_t ms = 26; ms <= 1000; ms++) {
        calls += run_at(loop, START + ms * MS);
        check_loop(loop);
    }
    cr_assert_eq(calls, CALLS * 3 / 4);
    cr_assert_eq(fired_count, CALLS * 3 / 4);
    for (size_t k = 0; k < fired_count; k++) {
        uintptr_t i = fired[k].id;
        uint64_t due_ns = i % 4 == 2 ? START + SECOND : START + (CALLS - i) / 100 * MS;
        REQUIRE(i % 4 != 0, "%zu was cancelled", (size_t)i);
        REQUIRE(fired[k].at_ns == due_ns, "%zu came at %" PRIu64, (size_t)i, fired[k].at_ns);
    }
    expect_sum(loop);
    loop_free(loop);
}

Test(threadsafe, calls_for_which_the_loop_has_no_memory_are_dropped_with_it)
{
    tw_options options = test_options();
    options.on_drop = drop_and_cancel;
    options.hook_arg = &the_loop;
    the_loop = loop_with(&options);
    heap_exhaust();
    for (uintptr_t i = 0; i < 5000; i++) {
        cr_assert_neq(tw_call_later_threadsafe_ns(the_loop, HOUR, record, ID(i)), 0);
    }
    tw_run(the_loop);
    check_loop(the_loop);
    loop_free(the_loop);
    cr_assert_eq(given_back, 5000);
}

/* --------------------------------------------------------------------- bad input */

Test(threadsafe, bad_input_is_refused)
{
    tw_loop *loop = loop_new();
#define REFUSED(call)                                                                              \
    do {                                                                                           \
        errno = 0;                                                                                 \
        cr_assert_eq((call), 0, #call);                                                            \
        cr_assert_eq(errno, EINVAL, #call);                                                        \
    } while (0)
    REFUSED(tw_call_later_threadsafe(NULL, 1, record, NULL));
    REFUSED(tw_call_later_threadsafe(loop, 1, NULL, NULL));
    REFUSED(tw_call_later_threadsafe(loop, NAN, record, NULL));
    REFUSED(tw_call_later_threadsafe_ns(NULL, 1, record, NULL));
    REFUSED(tw_call_later_threadsafe_ns(loop, 1, NULL, NULL));
    REFUSED(tw_call_at_threadsafe(NULL, 1, record, NULL));
    REFUSED(tw_call_at_threadsafe(loop, 1, NULL, NULL));
    REFUSED(tw_call_at_threadsafe(loop, NAN, record, NULL));
    REFUSED(tw_call_at_threadsafe_ns(NULL, 1, record, NULL));
    REFUSED(tw_call_at_threadsafe_ns(loop, 1, NULL, NULL));
    REFUSED(tw_cancel_threadsafe(NULL, 1));
    REFUSED(tw_cancel_threadsafe(loop, 0));
    REFUSED(tw_cancel_and_wait(NULL, 1));
    REFUSED(tw_cancel_and_wait(loop, 0));
    cr_assert_eq(tw_pending_count(loop), 0);
    uint64_t chance = 4;
    for (size_t i = 0; i < 10000; i++) {
        tw_handle made_up = random_next(&chance);
        REQUIRE(!tw_cancel_threadsafe(loop, made_up) && !tw_cancel_and_wait(loop, made_up) &&
                    !tw_pending(loop, made_up) && tw_when_ns(loop, made_up) == NEVER &&
                    !tw_reschedule_later_ns(loop, made_up, 1) && !tw_cancel(loop, made_up),
                "%" PRIx64 " was taken", made_up);
    }
    loop_free(loop);
}

Test(threadsafe, errno_is_left_alone_where_all_is_well)
{
    tw_loop *loop = loop_new();
    errno = 77;
    tw_handle handle = tw_call_later_threadsafe(loop, 1, record, NULL);
    tw_cancel_threadsafe(loop, handle);
    tw_cancel_threadsafe(loop, handle);
    tw_cancel_and_wait(loop, handle);
    tw_run(loop);
    cr_assert_eq(errno, 77);
    loop_free(loop);
}
