/* SPDX-License-Identifier: MIT */
/* Calls that other threads start and cancel: each meets one fate, none comes early, and
 * the loop is woken only for what is due before it would wake anyway. */
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "support.h"

/* ------------------------------------- memory that ends, and that is counted
 * The program is linked with --wrap=calloc and --wrap=free. */

static atomic_size_t slabs_made, slabs_refused;
static _Atomic(void *) slabs_held[16]; /* the first of them. Relaxed, or the thread sanitizer
                                          would see less */
static atomic_bool no_slabs;

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
    if (bytes == sizeof(struct remote_node)) {
        if (atomic_load(&no_slabs)) {
            atomic_fetch_add(&slabs_refused, 1);
            return NULL;
        }
        void *slab = __real_calloc(count, bytes);
        size_t nth = atomic_fetch_add(&slabs_made, 1);
        if (nth < 16)
            atomic_store_explicit(&slabs_held[nth], slab, memory_order_relaxed);
        return slab;
    }
    return __real_calloc(count, bytes);
}

void __real_free(void *block);
void __wrap_free(void *block);
void __wrap_free(void *block)
{
    for (size_t i = 0; block && i < 16; i++) {
        void *slab = block;
        atomic_compare_exchange_strong_explicit(&slabs_held[i], &slab, NULL, memory_order_relaxed,
                                                memory_order_relaxed);
    }
    __real_free(block);
}

static void await_sleep(const tw_loop *loop)
{
    while (atomic_load(&loop->posts.reader) != POST_ASLEEP)
        sleep_ns(50 * US);
}

static void stop_and_join(tw_loop *loop, pthread_t thread)
{
    cr_assert_eq(tw_call_soon_threadsafe(loop, stop, loop), 0);
    cr_assert_eq(runner_join(thread), 0);
}

/* ------------------------------------------------------------- starts and cancels
 *
 * Four threads start calls that are due within a ms, and cancel them at about the time
 * when they are due, every other one by tw_cancel_and_wait, and some of them those of
 * their neighbours. Whoever ends a call frees its job: at once, so that the address
 * sanitizer sees whatever the library does with it afterwards. */

enum { THREADS = 4, BATCH = 64, ROUNDS = SLOW ? 150 : 1500 };

struct worker {
    tw_loop *loop;
    struct worker *all;
    unsigned number;
    uint64_t chance;
    atomic_size_t fired, cancelled;
    _Atomic(tw_handle) handles[BATCH];
};

struct job {
    struct worker *worker;
    uint64_t due_ns;
};

static uint64_t now_ns(void)
{
    return backend_clock_ns(TW_CLOCK_MONOTONIC);
}

static uint64_t random_below(uint64_t *chance, uint64_t limit)
{
    *chance = *chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*chance >> 33) % limit;
}

static void fire_job(void *arg)
{
    struct job *job = arg;
    if (now_ns() < job->due_ns)
        abort();
    atomic_fetch_add(&job->worker->fired, 1);
    free(job);
}

static tw_handle start_job(struct worker *worker, struct job **out)
{
    struct job *job = malloc(sizeof *job);
    uint64_t delay_ns = random_below(&worker->chance, 4) ? random_below(&worker->chance, MS) : 0;
    *job = (struct job){worker, now_ns() + delay_ns};
    *out = job;
    tw_handle handle = random_below(&worker->chance, 2)
                           ? tw_call_later_threadsafe_ns(worker->loop, delay_ns, fire_job, job)
                           : tw_call_at_threadsafe_ns(worker->loop, job->due_ns, fire_job, job);
    if (!handle)
        abort();
    return handle;
}

/* Its own jobs: it is the only one that knows where they are. */
static void *start_and_cancel(void *arg)
{
    struct worker *worker = arg;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct job *jobs[BATCH];
        tw_handle handles[BATCH];
        for (size_t i = 0; i < BATCH; i++)
            handles[i] = start_job(worker, &jobs[i]);
        if (random_below(&worker->chance, 2))
            sleep_ns(random_below(&worker->chance, MS));
        for (size_t i = 0; i < BATCH; i++) {
            bool waits = i % 2;
            bool ended = waits ? tw_cancel_and_wait(worker->loop, handles[i])
                               : tw_cancel_threadsafe(worker->loop, handles[i]);
            if (ended) {
                atomic_fetch_add(&worker->cancelled, 1);
                free(jobs[i]);
            }
        }
    }
    return NULL;
}

