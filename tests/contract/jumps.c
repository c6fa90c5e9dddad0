/* SPDX-License-Identifier: MIT */
/* A callback that is left by longjmp: the next run finds the loop usable, and it can
 * be freed; and a jump makes no run from inside a callback legal. */
#include "support.h"

#include <setjmp.h>

static tw_loop *the_loop;
static jmp_buf back;

static void jump(void *id)
{
    record(id);
    longjmp(back, 1);
}

/* The loop of a program that jumps out of its callbacks. */
static size_t run_until_idle(void)
{
    volatile size_t jumps = 0;

    while (tw_pending_count(the_loop) > 0) {
        if (setjmp(back) == 0) {
            errno = 0;
            tw_run(the_loop);
            REQUIRE(errno == 0, "the run was refused: errno %d", errno);
        } else {
            jumps++;
        }
    }
    return jumps;
}

Test(jumps, next_run_goes_on_with_what_is_left)
{
    tw_timer timers[2];

    the_loop = loop_new();
    tw_call_soon(the_loop, jump, ID(1));
    tw_call_soon(the_loop, record, ID(2));
    tw_call_soon(the_loop, jump, ID(3));
    tw_call_at_ns(the_loop, START, jump, ID(4));
    tw_timer_init(&timers[0], jump, ID(5));
    tw_timer_start_at_ns(the_loop, &timers[0], START);
    tw_timer_init(&timers[1], record, ID(6));
    tw_timer_start_at_ns(the_loop, &timers[1], START);
    tw_call_at_ns(the_loop, START, jump, ID(7));
    cr_assert_eq(run_until_idle(), 5);
    expect_fired(1, 2, 3, 4, 5, 6, 7);
    cr_assert_eq(stats_of(the_loop).fired, 7);
    check_loop(the_loop);
    loop_free(the_loop);
}

/* The jump leaves behind what the loop had taken over already, from other threads too. */
Test(jumps, calls_from_other_threads_that_a_jump_leaves_behind_come_with_the_next_run)
{
    the_loop = loop_new();
    cr_assert_eq(tw_call_soon_threadsafe(the_loop, jump, ID(1)), 0);
    cr_assert_eq(tw_call_soon_threadsafe(the_loop, record, ID(2)), 0);
    if (setjmp(back) == 0) {
        tw_run(the_loop);
    }
    check_loop(the_loop);
    expect_fired(1);
    tw_run(the_loop);
    expect_fired(1, 2);
    loop_free(the_loop);
}

Test(jumps, many_of_them_lose_nothing_and_make_nothing_twice)
{
    uint64_t draw = 13;
    static size_t times[3000];

    the_loop = loop_new();
    for (uintptr_t i = 0; i < 3000; i++) {
        tw_callback *callback = random_below(&draw, 3) == 0 ? jump : record;
        if (i % 5 == 0) {
            tw_call_soon(the_loop, callback, ID(i));
        } else {
            tw_call_later_ns(the_loop, random_below(&draw, 20 * MS), callback, ID(i));
        }
    }
    while (tw_pending_count(the_loop) > 0) {
        if (setjmp(back) == 0) {
            run_at(the_loop, clock_ns + MS);
        }
        if (tw_pending_count(the_loop) % 16 == 0) {
            check_loop(the_loop);
        }
    }
    cr_assert_eq(fired_count, 3000);
    for (size_t i = 0; i < fired_count; i++) {
        REQUIRE(times[fired[i].id]++ == 0, "call %zu came twice", (size_t)fired[i].id);
    }
    loop_free(the_loop);
}

/* Its callback is over, for who waits for that, and its node another's. */
Test(jumps, out_of_a_call_that_another_thread_has_started_ends_it)
{
    tw_options options = test_options();

    options.max_pending = 10; /* so that every run is a whole one */
    for (volatile int whole = 0; whole < 2; whole++) {
        forget_fired();
        the_loop = whole ? loop_with(&options) : loop_new();
        volatile tw_handle handle = tw_call_at_threadsafe_ns(the_loop, START, jump, ID(1));
        tw_call_at_ns(the_loop, START + 1, record, ID(2));
        clock_ns = START + 1;
        cr_assert_eq(run_until_idle(), 1);
        expect_fired(1, 2);
        cr_assert_not(tw_cancel_and_wait(the_loop, handle));
        tw_handle next = tw_call_at_threadsafe_ns(the_loop, START + DAY, record, ID(3));
        cr_assert_eq((uint32_t)next, (uint32_t)handle, "the node is used again");
        cr_assert_neq(next, handle);
        loop_free(the_loop);
        clock_ns = START;
    }
}

Test(jumps, loop_may_be_freed_after_one)
{
    the_loop = loop_new();
    tw_call_soon(the_loop, jump, ID(1));
    tw_call_later_ns(the_loop, SECOND, record, ID(2));
    if (setjmp(back) == 0) {
        tw_run(the_loop);
    }
    tw_loop_free(the_loop);
    cr_assert_eq(heap.live_blocks, 0);
}

