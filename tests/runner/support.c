/* SPDX-License-Identifier: MIT */
/* support: loops, threads and waiting for them, as support.h says. */
#define _DEFAULT_SOURCE

#include "support.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

tw_loop *loop_new(void)
{
    tw_loop *loop = tw_loop_new(NULL);
    cr_assert_not_null(loop);
    return loop;
}

tw_stats stats_of(const tw_loop *loop)
{
    tw_stats stats = {.size = sizeof stats};
    tw_stats_get(loop, &stats);
    return stats;
}

void loop_free(tw_loop *loop)
{
    const char *broken = tw_check(loop);
    cr_assert_null(broken, "%s", broken);
    tw_loop_free(loop);
}

void count(void *counter)
{
    ++*(size_t *)counter;
}

void stop(void *loop)
{
    tw_stop(loop);
}

pthread_t thread_start(void *(*body)(void *arg), void *arg)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, body, arg);
    cr_assert_eq(error, 0);
    return thread;
}

void thread_join(pthread_t thread)
{
    cr_assert_eq(pthread_join(thread, NULL), 0);
}

static void *run_forever(void *loop)
{
    return (void *)(uintptr_t)(tw_run_forever(loop) == 0 ? 0 : errno);
}

pthread_t runner_start(tw_loop *loop)
{
    return thread_start(run_forever, loop);
}

int runner_join(pthread_t thread)
{
    void *answer;
    cr_assert_eq(pthread_join(thread, &answer), 0);
    return (int)(uintptr_t)answer;
}

void sleep_ns(uint64_t ns)
{
    struct timespec left = {(time_t)(ns / SECOND), (long)(ns % SECOND)};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

unsigned open_descriptors(void)
{
    unsigned open = 0;
    for (int fd = 0; fd < 1024; fd++) {
        int copy = dup(fd);
        if (copy >= 0) {
            open++;
            close(copy);
        }
    }
    return open;
}

int in_child(void (*body)(void *arg), void *arg, char *said, size_t size)
{
    int pipe_ends[2], status;
    cr_assert_eq(pipe(pipe_ends), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        dup2(pipe_ends[1], STDERR_FILENO);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        body(arg);
        _exit(0);
    }
    close(pipe_ends[1]);
    size_t have = 0;
    ssize_t got;
    while ((got = read(pipe_ends[0], said + have, size - 1 - have)) > 0)
        have += (size_t)got;
    said[have] = '\0';
    close(pipe_ends[0]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}
