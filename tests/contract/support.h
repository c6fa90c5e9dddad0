/* SPDX-License-Identifier: MIT */
/*
 * What the contract tests share: a clock that the test moves, a record of what
 * fired, an allocator that counts and can fail, and a ledger, the dumb model
 * that tells what a run has to do.
 *
 * Everything here is global: Criterion runs each test in a process of its own,
 * so it begins anew for each. The tests see the public header only.
 */
#ifndef TICKWHEEL_TESTS_CONTRACT_SUPPORT_H
#define TICKWHEEL_TESTS_CONTRACT_SUPPORT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tickwheel.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define YEAR (365 * DAY)
#define TICK (UINT64_C(1) << 20)   /* the default tick */
#define SPAN (TICK << 25)          /* the wheel's span with it, as the header gives it */
#define NEVER UINT64_MAX           /* the deadline that is never due */
#define START (1000 * SECOND)      /* where the clock begins: away from 0, to allow a past */

/* The large tests keep their meaning with a tenth of the timers; sanitizers and
 * unoptimised builds make them ten times slower, and walking over all timers after
 * every run more than that. */
#if defined(TW_CHECKED) && TW_CHECKED >= 3
#define MANY ((size_t)10000)
#elif defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MANY ((size_t)1000000)
#else
#define MANY ((size_t)100000)
#endif

/* As cr_assert, but free when it holds: Criterion reports each passed assertion
 * to its parent process, which is too slow for a loop. REQUIRE(condition, format, ...). */
#define REQUIRE(condition, ...)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            require_failed(__FILE__, __LINE__, #condition, __VA_ARGS__);                           \
        }                                                                                          \
    } while (0)

void require_failed(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---------------------------------------------------------------- the clock */

extern uint64_t clock_ns;          /* what the loops' clock reads */
extern uint64_t clock_readings;    /* how often it was read */
extern uint64_t clock_step_ns;     /* added after each reading: time that passes by itself */

uint64_t read_clock(void *arg);

/* ------------------------------------------------------------ the allocator */

/* Counts, and verifies that each block is freed once and with its own size,
 * that sizes are multiples of the alignment, and that nothing is written behind
 * a block. New memory is filled with rubbish. */
typedef struct heap_stats {
    uint64_t calls;        /* allocations asked for */
    uint64_t failed;       /* of them refused */
    size_t live_bytes;
    size_t live_blocks;
    uint64_t fail_at;      /* the call of this number fails, counted from 1; 0: none does */
    bool fail_from;        /* and every later one too */
} heap_stats;

extern heap_stats heap;
extern const tw_allocator counting_allocator;

/* Lets every allocation fail from now on, or none. */
void heap_exhaust(void);
void heap_recover(void);

/* ----------------------------------------------------------------- the loop */

/* The options of the tests: the clock above, the allocator above. */
tw_options test_options(void);
tw_loop *loop_with(const tw_options *options);
tw_loop *loop_new(void);

/* tw_check, then tw_loop_free; and nothing may be left in the allocator. */
void loop_free(tw_loop *loop);

/* Fails the test with the sentence that tw_check answers. */
void check_loop(const tw_loop *loop);

/* Moves the clock and runs. */
size_t run_at(tw_loop *loop, uint64_t now_ns);

/* Moves the clock to where tw_next_ns wants to be woken, and runs. */
size_t run_next(tw_loop *loop);

tw_stats stats_of(const tw_loop *loop);

/* ------------------------------------------------------------ what has fired */

#define ID(n) ((void *)(uintptr_t)(n))

typedef struct firing {
    uintptr_t id;
    uint64_t at_ns;        /* what the clock read */
} firing;

extern firing *fired;
extern size_t fired_count;

/* A callback that records its argument, an ID(). */
void record(void *id);
void forget_fired(void);

/* Fails the test unless exactly these ids have fired, in this order. */
void expect_fired_list(const uintptr_t *ids, size_t count, int line);
#define expect_fired(...)                                                                          \
    expect_fired_list((const uintptr_t[]){__VA_ARGS__},                                            \
                      sizeof((const uintptr_t[]){__VA_ARGS__}) / sizeof(uintptr_t), __LINE__)
#define expect_nothing_fired() expect_fired_list(NULL, 0, __LINE__)

/* --------------------------------------------------------------- the ledger
 *
 * An array of all calls with their deadlines, walked from end to end. It tells
 * how many calls a run must make, and each call verifies that it is pending, is
 * not early, comes in order, and was not scheduled by the run under way. */

typedef enum entry_state { ENTRY_GONE, ENTRY_PENDING, ENTRY_FIRED } entry_state;

typedef struct entry {
    uint64_t deadline_ns;
    uint64_t order;        /* of scheduling */
    entry_state state;
} entry;

extern entry *ledger;
extern size_t ledger_count;

/* Enters a call that is about to be scheduled, and answers its number. */
size_t ledger_add(uint64_t deadline_ns);
/* Strikes out the last entry: its start was refused. */
void ledger_undo_add(void);
/* The call is scheduled anew (also after it has fired or was cancelled). */
void ledger_move(size_t number, uint64_t deadline_ns);
void ledger_cancel(size_t number);
size_t ledger_pending(void);
/* The earliest pending deadline, NEVER if there is none. */
uint64_t ledger_earliest_ns(void);

/* The callback for calls in the ledger: ID(number). */
void ledger_fire(void *id);

/* Moves the clock, runs, and verifies the calls made. Answers their number. */
size_t ledger_run_at(tw_loop *loop, uint64_t now_ns);
/* The same with tw_run_max. */
size_t ledger_run_max_at(tw_loop *loop, uint64_t now_ns, size_t max_calls);
/* The same for a loop that also holds calls which are not in the ledger. */
size_t ledger_run_mixed_at(tw_loop *loop, uint64_t now_ns);

/* ------------------------------------------------------------------- chance */

/* splitmix64: a seed gives the same numbers on every machine. */
uint64_t random_next(uint64_t *state);
uint64_t random_below(uint64_t *state, uint64_t limit);

#endif
