/* SPDX-License-Identifier: MIT */
/* Promise 21: with options.nested a run from inside a callback is a run like another;
 * the one around it goes on behind it, and nothing runs twice or out of order within
 * either. And options.cached_now. */
#include "support.h"

#include <setjmp.h>

static tw_loop *the_loop;

static tw_loop *nesting_loop(void)
{
    tw_options options = test_options();

    options.nested = true;
    return loop_with(&options);
}

static size_t (*run_inside)(void);
static size_t calls_inside;

static size_t run_plainly(void)
{
    return tw_run(the_loop);
}

static void nest(void *id)
{
    record(id);
    errno = 0;
    calls_inside = run_inside();
    cr_assert_eq(errno, 0);
    record(ID(100 + (uintptr_t)id));
}

static void start_of_every_kind(tw_callback *callback)
{
    static tw_timer timer;

    tw_call_soon(the_loop, callback, ID(1));
    tw_call_soon(the_loop, record, ID(2));
    tw_call_soon_threadsafe(the_loop, record, ID(3));
    tw_call_at_ns(the_loop, START + 1, record, ID(4));
    tw_timer_init(&timer, record, ID(5));
    tw_timer_start_at_ns(the_loop, &timer, START + 2);
    tw_call_at_ns(the_loop, START + MINUTE, record, ID(6));
}

Test(nested, run_makes_what_is_due_and_leaves_the_outer_one_nothing)
{
    the_loop = nesting_loop();
    run_inside = run_plainly;
    start_of_every_kind(nest);
    cr_assert_eq(run_at(the_loop, START + SECOND), 1);
    cr_assert_eq(calls_inside, 4);
    expect_fired(1, 2, 3, 4, 5, 101);
    cr_assert_eq(run_at(the_loop, START + MINUTE), 1);
    loop_free(the_loop);
}

static size_t run_two(void)
{
    return tw_run_max(the_loop, 2);
}

Test(nested, outer_run_goes_on_with_what_a_short_one_left)
{
    the_loop = nesting_loop();
    run_inside = run_two;
    start_of_every_kind(nest);
    cr_assert_eq(run_at(the_loop, START + SECOND), 3);
    cr_assert_eq(calls_inside, 2);
    expect_fired(1, 2, 3, 101, 4, 5);
    check_loop(the_loop);
    loop_free(the_loop);
}

static size_t advance_a_minute(void)
{
    return tw_advance(the_loop, START + MINUTE);
}

Test(nested, run_may_see_a_later_time)
{
    the_loop = nesting_loop();
    run_inside = advance_a_minute;
    start_of_every_kind(nest);
    cr_assert_eq(run_at(the_loop, START + SECOND), 1);
    cr_assert_eq(calls_inside, 5);
    expect_fired(1, 2, 3, 4, 5, 6, 101);
    cr_assert_eq(tw_now_ns(the_loop), START + MINUTE);
    loop_free(the_loop);
}

static size_t run_for_a_moment(void)
{
    return tw_run_for_ns(the_loop, 0);
}

Test(nested, run_may_have_a_time_budget)
{
    the_loop = nesting_loop();
    run_inside = run_for_a_moment;
    start_of_every_kind(nest);
    cr_assert_eq(run_at(the_loop, START + SECOND), 4);
    cr_assert_eq(calls_inside, 1);
    expect_fired(1, 2, 101, 3, 4, 5);
    loop_free(the_loop);
}

/* What a callback schedules is for a later run: the nested one is, the outer is not. */
static void schedule_and_nest(void *id)
{
    tw_call_at_ns(the_loop, 1, record, ID(11));
    tw_call_at_ns(the_loop, START, record, ID(12));
    tw_call_at_ns(the_loop, START + 3, record, ID(13));
    tw_call_soon(the_loop, record, ID(10));
    nest(id);
}

Test(nested, run_makes_what_the_callback_has_scheduled)
{
    the_loop = nesting_loop();
    run_inside = run_plainly;
    tw_call_at_ns(the_loop, START, schedule_and_nest, ID(1));
    tw_call_at_ns(the_loop, START + 2, record, ID(2));
    cr_assert_eq(run_at(the_loop, START + SECOND), 1);
    expect_fired(1, 10, 11, 12, 2, 13, 101);
    loop_free(the_loop);
}

