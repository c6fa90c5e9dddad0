/* SPDX-License-Identifier: MIT */
/* wheel: slots at every boundary, the ring, and the even cascade. */
#include "support.h"

#define TOP (TW_LEVELS - 1)
#define SLOT_TICKS(level) (UINT64_C(1) << wheel_shift(level))

static struct memory memory;
static struct chunk_pool pool;
static struct wheel wheel;

static void begin(uint64_t cursor, size_t cells)
{
    memory = unit_memory();
    chunk_pool_init(&pool, &memory);
    cr_assert_eq(chunk_pool_reserve(&pool, cells, WHEEL_ALL_SLOTS, false), 0);
    wheel_init(&wheel, cursor);
}

static void insert(tw_bare_timer *timer, unsigned slot)
{
    timer_set_slot(timer, slot);
    REQUIRE(wheel_insert(&wheel, &pool, slot, timer, timer->deadline_));
}

static const uint64_t cursors[] = {0, 1, 255, 256, 257, 511, 512, 65535, 65536, 123456789,
                                   (UINT64_C(1) << 40) - 1, (UINT64_C(1) << 62) + 77};

Test(wheel, slot_is_in_the_lowest_level_that_reaches_the_tick)
{
    for (size_t c = 0; c < sizeof cursors / sizeof *cursors; c++) {
        wheel_init(&wheel, cursors[c]);
        for (unsigned level = 0; level < WHEEL_ALL_LEVELS; level++) {
            /* The last tick this level reaches, and the one after. */
            uint64_t number = (wheel.cursor >> wheel_shift(level)) + wheel_ring(level);
            if (number > (UINT64_MAX >> 1) >> wheel_shift(level))
                break; /* beyond the last tick there is */
            uint64_t after = number << wheel_shift(level);
            unsigned slot = wheel_slot_for(&wheel, after - 1);
            cr_assert_eq(wheel_level(slot), level);
            cr_assert_eq(wheel_number(&wheel, slot), number - 1);
            cr_assert_eq(wheel_level(wheel_slot_for(&wheel, after)), level + 1);
        }
        cr_assert_lt(wheel_slot_for(&wheel, UINT64_MAX >> 1), (unsigned)WHEEL_ALL_SLOTS);
    }
}

Test(wheel, next_tick_is_in_level_0_and_never_in_the_next_slot_of_an_upper_level)
{
    struct chance chance = {5};
    for (int i = 0; i < 200000; i++) {
        wheel_init(&wheel, chance_magnitude(&chance, 62));
        uint64_t tick = wheel.cursor + 1 + chance_magnitude(&chance, 62);
        unsigned slot = wheel_slot_for(&wheel, tick);
        REQUIRE(slot < WHEEL_ALL_SLOTS);
        unsigned level = wheel_level(slot);
        uint64_t number = wheel_number(&wheel, slot);
        REQUIRE(slot == wheel_slot_at(level, number));
        REQUIRE(number == tick >> wheel_shift(level));
        REQUIRE(number > (wheel.cursor >> wheel_shift(level)) + (level > 0));
        REQUIRE(wheel_visits_by(&wheel, slot, tick));
        REQUIRE(!wheel_visits_by(&wheel, slot, wheel_start(level, number) - 1));
    }
    wheel_init(&wheel, 1000);
    cr_assert_eq(wheel_level(wheel_slot_for(&wheel, 1001)), 0u);
}

/* The dumb search that wheel_next_from has to agree with. */
static uint64_t next_by_counting(unsigned level, uint64_t from)
{
    uint64_t end = (wheel.cursor >> wheel_shift(level)) + wheel_ring(level);
    for (uint64_t number = from; number < end; number++) {
        if (wheel.slots[wheel_slot_at(level, number)].count > 0)
            return number;
    }
    return WHEEL_NEVER;
}

