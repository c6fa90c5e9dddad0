/* SPDX-License-Identifier: MIT */
/* A fork while a loop is alive. */
#define _DEFAULT_SOURCE

#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alarm.h"
#include "support.h"
#include "threads.h"

struct family {
    tw_loop *loop;
    size_t calls;
    int fd;
};

static char said[1000];

static void expect_good_end(int status)
{
    cr_assert_eq(WIFEXITED(status) && WEXITSTATUS(status) == 0, true, "the child said: %s", said);
}

/* In a child, Criterion is of no use: the sentence goes to the parent by stderr. */
#define CHILD_REQUIRE(condition)                                                                   \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void free_it(void *arg)
{
    struct family *family = arg;
    tw_loop_free(family->loop);
}

Test(forks, the_child_may_free_the_loop)
{
    struct family family = {.loop = loop_new()};
    tw_stop(family.loop);
    cr_assert_eq(tw_run_forever(family.loop), 0); /* makes the descriptors */
    tw_call_later_ns(family.loop, 20 * MS, count, &family.calls);
    tw_call_later_ns(family.loop, 30 * MS, stop, family.loop);
    expect_good_end(in_child(free_it, &family, said, sizeof said));
    cr_assert_eq(tw_run_forever(family.loop), 0);
    cr_assert_eq(family.calls, 1);
    loop_free(family.loop);
}

static void *post_stop(void *loop)
{
    sleep_ns(20 * MS);
    tw_call_soon_threadsafe(loop, stop, loop);
    return NULL;
}

/* What is pending, timers and posts, is pending in the child too; and the child
 * is woken by its own threads, with descriptors of its own. */
static void run_it(void *arg)
{
    struct family *family = arg;
    tw_call_later_ns(family->loop, MS, count, &family->calls);
    pthread_t thread;
    CHILD_REQUIRE(pthread_create(&thread, NULL, post_stop, family->loop) == 0);
    CHILD_REQUIRE(tw_run_forever(family->loop) == 0);
    CHILD_REQUIRE(pthread_join(thread, NULL) == 0);
    CHILD_REQUIRE(family->calls == 3);
    tw_loop_free(family->loop);
}

Test(forks, both_processes_may_go_on)
{
    struct family family = {.loop = loop_new()};
    tw_stop(family.loop);
    cr_assert_eq(tw_run_forever(family.loop), 0);
    tw_call_later_ns(family.loop, MS, count, &family.calls);
    tw_call_soon_threadsafe(family.loop, count, &family.calls);
    expect_good_end(in_child(run_it, &family, said, sizeof said));
    tw_call_later_ns(family.loop, 2 * MS, stop, family.loop);
    cr_assert_eq(tw_run_forever(family.loop), 0);
    cr_assert_eq(family.calls, 2, "the child's calls are not the parent's");
    loop_free(family.loop);
}

/* ----------------------------------------------- a callback forks and returns in both */

struct fork_in_callback {
    tw_loop *loop;
    tw_handle end;       /* what stops the parent's loop */
    pid_t child;         /* 0 in the child */
    size_t calls;
    pthread_t thread;    /* the child's */
    int wait_fd;         /* of the parent */
    bool without_descriptors;
};

/* The child has timers and posts that the parent has not, all earlier than the parent's:
 * whatever they set or wake must be the child's own. */
static void fork_here(void *arg)
{
    struct fork_in_callback *both = arg;
    both->wait_fd = both->loop->runner.backend.wait_fd;
    both->child = fork();
    if (both->child != 0)
        return;
    tw_cancel(both->loop, both->end); /* however slow this is, the child's own stops the child's */
    if (both->without_descriptors) {
        struct rlimit none;
        CHILD_REQUIRE(getrlimit(RLIMIT_NOFILE, &none) == 0);
        none.rlim_cur = 0; /* what is counted at the end is written to files */
        CHILD_REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    }
    tw_call_later_ns(both->loop, MS, count, &both->calls);
    CHILD_REQUIRE(pthread_create(&both->thread, NULL, post_stop, both->loop) == 0);
}

