/* SPDX-License-Identifier: MIT */
/*
 * forever: running and sleeping in turn, and a descriptor for those who sleep by
 * themselves.
 */
#include <unistd.h>

#include "alarm.h"
#include "owner.h"
#include "remote_loop.h"
#include "run.h"
#include "sleep.h"
#include "threads.h"

/* Makes the descriptors, if there are none yet or if they are shared with the
 * process that this one was forked from. 0, or -1 with nothing changed. */
static int open_backend(tw_loop *loop)
{
    struct runner *runner = &loop->runner;
    /* The process, too: there are forks that no handler reports. */
    if (!runner_inherited(runner) && runner->process == getpid())
        return 0;
    struct backend opened;
    if (threads_watch_forks() != 0 || backend_open(&opened, runner->clock_id) != 0)
        return -1;
    if (!runner_driven(runner)) {
        runner->driver = NULL;
        loop_note_awaited(loop);
    }
    runner_free(runner); /* closes this process's half of what was shared */
    runner->backend = opened;
    runner->process = getpid();
    atomic_store_explicit(&runner->forks, threads_forks(), memory_order_relaxed);
    runner->wake_owed = false;
    post_reader_is(&loop->posts, POST_AWAKE);
    return 0;
}

static int runner_fail(int error)
{
    errno = error;
    return -1;
}

/* From now on somebody sleeps between the runs, who learns when each is over. */
static void await(tw_loop *loop)
{
    loop_note_awaited(loop);
    calendar_stop_passing(&loop->calendar);
}

/* What is left when tw_run_forever is over: an outer poller may go on. */
static void stop_driving(tw_loop *loop)
{
    struct runner *runner = &loop->runner;
    runner->driver = NULL;
    loop_note_awaited(loop);
    if (!runner_inherited(runner)) {
        sleep_before_run(loop);
        if (runner->fd_given)
            sleep_after_run(loop);
    }
    owner_release(loop);
}

/* Whether nothing is pending, and no post is on its way. */
static bool is_empty(tw_loop *loop)
{
    remote_collect(loop);
    /* by a race alone: something has come since the run */
    return loop_pending(loop) == 0 && !post_waiting(&loop->posts) && !loop_has_arrivals(loop);
}

/* However tw_run_forever is over: also by an exception of a callback. */
static void end_driving(tw_loop **loop)
{
    int error = errno;
    struct runner *runner = &(*loop)->runner;
    runner->stopping = runner->ends_empty = false;
    atomic_store(&(*loop)->remote.ends_empty, false);
    stop_driving(*loop);
    errno = error;
}

/* Between two runs of tw_run_forever. 0, or -1 with errno set. A mark that is owed
 * is taken away here, when the loop next sleeps: at worst it is one short sleep. */
static int sleep_until_due(tw_loop *loop)
{
    struct runner *runner = &loop->runner;
    int woken = 0;
    /* Whoever cancels the last call sees that the loop sleeps, or is seen here. */
    /* by a race alone: the last was cancelled since the run */
    if (sleep_prepare(loop) && !(runner->ends_empty && is_empty(loop))) {
        woken = backend_wait(&runner->backend, true);
        runner->wakeups++;
    }
    alarm_mark_awake(loop, woken > 0);
    return woken < 0 ? -1 : 0;
}

/* Runs and sleeps. 0, or -1 with errno set. */
static int drive(tw_loop *loop)
{
    struct runner *runner = &loop->runner;
    for (;;) {
        tw_run(loop);
        /* A callback may have forked, and this be the child. */
        if (TW_UNLIKELY(runner_inherited(runner)) && open_backend(loop) != 0)
            return -1;
        if (runner->stopping || (runner->ends_empty && is_empty(loop)))
            return 0;
        if (sleep_until_due(loop) != 0)
            return -1;
    }
}

static int run_until(tw_loop *loop, bool ends_empty)
{
    if (!loop)
        return runner_fail(EINVAL);
    TW_CLAIM(loop);
    if (!run_idle(loop))
        return -1;
    if (loop->own_clock)
        return runner_fail(ENOTSUP);
    if (open_backend(loop) != 0)
        return -1;
    struct runner *runner = &loop->runner;
    tw_loop *driven TW_AT_END(end_driving) = loop;
    runner->driver = threads_current();
    runner->ends_empty = ends_empty;
    atomic_store(&loop->remote.ends_empty, ends_empty);
    await(driven);
    alarm_mark_awake(loop, false); /* an outer poller may have awaited it until now */
    return drive(loop);
}

int tw_run_forever(tw_loop *loop)
{
    return run_until(loop, false);
}

int tw_run_until_empty(tw_loop *loop)
{
    return run_until(loop, true);
}

void tw_stop(tw_loop *loop)
{
    if (!loop) {
        errno = EINVAL;
        return;
    }
    TW_ASSERT_OWNED(loop);
    loop->runner.stopping = true;
}

int tw_fd(tw_loop *loop)
{
    if (!loop)
        return runner_fail(EINVAL);
    TW_ASSERT_OWNED(loop);
    if (loop->closing || loop->locked)
        return runner_fail(EBUSY);
    if (loop->own_clock)
        return runner_fail(ENOTSUP);
    if (open_backend(loop) != 0)
        return -1;
    int fd = backend_fd(&loop->runner.backend);
    if (fd < 0)
        return -1;
    loop->runner.fd_given = true;
    await(loop);
    if (!loop->calendar.running) {
        sleep_before_run(loop);
        sleep_after_run(loop);
    }
    return fd;
}
