/* SPDX-License-Identifier: MIT */
/* post: every call once, and in order for each sender. */
#include <pthread.h>

#include "support.h"

static void nothing(void *arg)
{
    (void)arg;
}

Test(post, calls_come_out_in_the_order_of_posting)
{
    static struct post_queue queue;
    struct post post;
    cr_assert_not(post_waiting(&queue));
    cr_assert_not(post_next(&queue, &post));
    for (uintptr_t i = 0; i < 10; i++) {
        cr_assert_geq(post_push(&queue, nothing, (void *)i), 0);
        if (i == 4 || i == 6)
            post_collect(&queue, SIZE_MAX); /* behind what was collected before */
    }
    cr_assert(post_waiting(&queue));
    post_collect(&queue, SIZE_MAX);
    for (uintptr_t i = 0; i < 10; i++) {
        cr_assert(post_next(&queue, &post));
        cr_assert_eq((uintptr_t)post.arg, i);
        cr_assert_eq(post.callback, nothing);
    }
    cr_assert_not(post_waiting(&queue));
}

Test(post, what_is_not_collected_yet_waits)
{
    static struct post_queue queue;
    struct post post;
    post_push(&queue, nothing, NULL);
    cr_assert(post_waiting(&queue));
    cr_assert_not(post_next(&queue, &post));
    post_collect(&queue, SIZE_MAX);
    cr_assert(post_next(&queue, &post));
    cr_assert_not(post_next(&queue, &post));
}

enum { SENDERS = 4, EACH = 20000 };
static struct post_queue shared;

static void *send_all(void *arg)
{
    uintptr_t sender = (uintptr_t)arg;
    for (uintptr_t i = 0; i < EACH; i++) {
        while (post_push(&shared, nothing, (void *)(sender * EACH + i)) < 0)
            ;
    }
    return NULL;
}

Test(post, each_senders_calls_arrive_once_and_in_order)
{
    pthread_t threads[SENDERS];
    uintptr_t expected[SENDERS] = {0};
    for (uintptr_t s = 0; s < SENDERS; s++)
        cr_assert_eq(pthread_create(&threads[s], NULL, send_all, (void *)s), 0);
    for (size_t got = 0; got < (size_t)SENDERS * EACH;) {
        struct post post;
        post_collect(&shared, SIZE_MAX);
        while (post_next(&shared, &post)) {
            uintptr_t sender = (uintptr_t)post.arg / EACH;
            REQUIRE((uintptr_t)post.arg % EACH == expected[sender]++);
            got++;
        }
    }
    for (int s = 0; s < SENDERS; s++)
        pthread_join(threads[s], NULL);
    post_collect(&shared, SIZE_MAX);
    cr_assert_not(post_waiting(&shared));
}