static void workers_run(struct worker *workers, tw_loop *loop, void *(*work)(void *arg))
{
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].loop = loop;
        workers[i].all = workers;
        workers[i].number = i;
        workers[i].chance = i + 1;
        threads[i] = thread_start(work, &workers[i]);
    }
    for (size_t i = 0; i < THREADS; i++)
        thread_join(threads[i]);
}

/* The sum over all threads: a neighbour may have cancelled it. */
static void expect_one_fate(struct worker *workers, tw_loop *loop, size_t left)
{
    size_t fired = 0, cancelled = 0;
    for (size_t i = 0; i < THREADS; i++) {
        fired += atomic_load(&workers[i].fired);
        cancelled += atomic_load(&workers[i].cancelled);
    }
    cr_assert_eq(fired + cancelled + left, (size_t)THREADS * ROUNDS * BATCH);
    tw_stats stats = stats_of(loop);
    cr_assert_eq(stats.pending, left);
    cr_assert_eq(stats.cancelled, cancelled);
    cr_assert_eq(stats.started, stats.fired + stats.cancelled + stats.pending);
    printf("%zu fired, %zu cancelled\n", fired, cancelled);
}

Test(remote, calls_and_their_cancels_race_and_one_wins)
{
    static struct worker workers[THREADS];
    tw_loop *loop = loop_new();
    pthread_t runner = runner_start(loop);
    workers_run(workers, loop, start_and_cancel);
    stop_and_join(loop, runner);
    while (tw_pending_count(loop) > 0)
        tw_run(loop);
    expect_one_fate(workers, loop, 0);
    loop_free(loop);
}

/* The same, where the loop is run by hand, and adds timers and cancels of its own. */
struct hand {
    struct worker workers[THREADS];
    tw_loop *loop;
    atomic_bool done;
};

static void *run_by_hand(void *arg)
{
    struct hand *hand = arg;
    size_t calls = 0;
    for (size_t turn = 0; !atomic_load(&hand->done); turn++) {
        tw_handle own = tw_call_later_ns(hand->loop, turn % 3 * MS, count, &calls);
        tw_handle theirs = tw_call_later_threadsafe_ns(hand->loop, turn % 5 * MS, count, &calls);
        tw_reschedule_later_ns(hand->loop, theirs, turn % 2 * MS);
        tw_run_max(hand->loop, turn % 100);
        (void)tw_next_ns(hand->loop);
        for (size_t i = 0; i < THREADS; i++) {
            tw_handle of_another = atomic_load(&hand->workers[i].handles[turn % BATCH]);
            if (tw_pending(hand->loop, of_another))
                (void)tw_when_ns(hand->loop, of_another);
            if (turn % 7 == 0 && tw_cancel(hand->loop, of_another))
                atomic_fetch_add(&hand->workers[i].cancelled, 1);
        }
        tw_cancel(hand->loop, own);
        tw_cancel(hand->loop, theirs);
    }
    return NULL;
}

static void fire_shared_job(void *arg)
{
    struct worker *worker = arg;
    atomic_fetch_add(&worker->fired, 1);
}

/* Handles that all threads know: they cancel each other's, fresh and stale. */
static void *start_and_cancel_any(void *arg)
{
    struct worker *worker = arg;
    for (size_t i = 0; i < (size_t)ROUNDS * BATCH; i++) {
        uint64_t delay_ns = random_below(&worker->chance, 200 * US);
        tw_handle handle =
            tw_call_later_threadsafe_ns(worker->loop, delay_ns, fire_shared_job, worker);
        if (!handle)
            abort();
        atomic_store(&worker->handles[i % BATCH], handle);
        struct worker *other = &worker->all[random_below(&worker->chance, THREADS)];
        handle = atomic_load(&other->handles[random_below(&worker->chance, BATCH)]);
        if (handle && (i % 2 ? tw_cancel_threadsafe : tw_cancel_and_wait)(worker->loop, handle))
            atomic_fetch_add(&worker->cancelled, 1);
    }
    return NULL;
}

