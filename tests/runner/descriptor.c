/* SPDX-License-Identifier: MIT */
/* tw_fd in an outer epoll: readable exactly when a run would do something. */
#define _DEFAULT_SOURCE

#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "loop.h"
#include "support.h"

struct outer {
    tw_loop *loop;
    int epoll;
    size_t calls;
};

static void begin(struct outer *outer, tw_loop *loop)
{
    *outer = (struct outer){.loop = loop, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct epoll_event event = {.events = EPOLLIN};
    int fd = tw_fd(loop);
    cr_assert_geq(fd, 0);
    cr_assert_eq(tw_fd(loop), fd, "every call answers the same");
    cr_assert_eq(epoll_ctl(outer->epoll, EPOLL_CTL_ADD, fd, &event), 0);
    const char *broken = tw_check(loop);
    cr_assert_null(broken, "%s", broken ? broken : "");
}

static void end(struct outer *outer)
{
    loop_free(outer->loop);
    close(outer->epoll);
}

static bool readable(const struct outer *outer)
{
    struct epoll_event event;
    return epoll_wait(outer->epoll, &event, 1, 0) == 1;
}

/* Waits until it is, for ever if need be. */
static void await(const struct outer *outer)
{
    struct epoll_event event;
    int ready;
    do /* a process that was stopped and goes on is interrupted */
        ready = epoll_wait(outer->epoll, &event, 1, -1);
    while (ready < 0 && errno == EINTR);
    cr_assert_eq(ready, 1);
}

/* Runs whenever it is readable until `calls` have been made, which must not be
 * before the deadline. Answers how often it was readable. */
static size_t run_until(struct outer *outer, size_t calls, uint64_t deadline_ns)
{
    size_t wakes = 0;
    while (outer->calls < calls) {
        await(outer);
        wakes++;
        tw_run(outer->loop);
    }
    cr_assert_eq(outer->calls, calls);
    cr_assert_geq(tw_time_ns(outer->loop), deadline_ns, "early");
    return wakes;
}

Test(descriptor, of_an_idle_loop_is_not_readable)
{
    struct outer outer;
    begin(&outer, loop_new());
    cr_assert_not(readable(&outer));
    tw_run(outer.loop);
    cr_assert_not(readable(&outer));
    tw_call_later_ns(outer.loop, HOUR, count, &outer.calls);
    cr_assert_not(readable(&outer));
    tw_run(outer.loop);
    cr_assert_not(readable(&outer));
    end(&outer);
}

Test(descriptor, is_readable_when_a_timer_is_due_and_not_after_its_run)
{
    struct outer outer;
    begin(&outer, loop_new());
    for (size_t i = 1; i <= 10; i++) {
        uint64_t deadline_ns = tw_time_ns(outer.loop) + 2 * MS;
        tw_call_at_ns(outer.loop, deadline_ns, count, &outer.calls);
        cr_assert_eq(run_until(&outer, i, deadline_ns), 1, "one wake-up for one timer");
        cr_assert_not(readable(&outer));
    }
    end(&outer);
}

Test(descriptor, knows_what_was_pending_when_it_was_made)
{
    struct outer outer;
    tw_loop *loop = loop_new();
    size_t calls = 0;
    tw_call_soon(loop, count, &calls);
    begin(&outer, loop);
    cr_assert(readable(&outer));
    cr_assert_eq(tw_run(loop), 1);
    cr_assert_not(readable(&outer));
    tw_call_soon_threadsafe(loop, count, &calls);
    cr_assert(readable(&outer));
    end(&outer);
}

/* With a loop that has let time pass before, and timers due soon and in an hour. */
static tw_loop *begin_after_a_run(struct outer *outer, tw_timer timers[2])
{
    tw_loop *loop = loop_new();
    tw_run(loop);
    for (size_t i = 0; i < 2; i++) {
        tw_timer_init(&timers[i], count, &outer->calls);
        cr_assert_eq(tw_timer_start_later_ns(loop, &timers[i], i == 0 ? 20 * MS : HOUR), 0);
    }
    begin(outer, loop);
    return loop;
}

/* A loop that nobody awaited let time pass without looking at its alarm. */
Test(descriptor, is_kept_by_runs_that_have_only_timers_to_fire)
{
    struct outer outer;
    tw_timer timers[2];
    begin_after_a_run(&outer, timers);
    uint64_t first_ns = tw_timer_when_ns(&timers[0]);
    run_until(&outer, 1, first_ns);
    cr_assert_not(readable(&outer));
    end(&outer);
}

/* The same, and the timer that the alarm is set for is stopped. */
Test(descriptor, is_quiet_after_a_needless_wakeup_of_a_loop_that_let_time_pass)
{
    struct outer outer;
    tw_timer timers[2];
    tw_loop *loop = begin_after_a_run(&outer, timers);
    tw_timer_stop(loop, &timers[0]);
    await(&outer);
    cr_assert_eq(tw_run(loop), 0);
    cr_assert_not(readable(&outer));
    end(&outer);
}

Test(descriptor, is_readable_at_once_for_what_is_due_at_once)
{
    struct outer outer;
    begin(&outer, loop_new());
    tw_timer timer;
    tw_timer_init(&timer, count, &outer.calls);
    for (size_t i = 0; i < 3; i++) {
        tw_call_soon(outer.loop, count, &outer.calls);
        cr_assert(readable(&outer));
        cr_assert_eq(tw_run(outer.loop), 1);
        cr_assert_not(readable(&outer));
        tw_call_at(outer.loop, 0, count, &outer.calls);
        cr_assert(readable(&outer));
        cr_assert_eq(tw_run(outer.loop), 1);
        cr_assert_not(readable(&outer));
        tw_timer_start_at_ns(outer.loop, &timer, 1);
        cr_assert(readable(&outer));
        cr_assert_eq(tw_run(outer.loop), 1);
        cr_assert_not(readable(&outer));
    }
    end(&outer);
}

Test(descriptor, stays_readable_while_a_cut_run_has_left_something)
{
    struct outer outer;
    begin(&outer, loop_new());
    for (size_t i = 0; i < 3; i++) {
        tw_call_soon(outer.loop, count, &outer.calls);
        tw_call_at(outer.loop, 0, count, &outer.calls);
        tw_call_soon_threadsafe(outer.loop, count, &outer.calls);
    }
    for (size_t i = 1; i <= 9; i++) {
        cr_assert(readable(&outer));
        cr_assert_eq(tw_run_max(outer.loop, 1), 1);
    }
    cr_assert_not(readable(&outer));
    end(&outer);
}

/* Every way to make something due before the present alarm. */
static void start_at(struct outer *outer, tw_timer *timer, tw_handle far, int way,
                     uint64_t when_ns)
{
    switch (way) {
    case 0: tw_call_at_ns(outer->loop, when_ns, count, &outer->calls); break;
    case 1: tw_timer_start_at_ns(outer->loop, timer, when_ns); break;
    case 2: /* one that is active and moves closer */
        tw_timer_start_at_ns(outer->loop, timer, when_ns + 2 * HOUR);
        tw_timer_start_at_ns(outer->loop, timer, when_ns);
        break;
    case 3: /* one that was parked, in a place from before */
        tw_timer_start_at_ns(outer->loop, timer, when_ns - 50 * US);
        tw_timer_park(outer->loop, timer);
        tw_run(outer->loop); /* the alarm is for what is an hour away, or rings in vain */
        tw_timer_start_at_ns(outer->loop, timer, when_ns);
        break;
    case 4: tw_reschedule_at_ns(outer->loop, far, when_ns); break;
    case 5: /* in the slot of a cancelled call */
        tw_cancel(outer->loop, tw_call_at_ns(outer->loop, when_ns - 50 * US, count, NULL));
        tw_call_at_ns(outer->loop, when_ns, count, &outer->calls);
        break;
    default: /* periodic */
        tw_call_every_ns(outer->loop, 5 * MS, count, &outer->calls);
    }
}

Test(descriptor, a_start_before_the_next_deadline_is_not_overslept)
{
    for (int way = 0; way <= 6; way++) {
        struct outer outer;
        tw_timer timer;
        begin(&outer, loop_new());
        tw_timer_init(&timer, count, &outer.calls);
        tw_handle far = tw_call_later_ns(outer.loop, HOUR, count, &outer.calls);
        cr_assert_not(readable(&outer));
        uint64_t when_ns = tw_time_ns(outer.loop) + 5 * MS;
        start_at(&outer, &timer, far, way, when_ns);
        run_until(&outer, 1, when_ns);
        end(&outer);
    }
}

Test(descriptor, starts_behind_the_next_deadline_cost_no_system_call)
{
    struct outer outer;
    static tw_timer timers[1000];
    begin(&outer, loop_new());
    tw_call_later_ns(outer.loop, HOUR, count, &outer.calls);
    uint64_t alarms = stats_of(outer.loop).alarms;
    cr_assert_eq(alarms, 1);
    for (size_t i = 0; i < 1000; i++) {
        tw_timer_init(&timers[i], count, &outer.calls);
        tw_timer_start_later_ns(outer.loop, &timers[i], 2 * HOUR);
        tw_timer_start_later_ns(outer.loop, &timers[i], 3 * HOUR);
        tw_timer_park(outer.loop, &timers[i]);
        tw_timer_start_later_ns(outer.loop, &timers[i], 2 * HOUR);
        tw_cancel(outer.loop, tw_call_later_ns(outer.loop, 2 * HOUR, count, NULL));
        tw_run(outer.loop);
    }
    cr_assert_eq(stats_of(outer.loop).alarms, alarms);
    end(&outer);
}

Test(descriptor, a_later_deadline_costs_one_needless_wakeup_at_most)
{
    struct outer outer;
    tw_timer timer;
    begin(&outer, loop_new());
    tw_timer_init(&timer, count, &outer.calls);
    tw_timer_start_later_ns(outer.loop, &timer, 3 * MS);
    uint64_t when_ns = tw_time_ns(outer.loop) + 20 * MS;
    tw_timer_start_at_ns(outer.loop, &timer, when_ns);
    cr_assert_leq(run_until(&outer, 1, when_ns), 2);
    cr_assert_not(readable(&outer));
    end(&outer);
}

Test(descriptor, a_cancelled_deadline_costs_one_needless_wakeup_at_most)
{
    struct outer outer;
    begin(&outer, loop_new());
    tw_cancel(outer.loop, tw_call_later_ns(outer.loop, 2 * MS, count, &outer.calls));
    await(&outer); /* the alarm that was set for it */
    cr_assert_eq(tw_run(outer.loop), 0);
    sleep_ns(5 * MS);
    cr_assert_not(readable(&outer));
    end(&outer);
}

static void fill_up(void *arg)
{
    struct outer *outer = arg;
    for (size_t i = 0; i < 100; i++)
        tw_call_later_ns(outer->loop, 5 * MS - i, count, &outer->calls);
}

Test(descriptor, is_armed_once_for_all_that_a_run_starts)
{
    struct outer outer;
    begin(&outer, loop_new());
    tw_call_soon(outer.loop, fill_up, &outer);
    uint64_t alarms = stats_of(outer.loop).alarms;
    tw_run(outer.loop);
    /* None, if all are due by the end of the run: under valgrind, say. */
    cr_assert_leq(stats_of(outer.loop).alarms, alarms + 1);
    run_until(&outer, 100, 0);
    end(&outer);
}

Test(descriptor, may_come_later_by_the_slack_but_not_for_soon_calls)
{
    tw_options options = {.size = sizeof options, .slack_ns = HOUR};
    struct outer outer;
    begin(&outer, tw_loop_new(&options));
    tw_call_later_ns(outer.loop, MS, count, &outer.calls);
    sleep_ns(3 * MS);
    cr_assert_not(readable(&outer));
    tw_call_soon(outer.loop, count, &outer.calls);
    cr_assert(readable(&outer));
    cr_assert_eq(tw_run(outer.loop), 2, "and the timer that is due goes along");
    cr_assert_not(readable(&outer));
    end(&outer);
}

Test(descriptor, is_readable_for_what_is_due_whatever_the_slack)
{
    tw_options options = {.size = sizeof options, .slack_ns = HOUR};
    struct outer outer;
    begin(&outer, tw_loop_new(&options));
    tw_call_at(outer.loop, 0, count, &outer.calls);
    cr_assert(readable(&outer));
    tw_call_at(outer.loop, 0, count, &outer.calls);
    cr_assert_eq(tw_run_max(outer.loop, 1), 1);
    cr_assert(readable(&outer), "one is left");
    cr_assert_eq(tw_run(outer.loop), 1);
    cr_assert_not(readable(&outer));
    end(&outer);
}

Test(descriptor, keeps_to_the_cap_of_pending_timers)
{
    tw_options options = {.size = sizeof options, .max_pending = 2};
    struct outer outer;
    begin(&outer, tw_loop_new(&options));
    tw_timer timer;
    tw_timer_init(&timer, count, &outer.calls);
    cr_assert_eq(tw_timer_start_later_ns(outer.loop, &timer, HOUR), 0);
    cr_assert_neq(tw_call_later_ns(outer.loop, 1, count, &outer.calls), 0);
    errno = 0;
    cr_assert_eq(tw_call_later_ns(outer.loop, HOUR, count, &outer.calls), 0);
    cr_assert_eq(errno, ENOBUFS);
    run_until(&outer, 1, 0);
    tw_timer_park(outer.loop, &timer);
    cr_assert_eq(tw_timer_start_later_ns(outer.loop, &timer, 1), 0, "a parked one counts not");
    run_until(&outer, 2, 0);
    end(&outer);
}

/* ---------------------------------------------------------------- other threads */

static void *post_thousand(void *arg)
{
    struct outer *outer = arg;
    for (size_t i = 0; i < 1000; i++)
        tw_call_soon_threadsafe(outer->loop, count, &outer->calls);
    return NULL;
}

Test(descriptor, a_thousand_posts_wake_once)
{
    struct outer outer;
    begin(&outer, loop_new());
    thread_join(thread_start(post_thousand, &outer));
    uint64_t wakes = 0;
    int wake_fd = outer.loop->runner.backend.wake_fd;
    cr_assert_eq(read(wake_fd, &wakes, sizeof wakes), (ssize_t)sizeof wakes);
    cr_assert_eq(wakes, 1);
    cr_assert_eq(write(wake_fd, &wakes, sizeof wakes), (ssize_t)sizeof wakes); /* as it was */
    cr_assert(readable(&outer));
    cr_assert_eq(tw_run(outer.loop), 1000);
    cr_assert_not(readable(&outer));
    end(&outer);
}

Test(descriptor, is_woken_by_posts_of_a_running_thread)
{
    struct outer outer;
    begin(&outer, loop_new());
    for (size_t i = 1; i <= 50; i++) {
        pthread_t thread = thread_start(post_thousand, &outer);
        while (outer.calls < i * 1000) {
            await(&outer);
            tw_run(outer.loop);
        }
        thread_join(thread);
        /* A wake-up may have come after the posts it was for. */
        tw_run(outer.loop);
        cr_assert_not(readable(&outer));
    }
    end(&outer);
}

/* A wake-up that is claimed but not yet written when the run looks for it. */
Test(descriptor, a_late_wakeup_is_taken_away_by_a_later_run)
{
    struct outer outer;
    begin(&outer, loop_new());
    cr_assert_eq(post_push(&outer.loop->posts, count, &outer.calls), 1, "it is for us to wake");
    cr_assert_eq(tw_run(outer.loop), 1);
    cr_assert_not(readable(&outer));
    cr_assert_eq(post_push(&outer.loop->posts, count, &outer.calls), 0, "a wake-up is on its way");
    backend_wake(&outer.loop->runner.backend);
    cr_assert(readable(&outer));
    cr_assert_eq(tw_run(outer.loop), 1);
    cr_assert_not(readable(&outer));
    cr_assert_eq(post_push(&outer.loop->posts, count, &outer.calls), 1);
    backend_wake(&outer.loop->runner.backend);
    cr_assert_eq(tw_run(outer.loop), 1);
    cr_assert_not(readable(&outer));
    end(&outer);
}

/* Something is due at once, and somebody has claimed to wake the loop: there is no need
 * to do it a second time, and the mark of that would be one too many. */
Test(descriptor, is_not_made_readable_by_a_start_when_a_wakeup_is_on_its_way)
{
    struct outer outer;
    begin(&outer, loop_new());
    cr_assert_eq(post_push(&outer.loop->posts, count, &outer.calls), 1, "it is for us to wake");
    tw_call_soon(outer.loop, count, &outer.calls);
    cr_assert_not(readable(&outer));
    backend_wake(&outer.loop->runner.backend);
    cr_assert(readable(&outer));
    cr_assert_eq(tw_run(outer.loop), 2);
    cr_assert_not(readable(&outer));
    end(&outer);
}

Test(descriptor, is_not_made_readable_by_a_cut_run_when_a_wakeup_is_on_its_way)
{
    struct outer outer;
    begin(&outer, loop_new());
    for (size_t i = 0; i < 3; i++)
        tw_call_soon(outer.loop, count, &outer.calls);
    tw_run_max(outer.loop, 2);
    cr_assert_eq(tw_run(outer.loop), 1); /* it sleeps, with nothing to do */
    cr_assert_eq(post_push(&outer.loop->posts, count, &outer.calls), 1, "it is for us to wake");
    for (size_t i = 0; i < 3; i++)
        tw_call_soon(outer.loop, count, &outer.calls);
    cr_assert_eq(tw_run_max(outer.loop, 1), 1);
    cr_assert_not(readable(&outer));
    backend_wake(&outer.loop->runner.backend);
    cr_assert(readable(&outer));
    cr_assert_eq(tw_run(outer.loop), 3);
    cr_assert_not(readable(&outer));
    end(&outer);
}

/* Takes the place of the C library's in this program. The loop sets its alarm
 * between its look at the queue and its sleep: the worst moment for a post. */
static tw_loop *post_while_arming;
static struct timespec last_alarm;

int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
    tw_loop *loop = post_while_arming;
    post_while_arming = NULL;
    last_alarm = new->it_value;
    if (loop)
        cr_assert_eq(tw_call_soon_threadsafe(loop, stop, loop), 0);
    return (int)syscall(SYS_timerfd_settime, fd, flags, new, old);
}

