/* SPDX-License-Identifier: MIT */
/* Builds with checks stop a program that uses a loop from the wrong thread. */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "support.h"

static char said[1000];

static void expect_misuse(int status, const char *sentence)
{
    cr_assert_eq(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, true, "it went on");
    cr_assert_not_null(strstr(said, sentence), "it said: %s", said);
}

static void expect_good_end(int status)
{
    cr_assert_eq(WIFEXITED(status) && WEXITSTATUS(status) == 0, true, "it said: %s", said);
}

static void in_thread(void *(*body)(void *arg), void *arg)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, arg) != 0 || pthread_join(thread, NULL) != 0)
        exit(1);
}

/* ------------------------------------------------ calls while another runs it */

static void *use_soon(void *loop)
{
    tw_call_soon(loop, stop, loop);
    return NULL;
}

static void *use_later(void *loop)
{
    tw_call_later(loop, 1, stop, loop);
    return NULL;
}

static void *use_cancel(void *loop)
{
    tw_cancel(loop, 12345);
    return NULL;
}

static void *use_timer(void *loop)
{
    tw_timer timer;
    tw_timer_init(&timer, stop, loop);
    tw_timer_start_later_ns(loop, &timer, 1);
    return NULL;
}

static void *use_stats(void *loop)
{
    tw_stats stats = {.size = sizeof stats};
    tw_stats_get(loop, &stats);
    return NULL;
}

static void *use_stop(void *loop)
{
    tw_stop(loop);
    return NULL;
}

static void *use_next(void *loop)
{
    tw_next_ns(loop);
    return NULL;
}

static void *use_run(void *loop)
{
    tw_run(loop);
    return NULL;
}

static void *use_free(void *loop)
{
    tw_loop_free(loop);
    return NULL;
}

static void *(*use)(void *loop);

static void let_another_thread_use(void *loop)
{
    in_thread(use, loop);
    tw_stop(loop);
}

static void run_and_use(void *unused)
{
    (void)unused;
    tw_loop *loop = tw_loop_new(NULL);
    tw_call_soon(loop, let_another_thread_use, loop);
    tw_run_forever(loop);
}

Test(owner, other_threads_may_not_use_a_loop_that_runs)
{
    void *(*const uses[])(void *) = {use_soon,  use_later, use_cancel, use_timer,
                                     use_stats, use_stop,  use_next};
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        use = uses[i];
        expect_misuse(in_child(run_and_use, NULL, said, sizeof said),
                      "a loop is used by another thread than the one that runs it");
    }
}

Test(owner, other_threads_may_not_run_or_free_a_loop_that_runs)
{
    void *(*const uses[])(void *) = {use_run, use_free};
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        use = uses[i];
        expect_misuse(in_child(run_and_use, NULL, said, sizeof said),
                      "a loop is run or freed by one thread while another one runs it");
    }
}

#ifndef __SANITIZE_THREAD__ /* that says so first: the misuse is a data race */

static void *sleep_in_it(void *loop)
{
    tw_run_forever(loop);
    return NULL;
}

static void tell(void *runs)
{
    atomic_store((atomic_bool *)runs, true);
}

static void sleep_and_use(void *unused)
{
    (void)unused;
    tw_loop *loop = tw_loop_new(NULL);
    pthread_t thread;
    atomic_bool runs = false;
    tw_call_later(loop, 3600, stop, loop);
    tw_call_soon(loop, tell, &runs);
    if (pthread_create(&thread, NULL, sleep_in_it, loop) != 0)
        exit(1);
    while (!atomic_load(&runs))
        sched_yield();
    sleep_ns(20 * MS); /* it may not sleep yet, and the answer is the same */
    use(loop);
}

Test(owner, other_threads_may_not_run_or_free_a_loop_that_sleeps)
{
    void *(*const uses[])(void *) = {use_run, use_free};
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        use = uses[i];
        expect_misuse(in_child(sleep_and_use, NULL, said, sizeof said),
                      "a loop is run or freed by one thread while another one runs it");
    }
}

#endif

static void run_by_hand_and_use(void *unused)
{
    (void)unused;
    tw_loop *loop = tw_loop_new(NULL);
    tw_run(loop);
    in_thread(use, loop);
}

Test(owner, other_threads_may_not_use_a_loop_between_runs)
{
    use = use_later;
    expect_misuse(in_child(run_by_hand_and_use, NULL, said, sizeof said),
                  "a loop is used by another thread than the one that runs it");
}

/* ---------------------------------------------------------------- handing over */

static void *run_it(void *loop)
{
    tw_call_soon(loop, stop, loop);
    if (tw_run_forever(loop) != 0)
        exit(1);
    return NULL;
}

static void *run_it_by_hand(void *loop)
{
    tw_call_soon(loop, stop, loop);
    if (tw_run(loop) != 1)
        exit(1);
    return NULL;
}

static void *just_run_it(void *loop)
{
    if (tw_run(loop) != 1)
        exit(1);
    return NULL;
}

static void hand_over(void *unused)
{
    (void)unused;
    tw_loop *loop = tw_loop_new(NULL);
    tw_call_later(loop, 3600, stop, loop);   /* made and filled here, */
    in_thread(run_it, loop);                 /* run there, */
    use_stats(loop);                         /* looked at here again, */
    in_thread(run_it_by_hand, loop);
    tw_run(loop);                            /* claimed by running it, */
    tw_call_soon(loop, stop, loop);
    in_thread(just_run_it, loop);
    tw_loop_free(loop);                      /* or by freeing it */
}

Test(owner, no_loop_is_nobodys)
{
    errno = 0;
    cr_assert_eq(tw_run(NULL), 0u);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(tw_advance(NULL, 1), 0u);
    cr_assert_eq(errno, EINVAL);
}

Test(owner, a_loop_may_be_handed_over)
{
    expect_good_end(in_child(hand_over, NULL, said, sizeof said));
}

static void *post(void *loop)
{
    tw_call_soon_threadsafe(loop, stop, loop);
    return NULL;
}

Test(owner, posting_needs_no_ownership)
{
    use = post;
    expect_good_end(in_child(run_and_use, NULL, said, sizeof said));
}

/* ------------------------------------------------------------------------ fork */

static tw_loop *inherited;

static void run_it_without_a_new_fd(void *unused)
{
    (void)unused;
    tw_run(inherited);
}

static void start_without_a_new_fd(void *unused)
{
    (void)unused;
    tw_call_soon(inherited, stop, inherited);
}

Test(owner, a_child_process_must_ask_for_its_own_fd)
{
    inherited = loop_new();
    if (tw_fd(inherited) < 0) {
        cr_assert_eq(errno, ENOTSUP); /* the back end has none to share */
        loop_free(inherited);
        return;
    }
    expect_misuse(in_child(run_it_without_a_new_fd, NULL, said, sizeof said),
                  "a loop with a tw_fd was used after fork");
    expect_misuse(in_child(start_without_a_new_fd, NULL, said, sizeof said),
                  "a loop with a tw_fd was used after fork");
    loop_free(inherited);
}
