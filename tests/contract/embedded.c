/* SPDX-License-Identifier: MIT */
/* Promise 7: timers embedded in the caller's structs. */
#include "support.h"

static tw_loop *the_loop;

Test(embedded, timer_is_a_complete_type_of_at_most_40_bytes)
{
    cr_assert_leq(sizeof(tw_timer), 40);
}

Test(embedded, timer_fires_once_and_is_inactive_then)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, record, ID(1));
    cr_assert(!tw_timer_active(&timer));
    cr_assert_eq(tw_timer_when_ns(&timer), NEVER);
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &timer, SECOND), 0);
    cr_assert(tw_timer_active(&timer));
    cr_assert_eq(tw_timer_when_ns(&timer), START + SECOND);
    cr_assert_eq(tw_pending_count(the_loop), 1);
    run_at(the_loop, START + SECOND);
    expect_fired(1);
    cr_assert(!tw_timer_active(&timer));
    cr_assert_eq(tw_timer_when_ns(&timer), NEVER);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    run_at(the_loop, START + DAY);
    expect_fired(1);
    loop_free(the_loop);
}

static tw_timer static_timer = TW_TIMER_INIT(record, ID(1));

Test(embedded, timer_may_be_initialised_statically_or_by_zeroes)
{
    static tw_timer zero;

    the_loop = loop_new();
    cr_assert(!tw_timer_active(&static_timer) && !tw_timer_active(&zero));
    tw_timer_stop(the_loop, &static_timer);
    tw_timer_park(the_loop, &static_timer);
    tw_timer_stop(the_loop, &zero);
    tw_timer_park(the_loop, &zero);
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &static_timer, SECOND), 0);
    run_at(the_loop, START + SECOND);
    expect_fired(1);
    loop_free(the_loop);
}

Test(embedded, start_allocates_nothing_for_the_timer_itself)
{
    static tw_timer timers[100];

    the_loop = loop_new();
    tw_timer_init(&timers[0], record, ID(0));
    tw_timer_start_later_ns(the_loop, &timers[0], SECOND);
    uint64_t calls = heap.calls;
    for (int i = 1; i < 100; i++) {
        tw_timer_init(&timers[i], record, ID(i));
        tw_timer_start_later_ns(the_loop, &timers[i], SECOND);
    }
    cr_assert_leq(heap.calls - calls, 3);
    loop_free(the_loop);
}

Test(embedded, started_twice_it_fires_once_at_the_second_deadline)
{
    tw_timer timer;
    const uint64_t second[] = {START + 1, START + SECOND, START + HOUR, START + 5 * DAY};

    the_loop = loop_new();
    tw_timer_init(&timer, record, ID(1));
    for (int i = 0; i < 4; i++) {
        uint64_t base_ns = clock_ns - START;
        forget_fired();
        tw_timer_start_at_ns(the_loop, &timer, base_ns + START + MINUTE);
        tw_timer_start_at_ns(the_loop, &timer, base_ns + second[i]);
        cr_assert_eq(tw_pending_count(the_loop), 1);
        cr_assert_eq(tw_timer_when_ns(&timer), base_ns + second[i]);
        check_loop(the_loop);
        run_at(the_loop, base_ns + second[i] - 1);
        expect_nothing_fired();
        run_at(the_loop, base_ns + second[i]);
        expect_fired(1);
    }
    loop_free(the_loop);
}

/* Stopped wherever it may be: in each level, the heap, the opened tick. The
 * memory is freed at once, so that a sanitizer sees whoever still looks at it. */
Test(embedded, memory_may_be_freed_after_stop)
{
    the_loop = loop_new();
    for (uint64_t delay_ns = 0; delay_ns < YEAR; delay_ns = delay_ns * 2 + 1) {
        tw_timer *timer = malloc(sizeof(*timer));
        tw_timer *neighbour = malloc(sizeof(*neighbour));

        tw_timer_init(timer, record, ID(1));
        tw_timer_init(neighbour, record, ID(2));
        cr_assert_eq(tw_timer_start_later_ns(the_loop, timer, delay_ns), 0);
        cr_assert_eq(tw_timer_start_later_ns(the_loop, neighbour, delay_ns), 0);
        if (delay_ns > 2) {
            run_at(the_loop, clock_ns + delay_ns / 2);
        }
        tw_timer_stop(the_loop, timer);
        cr_assert(!tw_timer_active(timer));
        memset(timer, 0xff, sizeof(*timer));
        free(timer);
        check_loop(the_loop);
        cr_assert(tw_timer_active(neighbour));
        forget_fired();
        run_at(the_loop, clock_ns + delay_ns);
        expect_fired(2);
        free(neighbour);
    }
    loop_free(the_loop);
}