/* The same race beside a thread that runs the loop in its own way: every call ends once. */
static void race_beside(void *(*run_loop)(void *hand))
{
    static struct hand hand;
    hand.loop = loop_new();
    pthread_t runner = thread_start(run_loop, &hand);
    workers_run(hand.workers, hand.loop, start_and_cancel_any);
    atomic_store(&hand.done, true);
    thread_join(runner);
    cr_assert_eq(tw_loop_adopt(hand.loop), 0);
    while (tw_pending_count(hand.loop) > 0)
        tw_run(hand.loop);
    size_t ended = 0;
    for (size_t i = 0; i < THREADS; i++)
        ended += atomic_load(&hand.workers[i].fired) + atomic_load(&hand.workers[i].cancelled);
    cr_assert_eq(ended, (size_t)THREADS * ROUNDS * BATCH);
    loop_free(hand.loop);
}

Test(remote, handles_may_be_cancelled_by_any_thread_however_stale)
{
    race_beside(run_by_hand);
}

/* ---------------------------------------------------------------- waiting for it */

struct encounter {
    tw_loop *loop;
    tw_handle handle;
    sem_t begun, go_on;
    atomic_bool returned;
    atomic_int waited;
};

static void take_long(void *arg)
{
    struct encounter *encounter = arg;
    sem_post(&encounter->begun);
    sem_wait(&encounter->go_on);
    sleep_ns(MS);
    atomic_store(&encounter->returned, true);
}

static void *cancel_and_wait(void *arg)
{
    struct encounter *encounter = arg;
    if (tw_cancel_and_wait(encounter->loop, encounter->handle) ||
        !atomic_load(&encounter->returned))
        abort();
    atomic_fetch_add(&encounter->waited, 1);
    return NULL;
}

Test(remote, a_cancel_that_waits_comes_back_when_the_callback_has_returned)
{
    struct encounter encounter = {.loop = loop_new()};
    sem_init(&encounter.begun, 0, 0);
    sem_init(&encounter.go_on, 0, 0);
    pthread_t runner = runner_start(encounter.loop);
    for (size_t round = 0; round < 20; round++) {
        atomic_store(&encounter.returned, false);
        encounter.handle =
            tw_call_later_threadsafe_ns(encounter.loop, 0, take_long, &encounter);
        sem_wait(&encounter.begun);
        cr_assert_not(tw_cancel_threadsafe(encounter.loop, encounter.handle));
        cr_assert_not(atomic_load(&encounter.returned), "that one does not wait");
        pthread_t waiting[THREADS];
        for (size_t i = 0; i < THREADS; i++)
            waiting[i] = thread_start(cancel_and_wait, &encounter);
        if (round % 2)
            sleep_ns(MS);
        cr_assert_eq(atomic_load(&encounter.waited), (int)round * THREADS);
        sem_post(&encounter.go_on);
        for (size_t i = 0; i < THREADS; i++)
            thread_join(waiting[i]);
        cr_assert_not(tw_cancel_and_wait(encounter.loop, encounter.handle), "it is over");
    }
    stop_and_join(encounter.loop, runner);
    loop_free(encounter.loop);
}

/* On the loop's thread it would wait for ever: from inside the callback, and from
 * one that the callback has called. */
static void wait_for_itself(void *arg)
{
    struct encounter *encounter = arg;
    sem_wait(&encounter->go_on);
    if (tw_cancel_and_wait(encounter->loop, encounter->handle))
        abort();
    atomic_store(&encounter->returned, true);
}

Test(remote, a_cancel_never_waits_on_the_loops_own_thread)
{
    struct encounter encounter = {.loop = loop_new()};
    sem_init(&encounter.go_on, 0, 0);
    pthread_t runner = runner_start(encounter.loop);
    encounter.handle =
        tw_call_later_threadsafe_ns(encounter.loop, 0, wait_for_itself, &encounter);
    sem_post(&encounter.go_on);
    while (!atomic_load(&encounter.returned))
        sleep_ns(50 * US);
    stop_and_join(encounter.loop, runner);
    loop_free(encounter.loop);
}

