/* SPDX-License-Identifier: MIT */
/* Promises 3 and 6: exactly once; cancel; handles that are never mistaken. */
#include "support.h"

static tw_loop *the_loop;

Test(handles, call_runs_exactly_once)
{
    the_loop = loop_new();
    tw_handle soon = tw_call_soon(the_loop, record, ID(1));
    tw_handle later = tw_call_later(the_loop, 0.5, record, ID(2));
    tw_handle at = tw_call_at(the_loop, tw_time(the_loop) + 0.75, record, ID(3));
    cr_assert(soon != 0 && later != 0 && at != 0);
    cr_assert_eq(tw_pending_count(the_loop), 3);
    for (int i = 0; i < 5; i++) {
        run_at(the_loop, START + (uint64_t)i * SECOND);
    }
    expect_fired(1, 2, 3);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    loop_free(the_loop);
}

Test(handles, argument_may_be_null)
{
    the_loop = loop_new();
    tw_call_soon(the_loop, record, NULL);
    tw_run(the_loop);
    expect_fired(0);
    loop_free(the_loop);
}

Test(handles, cancelled_call_never_runs_and_cancel_answers_once)
{
    the_loop = loop_new();
    tw_handle soon = tw_call_soon(the_loop, record, ID(1));
    tw_handle later = tw_call_later(the_loop, 1.0, record, ID(2));
    tw_handle far = tw_call_later_ns(the_loop, 30 * DAY, record, ID(3));
    tw_handle periodic = tw_call_every(the_loop, 1.0, record, ID(4));
    const tw_handle calls[] = {soon, later, far, periodic};

    for (int i = 0; i < 4; i++) {
        cr_assert(tw_pending(the_loop, calls[i]));
        cr_assert(tw_cancel(the_loop, calls[i]));
        cr_assert(!tw_pending(the_loop, calls[i]));
        cr_assert(!tw_cancel(the_loop, calls[i]));
        cr_assert_eq(tw_when_ns(the_loop, calls[i]), NEVER);
        check_loop(the_loop);
    }
    run_at(the_loop, START + 60 * DAY);
    expect_nothing_fired();
    cr_assert_eq(tw_next_ns(the_loop), NEVER);
    loop_free(the_loop);
}

Test(handles, when_answers_the_deadline_while_pending)
{
    the_loop = loop_new();
    clock_ns += 5;
    tw_handle soon = tw_call_soon(the_loop, record, ID(1));
    tw_handle at = tw_call_at_ns(the_loop, START + 77, record, ID(2));
    tw_handle never = tw_call_at_ns(the_loop, NEVER, record, ID(3));
    cr_assert_eq(tw_when_ns(the_loop, soon), tw_now_ns(the_loop));
    cr_assert_eq(tw_when_ns(the_loop, at), START + 77);
    cr_assert_eq(tw_when_ns(the_loop, never), NEVER);
    cr_assert(tw_pending(the_loop, never));
    loop_free(the_loop);
}

static tw_handle watched;

static void ask_about_myself(void *id)
{
    record(id);
    cr_assert(!tw_pending(the_loop, watched));
    cr_assert_eq(tw_when_ns(the_loop, watched), NEVER);
    cr_assert(!tw_cancel(the_loop, watched));
    cr_assert(!tw_reschedule_later_ns(the_loop, watched, SECOND));
    cr_assert(!tw_reschedule_at(the_loop, watched, 5000.0));
}

Test(handles, handle_is_stale_once_its_callback_has_started)
{
    the_loop = loop_new();
    watched = tw_call_later_ns(the_loop, SECOND, ask_about_myself, ID(1));
    run_at(the_loop, START + SECOND);
    watched = tw_call_soon(the_loop, ask_about_myself, ID(2));
    tw_run(the_loop);
    expect_fired(1, 2);
    run_at(the_loop, START + DAY);
    expect_fired(1, 2);
    loop_free(the_loop);
}

static tw_handle victims[3];
static bool cancelled[3];

static void cancel_the_victims(void *id)
{
    record(id);
    for (int i = 0; i < 3; i++) {
        cancelled[i] = tw_cancel(the_loop, victims[i]);
    }
}

Test(handles, callback_cancels_calls_that_are_due_in_the_same_run)
{
    the_loop = loop_new();
    victims[0] = tw_call_at_ns(the_loop, START + 1, record, ID(10));
    tw_call_at_ns(the_loop, START + 2, cancel_the_victims, ID(1));
    victims[1] = tw_call_at_ns(the_loop, START + 2, record, ID(11));
    victims[2] = tw_call_at_ns(the_loop, START + SECOND, record, ID(12));
    tw_call_at_ns(the_loop, START + 2 * SECOND, record, ID(2));
    cr_assert_eq(run_at(the_loop, START + MINUTE), 3);
    expect_fired(10, 1, 2);
    cr_assert(!cancelled[0] && cancelled[1] && cancelled[2]);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    loop_free(the_loop);
}

