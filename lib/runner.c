/* SPDX-License-Identifier: MIT */
/*
 * runner: tw_run_forever, tw_fd and the thread that owns the loop, on one of the back
 * ends of runner_backend.h.
 */
#include "runner.h"

#include <unistd.h>

#include "loop.h"
#include "threads.h"

/* -------------------------------------------------------- the thread that owns */

static const void *owner(const tw_loop *loop)
{
    return atomic_load_explicit(&loop->runner.owner, memory_order_relaxed);
}

static void set_owner(tw_loop *loop, const void *thread)
{
    atomic_store_explicit(&loop->runner.owner, thread, memory_order_relaxed);
}

/* Whether the descriptors are those of the process that this one was forked from. */
static bool runner_inherited(const struct runner *runner)
{
    return atomic_load_explicit(&runner->forks, memory_order_relaxed) != threads_forks();
}

/* Whether a thread is in tw_run_forever. That of the parent process is, but here it is
 * not there any more, unless it was the one that forked. */
static bool is_driven(const struct runner *runner)
{
    return runner->driver && (!runner_inherited(runner) || runner->driver == threads_survivor());
}

void runner_claim(tw_loop *loop)
{
    const void *before = owner(loop);
    if (before && before != threads_current() && (loop->running || is_driven(&loop->runner)))
        tw_misuse("a loop is run or freed by one thread while another one runs it");
    set_owner(loop, threads_current());
}

void runner_adopt(tw_loop *loop)
{
    TW_CLAIM(loop);
    set_owner(loop, threads_current());
}

void runner_check_owner(const tw_loop *loop)
{
    const void *before = owner(loop);
    if (before && before != threads_current())
        tw_misuse("a loop is used by another thread than the one that runs it; only tw_post_send, "
                  "tw_cancel_and_wait and what has _threadsafe in its name may be called from "
                  "other threads, and tw_loop_adopt by a thread that takes the loop over");
}

/* ------------------------------------------------------------- the descriptors */

void runner_init(tw_loop *loop, int clock_id)
{
    loop->runner.clock_id = clock_id;
    atomic_init(&loop->runner.forks, threads_forks());
}

void runner_free(tw_loop *loop)
{
    if (loop->runner.open)
        backend_close(&loop->runner.backend);
}

/* Makes the descriptors, if there are none yet or if they are shared with the
 * process that this one was forked from. 0, or -1 with nothing changed. */