Test(wheel, next_occupied_slot_is_found_over_words_and_the_wrap)
{
    struct chance chance = {6};
    tw_bare_timer *timers = bare_timers_new(64);
    for (int round = 0; round < 3000; round++) {
        begin(chance_magnitude(&chance, 62), 64);
        unsigned n = (unsigned)chance_below(&chance, 5);
        unsigned level = (unsigned)chance_below(&chance, WHEEL_ALL_LEVELS - 1);
        uint64_t base = wheel.cursor >> wheel_shift(level);
        uint64_t least = level > 0 ? 2 : 1, ring = wheel_ring(level);
        for (unsigned i = 0; i < n; i++)
            insert(&timers[i], wheel_slot_at(level, base + least +
                                             chance_below(&chance, ring - least)));
        for (uint64_t from = base + 1; from <= base + ring; from++)
            REQUIRE(wheel_next_from(&wheel, level, from) == next_by_counting(level, from));
        chunk_pool_free(&pool);
    }
}

Test(wheel, bitmap_follows_the_first_and_the_last_timer_of_a_slot)
{
    begin(0, 10);
    tw_bare_timer *timers = bare_timers_new(3);
    unsigned slot = wheel_slot_for(&wheel, 3);
    for (int i = 0; i < 3; i++)
        insert(&timers[i], slot);
    wheel_remove(&wheel, &pool, slot, &timers[1]);
    wheel_remove(&wheel, &pool, slot, &timers[0]);
    cr_assert_eq(wheel_next_number(&wheel, 0), 3u);
    wheel_remove(&wheel, &pool, slot, &timers[2]);
    cr_assert_eq(wheel_next_number(&wheel, 0), WHEEL_NEVER);
    insert(&timers[0], slot);
    struct cells taken = wheel_take(&wheel, slot, 2);
    cr_assert(taken.count == 1 && taken.emptied && taken.first[0] == &timers[0]);
    cr_assert_eq(wheel_next_number(&wheel, 0), WHEEL_NEVER);
    chunk_pool_free(&pool);
}

/* Walks tick by tick through the time in which slot `number` of level 1 is the
 * next, and takes the shares. Answers the largest. */
static unsigned empty_slot(uint64_t number, unsigned cells, unsigned *at_once)
{
    unsigned slot = wheel_slot_at(1, number), most = 0, left = cells;
    *at_once = 0;
    for (uint64_t tick = wheel_start(1, number - 1); tick < wheel_start(1, number); tick++) {
        wheel.cursor = tick;
        if (tick < wheel.cascade_due)
            continue;
        unsigned share = (unsigned)wheel_share(&wheel, 1);
        REQUIRE(share <= left);
        for (unsigned taken_now = 0; taken_now < share;) {
            struct cells taken = wheel_take(&wheel, slot, share - taken_now);
            taken_now += taken.count;
            if (taken.emptied)
                chunk_give(&pool, taken.emptied);
        }
        left -= share;
        most = share > most ? share : most;
        *at_once += share > 0;
        wheel_plan_cascade(&wheel, 1);
        wheel_find_cascade_due(&wheel);
        REQUIRE(wheel.cascade_due > tick);
    }
    REQUIRE(left == 0); /* empty when time enters it */
    REQUIRE(wheel.slots[slot].count == 0);
    return most;
}

/* Those are wider than what the share is worked out with. */
Test(wheel, last_tick_before_a_slot_of_ages_takes_all_that_is_left)
{
    enum { N = 3 * WHEEL_BATCH };
    unsigned level = TW_LEVELS;
    while (wheel_shift(level) < 33)
        level++;
    for (; level < WHEEL_ALL_LEVELS && wheel_shift(level) < 60; level++) {
        begin(0, N);
        tw_bare_timer *timers = bare_timers_new(N);
        unsigned slot = wheel_slot_at(level, 2);
        for (size_t i = 0; i < N; i++) {
            timers[i].deadline_ = wheel_start(level, 2);
            insert(&timers[i], slot);
        }
        wheel.cursor = wheel.cascades[level].since = wheel_start(level, 1);
        wheel.cursor += SLOT_TICKS(level) / 2;
        uint64_t half = wheel_share(&wheel, level);
        REQUIRE(half >= N / 2 && half <= N / 2 + 1);
        wheel.cursor = wheel_last_tick(level, 2) - 1;
        REQUIRE(wheel_share(&wheel, level) == N);
        chunk_pool_free(&pool);
        free(timers);
    }
}