/* --------------------------------------------------------------------- waking */

Test(remote, a_sleeping_loop_is_not_woken_for_what_is_due_later)
{
    tw_loop *loop = loop_new();
    size_t calls = 0;
    tw_call_later_ns(loop, HOUR, count, &calls);
    pthread_t runner = runner_start(loop);
    await_sleep(loop);
    tw_handle handles[1000];
    for (size_t i = 0; i < 1000; i++) {
        handles[i] = tw_call_later_threadsafe_ns(loop, 2 * HOUR + i, count, &calls);
        cr_assert_eq(atomic_load(&loop->posts.reader), POST_ASLEEP);
    }
    for (size_t i = 0; i < 1000; i += 2) {
        cr_assert(tw_cancel_threadsafe(loop, handles[i]));
        cr_assert_eq(atomic_load(&loop->posts.reader), POST_ASLEEP);
    }
    stop_and_join(loop, runner);
    cr_assert_eq(stats_of(loop).wakeups, 1, "the post that stops it");
    cr_assert_eq(calls, 0);
    cr_assert_eq(tw_pending_count(loop), 501);
    loop_free(loop);
}

Test(remote, a_sleeping_loop_is_woken_for_what_is_due_earlier)
{
    tw_loop *loop = loop_new();
    size_t calls = 0;
    tw_call_later_ns(loop, HOUR, count, &calls);
    pthread_t runner = runner_start(loop);
    await_sleep(loop);
    uint64_t due_ns = now_ns() + 5 * MS;
    cr_assert_neq(tw_call_at_threadsafe_ns(loop, due_ns, stop, loop), 0);
    cr_assert_eq(runner_join(runner), 0);
    cr_assert_geq(now_ns(), due_ns);
    cr_assert_leq(stats_of(loop).wakeups, 2, "to hear of it, and to make it");
    loop_free(loop);
}

Test(remote, slack_is_granted_before_a_loop_is_woken)
{
    tw_options options = {.size = sizeof options, .slack_ns = HOUR};
    tw_loop *loop = tw_loop_new(&options);
    size_t calls = 0;
    tw_call_later_ns(loop, HOUR, count, &calls);
    pthread_t runner = runner_start(loop);
    await_sleep(loop); /* until two hours from now */
    cr_assert_neq(tw_call_later_threadsafe_ns(loop, HOUR + HOUR / 2, count, &calls), 0);
    cr_assert_eq(atomic_load(&loop->posts.reader), POST_ASLEEP);
    cr_assert(post_has_arrivals(&loop->posts));
    cr_assert_neq(tw_call_later_threadsafe_ns(loop, HOUR / 2, count, &calls), 0);
    while (post_has_arrivals(&loop->posts)) /* woken, it takes both in */
        sleep_ns(50 * US);
    stop_and_join(loop, runner);
    loop_free(loop);
}

/* The loop sleeps past a timer that is due, since it may. */
Test(remote, slack_is_not_granted_to_what_is_due_when_it_is_started)
{
    tw_options options = {.size = sizeof options, .slack_ns = HOUR};
    tw_loop *loop = tw_loop_new(&options);
    size_t calls = 0;
    uint64_t due_ns = now_ns() + 5 * MS;
    tw_call_at_ns(loop, due_ns, count, &calls);
    pthread_t runner = runner_start(loop);
    await_sleep(loop);
    while (now_ns() <= due_ns)
        sleep_ns(MS);
    cr_assert_neq(tw_call_later_threadsafe_ns(loop, 0, stop, loop), 0);
    cr_assert_eq(runner_join(runner), 0); /* not an hour from now */
    cr_assert_eq(calls, 1);
    loop_free(loop);
}