Test(nested, outer_run_leaves_that_to_a_later_one)
{
    the_loop = nesting_loop();
    run_inside = run_two;
    tw_call_at_ns(the_loop, START, schedule_and_nest, ID(1));
    tw_call_at_ns(the_loop, START + 2, record, ID(2));
    tw_call_at_ns(the_loop, START + 4, record, ID(4));
    cr_assert_eq(run_at(the_loop, START + SECOND), 3);
    expect_fired(1, 10, 11, 101, 2, 4);
    check_loop(the_loop);
    cr_assert_leq(tw_next_ns(the_loop), START);
    cr_assert_eq(tw_run(the_loop), 2);
    expect_fired(1, 10, 11, 101, 2, 4, 12, 13);
    loop_free(the_loop);
}

Test(nested, runs_may_be_as_deep_as_there_are_calls)
{
    enum { CALLS = 1000 };

    the_loop = nesting_loop();
    run_inside = run_plainly;
    for (uintptr_t i = 0; i < CALLS; i++) {
        tw_call_at_ns(the_loop, START + i / 3, nest, ID(i * 1000));
    }
    cr_assert_eq(run_at(the_loop, START + SECOND), 1);
    cr_assert_eq(fired_count, 2 * CALLS);
    for (size_t i = 0; i < CALLS; i++) {
        REQUIRE(fired[i].id == i * 1000, "call %zu", i);
        REQUIRE(fired[2 * CALLS - 1 - i].id == i * 1000 + 100, "return %zu", i);
    }
    loop_free(the_loop);
}

static void expect_refusals(void *id)
{
    record(id);
    errno = 0;
    tw_loop_free(the_loop);
    cr_assert_eq(errno, EBUSY);
    errno = 0;
    cr_assert_eq(tw_run_forever(the_loop), -1);
    cr_assert_eq(errno, EBUSY);
    errno = 0;
    cr_assert_eq(tw_run_until_empty(the_loop), -1);
    cr_assert_eq(errno, EBUSY);
    errno = 0;
}

/* Each is over when it has returned, for who waits for that, and not before. */
Test(nested, calls_of_other_threads_may_run_each_other)
{
    the_loop = nesting_loop();
    run_inside = run_plainly;
    tw_handle handles[3];
    for (size_t i = 0; i < 3; i++) {
        handles[i] = tw_call_at_threadsafe_ns(the_loop, START + i, i < 2 ? nest : record, ID(i));
    }
    cr_assert_eq(run_at(the_loop, START + 5), 1);
    expect_fired(0, 1, 2, 101, 100);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_not(tw_cancel_and_wait(the_loop, handles[i]));
    }
    check_loop(the_loop);
    loop_free(the_loop);
}

static size_t dropped;

static void run_in_drop(void *hook_arg, tw_callback *callback, void *arg)
{
    (void)hook_arg, (void)callback, (void)arg;
    dropped++;
    errno = 0;
    cr_assert_eq(tw_run(the_loop), 0);
    cr_assert_eq(errno, EBUSY);
    cr_assert_eq(tw_advance(the_loop, clock_ns + DAY), 0);
    errno = 0;
}

Test(nested, run_from_inside_on_drop_is_refused)
{
    tw_options options = test_options();

    options.nested = true;
    options.on_drop = run_in_drop;
    the_loop = loop_with(&options);
    for (size_t i = 0; i < 3; i++) {
        tw_call_soon(the_loop, record, ID(i));
        tw_call_later_ns(the_loop, i, record, ID(i));
    }
    cr_assert_eq(tw_cancel_all(the_loop), 6);
    cr_assert_eq(dropped, 6);
    expect_nothing_fired();
    loop_free(the_loop);
}

Test(nested, freeing_and_driving_the_loop_is_refused_at_any_depth)
{
    the_loop = nesting_loop();
    run_inside = run_plainly;
    tw_call_soon(the_loop, nest, ID(1));
    tw_call_soon(the_loop, expect_refusals, ID(2));
    tw_call_soon(the_loop, nest, ID(3));
    tw_call_soon(the_loop, expect_refusals, ID(4));
    tw_run(the_loop);
    expect_fired(1, 2, 3, 4, 103, 101);
    loop_free(the_loop);
}

