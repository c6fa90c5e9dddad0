/* SPDX-License-Identifier: MIT */
/*
 * runner_linux: an epoll descriptor with a timerfd and an eventfd in it.
 *
 *     outer poller, or epoll_wait here ──> wait_fd ──┬── timer_fd   the alarm
 *                                                    └── wake_fd    other threads
 *
 * A timerfd, because the timeout of a waiting call is put off by the thread's
 * timer slack, 50 us by default, and because the descriptor alone then tells an
 * outer poller when to run. Setting it makes it unreadable: it is never read.
 *
 * Nor is the eventfd. It is watched for edges: each write is one event, which
 * epoll_wait takes away by reporting it, and the counter grows, one a wake-up,
 * towards 2^64. So a wake-up costs the loop one system call, not two.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "bits.h"
#include "port.h"
#include "runner_backend.h"
#include <tickwheel.h>

static clockid_t system_clock(int clock_id)
{
    return clock_id == TW_CLOCK_BOOTTIME ? CLOCK_BOOTTIME : CLOCK_MONOTONIC;
}

bool backend_knows_clock(int clock_id)
{
    return clock_id == TW_CLOCK_MONOTONIC || clock_id == TW_CLOCK_BOOTTIME;
}

uint64_t backend_clock_ns(int clock_id)
{
    struct timespec ts;
    clock_gettime(system_clock(clock_id), &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int watch(int wait_fd, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(wait_fd, EPOLL_CTL_ADD, fd, &event);
}

int backend_open(struct backend *backend, int clock_id)
{
    *backend = (struct backend){-1, -1, -1, BITS_NEVER};
    if ((backend->wait_fd = epoll_create1(EPOLL_CLOEXEC)) >= 0 &&
        (backend->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0 &&
        (backend->timer_fd = timerfd_create(system_clock(clock_id),
                                            TFD_CLOEXEC | TFD_NONBLOCK)) >= 0 &&
        watch(backend->wait_fd, backend->wake_fd, EPOLLIN | EPOLLET) == 0 &&
        watch(backend->wait_fd, backend->timer_fd, EPOLLIN) == 0)
        return 0;
    int error = errno;
    backend_close(backend);
    errno = error;
    return -1;
}

void backend_close(struct backend *backend)
{
    int fds[] = {backend->wait_fd, backend->wake_fd, backend->timer_fd};
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
}

int backend_fd(const struct backend *backend)
{
    return backend->wait_fd;
}

void backend_arm(struct backend *backend, uint64_t when_ns)
{
    /* Some systems count seconds in 32 bits: 68 years, after which the loop
     * finds that it has to go on sleeping. */
    const uint64_t longest_ns = (uint64_t)INT32_MAX * 1000000000u;
    if (when_ns != BITS_NEVER && when_ns > longest_ns && sizeof(time_t) < 8)
        when_ns = longest_ns;
    backend->armed_ns = when_ns;
    struct itimerspec alarm = {.it_value = {0, 0}};
    if (when_ns != BITS_NEVER) {
        alarm.it_value.tv_sec = (time_t)(when_ns / 1000000000u);
        alarm.it_value.tv_nsec = (long)(when_ns % 1000000000u);
    }
    int result = timerfd_settime(backend->timer_fd, TFD_TIMER_ABSTIME, &alarm, NULL);
    TW_ASSERT(result == 0); /* the descriptor and the time are sound, so it cannot fail */
    (void)result;
}

void backend_wake(const struct backend *backend)
{
    const uint64_t one = 1;
    ssize_t written = write(backend->wake_fd, &one, sizeof one);
    (void)written; /* it fails only after 2^64 wake-ups */
}

int backend_wait(const struct backend *backend, bool may_sleep)
{
    struct epoll_event events[2];
    int ready = epoll_wait(backend->wait_fd, events, 2, may_sleep ? -1 : 0);
    if (ready < 0)
        return errno == EINTR ? 0 : -1;
    bool woken = false;
    for (int i = 0; i < ready; i++)
        woken |= events[i].data.fd == backend->wake_fd;
    return woken;
}