static void free_it(void *arg)
{
    record(ID(1));
    memset(arg, 0xff, sizeof(tw_timer));
    free(arg);
}

Test(embedded, callback_may_free_its_own_timer)
{
    the_loop = loop_new();
    for (uint64_t i = 0; i < 100; i++) {
        tw_timer *timer = malloc(sizeof(*timer));
        tw_timer_init(timer, free_it, timer);
        tw_timer_start_later_ns(the_loop, timer, i % 10 * MS);
    }
    run_at(the_loop, START + SECOND);
    cr_assert_eq(fired_count, 100);
    check_loop(the_loop);
    loop_free(the_loop);
}

static void stop_and_free_it(void *arg)
{
    tw_timer_stop(the_loop, arg);
    tw_timer_stop(the_loop, arg);
    free_it(arg);
}

Test(embedded, callback_may_stop_its_own_timer_and_free_it)
{
    tw_timer *timer = malloc(sizeof(*timer));

    the_loop = loop_new();
    tw_timer_init(timer, stop_and_free_it, timer);
    tw_timer_start_later_ns(the_loop, timer, MS);
    run_at(the_loop, START + SECOND);
    cr_assert_eq(fired_count, 1);
    loop_free(the_loop);
}

static void restart_and_free_it(void *arg)
{
    cr_assert_eq(tw_timer_start_later_ns(the_loop, arg, MS), 0);
    tw_timer_stop(the_loop, arg);
    free_it(arg);
}

Test(embedded, callback_may_restart_its_own_timer_then_stop_and_free_it)
{
    tw_timer *timer = malloc(sizeof(*timer));

    the_loop = loop_new();
    tw_timer_init(timer, restart_and_free_it, timer);
    tw_timer_start_later_ns(the_loop, timer, MS);
    run_at(the_loop, START + SECOND);
    run_at(the_loop, START + 2 * SECOND);
    cr_assert_eq(fired_count, 1);
    loop_free(the_loop);
}

static tw_timer *doomed;

static void free_the_other(void *id)
{
    record(id);
    tw_timer_stop(the_loop, doomed);
    memset(doomed, 0xff, sizeof(*doomed));
    free(doomed);
}

Test(embedded, callback_may_stop_and_free_another_timer_that_is_due_too)
{
    the_loop = loop_new();
    doomed = malloc(sizeof(*doomed));
    tw_timer_init(doomed, record, ID(99));
    tw_call_at_ns(the_loop, START + 10, free_the_other, ID(1));
    tw_timer_start_at_ns(the_loop, doomed, START + 20);
    tw_call_at_ns(the_loop, START + 30, record, ID(2));
    cr_assert_eq(run_at(the_loop, START + SECOND), 2);
    expect_fired(1, 2);
    loop_free(the_loop);
}

static void restart_three_times(void *arg)
{
    record(ID(1));
    if (fired_count < 3) {
        cr_assert_eq(tw_timer_start_later_ns(the_loop, arg, SECOND), 0);
        cr_assert(tw_timer_active(arg));
    }
}

Test(embedded, callback_may_restart_its_own_timer)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, restart_three_times, &timer);
    tw_timer_start_later_ns(the_loop, &timer, SECOND);
    for (uint64_t second = 1; second < 10; second++) {
        run_at(the_loop, START + second * SECOND);
    }
    cr_assert_eq(fired_count, 3);
    cr_assert_eq(fired[2].at_ns, START + 3 * SECOND);
    cr_assert(!tw_timer_active(&timer));
    loop_free(the_loop);
}

Test(embedded, stopped_twice_or_never_started_is_harmless)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, record, ID(1));
    tw_timer_stop(the_loop, &timer);
    tw_timer_park(the_loop, &timer);
    cr_assert(!tw_timer_active(&timer));
    tw_timer_start_later_ns(the_loop, &timer, SECOND);
    tw_timer_stop(the_loop, &timer);
    tw_timer_stop(the_loop, &timer);
    check_loop(the_loop);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    cr_assert_eq(stats_of(the_loop).cancelled, 1);
    run_at(the_loop, START + MINUTE);
    expect_nothing_fired();
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &timer, SECOND), 0);
    run_at(the_loop, START + 2 * MINUTE);
    expect_fired(1);
    loop_free(the_loop);
}

/* ------------------------------------------------------------------ parking */

