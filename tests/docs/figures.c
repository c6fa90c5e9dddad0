/* SPDX-License-Identifier: MIT */
/* Prints what the documents say of memory, each as "name number": see test_figures.py. */
#include <stdio.h>
#include <stdlib.h>
#include <tickwheel.h>

static size_t blocks;

static void *count_alloc(void *arg, size_t bytes, size_t alignment)
{
    (void)arg;
    blocks++;
    return aligned_alloc(alignment, bytes);
}

static void count_free(void *arg, void *memory, size_t bytes)
{
    (void)arg, (void)bytes;
    free(memory);
}

static uint64_t no_time(void *arg)
{
    (void)arg;
    return 1;
}

static void nothing(void *arg)
{
    (void)arg;
}

static int discard(void *arg, const void *bytes, size_t count)
{
    (void)arg, (void)bytes, (void)count;
    return 0;
}

static tw_loop *loop_new(void)
{
    static const tw_allocator counting = {count_alloc, count_free, NULL};
    tw_options options = TW_OPTIONS_INIT;
    options.clock = no_time;
    options.allocator = &counting;
    return tw_loop_new(&options);
}

static size_t bytes_of(const tw_loop *loop)
{
    tw_stats stats = TW_STATS_INIT;
    tw_stats_get(loop, &stats);
    return stats.bytes;
}

static void say(const char *name, double number)
{
    printf("%s %.3f\n", name, number);
}

static uint64_t random_number(void)
{
    static uint64_t state = 1;
    return state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
}

/* Bytes that so many timers take beside the loop, at random within so many ns. */
static double spread(size_t count, uint64_t within_ns)
{
    tw_loop *loop = loop_new();
    tw_timer *timers = calloc(count, sizeof *timers);
    size_t before = bytes_of(loop);
    for (size_t i = 0; i < count; i++) {
        tw_timer_init(&timers[i], nothing, NULL);
        tw_timer_start_later_ns(loop, &timers[i], (random_number() >> 1) % within_ns);
    }
    double bytes = (double)(bytes_of(loop) - before);
    tw_loop_free(loop);
    free(timers);
    return bytes;
}

/* What a recording takes for each of so many timers that are pending. */
static double recorded(size_t count)
{
    tw_loop *loop = loop_new();
    tw_timer *timers = calloc(count, sizeof *timers);
    for (size_t i = 0; i < count; i++)
        tw_timer_init(&timers[i], nothing, NULL);
    for (size_t i = 0; i < count; i++)
        tw_timer_start_at_ns(loop, &timers[i], UINT64_C(60000000000));
    tw_record_start(loop, discard, NULL);
    size_t before = bytes_of(loop);
    for (size_t i = 0; i < count; i++)
        tw_timer_start_at_ns(loop, &timers[i], UINT64_C(61000000000));
    double bytes = (double)(bytes_of(loop) - before) / (double)count;
    tw_loop_free(loop);
    free(timers);
    return bytes;
}

/* What a reserve takes in all. */
static double reserved(int (*reserve)(tw_loop *, size_t), size_t count)
{
    tw_loop *loop = loop_new();
    size_t before = bytes_of(loop);
    reserve(loop, count);
    double bytes = (double)(bytes_of(loop) - before);
    tw_loop_free(loop);
    return bytes;
}

/* Beside the 8 bytes of each embedded timer. */
static double beside(size_t count)
{
    return reserved(tw_reserve_embedded, count) - 8.0 * (double)count;
}

int main(void)
{
    const uint64_t minute = UINT64_C(60000000000);
    tw_loop *loop = loop_new();
    say("loop", (double)bytes_of(loop));
    say("loop.blocks", (double)blocks);
    tw_timer timer = TW_TIMER_INIT(nothing, NULL);
    tw_timer_start_later_ns(loop, &timer, minute);
    say("first", (double)bytes_of(loop));
    say("first.blocks", (double)blocks);
    size_t before = bytes_of(loop);
    tw_record_start(loop, discard, NULL);
    say("recorder", (double)(bytes_of(loop) - before));
    tw_loop_free(loop);
    say("recorder.timer", recorded(1000000));

    say("reserve.1", beside(1));
    say("reserve.1000", beside(1000) / 1000);
    say("reserve.5000", beside(5000));
    say("reserve.any", reserved(tw_reserve, 1000000) / 1e6);
    say("reserve.calls", reserved(tw_reserve_calls, 1000000) / 1e6);
    say("reserve.embedded", (beside(1000000) - beside(100000)) / 9e5 + 8);
    say("minute.10000", spread(10000, minute) - 80000);
    say("minute.1000000", spread(1000000, minute) / 1e6);

    loop = loop_new();
    before = bytes_of(loop);
    for (int i = 0; i < 1000000; i++)
        tw_call_later_ns(loop, (random_number() >> 1) % minute, nothing, NULL);
    say("call", (double)(bytes_of(loop) - before) / 1e6);
    tw_cancel_all(loop);
    tw_trim(loop);
    say("trimmed", (double)bytes_of(loop));
    tw_loop_free(loop);
    say("timer", sizeof(tw_timer));
    say("bare", sizeof(tw_bare_timer));
    say("stats", sizeof(tw_stats));
    return 0;
}