Test(wheel, share_of_a_full_slot_is_even_over_its_ticks)
{
    static const unsigned counts[] = {1, WHEEL_BATCH, WHEEL_BATCH + 1, 100, 257, 1000, 30000};
    tw_bare_timer *timers = bare_timers_new(30000);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        begin(0, 30000);
        unsigned shares;
        for (unsigned i = 0; i < counts[c]; i++)
            insert(&timers[i], wheel_slot_at(1, 3));
        cr_assert_eq(wheel.cascade_due, wheel_start(1, 2), "when the slot becomes the next");
        unsigned most = empty_slot(3, counts[c], &shares);
        uint64_t ticks = SLOT_TICKS(1) - 1;
        uint64_t even = (counts[c] + ticks - 1) / ticks;
        if (counts[c] <= WHEEL_BATCH)
            cr_assert_eq(shares, 1u, "too few to be worth several shares");
        else
            cr_assert_leq(most, even + WHEEL_BATCH + 1);
        if (counts[c] >= WHEEL_BATCH * ticks)
            cr_assert_eq(most, even, "a share at every tick");
        chunk_pool_free(&pool);
    }
}

Test(wheel, cells_that_leave_between_shares_leave_the_rest_even)
{
    enum { N = 2000 };
    begin(0, N);
    tw_bare_timer *timers = bare_timers_new(N);
    unsigned shares;
    for (unsigned i = 0; i < N; i++)
        insert(&timers[i], wheel_slot_at(1, 3));
    wheel.cursor = wheel_start(1, 2);
    for (unsigned i = 0; i < N / 2; i++)
        wheel_remove(&wheel, &pool, wheel_slot_at(1, 3), &timers[i]);
    unsigned most = empty_slot(3, N / 2, &shares);
    uint64_t ticks = SLOT_TICKS(1) - 1;
    cr_assert_leq(most, (N / 2 + ticks - 1) / ticks + WHEEL_BATCH + 1);
    chunk_pool_free(&pool);
}

Test(wheel, cascade_is_due_for_the_earlier_of_two_slots)
{
    begin(0, 10);
    tw_bare_timer *timers = bare_timers_new(2);
    insert(&timers[0], wheel_slot_at(1, 6));
    cr_assert_eq(wheel.cascade_due, wheel_start(1, 5));
    insert(&timers[1], wheel_slot_at(1, 4));
    cr_assert_eq(wheel.cascade_due, wheel_start(1, 3));
    chunk_pool_free(&pool);
}

Test(wheel, sleeping_loop_is_woken_for_a_slot_of_very_many_once_for_each_4096)
{
    enum { N = 5 * TW_WAKE_CELLS + 100 };
    begin(0, N);
    tw_bare_timer *timers = bare_timers_new(N);
    unsigned slot = wheel_slot_at(2, 3);
    for (int i = 0; i < TW_WAKE_CELLS; i++)
        insert(&timers[i], slot);
    cr_assert_eq(wheel_wake_for(&wheel, 2, 3), WHEEL_NEVER, "so many are moved at once");
    cr_assert_not(wheel.wakes_more);
    for (int i = TW_WAKE_CELLS; i < N; i++)
        insert(&timers[i], slot);
    cr_assert(wheel.wakes_more);
    uint64_t wakes = 0, woken = 0, most = 0;
    while (wheel.slots[slot].count > TW_WAKE_CELLS) {
        uint64_t wake = wheel_wake_for(&wheel, 2, 3);
        REQUIRE(wake > woken && wake > wheel_start(2, 2) && wake < wheel_start(2, 3));
        wheel.cursor = woken = wake;
        uint64_t share = wheel_share(&wheel, 2);
        most = share > most ? share : most;
        for (uint64_t moved = 0; moved < share;) {
            struct cells taken = wheel_take(&wheel, slot, share - moved);
            moved += taken.count;
            if (taken.emptied)
                chunk_give(&pool, taken.emptied);
        }
        wheel_plan_cascade(&wheel, 2);
        wakes++;
    }
    cr_assert_leq(wakes, (uint64_t)N / TW_WAKE_CELLS);
    cr_assert_leq(most, 2 * (uint64_t)TW_WAKE_CELLS);
    chunk_pool_free(&pool);
}
