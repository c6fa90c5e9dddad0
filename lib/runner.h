/* SPDX-License-Identifier: MIT */
/*
 * runner: sleeping until something is due.
 *
 *     tw_run_forever   run ─> prepare to sleep ─> sleep ─> run ...
 *     tw_run_until_empty  the same, as long as anything is pending
 *     tw_fd            run ─> prepare to sleep; if something is due at once, the
 *                      descriptor is made readable; the outer poller sleeps; a start
 *                      in between that is due before the alarm goes off sets it anew
 *
 * The alarm is set anew only when it would go off too late, or has gone off. So
 * timers that come and go behind the next deadline cost no system call; the
 * price is one needless wake-up when the timer it was set for has been stopped.
 *
 * Descriptors are made at the first need and live as long as the loop. A fork makes
 * the child's those of its parent: it never touches them, but makes its own as soon
 * as it would sleep by itself, or is asked for them by tw_fd.
 */
#ifndef TW_RUNNER_H
#define TW_RUNNER_H

#include <stdatomic.h>
#include <sys/types.h>
#include <tickwheel.h>

#include "runner_backend.h"

struct runner {
    struct backend backend;
    int clock_id;        /* TW_CLOCK_... */
    bool open;           /* the back end has its descriptors */
    bool fd_given;       /* tw_fd was called: an outer poller may be waiting */
    const void *driver;  /* the thread in tw_run_forever or tw_run_until_empty; NULL: none */
    bool stopping;       /* tw_stop was called */
    bool ends_empty;     /* driving ends when nothing is pending */
    bool wake_owed;      /* somebody has called backend_wake, or is about to, and its
                            mark has not been taken away */
    pid_t process;       /* that has made the descriptors */
    atomic_uint forks;   /* threads_forks then: another number says that they are the parent's */
    uint64_t wakeups;    /* see tw_stats */
    uint64_t alarms;
    _Atomic(const void *) owner; /* the thread the loop belongs to; NULL: not known */
};

void runner_init(tw_loop *loop, int clock_id);
void runner_free(tw_loop *loop);

/* A run begins, and is over, of a loop that is awaited. */
void runner_begin(tw_loop *loop);
void runner_end(tw_loop *loop);

/* A run that the loop was left in by a jump is over, and so is tw_run_forever. */
void runner_left(tw_loop *loop);

/* Something was started that is due before loop->alarm_ns. */
void runner_wake_earlier(tw_loop *loop, uint64_t when_ns);

/* Wakes the loop. Any thread that has claimed to do so. */
void runner_wake(tw_loop *loop);

/* The calling thread is about to run or free the loop: it owns it now. */
void runner_claim(tw_loop *loop);

/* The calling thread says that it owns the loop. */
void runner_adopt(tw_loop *loop);

/* The calling thread is about to use the loop: it must own it. */
void runner_check_owner(const tw_loop *loop);

#endif
