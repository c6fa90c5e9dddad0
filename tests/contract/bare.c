/* SPDX-License-Identifier: MIT */
/* Bare timers: 24 bytes, one hook. */
#include "support.h"

enum { TIMERS = 1000 };

static tw_loop *loop;
static struct connection {
    tw_bare_timer idle;
    size_t fired;
} *connections;
static size_t calls;

static void on_bare(void *hook_arg, tw_bare_timer *timer)
{
    struct connection *connection = (struct connection *)(void *)timer;
    cr_assert_eq(hook_arg, &calls);
    REQUIRE(!tw_bare_active(timer), "it is over when it fires");
    connection->fired++;
    calls++;
}

static size_t dropped;

static void on_drop(void *hook_arg, tw_callback *callback, void *arg)
{
    cr_assert_eq(hook_arg, &calls);
    if (callback == NULL)
        cr_assert(arg >= (void *)connections && arg < (void *)(connections + TIMERS));
    dropped++;
}

static void begin(void)
{
    tw_options options = test_options();
    options.on_bare = on_bare;
    options.on_drop = on_drop;
    options.hook_arg = &calls;
    loop = tw_loop_new(&options);
    connections = calloc(TIMERS, sizeof *connections); /* zeroes are idle timers */
}

static void end(void)
{
    check_loop(loop);
    loop_free(loop);
    free(connections);
}

Test(bare, is_the_first_24_bytes_of_a_timer)
{
    if (sizeof(void *) == 8)
        cr_assert_eq(sizeof(tw_bare_timer), 24);
    tw_timer timer = TW_TIMER_INIT(record, ID(1));
    cr_assert_eq((void *)&timer, (void *)&timer.bare_);
}

Test(bare, timers_fire_in_order_through_the_hook)
{
    begin();
    for (size_t i = 0; i < TIMERS; i++) {
        cr_assert_eq(tw_bare_start_later_ns(loop, &connections[i].idle, 1 + i * 7 * MS), 0);
        cr_assert(tw_bare_active(&connections[i].idle));
        cr_assert_eq(tw_bare_when_ns(&connections[i].idle), START + 1 + i * 7 * MS);
    }
    for (size_t i = 0; i < TIMERS; i++) {
        cr_assert_eq(run_at(loop, START + 1 + i * 7 * MS), 1);
        cr_assert_eq(connections[i].fired, 1);
    }
    end();
}

/* More than a few, and no more than a chunk of them: the n-th is due n * 7 % 20 ns after a
 * minute. */
static void on_bare_in_order(void *hook_arg, tw_bare_timer *timer)
{
    size_t n = (size_t)((struct connection *)(void *)timer - connections);
    cr_assert_eq(n * 7 % 20, calls);
    on_bare(hook_arg, timer);
}

Test(bare, timers_of_one_tick_fire_in_order)
{
    tw_options options = test_options();
    options.on_bare = on_bare_in_order;
    options.hook_arg = &calls;
    loop = tw_loop_new(&options);
    connections = calloc(20, sizeof *connections);
    for (size_t i = 0; i < 20; i++)
        tw_bare_start_at_ns(loop, &connections[i].idle, START + MINUTE + i * 7 % 20);
    cr_assert_eq(run_at(loop, START + MINUTE + 20), 20);
    end();
}

static tw_context entered;

static void on_bare_enters(void *hook_arg, tw_bare_timer *timer)
{
    on_bare(hook_arg, timer);
    cr_assert_null(tw_context_current(loop), "the last hook's context is still current");
    cr_assert_eq(tw_context_set(loop, &entered), NULL);
}

/* As behind any other callback. */
Test(bare, context_that_a_hook_sets_ends_with_it)
{
    tw_options options = test_options();
    options.on_bare = on_bare_enters;
    options.hook_arg = &calls;
    loop = tw_loop_new(&options);
    connections = calloc(2, sizeof *connections);
    for (size_t i = 0; i < 2; i++)
        tw_bare_start_at_ns(loop, &connections[i].idle, START + 1);
    cr_assert_eq(run_at(loop, START + SECOND), 2);
    cr_assert_null(tw_context_current(loop));
    end();
}

Test(bare, stopped_parked_and_moved_as_the_others)
{
    begin();
    tw_bare_timer *timer = &connections[0].idle;
    cr_assert_not(tw_bare_stop(loop, timer), "it was idle");
    tw_bare_start_at_ns(loop, timer, START + SECOND);
    tw_bare_start_at_ns(loop, timer, START + MINUTE);
    tw_bare_park(loop, timer);
    cr_assert_not(tw_bare_active(timer));
    cr_assert_eq(tw_bare_when_ns(timer), NEVER);
    cr_assert_not(tw_bare_stop(loop, timer), "a parked one would not have fired");
    tw_bare_start_at_ns(loop, timer, START + MINUTE);
    cr_assert(tw_bare_stop(loop, timer));
    cr_assert_eq(run_at(loop, START + HOUR), 0);
    end();
}

Test(bare, calls_by_handle_go_on_beside_them)
{
    begin();
    tw_call_later_ns(loop, SECOND, record, ID(1));
    tw_call_soon(loop, record, ID(2));
    tw_bare_start_later_ns(loop, &connections[3].idle, SECOND);
    check_loop(loop);
    cr_assert_eq(run_at(loop, START + SECOND), 3);
    expect_fired(2, 1);
    cr_assert_eq(connections[3].fired, 1);
    end();
}