static void end_child(const struct fork_in_callback *both, int result)
{
    CHILD_REQUIRE(both->loop->runner.backend.wait_fd != both->wait_fd ||
                  both->without_descriptors);
    CHILD_REQUIRE((result == 0) == !both->without_descriptors);
    CHILD_REQUIRE(result == 0 || errno == EMFILE);
    CHILD_REQUIRE(result != 0 || both->calls == 1);
    if (result != 0) { /* what can be done without descriptors still can */
        CHILD_REQUIRE(both->calls == 0);
        CHILD_REQUIRE(pthread_join(both->thread, NULL) == 0);
        size_t calls = 0;
        while (calls < 2) /* the post, and the timer when it is due */
            calls += tw_run(both->loop);
        CHILD_REQUIRE(both->calls == 1);
    } else {
        CHILD_REQUIRE(pthread_join(both->thread, NULL) == 0);
    }
    tw_loop_free(both->loop);
    struct rlimit limit;
    CHILD_REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    CHILD_REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    _exit(0);
}

static void expect_child_to_end_well(pid_t child)
{
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %#x", status);
}

static void fork_in_run_forever(bool without_descriptors)
{
    struct fork_in_callback both = {.loop = loop_new(), .without_descriptors = without_descriptors};
    tw_call_later_ns(both.loop, MS, fork_here, &both);
    both.end = tw_call_later_ns(both.loop, 60 * MS, stop, both.loop);
    int result = tw_run_forever(both.loop);
    if (both.child == 0)
        end_child(&both, result);
    cr_assert_eq(result, 0);
    cr_assert_not(tw_pending(both.loop, both.end), "it was not the child's post that stopped it");
    expect_child_to_end_well(both.child);
    cr_assert_eq(both.loop->runner.backend.wait_fd, both.wait_fd);
    cr_assert_leq(stats_of(both.loop).wakeups, 3);
    /* And it is still woken by posts. */
    pthread_t thread = thread_start(post_stop, both.loop);
    cr_assert_eq(tw_run_forever(both.loop), 0);
    thread_join(thread);
    loop_free(both.loop);
}

Test(forks, in_a_callback_of_tw_run_forever_leave_each_its_own)
{
    fork_in_run_forever(false);
}

Test(forks, in_a_callback_without_descriptors_for_the_child_are_told)
{
    fork_in_run_forever(true);
}

/* A child of the child: each time anew. */
static void fork_again(void *arg)
{
    struct fork_in_callback *both = arg;
    both->child = fork();
    if (both->child == 0 && ++both->calls < 3)
        tw_call_later_ns(both->loop, MS, fork_again, both);
    else
        tw_call_later_ns(both->loop, MS, stop, both->loop);
}

Test(forks, of_forks_go_on_too)
{
    struct fork_in_callback both = {.loop = loop_new()};
    tw_call_later_ns(both.loop, MS, fork_again, &both);
    int result = tw_run_forever(both.loop), status = 0;
    if (both.child > 0)
        waitpid(both.child, &status, 0);
    if (both.calls > 0) /* in a child */
        _exit(result == 0 && status == 0 ? 0 : 1);
    cr_assert_eq(result, 0);
    cr_assert_eq(status, 0);
    loop_free(both.loop);
}

/* ------------------------------------------------------ a fork in another thread */

struct sleeper {
    tw_loop *loop;
    atomic_size_t calls;
};

static void count_atomically(void *arg)
{
    struct sleeper *sleeper = arg;
    atomic_fetch_add(&sleeper->calls, 1);
}

static void use_the_copy(void *arg)
{
    struct sleeper *sleeper = arg;
    /* The word says that the loop sleeps; it is the parent's that does. */
    CHILD_REQUIRE(tw_call_soon_threadsafe(sleeper->loop, count_atomically, sleeper) == 0);
    CHILD_REQUIRE(tw_call_later_threadsafe_ns(sleeper->loop, 0, count_atomically, sleeper) != 0);
    CHILD_REQUIRE(tw_call_later_threadsafe_ns(sleeper->loop, 2 * MS, stop, sleeper->loop) != 0);
    CHILD_REQUIRE(tw_run_forever(sleeper->loop) == 0);
    CHILD_REQUIRE(atomic_load(&sleeper->calls) == 4);
    tw_loop_free(sleeper->loop);
}

