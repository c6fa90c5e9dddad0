/* SPDX-License-Identifier: MIT */
/*
 * runner: what a loop sleeps by, and what it knows of its sleep. The state alone: it is
 * moved by
 *     alarm.c     the alarm, and who wakes whom
 *     sleep.c     what is done between two runs
 *     forever.c   tw_run_forever, tw_run_until_empty, tw_fd
 *
 *     tw_run_forever   run ─> prepare to sleep ─> sleep ─> run ...
 *     tw_run_until_empty  the same, as long as anything is pending
 *     tw_fd            run ─> prepare to sleep; if something is due at once, the
 *                      descriptor is made readable; the outer poller sleeps; a start
 *                      in between that is due before the alarm goes off sets it anew
 *
 * Descriptors are made at the first need and live as long as the loop. A fork makes
 * the child's those of its parent: it never touches them, but makes its own as soon
 * as it would sleep by itself, or is asked for them by tw_fd.
 */
#ifndef TW_RUNNER_H
#define TW_RUNNER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runner_backend.h"

struct runner {
    struct backend backend;
    int clock_id;        /* TW_CLOCK_... */
    bool fd_given;       /* tw_fd was called: an outer poller may be waiting */
    const void *driver;  /* the thread in tw_run_forever or tw_run_until_empty; NULL: none */
    bool stopping;       /* tw_stop was called */
    bool ends_empty;     /* driving ends when nothing is pending */
    bool wake_owed;      /* somebody has called backend_wake, or is about to, and its
                            mark has not been taken away */
    pid_t process;       /* that has made the descriptors; 0: there are none */
    atomic_uint forks;   /* threads_forks then: another number says that they are the parent's */
    uint64_t wakeups;    /* see tw_stats */
    uint64_t alarms;
    _Atomic(const void *) owner; /* the thread the loop belongs to; NULL: not known */
};

/* The memory is zeroes. */
void runner_init(struct runner *runner, int clock_id);
void runner_free(struct runner *runner);

/* Whether the descriptors are those of the process that this one was forked from. */
bool runner_inherited(const struct runner *runner);

/* Whether somebody sleeps between the runs: tw_run_forever, or an outer poller. */
static inline bool runner_awaited(const struct runner *runner)
{
    return runner->driver || runner->fd_given;
}

/* Whether a thread is in tw_run_forever. That of the parent process is, but here it is
 * not there any more, unless it was the one that forked. */
bool runner_driven(const struct runner *runner);

#endif
