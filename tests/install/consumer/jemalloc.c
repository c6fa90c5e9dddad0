/* SPDX-License-Identifier: MIT */
/* A program that uses the installed component jemalloc. */
#include <tickwheel_jemalloc.h>

#include <stdio.h>

static int calls;

static void count(void *arg)
{
    (void)arg;
    calls++;
}

int main(void)
{
    unsigned first_arena = 0, second_arena = 0;
    tw_loop *first = tw_jemalloc_loop_new(NULL, &first_arena);
    tw_loop *second = tw_jemalloc_loop_new(NULL, &second_arena);
    if (!first || !second || first_arena == second_arena) {
        fprintf(stderr, "jemalloc: not so: two loops have two arenas\n");
        return 1;
    }
    for (int i = 0; i < 1000; i++)
        tw_call_soon(first, count, NULL);
    tw_run(first);
    tw_loop_free(first);
    tw_loop_free(second);
    if (calls != 1000) {
        fprintf(stderr, "jemalloc: not so: each of 1000 calls is made, but %d\n", calls);
        return 1;
    }
    printf("jemalloc: arenas %u and %u, %d calls\n", first_arena, second_arena, calls);
    return 0;
}
