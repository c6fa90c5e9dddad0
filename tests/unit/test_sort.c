/* SPDX-License-Identifier: MIT */
/* sort: it agrees with the C library's on every input. */
#include "support.h"

static int by_order(const void *a, const void *b)
{
    return timer_before(*(tw_bare_timer *const *)a, *(tw_bare_timer *const *)b) ? -1 : 1;
}

static void expect_sorted(tw_bare_timer *timers, size_t n)
{
    tw_bare_timer **expected = malloc((n + 1) * sizeof *expected);
    struct sort_entry *entries = malloc((2 * n + 1) * sizeof *entries);
    for (size_t i = 0; i < n; i++) {
        expected[i] = &timers[i];
        entries[i] = (struct sort_entry){timers[i].deadline_, timer_sequence(&timers[i]),
                                         &timers[i]};
    }
    qsort(expected, n, sizeof *expected, by_order);
    sort_entries(entries, n, entries + n);
    for (size_t i = 0; i < n; i++)
        REQUIRE(entries[i].timer == expected[i]);
    free(expected);
    free(entries);
}

static void number(tw_bare_timer *timers, size_t n, uint64_t first)
{
    for (size_t i = 0; i < n; i++)
        timer_set_sequence(&timers[i], first + i * TIMER_SEQUENCE_ONE);
}

Test(sort, random_deadlines_of_every_length_up_to_100)
{
    struct chance chance = {8};
    tw_bare_timer *timers = bare_timers_new(100);
    for (size_t n = 0; n <= 100; n++) {
        number(timers, n, 0);
        for (size_t i = 0; i < n; i++)
            timers[i].deadline_ = chance_magnitude(&chance, 64);
        expect_sorted(timers, n);
    }
}

Test(sort, equal_deadlines_stay_in_the_order_of_scheduling)
{
    enum { N = 5000 };
    struct chance chance = {9};
    tw_bare_timer *timers = bare_timers_new(N);
    number(timers, N, 0);
    for (size_t i = 0; i < N; i++) { /* shuffled numbers, three deadlines */
        size_t j = chance_below(&chance, i + 1);
        uint64_t sequence = timer_sequence(&timers[i]);
        timer_set_sequence(&timers[i], timer_sequence(&timers[j]));
        timer_set_sequence(&timers[j], sequence);
        timers[i].deadline_ = chance_below(&chance, 3);
    }
    expect_sorted(timers, N);
}

Test(sort, sequence_numbers_that_wrap_keep_their_order)
{
    enum { N = 200 };
    tw_bare_timer *timers = bare_timers_new(N);
    number(timers, N, UINT64_MAX - 100 * TIMER_SEQUENCE_ONE + 1);
    cr_assert_gt(timer_sequence(&timers[99]), timer_sequence(&timers[100]), "they wrap");
    cr_assert(timer_before(&timers[99], &timers[100]));
    cr_assert(timer_before(&timers[0], &timers[N - 1]));
    expect_sorted(timers, N);
}

Test(sort, sorted_and_reversed_inputs)
{
    enum { N = 3000 };
    tw_bare_timer *timers = bare_timers_new(N);
    number(timers, N, 0);
    for (size_t i = 0; i < N; i++)
        timers[i].deadline_ = i;
    expect_sorted(timers, N);
    for (size_t i = 0; i < N; i++)
        timers[i].deadline_ = N - i;
    expect_sorted(timers, N);
}

/* Deadlines that are spread evenly are sorted by buckets; of those that are not, most
 * come into one, and are merged. */
Test(sort, even_and_uneven_deadlines)
{
    enum { MANY = SORT_MOST };
    struct chance chance = {10};
    tw_bare_timer *timers = bare_timers_new(MANY);
    size_t lengths[] = {13, 32, 33, 1000, 4095, 4096, MANY};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        size_t n = lengths[k];
        number(timers, n, 0);
        for (size_t i = 0; i < n; i++)
            timers[i].deadline_ = chance_below(&chance, 1 << 20);
        expect_sorted(timers, n);
        for (size_t i = 0; i < n; i++)
            timers[i].deadline_ = chance_below(&chance, 1 << 10);
        timers[n / 2].deadline_ = UINT64_MAX;
        expect_sorted(timers, n);
        timers[n / 3].deadline_ = 0;
        expect_sorted(timers, n);
    }
}

/* Buckets and merging write to the spare room; what is in order needs none. */
Test(sort, entries_in_order_are_not_moved)
{
    enum { N = 1000 };
    static struct sort_entry entries[N], spare[N], untouched[N];
    for (size_t i = 0; i < N; i++)
        entries[i].deadline = i / 2, entries[i].sequence = i * TIMER_SEQUENCE_ONE;
    sort_entries(entries, N, spare);
    cr_assert_arr_eq(spare, untouched, sizeof spare);
    entries[0].deadline = N;
    sort_entries(entries, N, spare);
    cr_assert(memcmp(spare, untouched, sizeof spare) != 0, "this one had to be");
    cr_assert_eq(entries[N - 1].deadline, (uint64_t)N);
}