static int open_backend(tw_loop *loop)
{
    struct runner *runner = &loop->runner;
    /* The process, too, since there are forks that nobody tells us of; that is
     * unreachable because the tests fork as everybody does. */
    if (runner->open && !runner_inherited(runner) && runner->process == getpid())
        return 0;
    struct backend fresh;
    if (threads_watch_forks() != 0 || backend_open(&fresh, runner->clock_id) != 0)
        return -1;
    if (!is_driven(runner)) {
        runner->driver = NULL;
        loop->awaited = runner->fd_given;
    }
    runner_free(loop); /* closes this process's half of what was shared */
    runner->backend = fresh;
    runner->open = true;
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

void runner_wake(tw_loop *loop)
{
    /* A child's loop that has no descriptors of its own yet is awake: it only copied
     * the word that says otherwise, and looks at what has come before it sleeps. */
    if (!runner_inherited(&loop->runner))
        backend_wake(&loop->runner.backend);
}

/* ----------------------------------------------------------- between two runs */

/* Sets the alarm, unless it goes off early enough anyway. */
static void set_alarm(tw_loop *loop, uint64_t when_ns)
{
    struct runner *runner = &loop->runner;
    uint64_t armed_ns = runner->backend.armed_ns;
    if (armed_ns <= when_ns && armed_ns > loop->clock_ns)
        return;
    backend_arm(&runner->backend, when_ns);
    runner->alarms++;
}

/* Says that the loop sleeps, until its alarm. */
static void fall_asleep(tw_loop *loop)
{
    post_alarm_is(&loop->posts, loop->runner.backend.armed_ns);
    post_reader_is(&loop->posts, loop->runner.wake_owed ? POST_WOKEN : POST_ASLEEP);
}

/* The opposite: the loop will look at the queue before it sleeps again. woken: the
 * mark of a wake-up has just been taken away. A loop that did not get to sleep is
 * still awake, since nobody else says so: the load spares a busy loop the exchange,
 * 4 ns of 65 a turn. */
static void mark_awake(tw_loop *loop, bool woken)
{
    if (post_reader(&loop->posts) == POST_AWAKE)
        return;
    if (post_reader_is(&loop->posts, POST_AWAKE) == POST_WOKEN)
        loop->runner.wake_owed = true;
    if (woken)
        loop->runner.wake_owed = false;
}

/* Gets ready to sleep. false: there is something to do at once. Calls that other
 * threads start meanwhile may change until when; but if they do so again and again,
 * the loop is better run. */
static bool prepare_to_sleep(tw_loop *loop)
{
    /* by a race alone: three arrivals in three attempts */
    for (unsigned attempts = 0; attempts < 3; attempts++) {
        uint64_t now_ns = loop_read_clock(loop); /* first: what is due by it is not put off */
        uint64_t next_ns = tw_next_ns(loop);
        if (next_ns <= now_ns)
            return false;
        set_alarm(loop, next_ns);
        fall_asleep(loop);
        if (post_waiting(&loop->posts))
            return false;
        if (!post_has_arrivals(&loop->posts))
            return true;
        mark_awake(loop, false);
    }
    return false;
}

/* Makes the descriptor readable. */
static void make_readable(tw_loop *loop)
{
    loop_watch_starts(loop, 0);
    if (post_reader_is(&loop->posts, POST_WOKEN) != POST_WOKEN && !loop->runner.wake_owed)
        backend_wake(&loop->runner.backend);
}

/* A run that came after a fork, without the calls that make new descriptors,
 * would set the alarm of the parent process. */
static void expect_own_descriptors(const struct runner *runner)
{
#if TW_CHECKED >= 1
    if (runner_inherited(runner))
        tw_misuse("a loop with a tw_fd was used after fork before tw_fd was called again");
#else
    (void)runner;
#endif
}

/* In a child, where the parent's descriptors are all there is: nobody sleeps. */
static bool stay_awake(tw_loop *loop)
{
    if (TW_LIKELY(!runner_inherited(&loop->runner)))
        return false;
    loop_watch_starts(loop, 0);
    return true;
}

void runner_begin(tw_loop *loop)
{
    struct runner *runner = &loop->runner;
    expect_own_descriptors(runner);
    loop_watch_starts(loop, 0);
    if (runner->driver || stay_awake(loop))
        return; /* tw_run_forever goes to sleep and wakes by itself */
    mark_awake(loop, false);
    /* An outer poller is not to see the mark again. */
    if (runner->wake_owed && backend_wait(&runner->backend, false) > 0)
        runner->wake_owed = false;
}

void runner_end(tw_loop *loop)
{
    struct runner *runner = &loop->runner;
    if (runner->driver || stay_awake(loop))
        return; /* the callbacks that have just run may have forked */
    if (prepare_to_sleep(loop))
        loop_watch_starts(loop, runner->backend.armed_ns);
    else
        make_readable(loop);
}

void runner_wake_earlier(tw_loop *loop, uint64_t when_ns)
{
    struct runner *runner = &loop->runner;
    expect_own_descriptors(runner);
    if (stay_awake(loop))
        return;
    if (when_ns <= loop->clock_ns) {
        make_readable(loop);
        return;
    }
    set_alarm(loop, loop_put_off(loop, when_ns));
    post_alarm_is(&loop->posts, runner->backend.armed_ns);
    loop_watch_starts(loop, runner->backend.armed_ns);
}

/* ------------------------------------------------------------ the public calls */

/* From now on somebody sleeps between the runs, who is told when each is over. */
static void await(tw_loop *loop)
{
    loop->awaited = true;
    calendar_stop_passing(&loop->calendar);
}

/* What is left when tw_run_forever is over: an outer poller may go on. */
static void stop_driving(tw_loop *loop)
{
    struct runner *runner = &loop->runner;
    runner->driver = NULL;
    loop->awaited = runner->fd_given;
    if (!runner_inherited(runner)) {
        runner_begin(loop);
        if (runner->fd_given)
            runner_end(loop);
    }
    set_owner(loop, NULL);
}

/* Whether nothing is pending, and no post is on its way. */
static bool is_empty(tw_loop *loop)
{
    remote_collect(loop);
    /* by a race alone: something has come since the run */
    return loop_pending(loop) == 0 && !post_waiting(&loop->posts) && !remote_has_arrivals(loop);
}

void runner_left(tw_loop *loop)
{
    struct runner *runner = &loop->runner;
    runner->driver = NULL;
    runner->ends_empty = false;
    atomic_store(&loop->remote.ends_empty, false);
    loop->awaited = runner->fd_given;
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
    if (prepare_to_sleep(loop) && !(runner->ends_empty && is_empty(loop))) {
        woken = backend_wait(&runner->backend, true);
        runner->wakeups++;
    }
    mark_awake(loop, woken > 0);
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
    if (!loop_idle(loop))
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
    mark_awake(loop, false); /* an outer poller may have awaited it until now */
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
    if (!loop->running) {
        runner_begin(loop);
        runner_end(loop);
    }
    return fd;
}

/* Whether something may be posted; else sets errno. Other threads stay away from
 * the loop's own fields, which it writes all the time. */
static bool may_post(const tw_loop *loop, tw_callback *callback)
{
    if (TW_LIKELY(loop && callback && !loop->posts.closed))
        return true;
    errno = loop && callback ? EBUSY : EINVAL;
    return false;
}

int tw_call_soon_threadsafe(tw_loop *loop, tw_callback *callback, void *arg)
{
    if (!may_post(loop, callback))
        return -1;
    int wake = post_push(&loop->posts, callback, arg);
    if (wake < 0)
        return runner_fail(ENOMEM);
    if (wake)
        runner_wake(loop);
    return 0;
}

int tw_post_send(tw_loop *loop, tw_post *post)
{
    if (!may_post(loop, post ? post->callback_ : NULL))
        return -1;
    if (post_send(&loop->posts, post))
        runner_wake(loop);
    return 0;
}
