/* SPDX-License-Identifier: MIT */
/* Promises 4 and 5: the order of calls, and no starvation. */
#include "support.h"

static tw_loop *the_loop;

Test(order, soon_runs_first_in_first_out_before_timers)
{
    the_loop = loop_new();
    tw_call_at_ns(the_loop, 0, record, ID(10));
    tw_call_soon(the_loop, record, ID(1));
    tw_call_later_ns(the_loop, 0, record, ID(11));
    tw_call_soon(the_loop, record, ID(2));
    tw_call_soon(the_loop, record, ID(3));
    cr_assert_eq(tw_run(the_loop), 5);
    expect_fired(1, 2, 3, 10, 11);
    loop_free(the_loop);
}

Test(order, many_soon_calls_stay_in_line)
{
    the_loop = loop_new();
    for (int round = 0; round < 3; round++) {
        forget_fired();
        for (uintptr_t i = 0; i < 10000; i++) {
            REQUIRE(tw_call_soon(the_loop, record, ID(i)) != 0, "errno %d", errno);
        }
        cr_assert_eq(tw_run(the_loop), 10000);
        for (uintptr_t i = 0; i < 10000; i++) {
            REQUIRE(fired[i].id == i, "call %zu came as number %zu", (size_t)fired[i].id,
                    (size_t)i);
        }
    }
    loop_free(the_loop);
}

Test(order, deadlines_decide_and_not_the_order_of_scheduling)
{
    the_loop = loop_new();
    tw_call_at_ns(the_loop, START + 3 * SECOND, record, ID(3));
    tw_call_at_ns(the_loop, START + SECOND, record, ID(1));
    tw_call_at_ns(the_loop, START + 2 * SECOND, record, ID(2));
    tw_call_at_ns(the_loop, START - SECOND, record, ID(0));
    run_at(the_loop, START + 3 * SECOND);
    expect_fired(0, 1, 2, 3);
    loop_free(the_loop);
}

Test(order, deadlines_a_nanosecond_apart_in_one_tick_are_told_apart)
{
    the_loop = loop_new();
    for (uintptr_t i = 0; i < 1000; i++) {
        uintptr_t shuffled = i * 617 % 1000;
        tw_call_at_ns(the_loop, START + SECOND + shuffled, record, ID(shuffled));
    }
    run_at(the_loop, START + 2 * SECOND);
    cr_assert_eq(fired_count, 1000);
    for (uintptr_t i = 0; i < 1000; i++) {
        REQUIRE(fired[i].id == i, "call %zu came as number %zu", (size_t)fired[i].id, (size_t)i);
    }
    loop_free(the_loop);
}

/* Equal deadlines, scheduled from ever closer: each call goes in at another
 * level of the wheel (the first ones in the overflow heap), and all meet. */
static void schedule_from_ever_closer(uint64_t tick_ns)
{
    tw_options options = test_options();
    tw_timer embedded[64];
    uintptr_t calls = 0;

    clock_ns = START;
    forget_fired();
    options.tick_ns = tick_ns;
    the_loop = loop_with(&options);
    uint64_t when_ns = START + 10 * DAY;
    for (uint64_t left_ns = 10 * DAY; left_ns > 0; left_ns /= 3) {
        run_at(the_loop, when_ns - left_ns);
        tw_call_at_ns(the_loop, when_ns, record, ID(calls++));
        tw_timer_init(&embedded[calls], record, ID(calls));
        cr_assert_eq(tw_timer_start_at_ns(the_loop, &embedded[calls], when_ns), 0);
        calls++;
        check_loop(the_loop);
    }
    run_at(the_loop, when_ns - 1);
    expect_nothing_fired();
    run_at(the_loop, when_ns);
    cr_assert_eq(fired_count, calls);
    for (uintptr_t i = 0; i < calls; i++) {
        cr_assert_eq(fired[i].id, i, "tick %zu: call %zu came as number %zu", (size_t)tick_ns,
                     (size_t)fired[i].id, (size_t)i);
    }
    loop_free(the_loop);
}