Test(handles, soon_callback_cancels_another_soon_call_and_a_due_timer)
{
    the_loop = loop_new();
    tw_call_soon(the_loop, cancel_the_victims, ID(1));
    victims[0] = tw_call_soon(the_loop, record, ID(10));
    victims[1] = tw_call_at_ns(the_loop, 0, record, ID(11));
    victims[2] = 0;
    tw_call_soon(the_loop, record, ID(2));
    cr_assert_eq(tw_run(the_loop), 2);
    expect_fired(1, 2);
    cr_assert(cancelled[0] && cancelled[1] && !cancelled[2]);
    loop_free(the_loop);
}

/* Half of the due calls are cancelled, each by an earlier one of the same tick. */
static tw_handle chain[1000];

static void cancel_the_next(void *id)
{
    uintptr_t number = (uintptr_t)id;

    record(id);
    if (number + 1 < 1000) {
        REQUIRE(tw_cancel(the_loop, chain[number + 1]), "call %zu", (size_t)number + 1);
    }
}

Test(handles, chain_of_cancels_inside_one_tick)
{
    the_loop = loop_new();
    for (uintptr_t i = 0; i < 1000; i++) {
        chain[i] = tw_call_at_ns(the_loop, START + SECOND + i, cancel_the_next, ID(i));
    }
    cr_assert_eq(run_at(the_loop, START + 2 * SECOND), 500);
    for (size_t i = 0; i < 500; i++) {
        cr_assert_eq(fired[i].id, 2 * i);
    }
    check_loop(the_loop);
    loop_free(the_loop);
}

/* ------------------------------------------------------------- rescheduling */

Test(reschedule, call_keeps_its_handle_and_runs_once_at_the_new_deadline)
{
    the_loop = loop_new();
    tw_handle call = tw_call_later(the_loop, 1.0, record, ID(1));

    cr_assert(tw_reschedule_later(the_loop, call, 3.0));
    cr_assert_eq(tw_when_ns(the_loop, call), START + 3 * SECOND);
    run_at(the_loop, START + 2 * SECOND);
    expect_nothing_fired();
    cr_assert(tw_reschedule_at(the_loop, call, 1002.5));
    cr_assert_eq(tw_when_ns(the_loop, call), START + 2500 * MS);
    run_at(the_loop, START + 2500 * MS - 1);
    expect_nothing_fired();
    run_at(the_loop, START + 2500 * MS);
    run_at(the_loop, START + MINUTE);
    expect_fired(1);
    cr_assert(!tw_reschedule_later(the_loop, call, 1.0));
    loop_free(the_loop);
}

Test(reschedule, into_the_past_and_to_never_and_back)
{
    the_loop = loop_new();
    tw_handle call = tw_call_later_ns(the_loop, SECOND, record, ID(1));

    cr_assert(tw_reschedule_at(the_loop, call, (double)INFINITY));
    cr_assert_eq(tw_when_ns(the_loop, call), NEVER);
    run_at(the_loop, START + YEAR);
    expect_nothing_fired();
    cr_assert(tw_pending(the_loop, call));
    cr_assert(tw_reschedule_at_ns(the_loop, call, 3));
    cr_assert_eq(tw_when_ns(the_loop, call), 3);
    cr_assert_eq(tw_run(the_loop), 1);
    loop_free(the_loop);
}

Test(reschedule, soon_call_becomes_a_timer)
{
    the_loop = loop_new();
    tw_handle call = tw_call_soon(the_loop, record, ID(1));
    tw_call_soon(the_loop, record, ID(2));

    cr_assert(tw_reschedule_later_ns(the_loop, call, SECOND));
    cr_assert_eq(tw_when_ns(the_loop, call), START + SECOND);
    cr_assert_eq(tw_run(the_loop), 1);
    expect_fired(2);
    check_loop(the_loop);
    cr_assert_eq(run_at(the_loop, START + SECOND), 1);
    expect_fired(2, 1);
    loop_free(the_loop);
}