Test(jumps, whatever_runs_it_next_does)
{
    for (volatile int way = 0; way < 4; way++) {
        size_t calls = 0;

        the_loop = loop_new();
        forget_fired();
        tw_call_soon(the_loop, jump, ID(1));
        tw_call_soon(the_loop, record, ID(2));
        if (setjmp(back) == 0) {
            switch (way) {
            case 0:
                tw_advance(the_loop, START + 1);
                break;
            case 1:
                tw_run_max(the_loop, 5);
                break;
            case 2:
                tw_run_for_ns(the_loop, SECOND);
                break;
            default:
                tw_run(the_loop);
            }
        }
        switch (way) {
        case 0:
            calls = tw_run(the_loop);
            break;
        case 1:
            calls = tw_advance(the_loop, START + 2);
            break;
        case 2:
            calls = tw_run_max(the_loop, 5);
            break;
        default:
            calls = tw_run_for_ns(the_loop, SECOND);
        }
        cr_assert_eq(calls, 1, "way %d", way);
        expect_fired(1, 2);
        loop_free(the_loop);
    }
}

static void run_me(void *id)
{
    record(id);
    errno = 0;
    cr_assert_eq(tw_run(the_loop), 0);
    cr_assert_eq(errno, EBUSY);
    errno = 0;
    tw_loop_free(the_loop);
    cr_assert_eq(errno, EBUSY);
    errno = 0;
}

static void run_in_drop(void *hook_arg, tw_callback *callback, void *arg)
{
    (void)hook_arg, (void)callback;
    errno = 0;
    cr_assert_eq(tw_advance(the_loop, clock_ns + SECOND), 0);
    cr_assert_eq(errno, EBUSY);
    run_me(arg);
}

/* As a server does whose request handler is far down its stack. */
static __attribute__((noinline)) void run_deep_down(void)
{
    volatile char gap[8192];

    gap[0] = gap[sizeof gap - 1] = 0;
    tw_run(the_loop);
    gap[1] = gap[0];
}

Test(jumps, run_from_inside_on_drop_is_refused_after_one)
{
    tw_options options = test_options();

    options.on_drop = run_in_drop;
    the_loop = loop_with(&options);
    tw_call_soon(the_loop, jump, ID(1));
    tw_call_soon(the_loop, record, ID(2));
    tw_call_at_ns(the_loop, START, record, ID(3));
    if (setjmp(back) == 0) {
        run_deep_down();
    }
    cr_assert_eq(tw_cancel_all(the_loop), 2);
    expect_fired(1, 2, 3); /* the first by jump, the others by run_in_drop */
    cr_assert_eq(tw_run(the_loop), 0);
    check_loop(the_loop);
    loop_free(the_loop);
}

Test(jumps, run_from_inside_a_callback_is_refused_before_and_after_one)
{
    the_loop = loop_new();
    for (int i = 0; i < 3; i++) {
        tw_call_soon(the_loop, run_me, ID(1));
        tw_call_soon(the_loop, jump, ID(2));
        tw_call_later_ns(the_loop, 0, run_me, ID(3));
    }
    cr_assert_eq(run_until_idle(), 3);
    expect_fired(1, 2, 1, 2, 1, 2, 3, 3, 3);
    loop_free(the_loop);
}

/* A callback that jumps within itself has not left the run. */
static void jump_within(void *id)
{
    jmp_buf here;

    if (setjmp(here) == 0) {
        longjmp(here, 1);
    }
    run_me(id);
}

Test(jumps, jump_within_a_callback_leaves_nothing)
{
    the_loop = loop_new();
    tw_call_soon(the_loop, jump_within, ID(1));
    tw_call_soon(the_loop, record, ID(2));
    cr_assert_eq(tw_run(the_loop), 2);
    expect_fired(1, 2);
    loop_free(the_loop);
}

/* ------------------------------------------------------------------- contexts */

static int references, inside;

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

static void look_at_context(void *id)
{
    record(id);
    cr_assert_null(tw_context_current(the_loop), "it is not the loop's own");
}

Test(jumps, context_is_left_and_released)
{
    static const tw_context_ops ops = {retain, release, enter, leave};
    tw_context context = {&ops};

    the_loop = loop_new();
    tw_call_at_in(the_loop, 0.0, jump, ID(1), &context);
    tw_call_at_ns(the_loop, 1, look_at_context, ID(2));
    tw_call_at_in(the_loop, 0.5, jump, ID(3), &context);
    cr_assert_eq(references, 2);
    cr_assert_eq(run_until_idle(), 2);
    tw_run(the_loop);
    cr_assert_eq(references, 0);
    cr_assert_eq(inside, 0);
    cr_assert_null(tw_context_current(the_loop));
    expect_fired(1, 2, 3);
    loop_free(the_loop);
}

static void enter_and_jump(tw_context *context)
{
    (void)context;
    longjmp(back, 1);
}

static void leave_and_jump(tw_context *context)
{
    leave(context);
    longjmp(back, 1);
}

static void expect_jump_out_of(const tw_context_ops *ops)
{
    tw_context context = {ops};

    forget_fired();
    the_loop = loop_new();
    tw_call_at_in(the_loop, 0.0, record, ID(1), &context);
    tw_call_at_ns(the_loop, 1, look_at_context, ID(2));
    cr_assert_eq(run_until_idle(), 1);
    cr_assert_eq(references, 0);
    cr_assert_eq(inside, 0, "it was left %d times", 1 - inside);
    check_loop(the_loop);
    loop_free(the_loop);
}

