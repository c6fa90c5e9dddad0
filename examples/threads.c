/* SPDX-License-Identifier: MIT */
/*
 * threads: starting and cancelling a timer of another thread's loop.
 *
 * tw_call_later_threadsafe starts it, tw_cancel_threadsafe cancels it, and of a cancel
 * that comes at the moment when the timer is due one of the two wins:
 *
 *     true     the callback will not run: what it would have used may be freed at once
 *     false    it has run, or is running. tw_cancel_and_wait has then waited for its end
 *
 *     threads      four threads start timers on a fifth one's loop and cancel half of
 *                  them at about the time when they are due. Whoever ends a job frees
 *                  it; checks that each was ended once, and none early
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <tickwheel.h>
#include <time.h>

enum { THREADS = 4, ROUNDS = 40, BATCH = 250 };

struct job {
    uint64_t due_ns;           /* not before this */
};

static tw_loop *loop;
static atomic_size_t fired, cancelled, early;

static uint64_t monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts); /* the clock of a loop without options */
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* In the loop's thread. */
static void fire(void *arg)
{
    struct job *job = arg;
    atomic_fetch_add(&fired, 1);
    atomic_fetch_add(&early, monotonic_ns() < job->due_ns);
    free(job);
}

static tw_handle start(struct job **out, uint64_t delay_ns)
{
    struct job *job = *out = malloc(sizeof *job);
    if (!job)
        abort();
    job->due_ns = monotonic_ns() + delay_ns;
    tw_handle handle = tw_call_later_threadsafe_ns(loop, delay_ns, fire, job);
    if (!handle)
        abort();
    return handle;
}

/* Starts timers due within 2 ms, then cancels every other one meanwhile. */
static void *work(void *arg)
{
    unsigned *seed = arg;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct job *jobs[BATCH];
        tw_handle handles[BATCH];
        for (size_t i = 0; i < BATCH; i++)
            handles[i] = start(&jobs[i], (uint64_t)rand_r(seed) % 2000000);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        for (size_t i = 0; i < BATCH; i += 2) {
            if (tw_cancel_threadsafe(loop, handles[i])) {
                free(jobs[i]);
                atomic_fetch_add(&cancelled, 1);
            }
        }
    }
    return NULL;
}

static void *drive(void *unused)
{
    (void)unused;
    return tw_run_forever(loop) == 0 && tw_run_until_empty(loop) == 0 ? loop : NULL;
}

static void stop(void *unused)
{
    (void)unused;
    tw_stop(loop);
}

int main(void)
{
    pthread_t driver, threads[THREADS];
    unsigned seeds[THREADS];
    loop = tw_loop_new(NULL);
    if (!loop || pthread_create(&driver, NULL, drive, NULL) != 0)
        return 1;
    for (unsigned i = 0; i < THREADS; i++) {
        seeds[i] = i + 1;
        if (pthread_create(&threads[i], NULL, work, &seeds[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    /* No thread uses the loop any more: it can be emptied, and then freed. */
    void *driven = NULL;
    if (tw_call_soon_threadsafe(loop, stop, NULL) != 0)
        return 1;
    pthread_join(driver, &driven);
    size_t left = tw_pending_count(loop);
    tw_loop_free(loop);

    size_t all = (size_t)THREADS * ROUNDS * BATCH;
    printf("%zu timers of %d threads: %zu fired, %zu cancelled, %zu early, %zu left over\n", all,
           THREADS, fired, cancelled, early, left);
    return driven && fired + cancelled == all && early == 0 && left == 0 ? 0 : 1;
}