Test(reschedule, idle_timeout_refreshed_a_thousand_times_runs_once)
{
    the_loop = loop_new();
    tw_handle call = tw_call_later_ns(the_loop, MINUTE, record, ID(1));
    for (int i = 0; i < 1000; i++) {
        run_at(the_loop, clock_ns + SECOND);
        cr_assert(tw_reschedule_later_ns(the_loop, call, MINUTE));
    }
    check_loop(the_loop);
    expect_nothing_fired();
    run_at(the_loop, clock_ns + MINUTE - 1);
    expect_nothing_fired();
    run_at(the_loop, clock_ns + 1);
    expect_fired(1);
    loop_free(the_loop);
}

/* ----------------------------------------------------------- stale handles */

static void expect_stale(tw_handle handle)
{
    REQUIRE(!tw_pending(the_loop, handle), "handle %zx", (size_t)handle);
    REQUIRE(!tw_cancel(the_loop, handle), "handle %zx", (size_t)handle);
    REQUIRE(tw_when_ns(the_loop, handle) == NEVER, "handle %zx", (size_t)handle);
    REQUIRE(!tw_reschedule_later(the_loop, handle, 1), "handle %zx", (size_t)handle);
    REQUIRE(!tw_reschedule_later_ns(the_loop, handle, 1), "handle %zx", (size_t)handle);
    REQUIRE(!tw_reschedule_at(the_loop, handle, 1), "handle %zx", (size_t)handle);
    REQUIRE(!tw_reschedule_at_ns(the_loop, handle, 1), "handle %zx", (size_t)handle);
}

Test(stale, handles_answer_false_however_often_their_slot_was_used_again)
{
    enum { USES = 5000 };
    static tw_handle old[USES];

    the_loop = loop_new();
    for (size_t i = 0; i < USES; i++) {      /* one live call at a time: one slot */
        old[i] = i % 3 == 0 ? tw_call_soon(the_loop, record, ID(i))
                            : tw_call_later_ns(the_loop, MS, record, ID(i));
        REQUIRE(old[i] != 0, "errno %d", errno);
        if (i % 2) {
            REQUIRE(tw_cancel(the_loop, old[i]), "call %zu", i);
        } else {
            REQUIRE(run_at(the_loop, clock_ns + MS) == 1, "call %zu", i);
        }
    }
    tw_handle live = tw_call_later_ns(the_loop, SECOND, record, ID(USES));
    for (size_t i = 0; i < USES; i++) {
        expect_stale(old[i]);
    }
    cr_assert(tw_pending(the_loop, live));
    cr_assert_eq(tw_when_ns(the_loop, live), clock_ns + SECOND);
    loop_free(the_loop);
}

static int compare_handles(const void *left, const void *right)
{
    tw_handle a = *(const tw_handle *)left, b = *(const tw_handle *)right;

    return (a > b) - (a < b);
}

Test(stale, no_handle_is_given_out_twice)
{
    enum { LIVE = 100, USES = 200000 };
    tw_handle live[LIVE] = {0};
    tw_handle *all = malloc(USES * sizeof(*all));
    uint64_t chance = 6;

    the_loop = loop_new();
    for (size_t i = 0; i < USES; i++) {
        size_t slot = random_below(&chance, LIVE);
        if (live[slot] != 0) {
            REQUIRE(tw_cancel(the_loop, live[slot]), "call %zu", slot);
        }
        all[i] = live[slot] = tw_call_later_ns(the_loop, MINUTE, record, ID(i));
    }
    qsort(all, USES, sizeof(*all), compare_handles);
    cr_assert_neq(all[0], 0);
    for (size_t i = 1; i < USES; i++) {
        REQUIRE(all[i] != all[i - 1], "handle %zx was given out twice", (size_t)all[i]);
    }
    free(all);
    loop_free(the_loop);
}

Test(stale, invented_handles_are_nothing)
{
    enum { LIVE = 8 };
    tw_handle live[LIVE];
    uint64_t chance = 7;

    the_loop = loop_new();
    for (size_t i = 0; i < LIVE; i++) {
        live[i] = tw_call_later_ns(the_loop, MINUTE, record, ID(i));
    }
    expect_stale(0);
    expect_stale(UINT64_MAX);
    expect_stale(UINT64_C(0xffffffff00000000));
    expect_stale(UINT32_MAX);
    for (int i = 0; i < 100000; i++) {
        expect_stale(random_next(&chance) | UINT64_C(1) << 60 | UINT64_C(1) << 28);
    }
    for (size_t i = 0; i < LIVE; i++) {      /* one bit away from a live one, and not live */
        for (int bit = 0; bit < 64; bit++) {
            tw_handle invented = live[i] ^ (UINT64_C(1) << bit);
            bool is_live = false;

            for (size_t k = 0; k < LIVE; k++) {
                is_live = is_live || invented == live[k];
            }
            if (!is_live) {
                expect_stale(invented);
            }
        }
    }
    cr_assert_eq(tw_pending_count(the_loop), LIVE);
    check_loop(the_loop);
    loop_free(the_loop);
}

