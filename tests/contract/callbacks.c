/* SPDX-License-Identifier: MIT */
/* Promise 11: from inside a callback every call is allowed, but freeing the
 * loop and running it. And promise 12, as far as loops of several threads go. */
#include "support.h"

#include <pthread.h>

static tw_loop *the_loop;

static void run_the_loop(void *id)
{
    record(id);
    errno = 0;
    cr_assert_eq(tw_run(the_loop), 0);
    cr_assert_eq(errno, EBUSY);
    errno = 0;
    cr_assert_eq(tw_run_max(the_loop, 1), 0);
    cr_assert_eq(errno, EBUSY);
    errno = 0;
    cr_assert_eq(tw_run_for_ns(the_loop, SECOND), 0);
    cr_assert_eq(errno, EBUSY);
    errno = 0;
    cr_assert_eq(tw_run_forever(the_loop), -1);
    cr_assert_eq(errno, EBUSY);
    errno = 0;
    cr_assert_eq(tw_advance(the_loop, clock_ns + DAY), 0);
    cr_assert_eq(errno, EBUSY);
}

static void free_the_loop(void *id)
{
    record(id);
    errno = 0;
    tw_loop_free(the_loop);
    cr_assert_eq(errno, EBUSY);
}

Test(callbacks, running_the_loop_is_refused)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, run_the_loop, ID(3));
    tw_call_soon(the_loop, run_the_loop, ID(1));
    tw_call_at_ns(the_loop, START + 1, run_the_loop, ID(2));
    tw_timer_start_at_ns(the_loop, &timer, START + 2);
    tw_call_at_ns(the_loop, START + 3, record, ID(4));
    cr_assert_eq(run_at(the_loop, START + SECOND), 4);
    expect_fired(1, 2, 3, 4);
    cr_assert_eq(tw_now_ns(the_loop), START + SECOND);
    check_loop(the_loop);
    loop_free(the_loop);
}

Test(callbacks, freeing_the_loop_is_refused)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, free_the_loop, ID(3));
    tw_call_soon(the_loop, free_the_loop, ID(1));
    tw_call_at_ns(the_loop, START + 1, free_the_loop, ID(2));
    tw_timer_start_at_ns(the_loop, &timer, START + 2);
    tw_call_at_ns(the_loop, START + 3, record, ID(4));
    cr_assert_eq(run_at(the_loop, START + SECOND), 4);
    expect_fired(1, 2, 3, 4);
    tw_call_later(the_loop, 1, record, ID(5));
    cr_assert_eq(run_at(the_loop, START + 2 * SECOND), 1);
    loop_free(the_loop);
}

Test(callbacks, loop_runs_and_is_freed_again_after_a_refusal)
{
    the_loop = loop_new();
    tw_call_soon(the_loop, run_the_loop, ID(1));
    cr_assert_eq(tw_run(the_loop), 1);
    tw_call_soon(the_loop, record, ID(2));
    cr_assert_eq(tw_run(the_loop), 1);
    expect_fired(1, 2);
    loop_free(the_loop);
}

static tw_handle pending_call;
static tw_timer pending_timer, parked_timer;

/* Every function of the header that is allowed. */
static void call_everything(void *id)
{
    tw_timer local;

    record(id);
    cr_assert_eq(tw_time_ns(the_loop), clock_ns);
    cr_assert_lt(fabs(tw_time(the_loop) - (double)clock_ns / 1e9), 1e-6);
    cr_assert_eq(tw_now_ns(the_loop), clock_ns);
    tw_handle soon = tw_call_soon(the_loop, record, ID(10));
    tw_handle later = tw_call_later(the_loop, 1.0, record, ID(11));
    tw_handle at = tw_call_at_ns(the_loop, clock_ns + 2 * SECOND, record, ID(12));
    tw_handle every = tw_call_every(the_loop, 3.0, record, ID(13));
    cr_assert(soon && later && at && every);
    cr_assert(tw_cancel(the_loop, every));
    cr_assert(tw_reschedule_later(the_loop, pending_call, 4.0));
    cr_assert(tw_pending(the_loop, pending_call));
    cr_assert_eq(tw_when_ns(the_loop, pending_call), clock_ns + 4 * SECOND);
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &pending_timer, 5 * SECOND), 0);
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &parked_timer, 6 * SECOND), 0);
    tw_timer_init(&local, record, ID(99));
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &local, 0), 0);
    tw_timer_park(the_loop, &local);
    tw_timer_stop(the_loop, &local);
    cr_assert_leq(tw_next_ns(the_loop), clock_ns);
    cr_assert_eq(tw_timeout_ms(the_loop), 0);
    cr_assert_eq(tw_reserve(the_loop, 10000), 0);
    cr_assert_eq(tw_reserve_embedded(the_loop, 20000), 0);
    cr_assert_eq(stats_of(the_loop).pending, tw_pending_count(the_loop));
    tw_context_set(the_loop, tw_context_current(the_loop));
    check_loop(the_loop);
}