Test(order, equal_deadlines_keep_scheduling_order_across_levels_and_overflow)
{
    const uint64_t ticks[] = {1, 1 << 10, TICK, UINT64_C(1) << 26, UINT64_C(1) << 40};

    for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
        schedule_from_ever_closer(ticks[i]);
    }
}

Test(order, rearm_counts_as_scheduled_then)
{
    tw_timer first, second;
    uint64_t when_ns = START + SECOND;

    the_loop = loop_new();
    tw_timer_init(&first, record, ID(1));
    tw_timer_init(&second, record, ID(2));
    tw_timer_start_at_ns(the_loop, &first, when_ns);
    tw_timer_start_at_ns(the_loop, &second, when_ns);
    tw_handle third = tw_call_at_ns(the_loop, when_ns, record, ID(3));
    tw_handle fourth = tw_call_at_ns(the_loop, when_ns, record, ID(4));

    tw_timer_start_at_ns(the_loop, &first, when_ns);          /* to where it is already */
    cr_assert(tw_reschedule_at_ns(the_loop, third, when_ns));
    tw_timer_park(the_loop, &second);
    tw_timer_start_at_ns(the_loop, &second, when_ns);
    cr_assert(tw_pending(the_loop, fourth));
    run_at(the_loop, when_ns);
    expect_fired(4, 1, 3, 2);
    loop_free(the_loop);
}

Test(order, rearm_further_out_and_back_keeps_scheduling_order)
{
    the_loop = loop_new();
    tw_handle calls[8];
    uint64_t when_ns = START + 100 * SECOND;

    for (uintptr_t i = 0; i < 8; i++) {
        calls[i] = tw_call_at_ns(the_loop, START + (i + 1) * SECOND, record, ID(i));
    }
    /* Away by a lazy move, beyond the span, and back, in reverse order. */
    for (uintptr_t i = 8; i-- > 0;) {
        cr_assert(tw_reschedule_at_ns(the_loop, calls[i], START + 50 * SECOND + i));
        cr_assert(tw_reschedule_at_ns(the_loop, calls[i], START + SPAN + DAY));
        cr_assert(tw_reschedule_at_ns(the_loop, calls[i], when_ns));
    }
    run_at(the_loop, START + 60 * SECOND);
    expect_nothing_fired();
    run_at(the_loop, when_ns);
    expect_fired(7, 6, 5, 4, 3, 2, 1, 0);
    loop_free(the_loop);
}

/* ---------------------------------------------------------- random programs
 *
 * Few distinct deadlines, many calls of both kinds, all the ways to move them,
 * from outside and from callbacks, and steps of all sizes; the ledger knows the
 * order. */

enum { TIMERS = 400, STEPS = 4000 };

static tw_timer timers[TIMERS];          /* the even numbers */
static tw_handle handles[TIMERS];        /* the odd ones */
static uint64_t chance;
static uint64_t reach_ns;

static void fire_and_operate(void *id);

static void random_cancel(size_t i)
{
    bool was_pending = ledger[i].state == ENTRY_PENDING;

    if (i % 2) {
        REQUIRE(tw_cancel(the_loop, handles[i]) == was_pending, "cancel of %zu", i);
    } else if (random_below(&chance, 2)) {
        tw_timer_stop(the_loop, &timers[i]);
    } else {
        tw_timer_park(the_loop, &timers[i]);
    }
    ledger_cancel(i);
}

static void random_start(size_t i)
{
    uint64_t grain_ns = (reach_ns >> random_below(&chance, 40)) / 8 + 1;
    uint64_t when_ns = clock_ns + grain_ns * random_below(&chance, 8);

    if (random_below(&chance, 16) == 0) {
        when_ns = random_below(&chance, 2) ? NEVER : START;      /* never, or in the past */
    }
    if (i % 2 == 0) {
        REQUIRE(tw_timer_start_at_ns(the_loop, &timers[i], when_ns) == 0, "errno %d", errno);
    } else if (ledger[i].state == ENTRY_PENDING) {
        REQUIRE(tw_reschedule_at_ns(the_loop, handles[i], when_ns), "move of %zu", i);
    } else {
        handles[i] = tw_call_at_ns(the_loop, when_ns, fire_and_operate, ID(i));
        REQUIRE(handles[i] != 0, "errno %d", errno);
    }
    ledger_move(i, when_ns);
}

