/* SPDX-License-Identifier: MIT */
/* What every adapter (tickwheel_uv.h and its like) promises, tried on real loops:
 * each case with a wheel that has a tw_fd, and with one that has none because its
 * clock is its own. A wake-up that is lost shows as a test that takes too long. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "outer.h"

#define MS 1000000u
#define HOUR_NS ((uint64_t)3600 * 1000 * MS)

enum mode { WITH_FD, OWN_CLOCK, MODES };

static tw_loop *wheel;
static int calls, events;

static uint64_t read_clock(void *none)
{
    struct timespec now;
    (void)none;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void begin(enum mode mode)
{
    tw_options options = {.size = sizeof options, .clock = mode == OWN_CLOCK ? read_clock : NULL};
    calls = events = 0;
    wheel = tw_loop_new(&options);
    cr_assert_not_null(wheel);
    outer.open();
}

static void attach(void)
{
    cr_assert_eq(outer.attach(wheel), 0, "%s: %s", outer.name, strerror(errno));
}

static void end(void)
{
    outer.detach();
    tw_loop_free(wheel);
    outer.close();
}

static void update(void)
{
    if (outer.update)
        outer.update();
}

static void count(void *none)
{
    (void)none;
    calls++;
}

static void turn_until_called(int wanted)
{
    while (calls < wanted)
        outer.turn();
}

static void event(void)
{
    events++;
}

TestSuite(adapter, .timeout = 60);

/* -------------------------------------------------------------------- timers */

#define TIMERS 500

static struct timer {
    tw_timer timer;
    uint64_t due_ns;
} timers[TIMERS];
static uint64_t latest_ns;
static bool early, disordered;

static void check(void *arg)
{
    const struct timer *timer = arg;
    early |= read_clock(NULL) < timer->due_ns;
    disordered |= timer->due_ns < latest_ns;
    latest_ns = timer->due_ns;
    calls++;
}

Test(adapter, timers_come_in_order_and_never_early)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        uint64_t random = 20261126;
        early = disordered = false;
        latest_ns = 0;
        begin(mode);
        attach();
        for (int i = 0; i < TIMERS; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            timers[i].due_ns = read_clock(NULL) + (random >> 33) % (30 * MS);
            tw_timer_init(&timers[i].timer, check, &timers[i]);
            cr_assert_eq(tw_timer_start_at_ns(wheel, &timers[i].timer, timers[i].due_ns), 0);
        }
        update();
        turn_until_called(TIMERS);
        cr_assert(!early && !disordered, "seed 20261126, mode %d", (int)mode);
        cr_assert_eq(tw_pending_count(wheel), 0);
        end();
    }
}

Test(adapter, a_loop_that_waits_is_not_woken_for_nothing)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        int turns = 0;
        begin(mode);
        attach();
        tw_call_later_ns(wheel, 50 * MS, count, NULL);
        update();
        for (; calls == 0; turns++)
            outer.turn();
        cr_assert_lt(turns, 10, "mode %d: %d turns", (int)mode, turns);
        end();
    }
}

/* ------------------------------------------- what is started while it sleeps */

static void start_earlier(void)
{
    events++;
    tw_call_later_ns(wheel, 2 * MS, count, NULL);
    update();
}

Test(adapter, an_earlier_start_by_the_loops_own_event_is_seen)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        begin(mode);
        tw_call_later_ns(wheel, HOUR_NS, count, NULL);
        attach();
        outer.in_a_while(start_earlier);
        turn_until_called(1);
        cr_assert_eq(events, 1);
        cr_assert_eq(tw_pending_count(wheel), 1, "the far one");
        end();
    }
}

static void start_soon(void)
{
    events++;
    tw_call_soon(wheel, count, NULL);
    update();
}

Test(adapter, a_soon_call_by_the_loops_own_event_is_made)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        begin(mode);
        attach();
        outer.in_a_while(start_soon);
        turn_until_called(1);
        end();
    }
}

static void again(void *arg)
{
    int *left = arg;
    calls++;
    if (--*left > 0)
        tw_call_later_ns(wheel, MS / 2, again, left);
}

Test(adapter, a_callback_of_the_wheel_starts_the_next)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        int left = 10;
        begin(mode);
        tw_call_soon(wheel, again, &left);
        attach();
        turn_until_called(10);
        end();
    }
}

Test(adapter, what_is_cancelled_before_it_is_due_is_not_missed)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        begin(mode);
        attach();
        tw_handle first = tw_call_later_ns(wheel, 2 * MS, count, NULL);
        tw_call_later_ns(wheel, 4 * MS, count, NULL);
        update();
        tw_cancel(wheel, first);
        turn_until_called(1);
        end();
    }
}

/* ------------------------------------------------------------ other threads */

static void *post(void *none)
{
    (void)none;
    nanosleep(&(struct timespec){.tv_nsec = 2 * MS}, NULL); /* mostly it sleeps by now */
    return tw_call_soon_threadsafe(wheel, count, NULL) == 0 ? wheel : NULL;
}

Test(adapter, a_call_from_another_thread_wakes_it)
{
    begin(WITH_FD);
    tw_call_later_ns(wheel, HOUR_NS, count, NULL);
    attach();
    for (int i = 1; i <= 5; i++) {
        pthread_t thread;
        void *posted = NULL;
        cr_assert_eq(pthread_create(&thread, NULL, post, NULL), 0);
        turn_until_called(i);
        pthread_join(thread, &posted);
        cr_assert_not_null(posted);
    }
    end();
}

Test(adapter, a_post_made_before_it_is_attached_is_seen)
{
    begin(WITH_FD);
    cr_assert_eq(tw_call_soon_threadsafe(wheel, count, NULL), 0);
    attach();
    turn_until_called(1);
    end();
}