Test(remote, memory_of_the_calls_goes_with_the_loop)
{
    enum { CALLS = 1000 };
    tw_loop *loop = loop_new();
    size_t calls = 0;
    for (size_t i = 0; i < CALLS; i++)
        cr_assert_neq(tw_call_later_threadsafe_ns(loop, HOUR, count, &calls), 0);
    cr_assert_geq(atomic_load(&slabs_made), 2);
    cr_assert_not_null(atomic_load(&slabs_held[0]));
    loop_free(loop);
    for (size_t i = 0; i < 16; i++)
        cr_assert_null(atomic_load(&slabs_held[i]));
}

/* Each finds the loop asleep, or about to be: a wake-up that is lost meets the test's
 * timeout. */
struct ping {
    tw_loop *loop;
    sem_t answered;
    size_t calls;
};

static void answer(void *arg)
{
    struct ping *ping = arg;
    sem_post(&ping->answered);
}

enum { PINGS = SLOW ? 2000 : 20000 };

Test(remote, a_loop_that_falls_asleep_is_woken_in_time)
{
    struct ping ping = {.loop = loop_new()};
    sem_init(&ping.answered, 0, 0);
    pthread_t runner = runner_start(ping.loop);
    tw_handle later = 0;
    for (size_t i = 0; i < PINGS; i++) {
        /* Due later, and cancelled unseen: the next is started in its place, linked. */
        if (i % 3 == 0)
            later = tw_call_later_threadsafe_ns(ping.loop, HOUR, count, &ping.calls);
        if (i % 3 < 2)
            tw_cancel_threadsafe(ping.loop, later);
        if (!tw_call_later_threadsafe_ns(ping.loop, i % 2 * 10 * US, answer, &ping))
            abort();
        sem_wait(&ping.answered);
    }
    stop_and_join(ping.loop, runner);
    cr_assert_leq(stats_of(ping.loop).wakeups, 2 * PINGS + 1);
    cr_assert_eq(ping.calls, 0);
    loop_free(ping.loop);
}

/* --------------------------------------------------------------------- memory */

enum { PAIRS = SLOW ? 100000 : 1000000 };

static void *start_and_cancel_pairs(void *arg)
{
    tw_loop *loop = arg;
    for (size_t i = 0; i < PAIRS; i++) {
        tw_handle handle = tw_call_later_threadsafe_ns(loop, 2 * HOUR, count, NULL);
        if (!handle || !tw_cancel_threadsafe(loop, handle))
            abort();
    }
    return NULL;
}

