/* SPDX-License-Identifier: MIT */
/* tickwheel::jemalloc: what jemalloc's own statistics say of a loop's arena. */
#include <criterion/criterion.h>
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <stdio.h>
#include <string.h>
#include <tickwheel_jemalloc.h>

static void nothing(void *arg)
{
    (void)arg;
}

/* Bytes allocated from an arena now. */
static size_t allocated(unsigned arena)
{
    static const char *const sizes[] = {"small", "large"};
    uint64_t epoch = 1;
    size_t sum = 0;

    cr_assert_eq(mallctl("epoch", NULL, NULL, &epoch, sizeof epoch), 0);
    for (int i = 0; i < 2; i++) {
        char name[64];
        size_t bytes = 0, length = sizeof bytes;
        snprintf(name, sizeof name, "stats.arenas.%u.%s.allocated", arena, sizes[i]);
        cr_assert_eq(mallctl(name, &bytes, &length, NULL, 0), 0);
        sum += bytes;
    }
    return sum;
}

/* jemalloc gives the index of an arena that was destroyed to the next one. */
static unsigned next_arena(void)
{
    unsigned arena = 0;
    tw_loop *loop = tw_jemalloc_loop_new(NULL, &arena);

    cr_assert_not_null(loop);
    tw_loop_free(loop);
    return arena;
}

Test(jemalloc, all_of_a_loops_memory_is_in_its_arena)
{
    unsigned arena = 0;
    tw_loop *loop = tw_jemalloc_loop_new(NULL, &arena);

    cr_assert_not_null(loop);
    for (int i = 0; i < 100000; i++)
        cr_assert_neq(tw_call_later(loop, i % 1000, nothing, NULL), 0);
    tw_stats stats = {.size = sizeof stats};
    tw_stats_get(loop, &stats);
    size_t bytes = allocated(arena);
    cr_assert_geq(bytes, stats.bytes, "%zu in the arena, %zu in the loop", bytes, stats.bytes);
    cr_assert_leq(bytes, stats.bytes + stats.bytes / 4, "%zu in the arena, %zu in the loop",
                  bytes, stats.bytes);
    tw_loop_free(loop);
}

Test(jemalloc, loops_do_not_share_an_arena)
{
    unsigned first = 0, second = 0;
    tw_loop *one = tw_jemalloc_loop_new(NULL, &first);
    tw_loop *other = tw_jemalloc_loop_new(NULL, &second);

    cr_assert_neq(first, second);
    size_t before = allocated(second);
    cr_assert_eq(tw_reserve(one, 100000), 0);
    cr_assert_eq(allocated(second), before);
    tw_loop_free(one);
    cr_assert_eq(allocated(second), before);
    tw_loop_free(other);
}

Test(jemalloc, freeing_the_loop_destroys_the_arena)
{
    unsigned arena = 0;
    tw_loop *loop = tw_jemalloc_loop_new(NULL, &arena);

    tw_call_later(loop, 1, nothing, NULL);
    cr_assert_neq(next_arena(), arena);
    tw_loop_free(loop);
    cr_assert_eq(next_arena(), arena);
}

Test(jemalloc, a_loop_that_cannot_be_made_leaves_no_arena)
{
    tw_options bad = {.size = sizeof bad, .missed = 17};
    unsigned before = next_arena();

    errno = 0;
    cr_assert_null(tw_jemalloc_loop_new(&bad, NULL));
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(next_arena(), before);
}

Test(jemalloc, another_allocator_is_refused)
{
    tw_allocator allocator = {0};
    tw_options options = {.size = sizeof options, .allocator = &allocator};

    errno = 0;
    cr_assert_null(tw_jemalloc_loop_new(&options, NULL));
    cr_assert_eq(errno, EINVAL);
}

Test(jemalloc, options_are_the_loops)
{
    tw_options options = {.size = sizeof options, .max_pending = 1, .reserve = 1000};
    tw_loop *loop = tw_jemalloc_loop_new(&options, NULL);

    cr_assert_not_null(loop);
    cr_assert_neq(tw_call_soon(loop, nothing, NULL), 0);
    errno = 0;
    cr_assert_eq(tw_call_soon(loop, nothing, NULL), 0);
    cr_assert_eq(errno, ENOBUFS);
    tw_loop_free(loop);
}

/* As tests/contract/options.c has it of tw_loop_new. */
Test(jemalloc, options_of_any_version_are_read_as_tw_loop_new_reads_them)
{
    union {
        tw_options options;
        unsigned char bytes[sizeof(tw_options) + 64];
    } longer = {.options = {.size = sizeof longer, .max_pending = 1}};
    tw_loop *loop = tw_jemalloc_loop_new(&longer.options, NULL);
    cr_assert_not_null(loop, "a later version's options that are all 0");
    tw_loop_free(loop);

    longer.bytes[sizeof longer - 1] = 1;
    errno = 0;
    cr_assert_null(tw_jemalloc_loop_new(&longer.options, NULL));
    cr_assert_eq(errno, EINVAL);

    for (size_t size = 0; size <= offsetof(tw_options, reserve); size++) {
        tw_options options = {.size = size, .tick_ns = 1024};
        errno = 0;
        tw_loop *mine = tw_jemalloc_loop_new(&options, NULL);
        tw_loop *plain = tw_loop_new(&options);
        cr_assert_eq(mine == NULL, plain == NULL, "size %zu", size);
        cr_assert(mine || errno == EINVAL);
        tw_loop_free(mine);
        tw_loop_free(plain);
    }
}

/* What the library calls, as the program is linked with --wrap. */
static bool no_arenas;
static int blocks_left = -1; /* below 0: as many as are asked for */

int __real_mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
int __wrap_mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size);
void *__real_mallocx(size_t bytes, int flags);
void *__wrap_mallocx(size_t bytes, int flags);

int __wrap_mallctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size)
{
    if (no_arenas && strcmp(name, "arenas.create") == 0)
        return EAGAIN;
    return __real_mallctl(name, old, old_size, new, new_size);
}

void *__wrap_mallocx(size_t bytes, int flags)
{
    if (blocks_left == 0)
        return NULL;
    blocks_left -= blocks_left > 0;
    return __real_mallocx(bytes, flags);
}

static void expect_no_memory(void)
{
    unsigned arena = 12345;
    errno = 0;
    cr_assert_null(tw_jemalloc_loop_new(NULL, &arena));
    cr_assert_eq(errno, ENOMEM);
}

Test(jemalloc, loop_without_an_arena_or_memory_is_refused_and_leaves_none)
{
    unsigned before = next_arena();
    no_arenas = true;
    expect_no_memory();
    no_arenas = false;
    for (blocks_left = 0; blocks_left < 2; blocks_left++) { /* its own, and the loop's */
        int left = blocks_left;
        expect_no_memory();
        blocks_left = left;
    }
    blocks_left = -1;
    cr_assert_eq(next_arena(), before, "an arena was left");
}