static void random_operation(void)
{
    size_t i = random_below(&chance, TIMERS);

    if (random_below(&chance, 4) == 0) {
        random_cancel(i);
    } else {
        random_start(i);
    }
    uint64_t when_ns = ledger[i].state == ENTRY_PENDING ? ledger[i].deadline_ns : NEVER;
    uint64_t answer_ns = i % 2 ? tw_when_ns(the_loop, handles[i]) : tw_timer_when_ns(&timers[i]);
    REQUIRE(answer_ns == when_ns, "timer %zu has another deadline", i);
}

static void fire_and_operate(void *id)
{
    ledger_fire(id);
    for (uint64_t left = random_below(&chance, 3); left > 0; left--) {
        random_operation();
    }
}

static void random_run(void)
{
    uint64_t step_ns = random_below(&chance, (reach_ns >> random_below(&chance, 40)) + 1);
    size_t most = random_below(&chance, 2) ? SIZE_MAX : random_below(&chance, 5);

    ledger_run_max_at(the_loop, clock_ns + step_ns, most);
}

static void begin_random_program(uint64_t tick_ns, uint64_t seed)
{
    tw_options options = test_options();

    options.tick_ns = tick_ns;
    chance = seed;
    clock_ns = START;
    the_loop = loop_with(&options);
    ledger_count = 0;
    memset(handles, 0, sizeof(handles));
    for (uintptr_t i = 0; i < TIMERS; i++) {
        ledger_cancel(ledger_add(0));
        tw_timer_init(&timers[i], fire_and_operate, ID(i));
    }
}

/* What is left would start others for ever: it is cancelled. */
static void end_random_program(void)
{
    for (uintptr_t i = 0; i < TIMERS; i++) {
        random_cancel(i);
        tw_timer_stop(the_loop, &timers[i]);
    }
    cr_assert_eq(tw_pending_count(the_loop), 0);
    loop_free(the_loop);
}

static void random_program(uint64_t tick_ns, uint64_t seed)
{
    begin_random_program(tick_ns, seed);
    for (int step = 0; step < STEPS; step++) {
        if (random_below(&chance, 8) == 0) {
            random_run();
        } else {
            random_operation();
        }
        if (step % 16 == 0) {
            check_loop(the_loop);
        }
        REQUIRE(tw_next_ns(the_loop) <= ledger_earliest_ns(), "step %d: it would oversleep", step);
    }
    end_random_program();
}

/* TICKWHEEL_SEED plays other programs: the first of ten. */
Test(order, random_programs_agree_with_the_ledger_at_every_tick_size)
{
    const uint64_t ticks[] = {1, 1 << 10, TICK, UINT64_C(1) << 30, UINT64_C(1) << 63};
    const char *given = getenv("TICKWHEEL_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1;

    for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
        for (uint64_t seed = first; seed < first + 10; seed++) {
            cr_log_info("tick %zu, seed %zu", (size_t)ticks[i], (size_t)seed);
            reach_ns = seed % 2 ? 2 * YEAR : MINUTE;
            random_program(ticks[i], seed);
        }
    }
}

/* ----------------------------------------------------------- no starvation */

static void call_soon_again(void *id)
{
    record(id);
    tw_call_soon(the_loop, call_soon_again, id);
}

Test(starvation, soon_scheduled_by_a_callback_waits_for_the_next_run)
{
    the_loop = loop_new();
    tw_call_soon(the_loop, call_soon_again, ID(1));
    tw_call_at_ns(the_loop, START, record, ID(2));
    cr_assert_eq(tw_run(the_loop), 2);
    expect_fired(1, 2);
    cr_assert_eq(tw_run(the_loop), 1);
    expect_fired(1, 2, 1);
    loop_free(the_loop);
}

static void call_in_the_past(void *id)
{
    record(id);
    tw_call_at_ns(the_loop, 0, record, ID((uintptr_t)id + 100));
    tw_call_later_ns(the_loop, 0, record, ID((uintptr_t)id + 200));
    tw_call_later(the_loop, -5.0, record, ID((uintptr_t)id + 300));
}

