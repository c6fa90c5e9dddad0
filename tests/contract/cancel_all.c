/* SPDX-License-Identifier: MIT */
/* tw_cancel_all: everything pending is handed to on_drop once, and the loop goes
 * on; on_drop may use the loop meanwhile. */
#include "support.h"

static tw_loop *the_loop;
static size_t dropped;
static void (*in_drop)(void *arg);     /* what on_drop does beside counting */

static void on_drop(void *hook_arg, tw_callback *callback, void *arg)
{
    REQUIRE(hook_arg == &dropped && callback != NULL, "a hook got what is not its own");
    dropped++;
    if (dropped % 101 < 3) {
        check_loop(the_loop);
    }
    if (in_drop) {
        in_drop(arg);
    }
}

static tw_loop *loop_that_drops(void)
{
    tw_options options = test_options();

    options.on_drop = on_drop;
    options.hook_arg = &dropped;
    return loop_with(&options);
}

static void set_up(void)
{
    the_loop = loop_that_drops();
}

TestSuite(cancel_all, .init = set_up);

enum { BURST = 3000 };
static tw_timer timers[BURST];

/* Of every kind, near, far, past and never; every seventh timer parked. */
static size_t start_a_burst(void)
{
    uint64_t draw = 41;
    size_t pending = 0;

    for (uint64_t i = 0; i < BURST; i++) {
        uint64_t delay_ns = random_below(&draw, UINT64_C(1) << (1 + random_below(&draw, 60)));
        tw_timer_init(&timers[i], record, ID(i));
        REQUIRE(tw_timer_start_later_ns(the_loop, &timers[i], delay_ns) == 0, "%d", errno);
        if (i % 7 == 0) {
            tw_timer_park(the_loop, &timers[i]);
        } else {
            pending++;
        }
        pending += tw_call_soon(the_loop, record, ID(i)) != 0;
        pending += tw_call_later_ns(the_loop, delay_ns, record, ID(i)) != 0;
        pending += tw_call_every_ns(the_loop, 1 + delay_ns, record, ID(i)) != 0;
    }
    return pending;
}

Test(cancel_all, hands_over_each_pending_call_once_and_leaves_a_loop_that_goes_on)
{
    for (int round = 0; round < 3; round++) {
        dropped = 0;
        size_t pending = start_a_burst();
        tw_run_max(the_loop, 1000);
        pending = tw_pending_count(the_loop);
        forget_fired();
        cr_assert_eq(tw_cancel_all(the_loop), pending);
        cr_assert_eq(dropped, pending);
        cr_assert_eq(tw_pending_count(the_loop), 0);
        cr_assert_eq(tw_next_ns(the_loop), NEVER);
        tw_stats stats = stats_of(the_loop);
        cr_assert_eq(stats.started, stats.fired + stats.cancelled);
        cr_assert_eq(stats.rearmed, 0);
        for (size_t i = 0; i < BURST; i++) {
            REQUIRE(!tw_timer_active(&timers[i]), "timer %zu", i);
        }
        run_at(the_loop, clock_ns + YEAR);
        expect_nothing_fired();
    }
    tw_call_later_ns(the_loop, SECOND, record, ID(1));
    run_at(the_loop, clock_ns + SECOND);
    expect_fired(1);
    loop_free(the_loop);
}

Test(cancel_all, of_nothing_is_nothing)
{
    cr_assert_eq(tw_cancel_all(the_loop), 0);
    tw_cancel(the_loop, tw_call_soon(the_loop, record, ID(1)));
    cr_assert_eq(tw_cancel_all(the_loop), 0);
    cr_assert_eq(dropped, 0);
    loop_free(the_loop);
}

Test(cancel_all, needs_no_memory)
{
    size_t pending = start_a_burst();

    heap_exhaust();
    cr_assert_eq(tw_cancel_all(the_loop), pending);
    check_loop(the_loop);
    loop_free(the_loop);
}

static void post_another(void *arg)
{
    REQUIRE((uintptr_t)arg < 100, "a call of on_drop was handed over");
    REQUIRE(tw_call_soon_threadsafe(the_loop, record, ID(100 + (uintptr_t)arg)) == 0, "%d",
            errno);
}