Test(park, parked_timer_is_inactive_and_does_not_fire)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, record, ID(1));
    tw_timer_start_later_ns(the_loop, &timer, SECOND);
    tw_timer_park(the_loop, &timer);
    cr_assert(!tw_timer_active(&timer));
    cr_assert_eq(tw_timer_when_ns(&timer), NEVER);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    tw_timer_park(the_loop, &timer);
    check_loop(the_loop);
    run_at(the_loop, START + MINUTE);
    expect_nothing_fired();
    check_loop(the_loop);
    tw_timer_stop(the_loop, &timer);
    cr_assert_eq(stats_of(the_loop).parked, 0);
    loop_free(the_loop);
}

Test(park, parked_timer_can_be_started_for_earlier_later_and_far_deadlines)
{
    const uint64_t delays[] = {0, 1, MS, SECOND, 2 * SECOND, HOUR, 30 * DAY};
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, record, ID(1));
    for (int i = 0; i < 7; i++) {
        for (int k = 0; k < 7; k++) {
            forget_fired();
            cr_assert_eq(tw_timer_start_later_ns(the_loop, &timer, delays[i]), 0);
            tw_timer_park(the_loop, &timer);
            cr_assert_eq(tw_timer_start_later_ns(the_loop, &timer, delays[k]), 0);
            uint64_t when_ns = clock_ns + delays[k];
            cr_assert_eq(tw_timer_when_ns(&timer), when_ns);
            check_loop(the_loop);
            if (delays[k] > 0) {
                run_at(the_loop, when_ns - 1);
                expect_nothing_fired();
            }
            run_at(the_loop, when_ns);
            expect_fired(1);
        }
    }
    loop_free(the_loop);
}

Test(park, parked_timer_may_be_freed_after_stop)
{
    the_loop = loop_new();
    for (uint64_t delay_ns = 1; delay_ns < YEAR; delay_ns *= 3) {
        tw_timer *timer = malloc(sizeof(*timer));
        tw_timer_init(timer, record, ID(1));
        tw_timer_start_later_ns(the_loop, timer, delay_ns);
        tw_timer_park(the_loop, timer);
        if (delay_ns % 2) {
            run_at(the_loop, clock_ns + delay_ns / 2);
        }
        tw_timer_stop(the_loop, timer);
        memset(timer, 0xff, sizeof(*timer));
        free(timer);
        check_loop(the_loop);
        run_at(the_loop, clock_ns + delay_ns);
        check_loop(the_loop);
    }
    expect_nothing_fired();
    loop_free(the_loop);
}

static tw_timer *to_park;

static void park_the_other(void *id)
{
    record(id);
    tw_timer_park(the_loop, to_park);
}

Test(park, callback_may_park_a_timer_that_is_due_too)
{
    tw_timer timer;

    the_loop = loop_new();
    to_park = &timer;
    tw_timer_init(&timer, record, ID(99));
    tw_call_at_ns(the_loop, START + 1, park_the_other, ID(1));
    tw_timer_start_at_ns(the_loop, &timer, START + 2);
    cr_assert_eq(run_at(the_loop, START + SECOND), 1);
    expect_fired(1);
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &timer, MS), 0);
    run_at(the_loop, START + 2 * SECOND);
    expect_fired(1, 99);
    loop_free(the_loop);
}

static void park_itself(void *arg)
{
    record(ID(1));
    tw_timer_park(the_loop, arg);
    cr_assert(!tw_timer_active(arg));
}

Test(park, timer_that_parks_itself_in_its_callback_is_simply_inactive)
{
    tw_timer *timer = malloc(sizeof(*timer));

    the_loop = loop_new();
    tw_timer_init(timer, park_itself, timer);
    tw_timer_start_later_ns(the_loop, timer, MS);
    run_at(the_loop, START + SECOND);
    expect_fired(1);
    check_loop(the_loop);
    tw_timer_stop(the_loop, timer);
    free(timer);
    loop_free(the_loop);
}

/* ---------------------------------------------------------------- two loops */

Test(two_loops, timer_that_is_active_on_one_is_refused_by_the_other)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_loop *other = loop_new();
    tw_timer_init(&timer, record, ID(1));
    tw_timer_start_at_ns(the_loop, &timer, START + SECOND);
    errno = 0;
    cr_assert_eq(tw_timer_start_at_ns(other, &timer, START + MS), -1);
    cr_assert_eq(errno, EBUSY);
    errno = 0;
    cr_assert_eq(tw_timer_start_later_ns(other, &timer, MS), -1);
    cr_assert_eq(errno, EBUSY);
    cr_assert_eq(tw_timer_when_ns(&timer), START + SECOND);
    cr_assert_eq(tw_pending_count(the_loop), 1);
    cr_assert_eq(tw_pending_count(other), 0);
    check_loop(the_loop);
    check_loop(other);
    run_at(other, START + SECOND);
    expect_nothing_fired();
    run_at(the_loop, START + SECOND);
    expect_fired(1);

    cr_assert_eq(tw_timer_start_later_ns(other, &timer, MS), 0, "it has fired: it is free");
    tw_timer_stop(other, &timer);
    tw_loop_free(other);
    loop_free(the_loop);
}

