/* SPDX-License-Identifier: MIT */
/* A program that is wrong: while its loop runs, another thread starts a call on
 * it. A checked library stops it; one without checks may let it go on. */
#include <tickwheel.h>

#include <pthread.h>

static void nothing(void *arg)
{
    (void)arg;
}

static void *start_a_call(void *loop)
{
    tw_call_later(loop, 1, nothing, NULL);
    return NULL;
}

static void in_another_thread(void *loop)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, start_a_call, loop) == 0)
        pthread_join(thread, NULL);
}

int main(void)
{
    tw_loop *loop = tw_loop_new(NULL);
    if (loop == NULL || tw_call_soon(loop, in_another_thread, loop) == 0)
        return 2;
    tw_run(loop);
    tw_loop_free(loop);
    return 0;
}