Test(stale, handle_of_one_loop_does_nothing_harmful_on_an_empty_one)
{
    the_loop = loop_new();
    tw_loop *other = loop_new();
    tw_handle call = tw_call_later_ns(other, SECOND, record, ID(1));

    expect_stale(call);
    cr_assert(tw_pending(other, call));
    tw_loop_free(other);
    loop_free(the_loop);
}

/* ------------------------------------------------------------ exactly once */

static tw_handle all_calls[600];
static uint8_t outcome[600];         /* how often a call ran, was cancelled or was dropped */

static void count_outcome(void *id)
{
    outcome[(uintptr_t)id]++;
}

static void count_drop(void *hook_arg, tw_callback *callback, void *id)
{
    REQUIRE(hook_arg == outcome, "the hook got an argument that is not its own");
    REQUIRE(callback == count_outcome, "the hook got another callback");
    outcome[(uintptr_t)id]++;
}

static void schedule_all_calls(void (*on_drop)(void *, tw_callback *, void *))
{
    uint64_t chance = 8;
    tw_options options = test_options();

    options.on_drop = on_drop;
    options.hook_arg = outcome;
    the_loop = loop_with(&options);
    for (uintptr_t i = 0; i < 600; i++) {
        uint64_t delay_ns = random_below(&chance, UINT64_C(1) << random_below(&chance, 60));
        all_calls[i] = i % 5 == 0 ? tw_call_soon(the_loop, count_outcome, ID(i))
                                  : tw_call_later_ns(the_loop, delay_ns, count_outcome, ID(i));
    }
}

Test(exactly_once, each_call_runs_or_is_cancelled_or_is_dropped)
{
    schedule_all_calls(count_drop);
    for (uintptr_t i = 0; i < 600; i += 7) {
        cr_assert(tw_cancel(the_loop, all_calls[i]));
        outcome[i]++;
    }
    tw_run(the_loop);
    run_at(the_loop, START + MINUTE);
    for (uintptr_t i = 0; i < 600; i += 11) {
        outcome[i] += tw_cancel(the_loop, all_calls[i]);
    }
    cr_assert_gt(tw_pending_count(the_loop), 0);
    loop_free(the_loop);
    for (uintptr_t i = 0; i < 600; i++) {
        cr_assert_eq(outcome[i], 1, "call %zu had %d outcomes", (size_t)i, outcome[i]);
    }
}

static void count_drop_and_cancel_all(void *hook_arg, tw_callback *callback, void *id)
{
    count_drop(hook_arg, callback, id);
    for (uintptr_t i = 0; i < 600; i++) {
        outcome[i] += tw_cancel(the_loop, all_calls[i]);
    }
}

Test(exactly_once, call_cancelled_by_the_drop_hook_is_not_dropped_too)
{
    schedule_all_calls(count_drop_and_cancel_all);
    loop_free(the_loop);
    for (uintptr_t i = 0; i < 600; i++) {
        cr_assert_eq(outcome[i], 1, "call %zu had %d outcomes", (size_t)i, outcome[i]);
    }
}

/* Two loops, or eight, whose calls are started in the same order. */
Test(other_loop, handles_of_another_loop_are_stale)
{
    enum { LOOPS = 8, CALLS = 300 };
    static tw_loop *loops[LOOPS];
    static tw_handle handles[LOOPS][CALLS];

    for (int i = 0; i < LOOPS; i++) {
        loops[i] = loop_new();
        for (uintptr_t j = 0; j < CALLS; j++) {
            handles[i][j] = tw_call_later_ns(loops[i], SECOND, record, ID(j));
        }
    }
    for (int i = 0; i < LOOPS; i++) {
        for (int j = 0; j < LOOPS * CALLS; j++) {
            tw_handle other = handles[j / CALLS][j % CALLS];
            bool own = j / CALLS == i;
            REQUIRE(tw_pending(loops[i], other) == own, "loop %d, handle %d", i, j);
            REQUIRE((tw_when_ns(loops[i], other) != NEVER) == own, "loop %d, handle %d", i, j);
            REQUIRE(own || !tw_reschedule_at_ns(loops[i], other, 0), "loop %d, handle %d", i, j);
            REQUIRE(own || !tw_cancel(loops[i], other), "loop %d, handle %d", i, j);
        }
        cr_assert_eq(tw_pending_count(loops[i]), CALLS);
    }
    for (int i = 0; i < LOOPS; i++) {
        tw_loop_free(loops[i]);
    }
}
