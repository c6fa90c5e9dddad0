/* SPDX-License-Identifier: MIT */
/* A program that includes the whole library, and has names of its own that are
 * those of the library's inside. */
#define TICKWHEEL_STATIC
#include "tickwheel.c"

#include <stdio.h>

struct node {
    struct node *next;
};

struct heap {
    tw_timer chunk, bucket;
};

static int calls;

static void fire(void *arg)
{
    calls += *(int *)arg;
}

static int step(tw_loop *wheel, uint64_t now_ns)
{
    return (int)tw_advance(wheel, now_ns);
}

static uint64_t call(void *none)
{
    (void)none;
    return 1000;
}

int main(void)
{
    int one = 1, ten = 10;
    struct heap timers;
    struct node node = {NULL};
    tw_options options = {.size = sizeof options, .clock = call};
    tw_loop *wheel = tw_loop_new(&options);
    if (!wheel || node.next)
        return 1;
    tw_timer_init(&timers.chunk, fire, &one);
    tw_timer_init(&timers.bucket, fire, &ten);
    bool started = tw_timer_start_at_ns(wheel, &timers.chunk, 5000) == 0 &&
                   tw_timer_start_later_ns(wheel, &timers.bucket, 3000) == 0 &&
                   tw_call_later_ns(wheel, 100000000000u, fire, &ten) != 0;
    int early = step(wheel, 3999), first = step(wheel, 4000), second = step(wheel, 5000);
    const char *broken = tw_check(wheel);
    tw_loop_free(wheel);
    if (!started || early != 0 || first != 1 || second != 1 || calls != 11 || broken) {
        printf("started %d, %d early, then %d and %d calls, %d in all, %s\n", started, early, first,
               second, calls, broken ? broken : "sound");
        return 1;
    }
    return 0;
}
