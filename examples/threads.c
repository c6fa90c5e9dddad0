/*
 * threads: starting and cancelling a timer of another thread's loop.
 *
 * A loop's timers are its own thread's affair, and what other threads may do is
 * to post a call. So a remote timer is an object with a state of its own:
 *
 *     PENDING ──> FIRED       by the loop's thread, when the timer is due
 *            └──> CANCELLED   by any thread, at any time
 *
 * Whoever makes the step has won, and the other one finds that out by the same
 * compare-and-swap. So a cancel needs no answer from the loop, waits for
 * nothing, and is never in doubt: true, and the callback will not run; false,
 * and it has run or is running. Starting and stopping the timer itself are
 * posted; that the wheel forgets a cancelled timer a little later hurts nobody.
 *
 * The object is freed with its last reference. One belongs to the thread that
 * started it, one to the timer, and one to a cancel on its way to the loop.
 *
 *     threads      four threads start timers on a fifth one's loop and cancel
 *                  half of them at about the time when they are due; checks
 *                  that each has either run, once and not early, or been
 *                  cancelled, and that nothing is left
 */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <tickwheel.h>
#include <time.h>

/* ---------------------------------------------------------- copy from here */

enum remote_state { PENDING, FIRED, CANCELLED };

struct remote_timer {
    tw_loop *loop;
    uint64_t deadline_ns;
    tw_callback *callback;
    void *arg;
    atomic_int state;          /* enum remote_state */
    atomic_int references;
    tw_timer timer;            /* only the loop's thread touches it */
};

static atomic_size_t live;     /* for the check below */

static uint64_t monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts); /* the clock of a loop without options */
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void remote_release(struct remote_timer *remote)
{
    if (atomic_fetch_sub(&remote->references, 1) == 1) {
        free(remote);
        atomic_fetch_sub(&live, 1);
    }
}

/* Makes the one step out of PENDING. false: somebody else has made it. */
static bool remote_settle(struct remote_timer *remote, enum remote_state state)
{
    int pending = PENDING;
    return atomic_compare_exchange_strong(&remote->state, &pending, (int)state);
}

/* In the loop's thread: the timer is due. */
static void remote_fire(void *arg)
{
    struct remote_timer *remote = arg;
    if (remote_settle(remote, FIRED))
        remote->callback(remote->arg);
    remote_release(remote);
}

/* In the loop's thread: posted by remote_start. */
static void remote_do_start(void *arg)
{
    struct remote_timer *remote = arg;
    if (atomic_load(&remote->state) == PENDING &&
        tw_timer_start_at_ns(remote->loop, &remote->timer, remote->deadline_ns) == 0)
        return; /* the timer has the reference now */
    if (remote_settle(remote, CANCELLED))
        fprintf(stderr, "threads: no memory for a timer\n");
    remote_release(remote);
}

/* In the loop's thread: posted by remote_cancel. */
static void remote_do_cancel(void *arg)
{
    struct remote_timer *remote = arg;
    if (tw_timer_active(&remote->timer)) {
        tw_timer_stop(remote->loop, &remote->timer);
        remote_release(remote); /* the timer's */
    }
    remote_release(remote);     /* the post's */
}

/* From any thread: calls callback(arg) in the loop's thread after the delay.
 * The answer is to be given to remote_release, now or later. NULL: no memory. */
struct remote_timer *remote_start(tw_loop *loop, uint64_t delay_ns, tw_callback *callback,
                                  void *arg)
{
    struct remote_timer *remote = malloc(sizeof *remote);
    if (!remote)
        return NULL;
    *remote = (struct remote_timer){.loop = loop, .callback = callback, .arg = arg};
    remote->deadline_ns = monotonic_ns() + delay_ns; /* from now, not from when it arrives */
    atomic_init(&remote->state, PENDING);
    atomic_init(&remote->references, 2);
    tw_timer_init(&remote->timer, remote_fire, remote);
    if (tw_call_soon_threadsafe(loop, remote_do_start, remote) != 0) {
        free(remote);
        return NULL;
    }
    atomic_fetch_add(&live, 1);
    return remote;
}