Test(bare, a_burst_in_one_tick_reads_nothing_behind_the_24_bytes)
{
    /* Each in memory of its own: sanitizers see what lies behind. */
    static tw_bare_timer *timers[20000];
    begin();
    for (size_t i = 0; i < 20000; i++) {
        timers[i] = calloc(1, sizeof(struct connection));
        tw_bare_start_later_ns(loop, timers[i], SECOND + i * 3 % 1000);
    }
    cr_assert_eq(run_at(loop, START + 2 * SECOND), 20000);
    for (size_t i = 0; i < 20000; i++)
        free(timers[i]);
    end();
}

Test(bare, dropped_with_the_loop_and_free_again)
{
    begin();
    for (size_t i = 0; i < 10; i++)
        tw_bare_start_later_ns(loop, &connections[i].idle, SECOND << i);
    tw_call_later(loop, 5, record, ID(1));
    cr_assert_eq(tw_cancel_all(loop), 11);
    cr_assert_eq(dropped, 11);
    for (size_t i = 0; i < 10; i++)
        tw_bare_start_later_ns(loop, &connections[i].idle, SECOND << i);
    loop_free(loop);
    cr_assert_eq(dropped, 21);
    for (size_t i = 0; i < 10; i++)
        cr_assert_not(tw_bare_active(&connections[i].idle));
    free(connections);
    begin();
    end();
}

Test(bare, each_kind_is_refused_on_a_loop_of_the_other)
{
    begin();
    tw_timer timer = TW_TIMER_INIT(record, ID(1));
    errno = 0;
    cr_assert_eq(tw_timer_start_later_ns(loop, &timer, SECOND), -1);
    cr_assert_eq(errno, EINVAL);
    tw_loop *other = loop_new();
    errno = 0;
    cr_assert_eq(tw_bare_start_later_ns(other, &connections[0].idle, SECOND), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_not(tw_bare_stop(other, &connections[0].idle));
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    tw_bare_park(other, &connections[0].idle);
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(tw_pending_count(other) + tw_pending_count(loop), 0);
    errno = 0;
    cr_assert_eq(tw_bare_start_at_ns(NULL, &connections[0].idle, 1), -1);
    cr_assert_eq(tw_bare_start_at_ns(loop, NULL, 1), -1);
    cr_assert_eq(tw_bare_start_later_ns(NULL, &connections[0].idle, 1), -1);
    cr_assert_eq(tw_bare_start_later_ns(loop, NULL, 1), -1);
    cr_assert_not(tw_bare_stop(NULL, &connections[0].idle));
    cr_assert_not(tw_bare_stop(loop, NULL));
    tw_bare_park(NULL, &connections[0].idle);
    tw_bare_park(loop, NULL);
    cr_assert_not(tw_bare_active(NULL));
    cr_assert_eq(tw_bare_when_ns(NULL), NEVER);
    tw_loop_free(other);
    end();
}

static uint64_t slowest_ns;
static const void *slow_arg;

static void note_slow(void *hook_arg, tw_callback *callback, void *arg, uint64_t took_ns)
{
    (void)hook_arg;
    cr_assert_null(callback);
    slow_arg = arg;
    slowest_ns = took_ns;
}

static void take_long(void *hook_arg, tw_bare_timer *timer)
{
    (void)hook_arg, (void)timer;
    clock_ns += 3 * MS;
}

Test(bare, slow_hook_is_told_with_the_timer)
{
    tw_options options = test_options();
    options.on_bare = take_long;
    options.on_slow = note_slow;
    options.slow_callback_ns = 3 * MS;
    loop = loop_with(&options);
    tw_bare_timer timer = {0};
    cr_assert_eq(tw_bare_start_at_ns(loop, &timer, START + 1), 0);
    cr_assert_eq(run_at(loop, START + 1), 1);
    cr_assert_eq(slowest_ns, 3 * MS);
    cr_assert_eq(slow_arg, (const void *)&timer);
    loop_free(loop);
}

/* Also if it is active on one that takes it. */
Test(bare, active_one_is_refused_on_a_loop_of_the_other_kind_and_stays_where_it_is)
{
    begin();
    tw_loop *other = loop_new();
    tw_timer timer = TW_TIMER_INIT(record, ID(1));
    cr_assert_eq(tw_bare_start_later_ns(loop, &connections[0].idle, SECOND), 0);
    cr_assert_eq(tw_timer_start_later_ns(other, &timer, SECOND), 0);
    for (int parked = 0; parked < 2; parked++) {
        errno = 0;
        cr_assert_eq(tw_bare_start_later_ns(other, &connections[0].idle, MINUTE), -1);
        cr_assert_eq(errno, EINVAL);
        errno = 0;
        cr_assert_eq(tw_timer_start_later_ns(loop, &timer, MINUTE), -1);
        cr_assert_eq(errno, EINVAL);
        tw_bare_park(loop, &connections[0].idle);
        tw_timer_park(other, &timer);
    }
    cr_assert_eq(tw_bare_start_later_ns(loop, &connections[0].idle, SECOND), 0);
    cr_assert_eq(tw_timer_start_later_ns(other, &timer, SECOND), 0);
    cr_assert_eq(run_at(loop, START + SECOND), 1);
    cr_assert_eq(run_at(other, START + SECOND), 1);
    tw_loop_free(other);
    end();
}
