/* SPDX-License-Identifier: MIT */
/*
 * One random program on tickwheel: the twin of asyncio_program.py, which says
 * how it works. Both must print the same.
 *
 *     tickwheel_program FIRST_SEED [COUNT]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <tickwheel.h>

#define UNIT_NS UINT64_C(1953125)     /* 2^-9 s */
#define UNITS_PER_SECOND 512.0
#define START (UINT64_C(1000) * 512)
#define MOST_CALLS 400

static uint64_t program_seed;
static uint64_t now;                      /* the virtual clock, in units */
static tw_loop *loop;
static tw_handle handles[MOST_CALLS];
static size_t call_count;
static uint64_t deadlines[MOST_CALLS];    /* all that were ever given */
static size_t deadline_count;

static uint64_t read_clock(void *arg)
{
    (void)arg;
    return now * UNIT_NS;
}

/* splitmix64 */
static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return random_next(state) % limit;
}

static void fail(const char *what)
{
    fflush(stdout);
    fprintf(stderr, "seed %" PRIu64 ": %s\n", program_seed, what);
    exit(1);
}

static bool is_taken(uint64_t deadline)
{
    for (size_t i = 0; i < deadline_count; i++) {
        if (deadlines[i] == deadline) {
            return true;
        }
    }
    return false;
}

static uint64_t free_deadline(uint64_t deadline)
{
    while (is_taken(deadline)) {
        deadline++;
    }
    return deadlines[deadline_count++] = deadline;
}

static void callback(void *arg);

static void *next_number(void)
{
    return (void *)(uintptr_t)call_count;
}

static void add(tw_handle handle)
{
    if (handle == 0) {
        fail("a call was refused");
    }
    handles[call_count++] = handle;
}

static void call_soon(void)
{
    printf("soon %zu\n", call_count);
    add(tw_call_soon(loop, callback, next_number()));
}

static void call_later(uint64_t *chance)
{
    uint64_t reach = UINT64_C(1) << random_below(chance, 30);
    uint64_t deadline = free_deadline(now + random_below(chance, reach));

    printf("later %zu %" PRIu64 "\n", call_count, deadline);
    add(tw_call_later(loop, (double)(deadline - now) / UNITS_PER_SECOND, callback,
                      next_number()));
}

static void call_at(uint64_t *chance)
{
    uint64_t deadline = free_deadline(now + random_below(chance, 2000) - 200);

    printf("at %zu %" PRIu64 "\n", call_count, deadline);
    add(tw_call_at(loop, (double)deadline / UNITS_PER_SECOND, callback, next_number()));
}

static void cancel(uint64_t *chance)
{
    size_t number = random_below(chance, call_count);
    bool would_have_run = tw_cancel(loop, handles[number]);

    printf("cancel %zu %s\n", number, would_have_run ? "yes" : "no");
}

static void act(uint64_t *chance)
{
    uint64_t choice = random_below(chance, 8);

    if (choice < 2) {
        cancel(chance);
    } else if (call_count >= MOST_CALLS) {
        return;
    } else if (choice < 4) {
        call_soon();
    } else if (choice < 7) {
        call_later(chance);
    } else {
        call_at(chance);
    }
}

static void callback(void *arg)
{
    uintptr_t number = (uintptr_t)arg;
    uint64_t chance = program_seed * 1000003 + number;

    printf("run %zu %" PRIu64 "\n", (size_t)number, now);
    uint64_t actions = number == 0 ? 12 : random_below(&chance, 5);
    for (uint64_t i = 0; i < actions; i++) {
        if (random_below(&chance, 4) == 0) {      /* the callback takes time */
            now += random_below(&chance, 64);
        }
        act(&chance);
    }
}

/* The clock moves to where the loop asks to be woken, in whole units: all
 * deadlines are, though a wake-up for housekeeping need not be. */
static void sleep_until_next(void)
{
    uint64_t next_units = (tw_next_ns(loop) + UNIT_NS - 1) / UNIT_NS;

    if (next_units > now) {
        now = next_units;
    }
}

/* Ticks from a microsecond to four seconds: many deadlines in one, or none. */
static uint64_t tick_of_seed(uint64_t seed)
{
    static const uint64_t ticks_ns[] = {0, 1 << 10, 1 << 26, UINT64_C(1) << 32};

    return ticks_ns[seed % 4];
}

static void play(uint64_t seed)
{
    tw_options options = {.size = sizeof(options), .clock = read_clock};

    program_seed = seed;
    now = START;
    call_count = deadline_count = 0;
    options.tick_ns = tick_of_seed(seed);
    loop = tw_loop_new(&options);
    if (loop == NULL) {
        fail("no loop");
    }
    printf("seed %" PRIu64 "\n", seed);
    call_soon();
    while (tw_pending_count(loop) > 0) {
        sleep_until_next();
        tw_run(loop);
        const char *broken = tw_check(loop);
        if (broken != NULL) {
            fail(broken);
        }
    }
    tw_loop_free(loop);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FIRST_SEED [COUNT]\n", argv[0]);
        return 2;
    }
    uint64_t first = strtoull(argv[1], NULL, 10);
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (uint64_t seed = first; seed < first + count; seed++) {
        play(seed);
    }
    return 0;
}
