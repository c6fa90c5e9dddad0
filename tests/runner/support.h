/* SPDX-License-Identifier: MIT */
/*
 * What the runner's tests share. The clock is the real one: the tests assert
 * that nothing is early and how often things happen, never how long they take.
 */
#ifndef TICKWHEEL_TESTS_RUNNER_SUPPORT_H
#define TICKWHEEL_TESTS_RUNNER_SUPPORT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <tickwheel.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define HOUR (3600 * SECOND)

/* Whether the back end under test has a descriptor for outer pollers. */
#ifdef RUNNER_linux
#define HAS_FD 1
#else
#define HAS_FD 0
#endif

/* Sanitizers make everything ten times slower. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
#define SLOW 1
#else
#define SLOW 0
#endif

tw_loop *loop_new(void);
tw_stats stats_of(const tw_loop *loop);

/* tw_check, then tw_loop_free. */
void loop_free(tw_loop *loop);

/* Callbacks: count their calls at a size_t; stop a loop. */
void count(void *counter);
void stop(void *loop);

/* A thread that runs body(arg), and waiting for its end. */
pthread_t thread_start(void *(*body)(void *arg), void *arg);
void thread_join(pthread_t thread);

/* Runs the loop for ever in a thread of its own. Its answer, a uintptr_t that
 * is 0 or an errno, comes from runner_join. */
pthread_t runner_start(tw_loop *loop);
int runner_join(pthread_t thread);

/* Blocks the calling thread so long at least. */
void sleep_ns(uint64_t ns);

/* The open descriptors of this process. */
unsigned open_descriptors(void);

/* Calls body(arg) in a child process, and answers how it ended, as waitpid
 * does; what it wrote to stderr is in `said`, cut off at its size. A child that
 * comes back from body ends with 0. */
int in_child(void (*body)(void *arg), void *arg, char *said, size_t size);

#endif
