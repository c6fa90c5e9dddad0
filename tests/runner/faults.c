/* SPDX-License-Identifier: MIT */
/* Descriptors that cannot be made. */
#define _GNU_SOURCE

#include <sys/resource.h>
#include <unistd.h>

#include "support.h"

/* What the loop still can do when it has got none. */
static void expect_usable(tw_loop *loop)
{
    size_t calls = 0;
    tw_call_soon(loop, count, &calls);
    cr_assert_eq(tw_call_soon_threadsafe(loop, count, &calls), 0);
    cr_assert_eq(tw_run(loop), 2);
    cr_assert_eq(calls, 2);
    tw_call_later_ns(loop, MS, count, &calls);
    tw_call_later_ns(loop, 2 * MS, stop, loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    cr_assert_eq(calls, 3);
}

static int lowest_free_descriptor(void)
{
    int fd = dup(STDERR_FILENO);
    close(fd);
    return fd;
}

static void limit_descriptors(rlim_t limit)
{
    struct rlimit limits;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limits), 0);
    limits.rlim_cur = limit;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limits), 0);
}

/* However many of the descriptors there is room for, all or none are made. */
Test(faults, exhausted_descriptors_are_told_and_got_over)
{
    struct rlimit before;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    tw_loop *loop = loop_new();
    size_t calls = 0;
    tw_call_soon(loop, count, &calls);
    unsigned open = open_descriptors();
    for (rlim_t room = 0; room < (HAS_FD ? 3 : 2); room++) {
        limit_descriptors((rlim_t)lowest_free_descriptor() + room);
        errno = 0;
        int result = tw_run_forever(loop), error = errno;
        errno = 0;
        int fd = tw_fd(loop), fd_error = errno;
        limit_descriptors(before.rlim_cur);
        cr_assert_eq(result, -1);
        cr_assert_eq(error, EMFILE);
        cr_assert_eq(fd, -1);
        cr_assert_eq(fd_error, EMFILE);
        cr_assert_eq(open_descriptors(), open, "those that were made are closed again");
    }
    cr_assert_eq(calls, 0, "nothing was run");
    cr_assert_eq(tw_run(loop), 1);
    expect_usable(loop);
    loop_free(loop);
}

/* Linked with --wrap: what libc brings itself, and cannot be replaced. */
static int atfork_error;

int __real_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return atfork_error ? atfork_error : __real_pthread_atfork(prepare, parent, child);
}

/* It is not tried again: what a fork would do stays unknown to this process. */
Test(faults, forks_that_cannot_be_watched_are_told)
{
    tw_loop *loop = loop_new();
    unsigned open = open_descriptors();
    atfork_error = ENOMEM;
    for (size_t i = 0; i < 2; i++) {
        errno = 0;
        cr_assert_eq(tw_run_forever(loop), -1);
        cr_assert_eq(errno, ENOMEM);
        cr_assert_eq(open_descriptors(), open);
        atfork_error = 0;
    }
    size_t calls = 0;
    tw_call_soon(loop, count, &calls);
    cr_assert_eq(tw_run(loop), 1);
    loop_free(loop);
}

/* Takes the place of the C library's, which is not to be called here again: what the loop
 * sleeps in. */
static int sleep_error;

#if HAS_FD
#include <sys/epoll.h>
int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms)
{
    if (sleep_error != 0) {
        errno = sleep_error;
        return -1;
    }
    return epoll_pwait(epoll, events, most, timeout_ms, NULL);
}
#else
#include <poll.h>
#include <time.h>
int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (sleep_error != 0) {
        errno = sleep_error;
        return -1;
    }
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    return ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, NULL);
}
#endif

Test(faults, a_sleep_that_fails_ends_driving_and_is_told)
{
    tw_loop *loop = loop_new();
    size_t calls = 0;
    tw_call_later_ns(loop, HOUR, stop, loop);
    tw_call_soon(loop, count, &calls);
    sleep_error = ENOMEM;
    errno = 0;
    int result = tw_run_forever(loop), error = errno;
    sleep_error = 0;
    cr_assert_eq(result, -1);
    cr_assert_eq(error, ENOMEM);
    cr_assert_eq(calls, 1);
    expect_usable(loop);
    loop_free(loop);
}