Test(descriptor, has_its_alarm_set_for_the_deadline_to_the_nanosecond)
{
    struct outer outer;
    begin(&outer, loop_new());
    uint64_t now_ns = tw_time_ns(outer.loop);
    /* Each before the last, or the alarm would be left as it is. */
    const uint64_t deadlines[] = {UINT64_C(1) << 62, now_ns + HOUR, now_ns + 7 * SECOND / 3 * 1000};
    tw_timer timer;
    tw_timer_init(&timer, count, &outer.calls);
    for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++) {
        cr_assert_eq(tw_timer_start_at_ns(outer.loop, &timer, deadlines[i]), 0);
        tw_run(outer.loop);
        if (sizeof(time_t) == 8) {
            cr_assert_eq((uint64_t)last_alarm.tv_sec, deadlines[i] / SECOND);
            cr_assert_eq((uint64_t)last_alarm.tv_nsec, deadlines[i] % SECOND);
        }
    }
    tw_timer_stop(outer.loop, &timer);
    end(&outer);
}

Test(descriptor, a_post_just_before_the_sleep_is_not_lost)
{
    tw_loop *loop = loop_new();
    tw_call_later_ns(loop, HOUR, stop, loop);
    post_while_arming = loop;
    cr_assert_eq(tw_run_forever(loop), 0);
    cr_assert_null(post_while_arming);
    cr_assert_eq(stats_of(loop).wakeups, 0, "it did not even sleep");

    struct outer outer;
    begin(&outer, loop);
    tw_call_soon(loop, fill_up, &outer);
    post_while_arming = loop;
    tw_run(loop);
    cr_assert_null(post_while_arming);
    cr_assert(readable(&outer));
    end(&outer);
}

