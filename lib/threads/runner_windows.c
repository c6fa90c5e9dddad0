/* SPDX-License-Identifier: MIT */
/*
 * runner_windows: an event and a waitable timer; and the threads of threads.h.
 *
 *     WaitForMultipleObjects ──┬── wake_fd    an event that resets itself: other threads
 *                              └── timer_fd   the alarm, set until it is set anew
 *
 * The system's handles are kept as ints, which they fit into. A descriptor for an outer
 * poller there is none: tw_timeout_ms is for that. No process is copied, so nothing is
 * inherited.
 */
#define _WIN32_WINNT 0x0600
#define WIN32_LEAN_AND_MEAN

#include <windows.h>

#include <errno.h>
#include <stdatomic.h>

#include "bits.h"
#include "port.h"
#include "runner_backend.h"
#include "threads.h"
#include <tickwheel.h>

#ifndef CREATE_WAITABLE_TIMER_HIGH_RESOLUTION
#define CREATE_WAITABLE_TIMER_HIGH_RESOLUTION 2
#endif

static HANDLE handle_of(int kept)
{
    return (HANDLE)(intptr_t)kept;
}

static int keep(HANDLE handle)
{
    return handle ? (int)(intptr_t)handle : -1;
}

bool backend_knows_clock(int clock_id)
{
    return clock_id == TW_CLOCK_MONOTONIC;
}

uint64_t backend_clock_ns(int clock_id)
{
    (void)clock_id;
    return port_clock_ns();
}

/* Finer than the system's tick of 15 ms, where there is such a timer (Windows 10). */
static HANDLE make_timer(void)
{
    DWORD manual = CREATE_WAITABLE_TIMER_MANUAL_RESET;
    HANDLE timer = CreateWaitableTimerExW(
        NULL, NULL, manual | CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, TIMER_ALL_ACCESS);
    return timer ? timer : CreateWaitableTimerExW(NULL, NULL, manual, TIMER_ALL_ACCESS);
}

int backend_open(struct backend *backend, int clock_id)
{
    (void)clock_id;
    *backend = (struct backend){-1, -1, -1, BITS_NEVER};
    backend->wake_fd = keep(CreateEventW(NULL, FALSE, FALSE, NULL));
    backend->timer_fd = keep(make_timer());
    if (backend->wake_fd != -1 && backend->timer_fd != -1)
        return 0;
    backend_close(backend);
    errno = EMFILE;
    return -1;
}

void backend_close(struct backend *backend)
{
    if (backend->wake_fd != -1)
        (void)CloseHandle(handle_of(backend->wake_fd));
    if (backend->timer_fd != -1)
        (void)CloseHandle(handle_of(backend->timer_fd));
}

int backend_fd(const struct backend *backend)
{
    (void)backend;
    errno = ENOTSUP;
    return -1;
}

void backend_arm(struct backend *backend, uint64_t when_ns)
{
    const uint64_t longest_ns = UINT64_C(30) * 86400 * 1000000000;
    if (when_ns == BITS_NEVER) {
        backend->armed_ns = when_ns;
        (void)CancelWaitableTimer(handle_of(backend->timer_fd));
        return;
    }
    uint64_t now_ns = port_clock_ns();
    uint64_t wait_ns = when_ns > now_ns ? when_ns - now_ns : 0;
    if (wait_ns > longest_ns)
        wait_ns = longest_ns;
    backend->armed_ns = now_ns + wait_ns < when_ns ? now_ns + wait_ns : when_ns;
    LARGE_INTEGER due; /* from now, in units of 100 ns; 0 would be a date */
    due.QuadPart = -(LONGLONG)(wait_ns / 100 + 1);
    (void)SetWaitableTimer(handle_of(backend->timer_fd), &due, 0, NULL, NULL, FALSE);
}

void backend_wake(const struct backend *backend)
{
    (void)SetEvent(handle_of(backend->wake_fd));
}

int backend_wait(const struct backend *backend, bool may_sleep)
{
    HANDLE both[] = {handle_of(backend->wake_fd), handle_of(backend->timer_fd)};
    switch (WaitForMultipleObjects(2, both, FALSE, may_sleep ? INFINITE : 0)) {
    case WAIT_OBJECT_0:
        return 1;
    case WAIT_OBJECT_0 + 1:
    case WAIT_TIMEOUT:
        return 0;
    default:
        errno = EIO;
        return -1;
    }
}

/* -------------------------------------------------------------------- threads */

const void *threads_current(void)
{
    return (const void *)(uintptr_t)GetCurrentThreadId();
}

static INIT_ONCE ending_once = INIT_ONCE_STATIC_INIT;
static DWORD ending = FLS_OUT_OF_INDEXES;
static _Atomic(void *) at_end; /* void (*)(void *): the library has but one */

static void WINAPI end_thread(void *arg)
{
    void (*end)(void *arg);
    *(void **)&end = atomic_load(&at_end);
    end(arg);
}

static BOOL CALLBACK make_ending(INIT_ONCE *once, void *arg, void **context)
{
    (void)once, (void)arg, (void)context;
    ending = FlsAlloc(end_thread);
    return TRUE;
}

bool threads_end_with(void (*end)(void *arg), void *arg)
{
    (void)InitOnceExecuteOnce(&ending_once, make_ending, NULL, NULL);
    atomic_store(&at_end, *(void **)&end);
    return ending != FLS_OUT_OF_INDEXES && FlsSetValue(ending, arg);
}

unsigned threads_forks(void)
{
    return 0;
}

int threads_watch_forks(void)
{
    return 0;
}

const void *threads_survivor(void)
{
    return NULL;
}

static SRWLOCK waiting_lock = SRWLOCK_INIT;
static CONDITION_VARIABLE something_done = CONDITION_VARIABLE_INIT;
static atomic_uint waiting_threads;

void threads_wait_begin(void)
{
    atomic_fetch_add(&waiting_threads, 1);
    AcquireSRWLockExclusive(&waiting_lock);
}

void threads_wait(void)
{
    (void)SleepConditionVariableSRW(&something_done, &waiting_lock, INFINITE, 0);
}

void threads_wait_end(void)
{
    ReleaseSRWLockExclusive(&waiting_lock);
    atomic_fetch_sub(&waiting_threads, 1);
}

bool threads_anyone_waits(void)
{
    return atomic_load(&waiting_threads) != 0;
}

void threads_wake_waiting(void)
{
    AcquireSRWLockExclusive(&waiting_lock);
    WakeAllConditionVariable(&something_done);
    ReleaseSRWLockExclusive(&waiting_lock);
}