Test(two_loops, timer_in_the_overflow_heap_of_one_is_refused_by_the_other)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_loop *other = loop_new();
    tw_timer_init(&timer, record, ID(1));
    tw_timer_start_at_ns(the_loop, &timer, START + 30 * DAY);
    errno = 0;
    cr_assert_eq(tw_timer_start_at_ns(other, &timer, START + 40 * DAY), -1);
    cr_assert_eq(errno, EBUSY);
    check_loop(the_loop);
    check_loop(other);
    tw_timer_stop(the_loop, &timer);
    cr_assert_eq(tw_timer_start_at_ns(other, &timer, START + 40 * DAY), 0);
    tw_timer_stop(other, &timer);
    tw_loop_free(other);
    loop_free(the_loop);
}

Test(two_loops, timer_that_is_parked_on_one_is_refused_by_the_other_until_stopped)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_loop *other = loop_new();
    tw_timer_init(&timer, record, ID(1));
    tw_timer_start_at_ns(the_loop, &timer, START + SECOND);
    tw_timer_park(the_loop, &timer);
    errno = 0;
    cr_assert_eq(tw_timer_start_at_ns(other, &timer, START + MS), -1);
    cr_assert_eq(errno, EBUSY);
    cr_assert(!tw_timer_active(&timer));
    tw_timer_stop(the_loop, &timer);
    cr_assert_eq(tw_timer_start_at_ns(other, &timer, START + MS), 0);
    run_at(other, START + SECOND);
    expect_fired(1);
    tw_loop_free(other);
    loop_free(the_loop);
}

/* The header promises it among eight loops made one after another. */
Test(two_loops, timer_of_one_is_refused_by_the_seven_others_and_left_alone_by_them)
{
    tw_timer timer;
    tw_loop *loops[8];

    tw_timer_init(&timer, record, ID(1));
    for (int i = 0; i < 8; i++) {
        loops[i] = loop_new();
    }
    for (int owner = 0; owner < 8; owner++) {
        cr_assert_eq(tw_timer_start_at_ns(loops[owner], &timer, START + SECOND), 0);
        for (int i = 1; i < 8; i++) {
            tw_loop *other = loops[(owner + i) % 8];

            errno = 0;
            cr_assert_eq(tw_timer_start_at_ns(other, &timer, START), -1);
            cr_assert_eq(errno, EBUSY);
            errno = 0;
            tw_timer_stop(other, &timer);
            cr_assert_eq(errno, EBUSY);
            errno = 0;
            tw_timer_park(other, &timer);
            cr_assert_eq(errno, EBUSY);
            cr_assert_eq(tw_timer_when_ns(&timer), START + SECOND);
        }
        check_loop(loops[owner]);
        tw_timer_stop(loops[owner], &timer);
        cr_assert(!tw_timer_active(&timer));
    }
    for (int i = 0; i < 8; i++) {
        tw_loop_free(loops[i]);
    }
    cr_assert_eq(heap.live_blocks, 0);
}

Test(two_loops, timer_left_pending_in_a_freed_loop_may_be_started_on_another)
{
    tw_timer timers[3];

    the_loop = loop_new();
    tw_loop *other = loop_new();
    for (int i = 0; i < 3; i++) {
        tw_timer_init(&timers[i], record, ID(i));
    }
    tw_timer_start_at_ns(the_loop, &timers[0], START + SECOND);
    tw_timer_start_at_ns(the_loop, &timers[1], START + YEAR);
    tw_timer_start_at_ns(the_loop, &timers[2], START + SECOND);
    tw_timer_park(the_loop, &timers[2]);
    tw_loop_free(the_loop);
    for (int i = 0; i < 3; i++) {
        cr_assert(!tw_timer_active(&timers[i]));
        cr_assert_eq(tw_timer_start_at_ns(other, &timers[i], START + MS), 0, "timer %d", i);
    }
    run_at(other, START + SECOND);
    expect_fired(0, 1, 2);
    loop_free(other);
}