/* ------------------------------------------------------- with tw_run_forever */

Test(descriptor, goes_on_after_tw_run_forever)
{
    struct outer outer;
    begin(&outer, loop_new());
    tw_call_later_ns(outer.loop, MS, count, &outer.calls);
    tw_call_later_ns(outer.loop, 2 * MS, stop, outer.loop);
    cr_assert_eq(tw_run_forever(outer.loop), 0);
    cr_assert_eq(outer.calls, 1);
    uint64_t when_ns = tw_time_ns(outer.loop) + 2 * MS;
    tw_call_at_ns(outer.loop, when_ns, count, &outer.calls);
    run_until(&outer, 2, when_ns);
    tw_call_soon(outer.loop, stop, outer.loop);
    tw_call_soon(outer.loop, count, &outer.calls);
    cr_assert_eq(tw_run_forever(outer.loop), 0);
    cr_assert_eq(outer.calls, 3);
    cr_assert_not(readable(&outer));
    end(&outer);
}

static jmp_buf back;

static void jump(void *arg)
{
    (void)arg;
    longjmp(back, 1);
}

Test(descriptor, goes_on_after_a_jump_out_of_tw_run_forever)
{
    struct outer outer;
    begin(&outer, loop_new());
    tw_call_soon(outer.loop, jump, NULL);
    if (setjmp(back) == 0) {
        tw_run_forever(outer.loop);
        cr_assert_fail("it did not jump");
    }
    tw_run(outer.loop);
    uint64_t when_ns = tw_time_ns(outer.loop) + 2 * MS;
    tw_call_at_ns(outer.loop, when_ns, count, &outer.calls);
    run_until(&outer, 1, when_ns);
    cr_assert_not(readable(&outer));
    end(&outer);
}