Test(starvation, timer_scheduled_for_the_past_waits_for_the_next_run)
{
    the_loop = loop_new();
    tw_call_at_ns(the_loop, START + SECOND, call_in_the_past, ID(1));
    tw_call_at_ns(the_loop, START + SECOND, record, ID(2));
    cr_assert_eq(run_at(the_loop, START + 2 * SECOND), 2);
    expect_fired(1, 2);
    cr_assert_leq(tw_next_ns(the_loop), clock_ns);
    cr_assert_eq(tw_timeout_ms(the_loop), 0);
    forget_fired();
    cr_assert_eq(tw_run(the_loop), 3);
    loop_free(the_loop);
}

static void restart_for_now(void *arg)
{
    record(ID(1));
    cr_assert_eq(tw_timer_start_at_ns(the_loop, arg, clock_ns), 0);
}

Test(starvation, embedded_timer_that_restarts_for_now_runs_once_a_run)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, restart_for_now, &timer);
    tw_timer_start_at_ns(the_loop, &timer, START);
    for (size_t i = 1; i <= 10; i++) {
        cr_assert_eq(tw_run(the_loop), 1);
        cr_assert_eq(fired_count, i);
    }
    tw_timer_stop(the_loop, &timer);
    loop_free(the_loop);
}

static tw_handle other_call;

static void move_the_other_into_the_past(void *id)
{
    record(id);
    cr_assert(tw_reschedule_at_ns(the_loop, other_call, 0));
}

Test(starvation, due_call_that_is_moved_by_a_callback_waits_for_the_next_run)
{
    the_loop = loop_new();
    tw_call_at_ns(the_loop, START, move_the_other_into_the_past, ID(1));
    other_call = tw_call_at_ns(the_loop, START + 1, record, ID(2));
    tw_call_at_ns(the_loop, START + 2, record, ID(3));
    cr_assert_eq(run_at(the_loop, START + SECOND), 2);
    expect_fired(1, 3);
    cr_assert_eq(tw_run(the_loop), 1);
    expect_fired(1, 3, 2);
    loop_free(the_loop);
}

Test(starvation, due_call_that_is_moved_away_by_a_callback_does_not_run)
{
    the_loop = loop_new();
    tw_call_at_ns(the_loop, START + SECOND, move_the_other_into_the_past, ID(1));
    other_call = tw_call_at_ns(the_loop, START + DAY, record, ID(2));
    cr_assert_eq(run_at(the_loop, START + SECOND), 1);
    cr_assert_eq(tw_run(the_loop), 1);
    expect_fired(1, 2);
    loop_free(the_loop);
}

/* -------------------------------------------------------------- tw_run_max */

static void schedule_mixture(void)
{
    uint64_t dice = 5;

    the_loop = loop_new();
    for (uintptr_t i = 0; i < 20; i++) {
        tw_call_soon(the_loop, record, ID(i));
    }
    for (uintptr_t i = 20; i < 1000; i++) {
        tw_call_at_ns(the_loop, START + random_below(&dice, 50) * 300 * MS, record, ID(i));
    }
}

Test(run_max, pieces_give_the_same_order_as_one_run)
{
    uintptr_t whole[1000];

    schedule_mixture();
    cr_assert_eq(run_at(the_loop, START + HOUR), 1000);
    for (size_t i = 0; i < 1000; i++) {
        whole[i] = fired[i].id;
    }
    loop_free(the_loop);

    for (size_t piece = 1; piece < 1000; piece = piece * 2 + 1) {
        size_t made = 0;

        forget_fired();
        clock_ns = START;
        schedule_mixture();
        clock_ns = START + HOUR;
        while (made < 1000) {
            size_t expected = piece < 1000 - made ? piece : 1000 - made;
            cr_assert_eq(tw_run_max(the_loop, piece), expected);
            made += expected;
            cr_assert_eq(tw_pending_count(the_loop), 1000 - made);
            cr_assert_eq(tw_timeout_ms(the_loop), made < 1000 ? 0 : -1);
            check_loop(the_loop);
        }
        for (size_t i = 0; i < 1000; i++) {
            REQUIRE(fired[i].id == whole[i], "pieces of %zu: call %zu differs", piece, i);
        }
        loop_free(the_loop);
    }
}