/* From any thread that holds a reference. true: the callback will never run.
 * false: it has begun, or somebody else has cancelled it. */
bool remote_cancel(struct remote_timer *remote)
{
    if (!remote_settle(remote, CANCELLED))
        return false;
    atomic_fetch_add(&remote->references, 1);
    if (tw_call_soon_threadsafe(remote->loop, remote_do_cancel, remote) != 0)
        remote_release(remote); /* no memory: the timer will find out when it is due */
    return true;
}

/* ------------------------------------------------------------ to here; a check */

enum { THREADS = 4, ROUNDS = 40, BATCH = 250, JOBS = ROUNDS * BATCH };

struct job {
    struct remote_timer *remote;
    uint64_t due_ns;           /* not before this */
    unsigned fired;            /* written by the loop's thread */
    bool early, cancelled;
};

struct worker {
    tw_loop *loop;
    pthread_t thread;
    unsigned seed;
    struct job jobs[JOBS];
};

static struct worker workers[THREADS];

static void job_fire(void *arg)
{
    struct job *job = arg;
    job->fired++;
    job->early = monotonic_ns() < job->due_ns;
}

static void wait_ns(long ns)
{
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* Starts timers due within 2 ms, then cancels every other one meanwhile. */
static void *work(void *arg)
{
    struct worker *worker = arg;
    for (size_t round = 0; round < ROUNDS; round++) {
        struct job *jobs = &worker->jobs[round * BATCH];
        for (size_t i = 0; i < BATCH; i++) {
            uint64_t delay_ns = (uint64_t)rand_r(&worker->seed) % 2000000;
            jobs[i].due_ns = monotonic_ns() + delay_ns;
            jobs[i].remote = remote_start(worker->loop, delay_ns, job_fire, &jobs[i]);
            if (!jobs[i].remote)
                abort();
        }
        wait_ns(1000000);
        for (size_t i = 0; i < BATCH; i++) {
            if (i % 2 == 0)
                jobs[i].cancelled = remote_cancel(jobs[i].remote);
            remote_release(jobs[i].remote);
        }
    }
    return NULL;
}

static void *drive(void *loop)
{
    return tw_run_forever(loop) == 0 ? loop : NULL;
}

static void stop_when_empty(void *arg)
{
    tw_loop *loop = arg;
    if (tw_pending_count(loop) == 0)
        tw_stop(loop);
    else
        tw_call_later(loop, 0.001, stop_when_empty, loop);
}

/* Counts, and answers whether every job has met exactly one fate. */
static bool check(size_t *fired, size_t *cancelled)
{
    bool good = true;
    for (size_t i = 0; i < (size_t)THREADS * JOBS; i++) {
        const struct job *job = &workers[i / JOBS].jobs[i % JOBS];
        *fired += job->fired;
        *cancelled += job->cancelled;
        good = good && !job->early && job->fired + job->cancelled == 1;
    }
    return good;
}

int main(void)
{
    tw_loop *loop = tw_loop_new(NULL);
    pthread_t driver;
    if (!loop || pthread_create(&driver, NULL, drive, loop) != 0)
        return 1;
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].loop = loop;
        workers[i].seed = i + 1;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);

    /* Nobody posts any more: the loop can be stopped, and then freed. */
    void *driven = NULL;
    if (tw_call_soon_threadsafe(loop, stop_when_empty, loop) != 0)
        return 1;
    pthread_join(driver, &driven);
    tw_loop_free(loop);

    size_t fired = 0, cancelled = 0;
    bool good = check(&fired, &cancelled);
    printf("%d timers of %d threads: %zu fired, %zu cancelled, %zu left over\n", THREADS * JOBS,
           THREADS, fired, cancelled, atomic_load(&live));
    return good && driven && atomic_load(&live) == 0 ? 0 : 1;
}
