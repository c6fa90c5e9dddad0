/* SPDX-License-Identifier: MIT */
/*
 * threads: what threads.h asks for, on POSIX threads.
 */
#include "threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static _Thread_local struct {
    void (*end)(void *arg);
} this_thread;

const void *threads_current(void)
{
    return &this_thread;
}

/* --------------------------------------------------------- the end of a thread */

static pthread_key_t ending;
static atomic_bool has_ending; /* read at the end of the process, other threads or not */

static void end_thread(void *arg)
{
    this_thread.end(arg);
}

static void make_ending(void)
{
    atomic_store(&has_ending, pthread_key_create(&ending, end_thread) == 0);
}

/* If the library is unloaded before its threads end, they must not call into it. */
__attribute__((destructor)) static void remove_ending(void)
{
    if (atomic_exchange(&has_ending, false))
        (void)pthread_key_delete(ending);
}

bool threads_end_with(void (*end)(void *arg), void *arg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_ending);
    if (!atomic_load(&has_ending) || pthread_setspecific(ending, arg) != 0)
        return false;
    this_thread.end = end;
    return true;
}

/* -------------------------------------------------------------- waiting, forks */

static pthread_mutex_t waiting_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t something_done = PTHREAD_COND_INITIALIZER;
static atomic_uint waiting_threads;
static atomic_uint forks;
static const void *survivor;
static int watch_error;

/* In the child, where there is no other thread: not those that waited, nor the one that
 * held the lock. */
/* All of it is unreachable because gcov begins to count anew after a fork: forks.c runs it. */
static void after_fork(void)
{
    waiting_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    something_done = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    atomic_store(&waiting_threads, 0);
    atomic_fetch_add(&forks, 1);
    survivor = threads_current();
}

static void watch_forks(void)
{
    watch_error = pthread_atfork(NULL, NULL, after_fork);
}

int threads_watch_forks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, watch_forks);
    if (watch_error == 0)
        return 0;
    errno = watch_error;
    return -1;
}

unsigned threads_forks(void)
{
    return atomic_load_explicit(&forks, memory_order_relaxed);
}

const void *threads_survivor(void)
{
    return survivor;
}

void threads_wait_begin(void)
{
    (void)threads_watch_forks();
    atomic_fetch_add(&waiting_threads, 1);
    (void)pthread_mutex_lock(&waiting_lock);
}

void threads_wait(void)
{
    (void)pthread_cond_wait(&something_done, &waiting_lock);
}

void threads_wait_end(void)
{
    (void)pthread_mutex_unlock(&waiting_lock);
    atomic_fetch_sub(&waiting_threads, 1);
}

bool threads_anyone_waits(void)
{
    return atomic_load(&waiting_threads) != 0;
}

void threads_wake_waiting(void)
{
    (void)pthread_mutex_lock(&waiting_lock);
    (void)pthread_cond_broadcast(&something_done);
    (void)pthread_mutex_unlock(&waiting_lock);
}