/* ------------------------------------------------------------------- contexts */

static int references, inside;
static tw_context *seen[8];
static size_t seen_count;

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

static void enter(tw_context *context)
{
    (void)context;
    inside++;
}

static void leave(tw_context *context)
{
    (void)context;
    inside--;
}

static void see(void *id)
{
    record(id);
    seen[seen_count++] = tw_context_current(the_loop);
}

static void see_and_nest(void *id)
{
    see(id);
    run_inside();
    see(id);
}

Test(nested, run_is_in_the_loops_own_context_and_that_of_the_callback_comes_back)
{
    static const tw_context_ops ops = {retain, release, enter, leave};
    tw_context own = {NULL}, one = {&ops}, two = {&ops};
    tw_timer timer;

    the_loop = nesting_loop();
    run_inside = run_plainly;
    tw_context_set(the_loop, &own);
    tw_call_at_in(the_loop, 0.0, see_and_nest, ID(1), &one);
    tw_timer_init(&timer, see, ID(2));
    tw_timer_start_at_ns(the_loop, &timer, 1);
    tw_call_at_in(the_loop, 0.5, see, ID(3), &two);
    cr_assert_eq(tw_run(the_loop), 1);
    const tw_context *const expected[] = {&one, &own, &two, &one};
    cr_assert_eq(seen_count, 4);
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(seen[i], expected[i], "context %zu", i);
    }
    cr_assert_eq(tw_context_current(the_loop), &own);
    cr_assert_eq(references, 0);
    cr_assert_eq(inside, 0);
    loop_free(the_loop);
}

static uint64_t missed_before, missed_inside, missed_behind;

static void look_inside(void *id)
{
    record(id);
    missed_inside = tw_missed(the_loop);
}

static void miss_and_nest(void *id)
{
    record(id);
    missed_before = tw_missed(the_loop);
    tw_run(the_loop);
    missed_behind = tw_missed(the_loop);
}

Test(nested, missed_deadlines_are_those_of_the_callback)
{
    the_loop = nesting_loop();
    tw_handle call = tw_call_every(the_loop, 1.0, miss_and_nest, ID(1));
    tw_call_later(the_loop, 2.0, look_inside, ID(2));
    run_at(the_loop, START + 5 * SECOND);
    cr_assert_eq(missed_before, 4);
    cr_assert_eq(missed_inside, 0);
    cr_assert_eq(missed_behind, 4);
    tw_cancel(the_loop, call);
    loop_free(the_loop);
}

/* ---------------------------------------------------------------------- jumps */

static jmp_buf back;

static void jump(void *id)
{
    record(id);
    longjmp(back, 1);
}

static void catch_a_jump(void *id)
{
    record(id);
    if (setjmp(back) == 0) {
        tw_run(the_loop);
    }
    tw_run_max(the_loop, 1);
    record(ID(100));
}

Test(nested, jump_out_of_one_leaves_the_outer_run_its_own)
{
    static const tw_context_ops ops = {retain, release, enter, leave};
    tw_context context = {&ops};

    the_loop = nesting_loop();
    tw_call_soon(the_loop, catch_a_jump, ID(1));
    tw_call_at_in(the_loop, 0.0, jump, ID(2), &context);
    for (uintptr_t i = 3; i < 6; i++) {
        tw_call_at_ns(the_loop, i, see, ID(i));
    }
    cr_assert_eq(tw_run(the_loop), 3);
    expect_fired(1, 2, 3, 100, 4, 5);
    for (size_t i = 0; i < seen_count; i++) {
        cr_assert_null(seen[i]);
    }
    cr_assert_null(tw_context_current(the_loop));
    check_loop(the_loop);
    loop_free(the_loop);
}

static void catch_and_return(void *id)
{
    record(id);
    if (setjmp(back) == 0) {
        tw_run_max(the_loop, 1);
    }
}