Test(forks, of_another_thread_while_the_loop_sleeps_do_not_wake_it)
{
    struct sleeper sleeper = {.loop = loop_new()};
    tw_call_later_ns(sleeper.loop, 2 * HOUR, count_atomically, &sleeper);
    pthread_t runner = runner_start(sleeper.loop);
    while (atomic_load(&sleeper.loop->posts.reader) != POST_ASLEEP)
        sleep_ns(50 * US);
    /* On their way, and not woken for: the child has them, too, but due. */
    tw_handle handles[2];
    for (size_t i = 0; i < 2; i++)
        handles[i] = tw_call_later_threadsafe_ns(sleeper.loop, 3 * HOUR, count_atomically, &sleeper);
    atomic_store(&sleeper.calls, 2);
    expect_good_end(in_child(use_the_copy, &sleeper, said, sizeof said));
    cr_assert_eq(atomic_load(&sleeper.loop->posts.reader), POST_ASLEEP);
    cr_assert_eq(atomic_load(&sleeper.calls), 2);
    cr_assert(tw_cancel_threadsafe(sleeper.loop, handles[0]));
    cr_assert(tw_cancel_threadsafe(sleeper.loop, handles[1]));
    tw_call_later_threadsafe_ns(sleeper.loop, 0, stop, sleeper.loop);
    cr_assert_eq(runner_join(runner), 0);
    cr_assert_eq(stats_of(sleeper.loop).wakeups, 1);
    loop_free(sleeper.loop);
}

#ifndef __SANITIZE_THREAD__ /* it bears no threads in the child of several */

/* A poster has claimed to wake the parent's loop. Whether it has done so by the fork or
 * not: nobody wakes the child's for that, so that it must not wait for it. */
static void go_on_and_be_owed_nothing(void *arg)
{
    struct sleeper *sleeper = arg;
    CHILD_REQUIRE(tw_call_later_threadsafe_ns(sleeper->loop, MS, stop, sleeper->loop) != 0);
    CHILD_REQUIRE(tw_run_forever(sleeper->loop) == 0);
    CHILD_REQUIRE(atomic_load(&sleeper->calls) == 1);
    /* If it were, it would sleep as if woken, and nobody would wake it. */
    CHILD_REQUIRE(!sleeper->loop->runner.wake_owed);
    tw_loop_free(sleeper->loop);
}

Test(forks, between_the_claim_of_a_wakeup_and_its_sleepers_rise_do_not_make_the_child_wait_for_it)
{
    struct sleeper sleeper = {.loop = loop_new()};
    pthread_t runner = runner_start(sleeper.loop);
    while (atomic_load(&sleeper.loop->posts.reader) != POST_ASLEEP)
        sleep_ns(50 * US);
    cr_assert_eq(post_push(&sleeper.loop->posts, count_atomically, &sleeper), 1);
    expect_good_end(in_child(go_on_and_be_owed_nothing, &sleeper, said, sizeof said));
    alarm_wake(sleeper.loop);
    tw_call_soon_threadsafe(sleeper.loop, stop, sleeper.loop);
    cr_assert_eq(runner_join(runner), 0);
    cr_assert_eq(atomic_load(&sleeper.calls), 1);
    loop_free(sleeper.loop);
}

#endif

/* A wake-up is owed to the loop that forks: it has risen by itself meanwhile. */
static void fork_with_wakeup_owed(void *arg)
{
    struct fork_in_callback *both = arg;
    cr_assert(both->loop->runner.wake_owed);
    both->child = fork();
    if (both->child == 0)
        CHILD_REQUIRE(pthread_create(&both->thread, NULL, post_stop, both->loop) == 0);
    else
        tw_stop(both->loop);
}

Test(forks, of_a_loop_that_is_owed_a_wakeup_do_not_make_the_child_wait_for_it)
{
    struct fork_in_callback both = {.loop = loop_new()};
    tw_stop(both.loop);
    cr_assert_eq(tw_run_forever(both.loop), 0); /* makes the descriptors */
    post_reader_is(&both.loop->posts, POST_ASLEEP);
    cr_assert_eq(post_push(&both.loop->posts, count, &both.calls), 1, "it is for us to wake");
    tw_call_soon(both.loop, fork_with_wakeup_owed, &both);
    int result = tw_run_forever(both.loop);
    if (both.child == 0) {
        CHILD_REQUIRE(result == 0 && both.calls == 1);
        CHILD_REQUIRE(pthread_join(both.thread, NULL) == 0);
        tw_loop_free(both.loop);
        _exit(0);
    }
    cr_assert_eq(result, 0);
    expect_child_to_end_well(both.child);
    loop_free(both.loop);
}

#ifndef __SANITIZE_THREAD__ /* its own locks may be another thread's: one fork in a hundred hung */

/* Forks while four threads post, start and cancel: whatever the child has got of it, it
 * can go on with, to the end. */
static atomic_bool enough;