Test(cancel_all, posts_are_handed_over_but_not_those_of_on_drop)
{
    in_drop = post_another;
    tw_call_soon(the_loop, record, ID(1));
    tw_call_soon_threadsafe(the_loop, record, ID(2));
    cr_assert_eq(tw_cancel_all(the_loop), 2);
    cr_assert_eq(tw_run(the_loop), 2);
    expect_fired(101, 102);
    forget_fired();
    in_drop = NULL;
    dropped = 0;
    tw_call_soon_threadsafe(the_loop, record, ID(1));
    tw_call_soon_threadsafe(the_loop, record, ID(2));
    cr_assert_eq(tw_pending_count(the_loop), 0, "a post counts when it is made");
    cr_assert_eq(tw_cancel_all(the_loop), 2);
    cr_assert_eq(dropped, 2);
    cr_assert_eq(tw_run(the_loop), 0);
    cr_assert_eq(tw_call_soon_threadsafe(the_loop, record, ID(3)), 0);
    tw_run(the_loop);
    expect_fired(3);
    loop_free(the_loop);
}

static void start_another(void *arg)
{
    if ((uintptr_t)arg < 100) {
        REQUIRE(tw_call_soon(the_loop, record, ID(100 + (uintptr_t)arg)) != 0, "%d", errno);
        REQUIRE(tw_call_later_ns(the_loop, SECOND, record, ID(200 + (uintptr_t)arg)) != 0, "%d",
                errno);
    }
}

Test(cancel_all, what_on_drop_starts_stays)
{
    in_drop = start_another;
    tw_call_soon(the_loop, record, ID(1));
    tw_call_later_ns(the_loop, MS, record, ID(2));
    cr_assert_eq(tw_cancel_all(the_loop), 2);
    cr_assert_eq(tw_pending_count(the_loop), 4);
    run_at(the_loop, START + MINUTE);
    cr_assert_eq(fired_count, 4);
    loop_free(the_loop);
}

static tw_handle handles[3];
static tw_timer two[2];