/* Both when the callback that caught the jump has one of its own, and when not. */
Test(nested, context_of_a_call_that_a_jump_has_left_is_left_and_released)
{
    static const tw_context_ops ops = {retain, release, enter, leave};

    for (int own = 0; own < 2; own++) {
        tw_context left = {&ops}, catching = {&ops};
        forget_fired();
        the_loop = nesting_loop();
        tw_call_at_in(the_loop, 0.0, catch_and_return, ID(1), own ? &catching : NULL);
        tw_call_at_in(the_loop, 0.0, jump, ID(2), &left);
        tw_call_at_ns(the_loop, 3, record, ID(3));
        cr_assert_eq(tw_run(the_loop), 2);
        expect_fired(1, 2, 3);
        cr_assert_eq(references, 0);
        cr_assert_eq(inside, 0);
        cr_assert_null(tw_context_current(the_loop));
        check_loop(the_loop);
        loop_free(the_loop);
    }
}

/* --------------------------------------------------------- whatever may happen */

/* Runs under way: the last call each has made, and what it may make. */
typedef struct frame {
    uint64_t last_deadline_ns, last_order, orders_below, now_ns;
    size_t calls;
} frame;

typedef struct plan {
    uint64_t deadline_ns, order;
    size_t made;
} plan;

enum { PLANS = 20000 };
static plan plans[PLANS];
static size_t plan_count, depth, deepest;
static frame frames[64];
static uint64_t draw;

static void act(void *id);

static void schedule_one(void)
{
    if (plan_count == PLANS) {
        return;
    }
    uint64_t back_ns = random_below(&draw, 4) ? 0 : 5 * MS;
    plan *next = &plans[plan_count];
    *next = (plan){clock_ns - back_ns + random_below(&draw, 12 * MS), plan_count + 1, 0};
    REQUIRE(tw_call_at_ns(the_loop, next->deadline_ns, act, ID(plan_count)) != 0, "%d", errno);
    plan_count++;
}

static void make_run(void)
{
    frame *here = &frames[depth++];
    size_t most = random_below(&draw, 3) == 0 ? random_below(&draw, 6) : SIZE_MAX;

    deepest = depth > deepest ? depth : deepest;
    clock_ns += random_below(&draw, 2 * MS);
    *here = (frame){.orders_below = plan_count + 1, .now_ns = clock_ns};
    size_t made = most == SIZE_MAX ? tw_run(the_loop) : tw_run_max(the_loop, most);
    REQUIRE(made == here->calls && made <= most, "%zu calls, and not %zu", made, here->calls);
    for (size_t i = 0; most == SIZE_MAX && i < plan_count; i++) {
        REQUIRE(plans[i].made > 0 || plans[i].deadline_ns > here->now_ns ||
                plans[i].order >= here->orders_below, "call %zu was not made", i);
    }
    depth--;
}

static void act(void *id)
{
    plan *call = &plans[(uintptr_t)id];
    frame *here = &frames[depth - 1];

    REQUIRE(call->made++ == 0, "a call was made twice");
    REQUIRE(call->deadline_ns <= here->now_ns, "a call is early");
    REQUIRE(call->order < here->orders_below, "a call was scheduled by this run");
    REQUIRE(here->calls == 0 || call->deadline_ns > here->last_deadline_ns ||
                (call->deadline_ns == here->last_deadline_ns && call->order > here->last_order),
            "a call is out of order");
    here->calls++;
    here->last_deadline_ns = call->deadline_ns;
    here->last_order = call->order;
    for (uint64_t n = random_below(&draw, 3); n > 0; n--) {
        schedule_one();
    }
    if (depth < 64 && random_below(&draw, 4) == 0) {
        make_run();
    }
}

Test(nested, each_run_of_many_is_in_order_and_nothing_runs_twice)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        draw = seed;
        plan_count = 0;
        clock_ns = START;
        the_loop = nesting_loop();
        for (int i = 0; i < 300; i++) {
            schedule_one();
        }
        while (tw_pending_count(the_loop) > 0) {
            make_run();
            check_loop(the_loop);
        }
        for (size_t i = 0; i < plan_count; i++) {
            REQUIRE(plans[i].made == 1, "call %zu was made %zu times", i, plans[i].made);
        }
        loop_free(the_loop);
    }
    cr_assert_gt(deepest, 5);
}

