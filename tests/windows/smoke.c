/* SPDX-License-Identifier: MIT */
/* The library on Windows: a program of its own, since the tests' framework needs fork.
 * Ends with 0 if all that it checks holds. */
#define WIN32_LEAN_AND_MEAN

#include <windows.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <tickwheel.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("line %d: not so: %s\n", __LINE__, #condition);                                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define MS UINT64_C(1000000)
#define HOUR (UINT64_C(3600000) * MS)

enum { THREADS = 4, CALLS = 2000, TIMERS = 100000 };

static tw_loop *loop;
static atomic_size_t fired, cancelled, posted;

static void count(void *counter)
{
    atomic_fetch_add((atomic_size_t *)counter, 1);
}

static void stop(void *unused)
{
    (void)unused;
    tw_stop(loop);
}

static void fire(void *arg)
{
    uint64_t *due_ns = arg;
    REQUIRE(tw_time_ns(loop) >= *due_ns);
    free(due_ns);
    atomic_fetch_add(&fired, 1);
}

static DWORD WINAPI start_and_cancel(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < CALLS; i++) {
        uint64_t *due_ns = calloc(1, sizeof *due_ns);
        tw_handle handle = tw_call_later_threadsafe_ns(loop, i % 3 * MS, fire, due_ns);
        REQUIRE(handle != 0);
        REQUIRE(tw_call_soon_threadsafe(loop, count, &posted) == 0);
        if (i % 64 == 0)
            Sleep(2); /* time enough for some to be due */
        bool ended = i % 2 ? tw_cancel_threadsafe(loop, handle) : tw_cancel_and_wait(loop, handle);
        if (ended) {
            free(due_ns);
            atomic_fetch_add(&cancelled, 1);
        }
    }
    return 0;
}

static DWORD WINAPI drive(void *unused)
{
    (void)unused;
    return tw_run_forever(loop) == 0 && tw_run_until_empty(loop) == 0 ? 0 : 1;
}

/* On a clock that only tw_advance moves. */
static void run_timers(void)
{
    loop = tw_loop_new(NULL);
    REQUIRE(loop != NULL);
    uint64_t begin = tw_now_ns(loop);
    tw_timer *timers = calloc(TIMERS, sizeof *timers);
    for (size_t i = 0; i < TIMERS; i++) {
        tw_timer_init(&timers[i], count, &fired);
        REQUIRE(tw_timer_start_at_ns(loop, &timers[i], begin + HOUR + i * i % TIMERS * MS) == 0);
    }
    for (uint64_t ms = 0; ms <= TIMERS; ms += 100)
        tw_advance(loop, begin + HOUR + ms * MS);
    REQUIRE(fired == TIMERS);
    REQUIRE(tw_check(loop) == NULL);
    tw_loop_free(loop);
    free(timers);
    fired = 0;
}

static void sleep_by_itself(void)
{
    loop = tw_loop_new(NULL);
    uint64_t due_ns = tw_time_ns(loop) + 20 * MS;
    REQUIRE(tw_call_at_ns(loop, due_ns, stop, NULL) != 0);
    tw_call_later_ns(loop, HOUR, count, &fired);
    REQUIRE(tw_run_forever(loop) == 0);
    REQUIRE(tw_time_ns(loop) >= due_ns);
    errno = 0;
    REQUIRE(tw_fd(loop) == -1 && errno == ENOTSUP);
    tw_loop_free(loop);
}

static void be_used_by_threads(void)
{
    HANDLE driver, threads[THREADS];
    DWORD result;
    loop = tw_loop_new(NULL);
    driver = CreateThread(NULL, 0, drive, NULL, 0, NULL);
    for (size_t i = 0; i < THREADS; i++)
        threads[i] = CreateThread(NULL, 0, start_and_cancel, NULL, 0, NULL);
    WaitForMultipleObjects(THREADS, threads, TRUE, INFINITE);
    REQUIRE(tw_call_soon_threadsafe(loop, stop, NULL) == 0);
    WaitForSingleObject(driver, INFINITE);
    REQUIRE(GetExitCodeThread(driver, &result) && result == 0);
    REQUIRE(fired + cancelled == THREADS * CALLS);
    REQUIRE(posted == THREADS * CALLS);
    REQUIRE(tw_pending_count(loop) == 0 && tw_check(loop) == NULL);
    printf("%zu fired, %zu cancelled\n", fired, cancelled);
    tw_loop_free(loop);
}

int main(void)
{
    run_timers();
    sleep_by_itself();
    be_used_by_threads();
    return 0;
}