/* Its callback is not called: it was never entered. */
Test(jumps, context_whose_enter_jumps_is_released_and_not_left)
{
    static const tw_context_ops ops = {retain, release, enter_and_jump, leave};

    expect_jump_out_of(&ops);
    expect_fired(2);
}

Test(jumps, context_whose_leave_jumps_is_released_and_not_left_again)
{
    static const tw_context_ops ops = {retain, release, enter, leave_and_jump};

    expect_jump_out_of(&ops);
    expect_fired(1, 2);
}

Test(jumps, periodic_call_goes_on)
{
    the_loop = loop_new();
    tw_handle call = tw_call_every(the_loop, 1.0, jump, ID(1));
    for (volatile uint64_t i = 1; i <= 5; i++) {
        if (setjmp(back) == 0) {
            run_at(the_loop, START + i * SECOND);
        }
        tw_run(the_loop);
        cr_assert_eq(tw_missed(the_loop), 0);
    }
    expect_fired(1, 1, 1, 1, 1);
    cr_assert(tw_cancel(the_loop, call));
    loop_free(the_loop);
}

/* --------------------------------------------------------- driving by itself */

static void stop(void *id)
{
    record(id);
    tw_stop(the_loop);
}

Test(jumps, tw_run_forever_is_left_and_runs_again)
{
    the_loop = tw_loop_new(NULL);
    tw_call_soon(the_loop, jump, ID(1));
    tw_call_soon(the_loop, record, ID(2));
    tw_call_later_ns(the_loop, MS, stop, ID(3));
    if (setjmp(back) == 0) {
        tw_run_forever(the_loop);
        cr_assert_fail("it did not jump");
    }
    cr_assert_eq(tw_run_forever(the_loop), 0);
    expect_fired(1, 2, 3);
    tw_call_soon(the_loop, record, ID(4));
    cr_assert_eq(tw_run(the_loop), 1);
    tw_loop_free(the_loop);
}

Test(jumps, context_without_a_hook_to_leave_it_is_released)
{
    static const tw_context_ops ops = {retain, release, NULL, NULL};
    tw_context context = {&ops};

    the_loop = loop_new();
    references = 0;
    tw_call_later_in(the_loop, 0, jump, ID(1), &context);
    cr_assert_eq(references, 1);
    cr_assert_eq(run_until_idle(), 1);
    tw_run(the_loop);
    cr_assert_eq(references, 0);
    cr_assert_null(tw_context_current(the_loop));
    loop_free(the_loop);
}

/* --------------------------------------------------------------- another stack */

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <ucontext.h>

static ucontext_t on_main, on_other;

static void leave_for_main(void *id)
{
    record(id);
    cr_assert_eq(swapcontext(&on_other, &on_main), 0);
    record(ID(100 + (uintptr_t)id));
}

static void run_on_other(void)
{
    tw_run(the_loop);
}

/* A run begins on another stack, and the first of its three calls leaves it for this one. */
static void leave_a_run_on_another_stack(void)
{
    static char stack[1 << 18];

    the_loop = loop_new();
    tw_call_soon(the_loop, leave_for_main, ID(1));
    tw_call_soon(the_loop, record, ID(2));
    tw_call_at_ns(the_loop, START, record, ID(3));
    cr_assert_eq(getcontext(&on_other), 0);
    on_other.uc_stack.ss_sp = stack;
    on_other.uc_stack.ss_size = sizeof stack;
    on_other.uc_link = &on_main;
    makecontext(&on_other, run_on_other, 0);
    cr_assert_eq(swapcontext(&on_main, &on_other), 0);
}

/* A callback that switches to a stack further up cannot be told from one that has jumped
 * there: its run is taken for over, and is, when the callback comes back after all. */
Test(jumps, callback_that_comes_back_from_another_stack_finds_its_run_over)
{
    leave_a_run_on_another_stack();
    cr_assert_eq(tw_run_max(the_loop, 1), 1);
    cr_assert_eq(swapcontext(&on_main, &on_other), 0);
    expect_fired(1, 2, 101); /* what is left is for a run that is not over */
    check_loop(the_loop);
    cr_assert_eq(tw_run(the_loop), 1);
    expect_fired(1, 2, 101, 3);
    loop_free(the_loop);
}

static void come_back_from_a_callback(void *id)
{
    record(id);
    cr_assert_eq(swapcontext(&on_main, &on_other), 0);
}

/* Then its run goes on inside the other one. */
Test(jumps, callback_that_is_resumed_from_one_of_another_run_loses_nothing)
{
    leave_a_run_on_another_stack();
    tw_call_soon(the_loop, come_back_from_a_callback, ID(5));
    tw_call_soon(the_loop, record, ID(6));
    tw_run(the_loop);
    expect_fired(1, 2, 5, 101, 3, 6);
    check_loop(the_loop);
    loop_free(the_loop);
}
#endif