static void cancel_the_others(void *arg)
{
    for (size_t i = 0; i < 3; i++) {
        tw_cancel(the_loop, handles[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        tw_timer_stop(the_loop, &two[i]);
        memset(&two[i], 0xdb, sizeof(two[i]));
    }
    (void)arg;
}

Test(cancel_all, what_on_drop_cancels_or_stops_is_not_handed_to_it)
{
    in_drop = cancel_the_others;
    for (uint64_t i = 0; i < 3; i++) {
        handles[i] = tw_call_later_ns(the_loop, i * SECOND, record, ID(i));
    }
    for (uint64_t i = 0; i < 2; i++) {
        tw_timer_init(&two[i], record, ID(i));
        tw_timer_start_later_ns(the_loop, &two[i], i * HOUR);
    }
    cr_assert_eq(tw_cancel_all(the_loop), 1);
    cr_assert_eq(dropped, 1);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    loop_free(the_loop);
}

static void move_the_others(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < 3; i++) {
        tw_reschedule_at_ns(the_loop, handles[i], START + MINUTE);
    }
}

Test(cancel_all, what_on_drop_moves_stays)
{
    in_drop = move_the_others;
    for (uint64_t i = 0; i < 3; i++) {
        handles[i] = tw_call_later_ns(the_loop, i * SECOND, record, ID(i));
    }
    cr_assert_eq(tw_cancel_all(the_loop), 1);
    cr_assert_eq(run_at(the_loop, START + MINUTE), 2);
    loop_free(the_loop);
}

static void run_and_free(void *arg)
{
    (void)arg;
    errno = 0;
    REQUIRE(tw_run(the_loop) == 0 && errno == EBUSY, "errno %d", errno);
    errno = 0;
    REQUIRE(tw_advance(the_loop, clock_ns + DAY) == 0 && errno == EBUSY, "errno %d", errno);
    errno = 0;
    tw_loop_free(the_loop);
    REQUIRE(errno == EBUSY, "errno %d", errno);
}

Test(cancel_all, loop_is_neither_run_nor_freed_by_on_drop)
{
    in_drop = run_and_free;
    tw_call_soon(the_loop, record, ID(1));
    tw_call_later_ns(the_loop, 1, record, ID(2));
    cr_assert_eq(tw_cancel_all(the_loop), 2);
    in_drop = NULL;
    expect_nothing_fired();
    tw_call_soon(the_loop, record, ID(3));
    cr_assert_eq(tw_run(the_loop), 1);
    loop_free(the_loop);
}

static void cancel_all_again(void *arg)
{
    (void)arg;
    tw_cancel_all(the_loop);
}

Test(cancel_all, may_be_nested)
{
    in_drop = cancel_all_again;
    for (uint64_t i = 0; i < 20; i++) {
        tw_call_soon(the_loop, record, ID(i));
        tw_call_later_ns(the_loop, i, record, ID(i));
    }
    tw_cancel_all(the_loop);
    cr_assert_eq(dropped, 40);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    loop_free(the_loop);
}

/* Timers of the open tick, started between one run and the next: each run sorts what has
 * come since, and what is too long is not merged. All their chunks are full, but one. */
Test(cancel_all, needs_no_memory_for_many_long_runs_of_an_open_tick)
{
    enum { RUNS = 8, EACH = 3000, MOST = RUNS * EACH + 100000 };
    tw_timer *burst = calloc(MOST, sizeof *burst);
    size_t n = 0;

    for (size_t run = 0; run < RUNS; run++) {
        for (size_t i = 0; i < EACH; i++, n++) {
            tw_timer_init(&burst[n], record, NULL);
            /* The earliest of all is another run's each time. */
            uint64_t when_ns = START + 100 * US + (i * RUNS + run) * 16;
            REQUIRE(tw_timer_start_at_ns(the_loop, &burst[n], when_ns) == 0, "timer %zu", n);
        }
        REQUIRE(run_at(the_loop, START + run + 1) == 0, "run %zu", run);
    }
    heap_exhaust();
    for (; n < MOST; n++) { /* a slot each, as long as there is a chunk */
        tw_timer_init(&burst[n], record, NULL);
        if (tw_timer_start_at_ns(the_loop, &burst[n], START + SECOND + n * 2 * TICK) != 0) {
            break;
        }
    }
    cr_assert_lt(n, MOST);
    cr_assert_eq(tw_cancel_all(the_loop), n);
    cr_assert_eq(dropped, n);
    heap_recover();
    loop_free(the_loop);
    free(burst);
}

static void start_in_burst(tw_timer *timer, uint64_t when_ns, bool *started)
{
    tw_timer_init(timer, record, NULL);
    *started = tw_timer_start_at_ns(the_loop, timer, when_ns) == 0;
}

/* Each time every chunk is in use, but those that are kept for this; and the first timers
 * that are taken out do not empty theirs. */
Test(cancel_all, needs_no_memory_however_often)
{
    enum { DUE = 40, MOST = 50000 };
    tw_timer *burst = calloc(MOST, sizeof *burst);

    for (int round = 0; round < 8; round++) {
        size_t n = 0;
        bool started = true;

        for (; n < DUE && started; n++) {
            start_in_burst(&burst[n], START, &started);
        }
        cr_assert(started);
        heap_exhaust();
        while (started && n < MOST) { /* a slot each */
            start_in_burst(&burst[n], START + SECOND + n * 2 * TICK, &started);
            n += started;
        }
        cr_assert_not(started);
        dropped = 0;
        cr_assert_eq(tw_cancel_all(the_loop), n, "round %d", round);
        cr_assert_eq(dropped, n);
        check_loop(the_loop);
    }
    heap_recover();
    loop_free(the_loop);
    free(burst);
}

static void cancel_all_of_it(void *id)
{
    record(id);
    tw_cancel_all(the_loop);
    check_loop(the_loop);
    tw_call_soon(the_loop, record, ID(99));
}

Test(cancel_all, from_a_callback_leaves_its_run_nothing_to_do)
{
    for (int kind = 0; kind < 2; kind++) {
        forget_fired();
        dropped = 0;
        if (kind == 0) {
            tw_call_soon(the_loop, cancel_all_of_it, ID(0));
        } else {
            tw_call_later_ns(the_loop, 0, cancel_all_of_it, ID(0));
        }
        for (uint64_t i = 1; i < 50; i++) {
            if (kind == 0) {
                tw_call_soon(the_loop, record, ID(i));
            }
            tw_call_later_ns(the_loop, i % 3, record, ID(i));
        }
        cr_assert_eq(run_at(the_loop, clock_ns + SECOND), 1);
        cr_assert_eq(dropped, kind == 0 ? 98 : 49);
        tw_run(the_loop);
        expect_fired(0, 99);
    }
    loop_free(the_loop);
}

static int references;

static void retain(tw_context *context)
{
    (void)context;
    references++;
}

static void release(tw_context *context)
{
    (void)context;
    references--;
}

Test(cancel_all, contexts_are_released)
{
    static const tw_context_ops ops = {.retain = retain, .release = release};
    tw_context context = {&ops};

    tw_context_set(the_loop, &context);
    start_a_burst();
    cr_assert_gt(references, 0);
    tw_cancel_all(the_loop);
    cr_assert_eq(references, 0);
    loop_free(the_loop);
}

Test(cancel_all, without_a_hook_it_cancels_all_the_same)
{
    tw_loop *loop = loop_new();

    tw_call_soon(loop, record, ID(1));
    tw_call_later(loop, 1.0, record, ID(2));
    cr_assert_eq(tw_cancel_all(loop), 2);
    run_at(loop, START + MINUTE);
    expect_nothing_fired();
    tw_loop_free(loop);
    loop_free(the_loop);
}
