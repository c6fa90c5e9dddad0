/* SPDX-License-Identifier: MIT */
/*
 * threads: what the library needs to know of the threads around it, and of forks.
 *
 * threads.c has it for POSIX; a back end of the runner for a system that is none has
 * its own.
 */
#ifndef TW_THREADS_H
#define TW_THREADS_H

#include <stdbool.h>

/* Names the calling thread, among those that live at the same time. */
const void *threads_current(void);

/* Calls end(arg) when the calling thread ends, once and not NULL; one such for a
 * thread, set anew by each call. false: it cannot be done, and nothing has changed. */
bool threads_end_with(void (*end)(void *arg), void *arg);

/* How many forks lie between this process and the first that watched for them: a
 * child's number is not its parent's. Forks that go round the C library are not seen.
 * Watching: 0, or -1 with errno set. */
unsigned threads_forks(void);
int threads_watch_forks(void);

/* The thread that the last of those forks has left; the others are the parent's. */
const void *threads_survivor(void);

/* Threads that wait for something that another one does. All of a process wait in one
 * place, since they hardly ever have to:
 *     waiting     threads_wait_begin, threads_wait until it has been done,
 *                 threads_wait_end
 *     doing       do it, by a sequentially consistent store; then, if
 *                 threads_anyone_waits, threads_wake_waiting, which wakes them all */
void threads_wait_begin(void);
void threads_wait(void);
void threads_wait_end(void);
bool threads_anyone_waits(void);
void threads_wake_waiting(void);

#endif
