/* A fork while a loop is alive. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "support.h"

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
    tw_call_later_ns(family.loop, 20 * MS, count, &family.calls);
    tw_call_later_ns(family.loop, 30 * MS, stop, family.loop);
    tw_stop(family.loop);
    cr_assert_eq(tw_run_forever(family.loop), 0); /* makes the descriptors */
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

#endif