/* -------------------------------------------------- bursts that are left half done */

static size_t fired_of_burst;
static uint64_t last_when_ns;

static void expect_order(void *timer)
{
    uint64_t when_ns = ((tw_timer *)timer)[0].bare_.deadline_;

    REQUIRE(when_ns >= last_when_ns, "out of order");
    last_when_ns = when_ns;
    fired_of_burst++;
}

static size_t run_a_little(void)
{
    return tw_run_max(the_loop, 1);
}

/* So many that a bounded run does not read all their cells. What it has left is done by
 * the run around it, before anything else. */
static void expect_burst_is_run(uint64_t from_ns, uint64_t within_ns)
{
    enum { BURST = 20000 };
    tw_timer *burst = calloc(BURST, sizeof *burst);
    uint64_t seed = 17;

    the_loop = nesting_loop();
    run_inside = run_a_little;
    last_when_ns = 0;
    fired_of_burst = 0;
    tw_call_at_ns(the_loop, START + 1, nest, ID(1));
    for (size_t i = 0; i < BURST; i++) {
        tw_timer_init(&burst[i], expect_order, &burst[i]);
        uint64_t when_ns = from_ns + random_below(&seed, within_ns);
        REQUIRE(tw_timer_start_at_ns(the_loop, &burst[i], when_ns) == 0, "timer %zu", i);
    }
    run_at(the_loop, from_ns + HOUR);
    cr_assert_eq(fired_of_burst, BURST);
    check_loop(the_loop);
    loop_free(the_loop);
    free(burst);
}

Test(nested, outer_run_goes_on_with_a_tick_that_a_short_one_has_half_opened)
{
    expect_burst_is_run((START / TICK + 100) * TICK, TICK);
}

Test(nested, outer_run_goes_on_with_a_cascade_that_a_short_one_has_begun)
{
    expect_burst_is_run((START / (TICK << 8) + 10) * (TICK << 8), TICK << 8);
    expect_burst_is_run((START / (TICK << 16) + 10) * (TICK << 16), TICK << 16);
}

/* ----------------------------------------------------------------- cached_now */

Test(cached_now, relative_starts_count_from_the_latest_reading)
{
    tw_options options = test_options();
    tw_timer timer;

    options.cached_now = true;
    the_loop = loop_with(&options);
    tw_timer_init(&timer, record, ID(3));
    clock_ns = START + SECOND;
    uint64_t readings = clock_readings;
    tw_handle call = tw_call_later_ns(the_loop, 5, record, ID(1));
    tw_handle every = tw_call_every_ns(the_loop, 7, record, ID(2));
    tw_timer_start_later_ns(the_loop, &timer, 6);
    cr_assert_eq(tw_when_ns(the_loop, call), START + 5);
    cr_assert_eq(tw_when_ns(the_loop, every), START + 7);
    cr_assert_eq(tw_timer_when_ns(&timer), START + 6);
    cr_assert(tw_reschedule_later_ns(the_loop, call, 8));
    cr_assert_eq(tw_when_ns(the_loop, call), START + 8);
    cr_assert_eq(clock_readings, readings, "the clock was read");
    cr_assert_eq(tw_update_now(the_loop), START + SECOND);
    cr_assert(tw_reschedule_later(the_loop, call, 0.5));
    cr_assert_eq(tw_when_ns(the_loop, call), START + 1500 * MS);
    run_at(the_loop, START + 2 * SECOND);
    cr_assert_eq(tw_when_ns(the_loop, tw_call_later_ns(the_loop, 9, record, ID(4))),
                 START + 2 * SECOND + 9);
    clock_ns = START + 3 * SECOND;
    (void)tw_time(the_loop);
    cr_assert_eq(tw_when_ns(the_loop, tw_call_later(the_loop, 1.0, record, ID(5))),
                 START + 4 * SECOND);
    tw_advance(the_loop, START + 10 * SECOND);
    cr_assert_eq(tw_when_ns(the_loop, tw_call_later(the_loop, 1.0, record, ID(5))),
                 START + 11 * SECOND);
    loop_free(the_loop);
}
