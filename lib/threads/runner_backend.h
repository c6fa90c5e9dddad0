/* SPDX-License-Identifier: MIT */
/*
 * runner_backend: what the runner needs of a system in order to sleep.
 *
 * One of these files implements it, chosen when the build is configured
 * (TICKWHEEL_RUNNER):
 *     runner_linux.c   epoll, timerfd, eventfd: wakes at the nanosecond
 *     runner_windows.c  a waitable timer and an event, on Windows
 *     runner_poll.c    poll and a pipe, on any POSIX system: wakes at the next
 *                      millisecond, and has no descriptor that tells time
 *
 * A back end can be asleep until two things happen: its alarm goes off, or
 * another thread wakes it. The first lasts until the next backend_arm; the second
 * leaves a mark that lasts until one backend_wait has reported it.
 */
#ifndef TW_RUNNER_BACKEND_H
#define TW_RUNNER_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

struct backend {
    int wait_fd;         /* readable when the back end has something to say */
    int wake_fd;         /* written to by whoever wakes */
    int timer_fd;        /* -1: the back end has none */
    uint64_t armed_ns;   /* when the alarm goes off, or has gone off; BITS_NEVER: it will not */
};

/* Whether it can sleep by this clock (TW_CLOCK_...). */
bool backend_knows_clock(int clock_id);

/* Reads that clock, in ns. */
uint64_t backend_clock_ns(int clock_id);

/* Makes the descriptors. 0, or -1 with errno set and nothing left open. */
int backend_open(struct backend *backend, int clock_id);
void backend_close(struct backend *backend);

/* What an outer poller may wait for; -1 with ENOTSUP if there is no such thing. */
int backend_fd(const struct backend *backend);

/* Sets the alarm, or with BITS_NEVER stops it. It may be set earlier than
 * asked for, if the system cannot count so far: armed_ns says when. */
void backend_arm(struct backend *backend, uint64_t when_ns);

/* Wakes it, which leaves a mark: not to be called while there is one. From any
 * thread, and from a signal handler. */
void backend_wake(const struct backend *backend);

/* Sleeps, if it may, until the alarm has gone off, or there is a mark, or a signal
 * has been handled. 1 if there was a mark, which is now taken away; 0 if there was
 * none; -1 with errno set. */
int backend_wait(const struct backend *backend, bool may_sleep);

#endif