Test(run_max, zero_calls_nothing_and_loses_nothing)
{
    the_loop = loop_new();
    tw_call_soon(the_loop, record, ID(1));
    tw_call_at_ns(the_loop, START + SECOND, record, ID(2));
    clock_ns = START + SECOND;
    cr_assert_eq(tw_run_max(the_loop, 0), 0);
    expect_nothing_fired();
    cr_assert_eq(tw_pending_count(the_loop), 2);
    cr_assert_eq(tw_run_max(the_loop, SIZE_MAX), 2);
    expect_fired(1, 2);
    loop_free(the_loop);
}

Test(run_max, what_is_left_takes_its_place_by_deadline_in_the_next_run)
{
    the_loop = loop_new();
    tw_call_at_ns(the_loop, START + 10 * MS, record, ID(1));
    tw_call_at_ns(the_loop, START + 20 * MS, record, ID(2));
    tw_call_at_ns(the_loop, START + 30 * MS, record, ID(4));
    clock_ns = START + SECOND;
    cr_assert_eq(tw_run_max(the_loop, 1), 1);
    tw_call_at_ns(the_loop, START + 15 * MS, record, ID(11));
    tw_call_at_ns(the_loop, START + 20 * MS, record, ID(12));
    tw_call_at_ns(the_loop, START + 25 * MS, record, ID(13));
    tw_call_soon(the_loop, record, ID(0));
    cr_assert_eq(tw_run(the_loop), 6);
    expect_fired(1, 0, 11, 2, 12, 13, 4);
    loop_free(the_loop);
}

Test(run_max, what_is_left_can_be_cancelled_and_moved)
{
    the_loop = loop_new();
    tw_handle calls[6];
    for (uintptr_t i = 0; i < 6; i++) {
        calls[i] = tw_call_at_ns(the_loop, START + i, record, ID(i));
    }
    clock_ns = START + SECOND;
    cr_assert_eq(tw_run_max(the_loop, 2), 2);
    cr_assert(!tw_cancel(the_loop, calls[1]));
    cr_assert(tw_cancel(the_loop, calls[2]));
    cr_assert(tw_reschedule_at_ns(the_loop, calls[3], START + 2 * SECOND));
    cr_assert(tw_pending(the_loop, calls[4]));
    check_loop(the_loop);
    cr_assert_eq(tw_run(the_loop), 2);
    expect_fired(0, 1, 4, 5);
    cr_assert_eq(run_at(the_loop, START + 2 * SECOND), 1);
    expect_fired(0, 1, 4, 5, 3);
    loop_free(the_loop);
}

Test(run_max, soon_calls_left_over_stay_before_new_ones_and_before_timers)
{
    the_loop = loop_new();
    for (uintptr_t i = 0; i < 4; i++) {
        tw_call_soon(the_loop, record, ID(i));
    }
    tw_call_at_ns(the_loop, START, record, ID(10));
    cr_assert_eq(tw_run_max(the_loop, 2), 2);
    tw_call_soon(the_loop, record, ID(4));
    cr_assert_eq(tw_run(the_loop), 4);
    expect_fired(0, 1, 2, 3, 4, 10);
    loop_free(the_loop);
}

/* However small max_calls is, calls that schedule each other do not keep the
 * timers waiting for ever. */
Test(run_max, soon_calls_that_schedule_each_other_starve_no_timer)
{
    for (size_t most = 1; most <= 3; most++) {
        bool timer_ran = false;

        forget_fired();
        clock_ns = START;
        the_loop = loop_new();
        for (uintptr_t i = 0; i < most; i++) {
            tw_call_soon(the_loop, call_soon_again, ID(i));
        }
        tw_call_at_ns(the_loop, START, record, ID(99));
        for (int run = 0; run < 10; run++) {
            cr_assert_leq(tw_run_max(the_loop, most), most);
        }
        for (size_t i = 0; i < fired_count; i++) {
            timer_ran = timer_ran || fired[i].id == 99;
        }
        cr_assert(timer_ran, "at most %zu calls a run: the timer starves", most);
        loop_free(the_loop);
    }
}