static void *keep_posting(void *arg)
{
    struct sleeper *sleeper = arg;
    while (!atomic_load(&enough)) {
        tw_handle handle =
            tw_call_later_threadsafe_ns(sleeper->loop, 100 * US, count_atomically, sleeper);
        tw_call_soon_threadsafe(sleeper->loop, count_atomically, sleeper);
        tw_call_later_threadsafe_ns(sleeper->loop, HOUR, count_atomically, sleeper);
        tw_cancel_and_wait(sleeper->loop, handle);
        sleep_ns(20 * US);
    }
    return NULL;
}

static void run_what_is_there(void *arg)
{
    struct sleeper *sleeper = arg;
    tw_call_later_ns(sleeper->loop, 2 * MS, stop, sleeper->loop);
    CHILD_REQUIRE(tw_run_forever(sleeper->loop) == 0);
    const char *broken = tw_check(sleeper->loop);
    CHILD_REQUIRE(broken == NULL);
    tw_cancel_all(sleeper->loop);
    CHILD_REQUIRE(tw_run_until_empty(sleeper->loop) == 0);
    tw_loop_free(sleeper->loop);
}

Test(forks, while_other_threads_post_and_start_leave_a_sound_loop)
{
    struct sleeper sleeper = {.loop = loop_new()};
    pthread_t threads[4];
    atomic_store(&enough, false);
    for (size_t i = 0; i < 4; i++)
        threads[i] = thread_start(keep_posting, &sleeper);
    for (size_t i = 0; i < (SLOW ? 4 : 30); i++) {
        tw_run(sleeper.loop);
        expect_good_end(in_child(run_what_is_there, &sleeper, said, sizeof said));
    }
    atomic_store(&enough, true);
    for (size_t i = 0; i < 4; i++)
        thread_join(threads[i]);
    loop_free(sleeper.loop);
}

#endif

/* A thread waits for the callback that forks: the child has no such thread. */
struct waited_for {
    tw_loop *loop;
    tw_handle handle;
    pid_t child;
    sem_t begun;
};

static void fork_while_waited_for(void *arg)
{
    struct waited_for *waited_for = arg;
    sem_post(&waited_for->begun);
    while (!threads_anyone_waits())
        sleep_ns(50 * US);
    waited_for->child = fork();
    tw_stop(waited_for->loop);
}

static void *cancel_and_wait(void *arg)
{
    struct waited_for *waited_for = arg;
    sem_wait(&waited_for->begun);
    return tw_cancel_and_wait(waited_for->loop, waited_for->handle) ? arg : NULL;
}

Test(forks, in_a_callback_that_is_waited_for_end_it_in_both)
{
    struct waited_for waited_for = {.loop = loop_new()};
    sem_init(&waited_for.begun, 0, 0);
    waited_for.handle =
        tw_call_later_threadsafe_ns(waited_for.loop, 0, fork_while_waited_for, &waited_for);
    pthread_t thread = thread_start(cancel_and_wait, &waited_for);
    int result = tw_run_forever(waited_for.loop);
    if (waited_for.child == 0) {
        CHILD_REQUIRE(result == 0 && !threads_anyone_waits());
        tw_loop_free(waited_for.loop);
        _exit(0);
    }
    cr_assert_eq(result, 0);
    thread_join(thread);
    expect_child_to_end_well(waited_for.child);
    loop_free(waited_for.loop);
}

#if HAS_FD

static void poll_it(void *arg)
{
    struct family *family = arg;
    int fd = tw_fd(family->loop);
    CHILD_REQUIRE(fd >= 0 && fd != family->fd);
    tw_call_later_ns(family->loop, MS, count, &family->calls);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    CHILD_REQUIRE(poll(&wait, 1, -1) == 1);
    CHILD_REQUIRE(tw_run(family->loop) == 1);
    tw_loop_free(family->loop);
}

/* The child's timer is earlier than the parent's, and must not set its alarm. */
Test(forks, the_childs_tw_fd_is_its_own)
{
    struct family family = {.loop = loop_new()};
    family.fd = tw_fd(family.loop);
    tw_call_later_ns(family.loop, HOUR, count, &family.calls);
    expect_good_end(in_child(poll_it, &family, said, sizeof said));
    struct pollfd wait = {.fd = family.fd, .events = POLLIN};
    cr_assert_eq(poll(&wait, 1, 20), 0);
    tw_call_later_ns(family.loop, MS, count, &family.calls);
    cr_assert_eq(poll(&wait, 1, -1), 1);
    while (tw_run(family.loop) == 0) {
    }
    cr_assert_eq(family.calls, 1);
    loop_free(family.loop);
}