Test(remote, pairs_leave_the_memory_of_a_loop_that_sleeps_where_it_was)
{
    tw_loop *loop = loop_new();
    tw_call_later_ns(loop, HOUR, count, NULL);
    pthread_t runner = runner_start(loop), threads[THREADS];
    await_sleep(loop);
    size_t before = atomic_load(&slabs_made);
    for (size_t i = 0; i < THREADS; i++)
        threads[i] = thread_start(start_and_cancel_pairs, loop);
    for (size_t i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    cr_assert_eq(atomic_load(&loop->posts.reader), POST_ASLEEP);
    cr_assert_leq(atomic_load(&slabs_made) - before, 1 + THREADS, "threads may race for one");
    cr_assert_eq(atomic_load(&loop->remote.pool.slabs[1].used), 0, "64 nodes were enough");
    stop_and_join(loop, runner);
    cr_assert_eq(stats_of(loop).wakeups, 1);
    cr_assert_eq(tw_pending_count(loop), 1);
    loop_free(loop);
}

static void *start_due_and_cancel(void *arg)
{
    struct ping *ping = arg;
    for (size_t i = 0; i < PAIRS / 10; i++) {
        tw_handle handle = tw_call_later_threadsafe_ns(ping->loop, HOUR, count, &ping->calls);
        /* The loop has seen it when this one is answered. */
        bool seen = i % 16 == 0;
        if (seen && !tw_call_later_threadsafe_ns(ping->loop, 0, answer, ping))
            abort();
        if (seen)
            sem_wait(&ping->answered);
        if (!handle || !tw_cancel_and_wait(ping->loop, handle))
            abort();
    }
    return NULL;
}

Test(remote, pairs_that_the_loop_sees_leave_its_memory_where_it_was)
{
    tw_loop *loop = loop_new();
    struct ping ping = {.loop = loop};
    sem_init(&ping.answered, 0, 0);
    pthread_t runner = runner_start(loop);
    thread_join(thread_start(start_due_and_cancel, &ping));
    stop_and_join(loop, runner);
    tw_run(loop);
    cr_assert_eq(tw_pending_count(loop), 0);
    cr_assert_eq(atomic_load(&loop->remote.pool.slabs[1].used), 0, "64 nodes were enough");
    cr_assert_eq(ping.calls, 0);
    loop_free(loop);
}

Test(remote, a_start_without_memory_is_refused_and_changes_nothing)
{
    tw_loop *loop = loop_new();
    size_t calls = 0, started = 0;
    /* The slabs of 64, 128, ... nodes are asked for as they are needed. */
    for (size_t slab = 0; slab < 4; slab++) {
        atomic_store(&no_slabs, true);
        errno = 0;
        cr_assert_eq(tw_call_later_threadsafe_ns(loop, MS, count, &calls), 0);
        cr_assert_eq(errno, ENOMEM);
        errno = 0;
        cr_assert_eq(tw_call_at_threadsafe(loop, 1, count, &calls), 0);
        cr_assert_eq(errno, ENOMEM);
        cr_assert_eq(tw_pending_count(loop), started);
        cr_assert_eq(atomic_load(&slabs_refused), 2 * (slab + 1));
        atomic_store(&no_slabs, false);
        for (size_t i = 0; i < (size_t)64 << slab; i++, started++)
            cr_assert_neq(tw_call_later_threadsafe_ns(loop, 0, count, &calls), 0);
        cr_assert_eq(tw_pending_count(loop), started);
    }
    cr_assert_eq(tw_run(loop), started);
    cr_assert_eq(calls, started);
    loop_free(loop);
}

Test(remote, memory_of_a_peak_is_given_back_by_trimming)
{
    enum { PEAK = 100000 };
    static tw_handle handles[PEAK];
    tw_loop *loop = loop_new();
    size_t calls = 0;
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < PEAK; i++)
            handles[i] = tw_call_later_threadsafe_ns(loop, HOUR, count, &calls);
        tw_run(loop);
        for (size_t i = 0; i < PEAK; i++)
            cr_assert(tw_cancel_threadsafe(loop, handles[i]));
        size_t bytes = tw_trim(loop);
        cr_assert_geq(bytes, PEAK * sizeof(struct remote_node) / 2, "only %zu", bytes);
        for (size_t i = 0; i < PEAK; i += 100)
            cr_assert_not(tw_cancel_threadsafe(loop, handles[i]), "a stale handle is of use");
        tw_handle fresh = tw_call_later_threadsafe_ns(loop, 0, count, &calls);
        for (size_t i = 0; i < PEAK; i++)
            cr_assert(handles[i] != fresh, "a handle was given out twice");
        cr_assert_eq(tw_run(loop), 1);
    }
    loop_free(loop);
}

static void *trim_again_and_again(void *arg)
{
    struct hand *hand = arg;
    while (!atomic_load(&hand->done)) {
        tw_run(hand->loop);
        tw_trim(hand->loop);
    }
    return NULL;
}

Test(remote, trimming_disturbs_no_thread)
{
    race_beside(trim_again_and_again);
}

/* ------------------------------------------------------------------- dropping */

static void count_dropped(void *counter, tw_callback *callback, void *arg)
{
    (void)callback, (void)arg;
    ++*(size_t *)counter;
}

