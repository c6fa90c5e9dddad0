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
