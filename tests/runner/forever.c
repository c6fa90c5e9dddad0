/* SPDX-License-Identifier: MIT */
/* tw_run_forever and tw_stop on one thread. */
#include "support.h"

static uint64_t not_a_clock(void *arg)
{
    (void)arg;
    return 0;
}

struct shot {
    tw_loop *loop;
    uint64_t deadline_ns;
    size_t *order;      /* how many have been fired */
    size_t place;       /* where in the order this one belongs */
};

static void fire_shot(void *arg)
{
    struct shot *shot = arg;
    cr_assert_geq(tw_time_ns(shot->loop), shot->deadline_ns, "a timer was early");
    cr_assert_eq(*shot->order, shot->place);
    ++*shot->order;
}

Test(forever, runs_timers_never_early_and_in_order)
{
    enum { TIMERS = 200 };
    static struct shot shots[TIMERS];
    tw_loop *loop = loop_new();
    size_t order = 0;
    uint64_t now_ns = tw_time_ns(loop);
    for (size_t i = 0; i < TIMERS; i++) {
        /* 77 and 200 have no common divisor: every multiple of 100 us once. */
        shots[i] = (struct shot){loop, now_ns + (1 + i * 77 % TIMERS) * 100 * US, &order,
                                 i * 77 % TIMERS};
        cr_assert_neq(tw_call_at_ns(loop, shots[i].deadline_ns, fire_shot, &shots[i]), 0);
    }
    tw_call_at_ns(loop, now_ns + 30 * MS, stop, loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    cr_assert_eq(order, TIMERS);
    loop_free(loop);
}

static void look_and_stop(void *arg)
{
    const char *broken = tw_check(arg);
    cr_assert_null(broken, "%s", broken ? broken : "");
    tw_stop(arg);
}

Test(forever, is_sound_in_a_callback_and_behind_it)
{
    tw_loop *loop = loop_new();
    tw_call_later_ns(loop, MS, look_and_stop, loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    loop_free(loop);
}

Test(forever, stop_from_a_callback_ends_after_the_run_under_way)
{
    tw_loop *loop = loop_new();
    size_t before = 0, after = 0;
    tw_call_soon(loop, count, &before);
    tw_call_soon(loop, stop, loop);
    tw_call_soon(loop, count, &after);
    tw_call_later(loop, 3600, count, &after);
    cr_assert_eq(tw_run_forever(loop), 0);
    cr_assert_eq(before, 1);
    cr_assert_eq(after, 1, "the rest of the run is made, but no later one");
    cr_assert_eq(tw_pending_count(loop), 1);
    loop_free(loop);
}

static void schedule_again(void *loop)
{
    tw_call_soon(loop, schedule_again, loop);
}

Test(forever, stop_before_it_allows_one_run)
{
    tw_loop *loop = loop_new();
    size_t calls = 0;
    tw_call_soon(loop, count, &calls);
    tw_call_soon(loop, schedule_again, loop);
    tw_stop(loop);
    tw_stop(loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    cr_assert_eq(calls, 1);
    cr_assert_eq(tw_pending_count(loop), 1, "what the run scheduled waits");
    cr_assert_eq(stats_of(loop).wakeups, 0);
    loop_free(loop);
}

Test(forever, may_be_called_again)
{
    tw_loop *loop = loop_new();
    size_t calls = 0;
    for (size_t i = 1; i <= 5; i++) {
        tw_call_later_ns(loop, MS, count, &calls);
        tw_call_later_ns(loop, 2 * MS, stop, loop);
        cr_assert_eq(tw_run_forever(loop), 0);
        cr_assert_eq(calls, i);
    }
    loop_free(loop);
}

static void run_inside(void *loop)
{
    errno = 0;
    cr_assert_eq(tw_run_forever(loop), -1);
    cr_assert_eq(errno, EBUSY);
    errno = 0;
    cr_assert_eq(tw_run(loop), 0);
    cr_assert_eq(errno, EBUSY);
    errno = 0;
    tw_loop_free(loop);
    cr_assert_eq(errno, EBUSY);
    tw_stop(loop);
}

Test(forever, is_refused_inside_a_callback)
{
    tw_loop *loop = loop_new();
    tw_call_soon(loop, run_inside, loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    tw_call_soon(loop, run_inside, loop);
    cr_assert_eq(tw_run(loop), 1);
    loop_free(loop);
}

Test(forever, is_refused_without_a_loop_or_with_a_clock_of_its_own)
{
    errno = 0;
    cr_assert_eq(tw_run_forever(NULL), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(tw_fd(NULL), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    tw_stop(NULL);
    cr_assert_eq(errno, EINVAL);

    tw_options options = {.size = sizeof options, .clock = not_a_clock};
    tw_loop *loop = tw_loop_new(&options);
    size_t calls = 0;
    tw_call_soon(loop, count, &calls);
    errno = 0;
    cr_assert_eq(tw_run_forever(loop), -1);
    cr_assert_eq(errno, ENOTSUP);
    errno = 0;
    cr_assert_eq(tw_fd(loop), -1);
    cr_assert_eq(errno, ENOTSUP);
    cr_assert_eq(calls, 0, "a refused tw_run_forever runs nothing");
    cr_assert_eq(tw_run(loop), 1);
    loop_free(loop);
}

Test(forever, makes_descriptors_only_when_asked_and_closes_them)
{
    unsigned before = open_descriptors();
    tw_loop *loop = loop_new();
    size_t calls = 0;
    tw_call_soon(loop, count, &calls);
    tw_call_soon_threadsafe(loop, count, &calls);
    cr_assert_eq(tw_run(loop), 2);
    cr_assert_eq(open_descriptors(), before);
    tw_stop(loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    unsigned during = open_descriptors();
    cr_assert_gt(during, before);
    tw_stop(loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    cr_assert_eq(open_descriptors(), during);
    loop_free(loop);
    cr_assert_eq(open_descriptors(), before);
}

struct chain {
    tw_loop *loop;
    size_t left;
    tw_timer behind[100];
};

static void never_called(void *arg)
{
    (void)arg;
    cr_assert_fail("a timer that is an hour away fired");
}

/* Starts and stops timers behind its own next deadline. */
static void next_link(void *arg)
{
    struct chain *chain = arg;
    for (size_t i = 0; i < 100; i++) {
        tw_timer_start_later_ns(chain->loop, &chain->behind[i], HOUR + i * MS);
        if (i % 3 == 0)
            tw_timer_stop(chain->loop, &chain->behind[i]);
    }
    if (--chain->left == 0)
        tw_stop(chain->loop);
    else
        tw_call_later_ns(chain->loop, 100 * US, next_link, chain);
}

Test(forever, sets_its_alarm_once_a_wakeup_and_not_per_timer)
{
    struct chain chain = {.loop = loop_new(), .left = 50};
    for (size_t i = 0; i < 100; i++)
        tw_timer_init(&chain.behind[i], never_called, NULL);
    tw_call_soon(chain.loop, next_link, &chain);
    cr_assert_eq(tw_run_forever(chain.loop), 0);
    tw_stats stats = stats_of(chain.loop);
    cr_assert_gt(stats.started + stats.rearmed, 3000);
    cr_assert_leq(stats.alarms, 50);
    cr_assert_leq(stats.wakeups, 100, "two a link at most: an alarm may be left over");
    loop_free(chain.loop);
}

static void *post_stop_later(void *loop)
{
    sleep_ns(200 * MS);
    tw_call_soon_threadsafe(loop, stop, loop);
    return NULL;
}

Test(forever, an_idle_loop_sleeps_without_waking)
{
    tw_loop *loop = loop_new();
    pthread_t thread = thread_start(post_stop_later, loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    thread_join(thread);
    cr_assert_eq(stats_of(loop).wakeups, 1, "woken by the post, and by nothing else");
    cr_assert_eq(stats_of(loop).alarms, 0);

    tw_call_later_ns(loop, HOUR, never_called, NULL);
    thread = thread_start(post_stop_later, loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    thread_join(thread);
    cr_assert_eq(stats_of(loop).wakeups, 2);
    cr_assert_eq(stats_of(loop).alarms, 1);
    loop_free(loop);
}

/* Where seconds have 32 bits, this is more than the system can be told: of 2^32 of them
 * it would hear nothing. */
Test(forever, sleeps_for_a_century_if_it_has_to)
{
    const uint64_t delays_ns[] = {100 * 365 * 24 * HOUR, (UINT64_C(1) << 32) * SECOND};
    for (size_t i = 0; i < 2; i++) {
        tw_loop *loop = loop_new();
        tw_call_later_ns(loop, delays_ns[i], never_called, NULL);
        pthread_t thread = thread_start(post_stop_later, loop);
        cr_assert_eq(tw_run_forever(loop), 0);
        thread_join(thread);
        cr_assert_eq(stats_of(loop).wakeups, 1);
        cr_assert_eq(stats_of(loop).alarms, 1);
        loop_free(loop);
    }
}