static void prepare_to_call_everything(void)
{
    the_loop = loop_new();
    pending_call = tw_call_later(the_loop, 50.0, record, ID(1));
    tw_timer_init(&pending_timer, record, ID(2));
    tw_timer_init(&parked_timer, record, ID(3));
    tw_timer_start_later_ns(the_loop, &pending_timer, 50 * SECOND);
    tw_timer_start_later_ns(the_loop, &parked_timer, SECOND);
    tw_timer_park(the_loop, &parked_timer);
}

static void finish_calling_everything(void)
{
    for (uint64_t second = 0; second <= 6; second++) {
        run_at(the_loop, clock_ns + SECOND);
    }
    expect_fired(0, 10, 11, 12, 1, 2, 3);
    loop_free(the_loop);
}

Test(callbacks, timer_callback_may_call_everything)
{
    prepare_to_call_everything();
    tw_call_later_ns(the_loop, 10 * MS, call_everything, ID(0));
    run_at(the_loop, START + 10 * MS);
    finish_calling_everything();
}

Test(callbacks, soon_callback_may_call_everything)
{
    prepare_to_call_everything();
    tw_call_soon(the_loop, call_everything, ID(0));
    tw_run(the_loop);
    finish_calling_everything();
}

Test(callbacks, embedded_callback_may_call_everything)
{
    tw_timer timer;

    prepare_to_call_everything();
    tw_timer_init(&timer, call_everything, ID(0));
    tw_timer_start_later_ns(the_loop, &timer, 10 * MS);
    run_at(the_loop, START + 10 * MS);
    finish_calling_everything();
}

static tw_loop *other_loop;

static void run_and_free_another_loop(void *id)
{
    record(id);
    cr_assert_eq(tw_run(other_loop), 1);
    tw_loop_free(other_loop);
    other_loop = loop_new();
    tw_call_soon(other_loop, record, ID(20));
    cr_assert_eq(tw_run(other_loop), 1);
}

Test(callbacks, another_loop_may_be_run_freed_and_made)
{
    the_loop = loop_new();
    other_loop = loop_new();
    tw_call_soon(other_loop, record, ID(10));
    tw_call_soon(the_loop, run_and_free_another_loop, ID(1));
    tw_call_soon(the_loop, record, ID(2));
    cr_assert_eq(tw_run(the_loop), 2);
    expect_fired(1, 10, 20, 2);
    tw_loop_free(other_loop);
    loop_free(the_loop);
}

/* A callback that starts so many that all the structures grow under the run. */
static void start_thousands(void *id)
{
    for (uintptr_t i = 0; i < 20000; i++) {
        uint64_t when_ns = clock_ns + i % 97 * MS;
        size_t number = ledger_add(when_ns);
        REQUIRE(tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(number)) != 0, "%d", errno);
    }
    ledger_fire(id);
}

Test(callbacks, structures_may_grow_while_a_run_is_under_way)
{
    the_loop = loop_new();
    for (int i = 0; i < 3; i++) {
        tw_call_at_ns(the_loop, START + 5, start_thousands, ID(ledger_add(START + 5)));
        tw_call_at_ns(the_loop, START + 5, ledger_fire, ID(ledger_add(START + 5)));
    }
    cr_assert_eq(ledger_run_at(the_loop, START + MS), 6);
    check_loop(the_loop);
    for (uint64_t i = 1; i < 100; i++) {
        ledger_run_at(the_loop, START + i * MS);
    }
    cr_assert_eq(ledger_pending(), 0);
    loop_free(the_loop);
}

/* ------------------------------------------------------------------ threads */

typedef struct worker {
    tw_loop *loop;
    uint64_t now_ns;
    uint64_t seed;
    size_t started, calls;
} worker;

static uint64_t worker_clock(void *arg)
{
    return ((worker *)arg)->now_ns;
}

static void worker_callback(void *arg)
{
    ((worker *)arg)->calls++;
}

static void *work(void *arg)
{
    worker *self = arg;
    tw_options options = {.size = sizeof(options), .clock = worker_clock, .clock_arg = self};

    self->loop = tw_loop_new(&options);
    for (int i = 0; i < 20000; i++) {
        uint64_t delay_ns = random_below(&self->seed, MINUTE);
        self->started += tw_call_later_ns(self->loop, delay_ns, worker_callback, self) != 0;
        self->now_ns += random_below(&self->seed, 10 * MS);
        tw_run(self->loop);
    }
    self->now_ns += MINUTE;
    tw_run(self->loop);
    tw_loop_free(self->loop);
    return NULL;
}

Test(threads, loops_of_different_threads_share_nothing)
{
    worker workers[4];
    pthread_t threads[4];

    for (uint64_t i = 0; i < 4; i++) {
        workers[i] = (worker){.seed = i};
        cr_assert_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(workers[i].started, 20000);
        cr_assert_eq(workers[i].calls, 20000);
    }
}
