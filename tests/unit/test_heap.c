/* heap: against a plain array, and growth that copies no pair. */
#include "support.h"

static struct memory memory;
static struct heap heap;

static void begin(size_t room)
{
    memory = unit_memory();
    heap_init(&heap, &memory);
    cr_assert_eq(heap_reserve(&heap, room, true), 0);
}

/* Every key is not before its parent's, and every timer names its own index. */
static void walk(void)
{
    for (size_t i = 0; i < heap.count; i++) {
        REQUIRE(i == 0 || heap_at(&heap, (i - 1) / 4)->key <= heap_at(&heap, i)->key);
        REQUIRE((uintptr_t)heap_at(&heap, i)->timer->place_ == i + 1);
    }
}

Test(heap, pops_in_the_order_of_keys)
{
    enum { N = 1000 };
    begin(N);
    tw_timer *timers = timers_new(N);
    struct chance chance = {3};
    for (int i = 0; i < N; i++) {
        timers[i].deadline_ = chance_below(&chance, 300);
        heap_push(&heap, &timers[i]);
    }
    walk();
    uint64_t last = 0;
    for (int i = 0; i < N; i++) {
        uint64_t key = heap_top_key(&heap);
        tw_timer *timer = heap_pop(&heap);
        REQUIRE(timer->deadline_ == key && key >= last);
        last = key;
    }
    cr_assert_eq(heap.count, 0u);
    heap_free(&heap);
    cr_assert_eq(memory.bytes, 0u);
}

static uint64_t earliest_in(const tw_timer *timers, const bool *in, size_t n)
{
    uint64_t earliest = UINT64_MAX;
    for (size_t i = 0; i < n; i++) {
        if (in[i] && timers[i].deadline_ < earliest)
            earliest = timers[i].deadline_;
    }
    return earliest;
}

Test(heap, random_pushes_removals_and_pops_agree_with_an_array)
{
    enum { N = 600 };
    begin(N);
    tw_timer *timers = timers_new(N);
    bool in[N] = {false};
    struct chance chance = {4};
    for (int i = 0; i < 20000; i++) {
        uint64_t n = chance_below(&chance, N);
        if (chance_one_in(&chance, 5) && heap.count > 0) {
            REQUIRE(heap_top_key(&heap) == earliest_in(timers, in, N));
            in[heap_pop(&heap) - timers] = false;
        } else if (in[n]) {
            heap_remove(&heap, &timers[n]);
            in[n] = false;
        } else {
            timers[n].deadline_ = chance_magnitude(&chance, 64);
            heap_push(&heap, &timers[n]);
            in[n] = true;
        }
        if (i % 16 == 0)
            walk();
    }
    heap_free(&heap);
}

Test(heap, key_stays_what_it_was_when_the_timer_moves_further_out)
{
    begin(1);
    tw_timer timer = {.deadline_ = 5};
    heap_push(&heap, &timer);
    timer.deadline_ = 500;
    cr_assert_eq(heap_top_key(&heap), 5u);
    heap_free(&heap);
}

Test(heap, growth_leaves_every_pair_where_it_is)
{
    begin(HEAP_PAGE);
    tw_timer timer = {.deadline_ = 9};
    heap_push(&heap, &timer);
    const struct heap_pair *first = heap_at(&heap, 0);
    cr_assert_eq(heap_reserve(&heap, 200 * HEAP_PAGE, false), 0); /* the directory grows too */
    cr_assert_eq(heap_at(&heap, 0), first);
    cr_assert_eq(heap_top_key(&heap), 9u);
    heap_free(&heap);
    cr_assert_eq(memory.bytes, 0u);
}

Test(heap, failing_to_grow_loses_nothing)
{
    for (long left = 0; left < 4; left++) {
        begin(1);
        tw_timer *timers = timers_new(HEAP_PAGE);
        while (!heap_full(&heap)) {
            timers[heap.count].deadline_ = HEAP_PAGE - heap.count;
            heap_push(&heap, &timers[heap.count]);
        }
        allocations_left = left;
        cr_assert_eq(heap_reserve(&heap, 100 * HEAP_PAGE, false), -1);
        allocations_left = -1;
        walk();
        cr_assert_eq(heap.count, HEAP_PAGE);
        heap_free(&heap);
        cr_assert_eq(memory.bytes, 0u);
        free(timers);
    }
}

Test(heap, reserve_of_more_than_can_be_is_refused)
{
    begin(0);
    cr_assert_eq(heap_reserve(&heap, SIZE_MAX, false), -1);
    heap_free(&heap);
}