Test(remote, what_is_pending_is_dropped_with_the_loop)
{
    static struct worker workers[THREADS];
    size_t dropped = 0;
    tw_options options = {.size = sizeof options, .on_drop = count_dropped, .hook_arg = &dropped};
    tw_loop *loop = tw_loop_new(&options);
    pthread_t runner = runner_start(loop);
    workers_run(workers, loop, start_and_cancel_any);
    for (size_t i = 0; i < 100; i++)
        tw_call_later_threadsafe_ns(loop, HOUR, fire_shared_job, &workers[0]);
    stop_and_join(loop, runner);
    for (size_t i = 0; i < 100; i++)
        tw_call_later_threadsafe_ns(loop, i * MS, fire_shared_job, &workers[0]);
    size_t pending = tw_pending_count(loop), ended = 0;
    cr_assert_geq(pending, 200);
    loop_free(loop);
    cr_assert_eq(dropped, pending);
    for (size_t i = 0; i < THREADS; i++)
        ended += atomic_load(&workers[i].fired) + atomic_load(&workers[i].cancelled);
    cr_assert_eq(ended + dropped, (size_t)THREADS * ROUNDS * BATCH + 200);
}

/* ----------------------------------------------------------- tw_run_until_empty */

Test(until_empty, returns_at_once_from_an_empty_loop)
{
    tw_loop *loop = loop_new();
    cr_assert_eq(tw_run_until_empty(loop), 0);
    cr_assert_eq(stats_of(loop).wakeups, 0);
    loop_free(loop);
}

static void start_another(void *arg)
{
    struct ping *ping = arg;
    if (++ping->calls < 10)
        tw_call_later_ns(ping->loop, 100 * US, start_another, ping);
}

/* Calls of every kind, and what they start in turn. */
Test(until_empty, returns_when_everything_has_run)
{
    struct ping ping = {.loop = loop_new()};
    tw_timer timer;
    tw_timer_init(&timer, count, &ping.calls);
    tw_timer_start_later_ns(ping.loop, &timer, 2 * MS);
    tw_call_soon(ping.loop, count, &ping.calls);
    tw_call_soon_threadsafe(ping.loop, count, &ping.calls);
    tw_call_later_threadsafe_ns(ping.loop, MS, count, &ping.calls);
    tw_call_later_ns(ping.loop, 3 * MS, start_another, &ping);
    cr_assert_eq(tw_run_until_empty(ping.loop), 0);
    cr_assert_eq(ping.calls, 10);
    cr_assert_eq(tw_pending_count(ping.loop), 0);
    /* Parked is not pending. */
    tw_timer_start_later_ns(ping.loop, &timer, HOUR);
    tw_timer_park(ping.loop, &timer);
    cr_assert_eq(tw_run_until_empty(ping.loop), 0);
    tw_timer_stop(ping.loop, &timer);
    loop_free(ping.loop);
}

Test(until_empty, returns_when_it_is_stopped)
{
    tw_loop *loop = loop_new();
    size_t calls = 0;
    tw_call_later_ns(loop, HOUR, count, &calls);
    tw_call_later_ns(loop, MS, stop, loop);
    cr_assert_eq(tw_run_until_empty(loop), 0);
    cr_assert_eq(tw_pending_count(loop), 1);
    loop_free(loop);
}

static void *run_until_empty(void *loop)
{
    return (void *)(uintptr_t)(tw_run_until_empty(loop) == 0 ? 0 : errno);
}

/* A cancel wakes the loop when it may have been the last: else it would sleep for an
 * hour. In turns: seen by the loop before, and cancelled at about that time. */
struct last_two {
    tw_loop *loop;
    tw_handle rest;
};

static void cancel_the_rest(void *arg)
{
    struct last_two *last_two = arg;
    cr_assert(tw_cancel_threadsafe(last_two->loop, last_two->rest));
}

/* The loop is awake: it need not be woken. */
Test(until_empty, returns_when_a_callback_has_cancelled_the_rest)
{
    struct last_two last_two = {.loop = loop_new()};
    last_two.rest = tw_call_later_threadsafe_ns(last_two.loop, HOUR, stop, last_two.loop);
    tw_call_later_ns(last_two.loop, MS, cancel_the_rest, &last_two);
    cr_assert_eq(tw_run_until_empty(last_two.loop), 0);
    cr_assert_eq(tw_pending_count(last_two.loop), 0);
    loop_free(last_two.loop);
}