/* ------------------------------------------------------------------ detaching */

static void detach_now(void *none)
{
    (void)none;
    calls++;
    outer.detach();
}

Test(adapter, a_callback_may_detach)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        begin(mode);
        tw_call_later_ns(wheel, MS, detach_now, NULL);
        tw_call_later_ns(wheel, 2 * MS, count, NULL);
        attach();
        turn_until_called(1);
        outer.in_a_while(event);
        while (events == 0)
            outer.turn();
        cr_assert_eq(tw_pending_count(wheel) + (size_t)calls, 2, "each is pending or was called");
        tw_call_later_ns(wheel, HOUR_NS, count, NULL);
        int before = calls;
        tw_call_soon(wheel, count, NULL);
        attach(); /* and again */
        turn_until_called(before + 1);
        end();
    }
}

Test(adapter, detaching_leaves_the_wheel_as_it_is)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        begin(mode);
        tw_call_later_ns(wheel, MS, count, NULL);
        attach();
        outer.detach();
        outer.detach();
        update();
        outer.in_a_while(event);
        while (events == 0)
            outer.turn();
        cr_assert_eq(calls, 0);
        cr_assert_eq(tw_pending_count(wheel), 1);
        cr_assert_null(tw_check(wheel));
        end();
    }
}

Test(adapter, the_wheel_may_be_freed_right_after_detaching)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        begin(mode);
        tw_call_later_ns(wheel, MS, count, NULL);
        attach();
        tw_call_soon(wheel, count, NULL);
        update();
        turn_until_called(1);
        outer.detach();
        tw_loop_free(wheel);
        outer.in_a_while(event);
        while (events == 0)
            outer.turn();
        outer.close();
    }
}

/* ------------------------------------------------------------- nothing pending */

Test(adapter, an_empty_wheel_does_not_keep_the_loop_running)
{
    if (!outer.returns_when_empty)
        return;
    for (enum mode mode = 0; mode < MODES; mode++) {
        begin(mode);
        attach();
        outer.run(); /* nothing was ever started */
        tw_call_later_ns(wheel, 2 * MS, count, NULL);
        update();
        outer.run();
        cr_assert_eq(calls, 1);
        outer.in_a_while(start_earlier); /* and by an event that is the last but for it */
        outer.run();
        cr_assert_eq(calls, 2);
        end();
    }
}

Test(adapter, a_wheel_with_something_pending_keeps_the_loop_running)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        begin(mode);
        attach();
        tw_call_later_ns(wheel, 2 * MS, count, NULL);
        tw_call_later_ns(wheel, 4 * MS, detach_now, NULL);
        update();
        outer.run();
        cr_assert_eq(calls, 2);
        end();
    }
}

/* ---------------------------------------------------------------------- nested */

static int turns;

static void turn_inside(void *none)
{
    (void)none;
    calls++;
    tw_call_soon(wheel, count, NULL); /* due at once, but not to be run in here */
    outer.in_a_while(event);
    for (; events == 0 && turns < 1000; turns++)
        outer.turn();
}

Test(adapter, a_loop_run_inside_a_callback_does_not_spin)
{
    if (!outer.nests)
        return;
    for (enum mode mode = 0; mode < MODES; mode++) {
        turns = 0;
        begin(mode);
        tw_call_later_ns(wheel, MS, turn_inside, NULL);
        attach();
        turn_until_called(1);
        cr_assert_eq(events, 1);
        cr_assert_lt(turns, 10, "mode %d: %d turns", (int)mode, turns);
        turn_until_called(2);
        end();
    }
}

/* ------------------------------------------------------------------------ fork */

Test(adapter, after_a_fork_each_process_goes_on_with_its_own)
{
    if (!outer.forks)
        return;
    for (enum mode mode = 0; mode < MODES; mode++) {
        begin(mode);
        attach();
        tw_call_soon(wheel, count, NULL);
        update();
        turn_until_called(1);
        tw_call_later_ns(wheel, 10 * MS, count, NULL);
        update();
        pid_t child = fork();
        cr_assert_geq(child, 0);
        if (child == 0) {
            alarm(30);
            outer.child();
            turn_until_called(2);
            tw_call_later_ns(wheel, 2 * MS, count, NULL);
            update();
            turn_until_called(3);
            _exit(0);
        }
        turn_until_called(2);
        int status = -1;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "mode %d: the child", (int)mode);
        /* What the child did has left the parent's alone. */
        tw_call_later_ns(wheel, 2 * MS, count, NULL);
        update();
        turn_until_called(3);
        end();
    }
}

/* ------------------------------------------------------------------- bad input */

Test(adapter, null_is_refused)
{
    begin(WITH_FD);
    errno = 0;
    cr_assert_neq(outer.attach(NULL), 0);
    cr_assert_eq(errno, EINVAL);
    if (outer.attach_nothing) {
        errno = 0;
        cr_assert_neq(outer.attach_nothing(wheel), 0);
        cr_assert_eq(errno, EINVAL);
    }
    end();
}

Test(adapter, without_descriptors_it_is_not_attached)
{
    struct rlimit before, none;
#ifdef __SANITIZE_ADDRESS__
    if (strcmp(outer.name, "Boost.Asio") == 0)
        return; /* the check of C++ objects' types makes a pipe, and misjudges without one */
#endif
    begin(WITH_FD);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    errno = 0;
    int result = outer.attach(wheel), error = errno;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    cr_assert_neq(result, 0);
    cr_assert_eq(error, EMFILE);
    tw_call_soon(wheel, count, NULL);
    attach();
    turn_until_called(1);
    end();
}
