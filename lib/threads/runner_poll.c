/* SPDX-License-Identifier: MIT */
/*
 * runner_poll: poll and a pipe, for POSIX systems without descriptors that tell
 * time. wait_fd is the end of the pipe that is read, wake_fd the other one.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "bits.h"
#include "port.h"
#include "runner_backend.h"
#include <tickwheel.h>

bool backend_knows_clock(int clock_id)
{
    return clock_id == TW_CLOCK_MONOTONIC;
}

uint64_t backend_clock_ns(int clock_id)
{
    (void)clock_id;
    return port_clock_ns();
}

/* Neither blocks nor is inherited by other programs. */
static int set_up(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return -1;
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int backend_open(struct backend *backend, int clock_id)
{
    (void)clock_id;
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    *backend = (struct backend){ends[0], ends[1], -1, BITS_NEVER};
    if (set_up(ends[0]) == 0 && set_up(ends[1]) == 0)
        return 0;
    int error = errno;
    backend_close(backend);
    errno = error;
    return -1;
}

void backend_close(struct backend *backend)
{
    (void)close(backend->wait_fd);
    (void)close(backend->wake_fd);
}

int backend_fd(const struct backend *backend)
{
    (void)backend;
    errno = ENOTSUP;
    return -1;
}

void backend_arm(struct backend *backend, uint64_t when_ns)
{
    backend->armed_ns = when_ns;
}

void backend_wake(const struct backend *backend)
{
    ssize_t written = write(backend->wake_fd, "", 1);
    (void)written; /* the pipe has room for more than the one mark there may be */
}

/* How long to wait for the alarm, as poll takes it: never too short. */
static int timeout_ms(uint64_t armed_ns)
{
    if (armed_ns == BITS_NEVER)
        return -1;
    uint64_t now_ns = port_clock_ns();
    uint64_t wait_ns = armed_ns > now_ns ? armed_ns - now_ns : 0;
    uint64_t wait_ms = wait_ns / 1000000 + (wait_ns % 1000000 != 0);
    return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}

int backend_wait(const struct backend *backend, bool may_sleep)
{
    struct pollfd wait = {.fd = backend->wait_fd, .events = POLLIN};
    int ready = poll(&wait, 1, may_sleep ? timeout_ms(backend->armed_ns) : 0);
    if (ready < 0)
        return errno == EINTR ? 0 : -1;
    char mark;
    /* Not to find it is unreachable because nobody else reads. */
    return ready > 0 && read(backend->wait_fd, &mark, 1) == 1;
}
