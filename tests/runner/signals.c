/* SPDX-License-Identifier: MIT */
/* Signals that arrive while the loop sleeps. */
#define _DEFAULT_SOURCE

#include <signal.h>
#include <stdatomic.h>

#include "support.h"

static atomic_uint handled;

static void handle(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
}

static void install_handler(void)
{
    struct sigaction action = {.sa_handler = handle}; /* without SA_RESTART */
    cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
}

struct storm {
    pthread_t target;
    tw_loop *loop;
    unsigned signals;
};

/* Each signal is handled before the next is sent, so that none is merged. */
static void *send_signals(void *arg)
{
    struct storm *storm = arg;
    for (unsigned i = 0; i < storm->signals; i++) {
        pthread_kill(storm->target, SIGUSR1);
        while (atomic_load(&handled) <= i)
            sleep_ns(10 * US);
    }
    tw_call_soon_threadsafe(storm->loop, stop, storm->loop);
    return NULL;
}

Test(signals, do_not_end_tw_run_forever)
{
    install_handler();
    struct storm storm = {pthread_self(), loop_new(), 500};
    pthread_t thread = thread_start(send_signals, &storm);
    cr_assert_eq(tw_run_forever(storm.loop), 0);
    thread_join(thread);
    cr_assert_eq(atomic_load(&handled), 500);
    loop_free(storm.loop);
}

struct alarm {
    tw_loop *loop;
    uint64_t deadline_ns;
};

static void expect_not_early(void *arg)
{
    struct alarm *alarm = arg;
    cr_assert_geq(tw_time_ns(alarm->loop), alarm->deadline_ns);
    tw_stop(alarm->loop);
}

static void *send_until_told(void *arg)
{
    struct storm *storm = arg;
    while (atomic_load(&handled) < storm->signals) {
        pthread_kill(storm->target, SIGUSR1);
        sleep_ns(100 * US);
    }
    return NULL;
}

Test(signals, do_not_make_a_timer_early)
{
    install_handler();
    struct storm storm = {pthread_self(), loop_new(), 100};
    struct alarm alarm = {storm.loop, tw_time_ns(storm.loop) + 50 * MS};
    tw_call_at_ns(storm.loop, alarm.deadline_ns, expect_not_early, &alarm);
    pthread_t thread = thread_start(send_until_told, &storm);
    cr_assert_eq(tw_run_forever(storm.loop), 0);
    thread_join(thread);
    loop_free(storm.loop);
}

/* A signal handler may send a post: the way to end a program in good order. */
static tw_loop *loop_to_stop;
static tw_post stop_post;

static void stop_by_post(int number)
{
    (void)number;
    tw_post_send(loop_to_stop, &stop_post);
}

static void *kill_later(void *arg)
{
    pthread_t *target = arg;
    sleep_ns(MS);
    pthread_kill(*target, SIGUSR1);
    return NULL;
}

Test(signals, a_handler_may_stop_the_loop_by_a_post)
{
    struct sigaction action = {.sa_handler = stop_by_post, .sa_flags = SA_RESTART};
    pthread_t self = pthread_self();
    loop_to_stop = loop_new();
    tw_post_init(&stop_post, stop, loop_to_stop);
    cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
    for (size_t i = 0; i < 100; i++) {
        pthread_t thread = thread_start(kill_later, &self);
        cr_assert_eq(tw_run_forever(loop_to_stop), 0);
        thread_join(thread);
    }
    loop_free(loop_to_stop);
}

/* Signals that come at any moment, also in the middle of a post: what they send
 * arrives all the same. */
static atomic_uint sent;
static size_t arrived;
static tw_post signal_post;

static void send_post(int number)
{
    (void)number;
    atomic_fetch_add(&sent, 1);
    tw_post_send(loop_to_stop, &signal_post);
}

static void note(void *unused)
{
    (void)unused;
    arrived = atomic_load(&sent);
}

static void *post_and_be_interrupted(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < (SLOW ? 2000 : 20000); i++)
        tw_call_soon_threadsafe(loop_to_stop, note, NULL);
    return NULL;
}

Test(signals, may_interrupt_a_thread_that_posts)
{
    struct sigaction action = {.sa_handler = send_post, .sa_flags = SA_RESTART};
    loop_to_stop = loop_new();
    tw_post_init(&signal_post, note, NULL);
    cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
    pthread_t thread = thread_start(post_and_be_interrupted, NULL);
    for (size_t i = 0; i < 200; i++) {
        pthread_kill(thread, SIGUSR1);
        tw_run(loop_to_stop);
    }
    thread_join(thread);
    tw_run(loop_to_stop);
    arrived = 0;
    raise(SIGUSR1);
    cr_assert_eq(tw_run(loop_to_stop), 1);
    cr_assert_eq(arrived, atomic_load(&sent));
    loop_free(loop_to_stop);
}