/* The parent's loop is driven by a thread that the child does not have: it is the child's
 * poller who sleeps there. */
static void take_over_and_poll_it(void *arg)
{
    struct family *family = arg;
    tw_loop_adopt(family->loop);
    poll_it(family);
}

Test(forks, the_childs_tw_fd_is_told_of_though_the_parents_loop_is_driven)
{
    struct family family = {.loop = loop_new(), .fd = -1};
    pthread_t runner = runner_start(family.loop);
    while (atomic_load(&family.loop->posts.reader) != POST_ASLEEP)
        sleep_ns(50 * US);
    expect_good_end(in_child(take_over_and_poll_it, &family, said, sizeof said));
    tw_call_soon_threadsafe(family.loop, stop, family.loop);
    cr_assert_eq(runner_join(runner), 0);
    cr_assert_eq(family.calls, 0);
    loop_free(family.loop);
}

/* Builds with checks stop such a child: tests/runner/owner.c. */
#if TW_CHECKED < 1
static void run_without_asking(void *arg)
{
    struct family *family = arg;
    tw_call_later_ns(family->loop, 0, count, &family->calls);
    CHILD_REQUIRE(tw_run(family->loop) == 1);
    tw_call_later_ns(family->loop, MS, count, &family->calls);
    CHILD_REQUIRE(tw_run_until_empty(family->loop) == 0);
    CHILD_REQUIRE(family->calls == 2);
}

Test(forks, a_child_that_does_not_ask_for_its_own_tw_fd_leaves_the_parents_alone)
{
    struct family family = {.loop = loop_new()};
    family.fd = tw_fd(family.loop);
    expect_good_end(in_child(run_without_asking, &family, said, sizeof said));
    struct pollfd wait = {.fd = family.fd, .events = POLLIN};
    cr_assert_eq(poll(&wait, 1, 20), 0);
    loop_free(family.loop);
}
#endif

/* The child returns from the callback that forked, into the end of the run; and may
 * start timers, too, before it asks for a descriptor of its own. */
static void fork_under_an_outer_poller(uint64_t parents_delay_ns)
{
    struct fork_in_callback both = {.loop = loop_new()};
    int fd = tw_fd(both.loop);
    tw_handle handle = tw_call_later_ns(both.loop, parents_delay_ns, count, &both.calls);
    tw_call_soon(both.loop, fork_here, &both);
    cr_assert_eq(tw_run(both.loop), 1);
    if (both.child == 0) {
        tw_cancel(both.loop, handle);
        tw_call_later_ns(both.loop, 0, count, &both.calls);
        tw_timer timer;
        tw_timer_init(&timer, count, &both.calls);
        tw_timer_start_later_ns(both.loop, &timer, 2 * MS);
        CHILD_REQUIRE(tw_call_later_threadsafe_ns(both.loop, 0, count, &both.calls) != 0);
        int own = tw_fd(both.loop);
        CHILD_REQUIRE(own >= 0 && own != fd);
        struct pollfd wait = {.fd = own, .events = POLLIN};
        while (both.calls < 4) {
            CHILD_REQUIRE(poll(&wait, 1, -1) == 1);
            tw_run(both.loop);
        }
        CHILD_REQUIRE(pthread_join(both.thread, NULL) == 0);
        tw_loop_free(both.loop);
        _exit(0);
    }
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    expect_child_to_end_well(both.child);
    if (parents_delay_ns == HOUR)
        cr_assert_eq(poll(&wait, 1, 0), 0, "nothing that the child does is seen here");
    while (parents_delay_ns < HOUR && both.calls == 0) {
        cr_assert_eq(poll(&wait, 1, -1), 1);
        tw_run(both.loop);
    }
    cr_assert_eq(poll(&wait, 1, 0), 0);
    tw_call_soon_threadsafe(both.loop, count, &both.calls);
    cr_assert_eq(poll(&wait, 1, -1), 1, "posts still wake it");
    cr_assert_eq(tw_run(both.loop), 1);
    loop_free(both.loop);
}

Test(forks, in_a_callback_under_an_outer_poller_are_not_seen_by_it)
{
    fork_under_an_outer_poller(HOUR);
}

Test(forks, in_a_callback_under_an_outer_poller_leave_the_parents_alarm)
{
    fork_under_an_outer_poller(20 * MS);
}

#endif