Test(until_empty, returns_when_other_threads_have_cancelled_the_rest)
{
    tw_loop *loop = loop_new();
    for (size_t round = 0; round < (SLOW ? 200 : 2000); round++) {
        tw_handle handles[3];
        for (size_t i = 0; i < 3; i++)
            handles[i] = tw_call_later_threadsafe_ns(loop, HOUR, count, NULL);
        pthread_t runner = thread_start(run_until_empty, loop);
        if (round % 2)
            await_sleep(loop);
        for (size_t i = 0; i < 3; i++)
            cr_assert(tw_cancel_threadsafe(loop, handles[i]));
        cr_assert_eq(runner_join(runner), 0);
        cr_assert_eq(tw_pending_count(loop), 0);
    }
    loop_free(loop);
}

static void *post_one_and_start_one(void *arg)
{
    struct ping *ping = arg;
    tw_call_soon_threadsafe(ping->loop, count, &ping->calls);
    tw_call_later_threadsafe_ns(ping->loop, MS, count, &ping->calls);
    return NULL;
}

/* Whatever has been posted before it returns has been run, or is still there. */
Test(until_empty, loses_nothing_that_is_on_its_way)
{
    struct ping ping = {.loop = loop_new()};
    for (size_t round = 0; round < 200; round++) {
        ping.calls = 0;
        pthread_t thread = thread_start(post_one_and_start_one, &ping);
        cr_assert_eq(tw_run_until_empty(ping.loop), 0);
        thread_join(thread);
        cr_assert_eq(tw_run_until_empty(ping.loop), 0);
        cr_assert_eq(ping.calls, 2);
    }
    loop_free(ping.loop);
}

static void run_inside(void *arg)
{
    struct ping *ping = arg;
    errno = 0;
    cr_assert_eq(tw_run_until_empty(ping->loop), -1);
    cr_assert_eq(errno, EBUSY);
    ping->calls++;
}

static uint64_t a_clock(void *unused)
{
    (void)unused;
    return SECOND;
}

Test(until_empty, is_refused_where_the_loop_cannot_sleep)
{
    errno = 0;
    cr_assert_eq(tw_run_until_empty(NULL), -1);
    cr_assert_eq(errno, EINVAL);
    tw_options options = {.size = sizeof options, .clock = a_clock};
    struct ping ping = {.loop = tw_loop_new(&options)};
    errno = 0;
    cr_assert_eq(tw_run_until_empty(ping.loop), -1);
    cr_assert_eq(errno, ENOTSUP);
    /* From a callback EBUSY comes before ENOTSUP. */
    tw_call_soon(ping.loop, run_inside, &ping);
    cr_assert_eq(tw_run(ping.loop), 1);
    cr_assert_eq(ping.calls, 1);
    loop_free(ping.loop);
}

#if HAS_FD

#include <poll.h>

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, timeout_ms) == 1;
}

Test(remote, a_descriptor_is_readable_for_what_is_due_earlier_only)
{
    tw_loop *loop = loop_new();
    size_t calls = 0;
    tw_call_later_ns(loop, HOUR, count, &calls);
    int fd = tw_fd(loop);
    cr_assert_geq(fd, 0);
    tw_handle later = tw_call_later_threadsafe_ns(loop, 2 * HOUR, count, &calls);
    cr_assert_not(is_readable(fd, 0));
    /* A start of the loop's own brings the alarm forward: what lies behind it, too,
     * needs no waking from then on. */
    tw_call_later_ns(loop, HOUR / 2, count, &calls);
    tw_call_later_threadsafe_ns(loop, HOUR * 3 / 4, count, &calls);
    cr_assert_not(is_readable(fd, 0));
    tw_call_later_threadsafe_ns(loop, MS, count, &calls);
    cr_assert(is_readable(fd, 0), "to hear of it");
    while (calls == 0) {
        tw_run(loop);
        if (calls == 0)
            cr_assert(is_readable(fd, -1));
    }
    cr_assert(tw_cancel_threadsafe(loop, later));
    cr_assert_not(is_readable(fd, 0));
    tw_call_later_threadsafe_ns(loop, 0, count, &calls);
    cr_assert(is_readable(fd, 0));
    cr_assert_eq(tw_run(loop), 1);
    cr_assert_not(is_readable(fd, 0));
    loop_free(loop);
}

#endif