struct ping {
    tw_loop *loop;
    atomic_size_t answers;
};

static void answer(void *arg)
{
    struct ping *ping = arg;
    atomic_fetch_add(&ping->answers, 1);
}

static void *send_pings(void *arg)
{
    struct ping *ping = arg;
    for (size_t i = 1; i <= 1000; i++) {
        tw_call_soon_threadsafe(ping->loop, answer, ping);
        while (atomic_load(&ping->answers) < i)
            sched_yield();
    }
    tw_call_soon_threadsafe(ping->loop, stop, ping->loop);
    return NULL;
}

/* The eventfd is never read: its counter says how many have written. */
Test(descriptor, wakeups_of_tw_run_forever_are_told_of_once_and_leave_nothing_readable)
{
    struct outer outer;
    struct ping ping = {.loop = loop_new()};
    begin(&outer, ping.loop);
    pthread_t thread = thread_start(send_pings, &ping);
    cr_assert_eq(tw_run_forever(ping.loop), 0);
    thread_join(thread);
    tw_run(ping.loop); /* a wake-up may have come after the posts it was for */
    cr_assert_not(readable(&outer));
    uint64_t written = 0, wakeups = stats_of(ping.loop).wakeups;
    int wake_fd = ping.loop->runner.backend.wake_fd;
    if (wakeups > 0) {
        cr_assert_eq(read(wake_fd, &written, sizeof written), (ssize_t)sizeof written);
    }
    cr_assert_leq(wakeups, written);
    cr_assert_leq(written, wakeups + 1);
    cr_assert_not(readable(&outer));
    tw_call_soon_threadsafe(ping.loop, count, &outer.calls);
    cr_assert(readable(&outer));
    cr_assert_eq(tw_run(ping.loop), 1);
    cr_assert_not(readable(&outer));
    end(&outer);
}