#if !HAS_FD

#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>

/* Takes the place of the C library's in this program. */
static int fcntl_calls_left = -1; /* below 0: all succeed */

int fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    if (fcntl_calls_left == 0) {
        errno = EPERM;
        return -1;
    }
    fcntl_calls_left -= fcntl_calls_left > 0;
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

Test(faults, a_pipe_that_cannot_be_set_up_is_told_and_got_over)
{
    tw_loop *loop = loop_new();
    unsigned open = open_descriptors();
    for (int succeed = 0; succeed < 6; succeed++) { /* three for each end */
        fcntl_calls_left = succeed;
        errno = 0;
        int result = tw_run_forever(loop), error = errno;
        fcntl_calls_left = -1;
        cr_assert_eq(result, -1, "the failure of call %d", succeed + 1);
        cr_assert_eq(error, EPERM);
        cr_assert_eq(open_descriptors(), open);
    }
    expect_usable(loop);
    loop_free(loop);
}

#else

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

/* These take the place of the C library's in this program. */
static int timerfd_error, epoll_error;
static int epoll_calls_left; /* that succeed before */
static clockid_t timerfd_clock; /* of the last one that was asked for */

int timerfd_create(clockid_t clock, int flags)
{
    timerfd_clock = clock;
    if (timerfd_error != 0) {
        errno = timerfd_error;
        return -1;
    }
    return (int)syscall(SYS_timerfd_create, clock, flags);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (epoll_error != 0 && epoll_calls_left-- == 0) {
        errno = epoll_error;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

/* The two tell different times only where a system has been suspended. */
Test(faults, the_descriptor_goes_by_the_clock_that_was_asked_for)
{
    const clockid_t expected[] = {[TW_CLOCK_MONOTONIC] = CLOCK_MONOTONIC,
                                  [TW_CLOCK_BOOTTIME] = CLOCK_BOOTTIME};
    for (int clock_id = TW_CLOCK_MONOTONIC; clock_id <= TW_CLOCK_BOOTTIME; clock_id++) {
        tw_options options = {.size = sizeof options, .clock_id = clock_id};
        tw_loop *loop = tw_loop_new(&options);
        timerfd_clock = -1;
        cr_assert_geq(tw_fd(loop), 0);
        cr_assert_eq(timerfd_clock, expected[clock_id]);
        loop_free(loop);
    }
}

static void expect_failure(tw_loop *loop, int error, unsigned open)
{
    errno = 0;
    cr_assert_eq(tw_run_forever(loop), -1);
    cr_assert_eq(errno, error);
    errno = 0;
    cr_assert_eq(tw_fd(loop), -1);
    cr_assert_eq(errno, error);
    cr_assert_eq(open_descriptors(), open);
}

Test(faults, a_timerfd_that_cannot_be_made_is_told_and_got_over)
{
    tw_loop *loop = loop_new();
    unsigned open = open_descriptors();
    timerfd_error = ENODEV;
    expect_failure(loop, ENODEV, open);
    timerfd_error = 0;
    expect_usable(loop);
    loop_free(loop);
}

Test(faults, an_epoll_that_takes_no_more_is_told_and_got_over)
{
    tw_loop *loop = loop_new();
    unsigned open = open_descriptors();
    epoll_error = ENOSPC;
    for (int left = 0; left < 2; left++) {
        for (int calls = 0; calls < 2; calls++) { /* as expect_failure */
            epoll_calls_left = left;
            errno = 0;
            cr_assert_eq(calls == 0 ? tw_run_forever(loop) : tw_fd(loop), -1);
            cr_assert_eq(errno, ENOSPC);
            cr_assert_eq(open_descriptors(), open);
        }
    }
    epoll_error = 0;
    expect_usable(loop);
    loop_free(loop);
}

#endif