/* Claimed while an outer poller awaits the loop, written while it drives itself,
 * and the other way about. */
Test(descriptor, a_late_wakeup_is_taken_away_though_the_loop_is_driven_otherwise_meanwhile)
{
    struct outer outer;
    begin(&outer, loop_new());
    tw_loop *loop = outer.loop;
    cr_assert_eq(post_push(&loop->posts, count, &outer.calls), 1, "it is for us to wake");
    cr_assert_eq(tw_run(loop), 1);
    backend_wake(&loop->runner.backend);
    tw_call_later_ns(loop, 5 * MS, stop, loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    cr_assert_leq(stats_of(loop).wakeups, 2);
    cr_assert_not(readable(&outer));

    cr_assert_eq(post_push(&loop->posts, stop, loop), 1);
    cr_assert_eq(tw_run_forever(loop), 0);
    cr_assert_not(readable(&outer));
    backend_wake(&loop->runner.backend);
    cr_assert(readable(&outer), "for a run that makes no calls");
    cr_assert_eq(tw_run(loop), 0);
    cr_assert_not(readable(&outer));
    end(&outer);
}

struct asking {
    tw_loop *loop;
    int fd;
    size_t calls;
};

static void ask_for_fd(void *arg)
{
    struct asking *asking = arg;
    asking->fd = tw_fd(asking->loop);
    tw_stop(asking->loop);
}

static void ask_and_start(void *arg)
{
    struct asking *asking = arg;
    asking->fd = tw_fd(asking->loop);
    tw_call_later_ns(asking->loop, 0, count, &asking->calls);
}

/* The run that looks at nothing but the wheel, too, sets the alarm when it is over. */
Test(descriptor, asked_for_inside_a_timers_callback_tells_of_what_is_started_then)
{
    struct asking asking = {.loop = loop_new(), .fd = -1};
    tw_run(asking.loop);
    tw_call_later_ns(asking.loop, 3 * MS, ask_and_start, &asking); /* in a tick to come */
    while (asking.fd < 0)
        tw_run(asking.loop);
    struct pollfd poller = {.fd = asking.fd, .events = POLLIN};
    cr_assert_eq(poll(&poller, 1, 0), 1);
    cr_assert_eq(tw_run(asking.loop), 1);
    cr_assert_eq(asking.calls, 1);
    loop_free(asking.loop);
}

Test(descriptor, may_be_asked_for_inside_a_callback)
{
    struct asking asking = {.loop = loop_new(), .fd = -1};
    tw_call_soon(asking.loop, ask_for_fd, &asking);
    tw_run(asking.loop);
    cr_assert_geq(asking.fd, 0);
    struct outer outer;
    begin(&outer, asking.loop);
    cr_assert_not(readable(&outer));
    tw_call_soon(outer.loop, ask_for_fd, &asking);
    cr_assert_eq(tw_run_forever(outer.loop), 0);
    cr_assert_not(readable(&outer));
    tw_call_soon(outer.loop, count, &outer.calls);
    cr_assert(readable(&outer));
    end(&outer);
}
