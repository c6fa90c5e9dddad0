/* SPDX-License-Identifier: MIT */
/* support: the clock, the record, the allocator and the ledger of support.h. */
#include "support.h"

#include <inttypes.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>

void require_failed(const char *file, int line, const char *condition, const char *format, ...)
{
    char sentence[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    cr_assert_fail("%s:%d: %s: %s", file, line, condition, sentence);
}

/* ---------------------------------------------------------------- the clock */

uint64_t clock_ns = START;
uint64_t clock_readings;
uint64_t clock_step_ns;

uint64_t read_clock(void *arg)
{
    (void)arg;
    uint64_t reading_ns = clock_ns;

    clock_readings++;
    clock_ns += clock_step_ns;
    return reading_ns;
}

/* ------------------------------------------------------------ the allocator
 *
 * memory   |  padding up to the alignment ... header | block ... | guard |
 *                                                    ^ what the library gets
 */

#define LIVE UINT64_C(0x6c697665626c6f63)
#define GUARD UINT64_C(0x6775617264677561)

typedef struct block_header {
    void *memory;
    uint64_t bytes;
    uint64_t alignment;
    uint64_t mark;         /* LIVE until it is freed */
} block_header;

heap_stats heap;

static bool refuse_this_call(void)
{
    heap.calls++;
    if (heap.fail_at == 0) {
        return false;
    }
    return heap.calls == heap.fail_at || (heap.fail_from && heap.calls > heap.fail_at);
}

static void *counting_alloc(void *arg, size_t bytes, size_t alignment)
{
    REQUIRE(arg == &heap, "the allocator got an argument that is not its own");
    REQUIRE(alignment != 0 && (alignment & (alignment - 1)) == 0 && alignment <= (2u << 20),
            "alignment %zu is not a power of two of at most 2 MiB", alignment);
    REQUIRE(bytes != 0 && bytes % alignment == 0, "%zu bytes are not a multiple of %zu", bytes,
            alignment);
    if (refuse_this_call() || bytes > SIZE_MAX / 2) {
        heap.failed++;
        return NULL;
    }

    size_t lead = (sizeof(block_header) + alignment - 1) / alignment * alignment;
    size_t unit = alignment > alignof(max_align_t) ? alignment : alignof(max_align_t);
    size_t total = (lead + bytes + sizeof(uint64_t) + unit - 1) / unit * unit;
    char *memory = aligned_alloc(unit, total);
    if (memory == NULL) {
        heap.failed++;
        return NULL;
    }
    char *block = memory + lead;
    block_header header = {memory, bytes, alignment, LIVE};
    uint64_t guard = GUARD;
    memcpy(block - sizeof(header), &header, sizeof(header));
    memset(block, 0xa5, bytes);
    memcpy(block + bytes, &guard, sizeof(guard));
    heap.live_bytes += bytes;
    heap.live_blocks++;
    return block;
}

static void counting_free(void *arg, void *pointer, size_t bytes)
{
    char *block = pointer;
    block_header header;
    uint64_t guard;

    REQUIRE(arg == &heap, "the allocator got an argument that is not its own");
    REQUIRE(block != NULL, "NULL was freed");
    memcpy(&header, block - sizeof(header), sizeof(header));
    REQUIRE(header.mark == LIVE, "a block was freed twice, or its header was overwritten");
    REQUIRE(header.bytes == bytes, "a block of %" PRIu64 " bytes was freed as %zu", header.bytes,
            bytes);
    memcpy(&guard, block + bytes, sizeof(guard));
    REQUIRE(guard == GUARD, "something was written behind a block of %zu bytes", bytes);
    header.mark = 0;
    memcpy(block - sizeof(header), &header, sizeof(header));
    memset(block, 0x5a, bytes);
    heap.live_bytes -= bytes;
    heap.live_blocks--;
    free(header.memory);
}

const tw_allocator counting_allocator = {counting_alloc, counting_free, &heap};

void heap_exhaust(void)
{
    heap.fail_at = heap.calls + 1;
    heap.fail_from = true;
}

void heap_recover(void)
{
    heap.fail_at = 0;
    heap.fail_from = false;
}

/* ----------------------------------------------------------------- the loop */

tw_options test_options(void)
{
    tw_options options;

    memset(&options, 0, sizeof(options));
    options.size = sizeof(options);
    options.clock = read_clock;
    options.allocator = &counting_allocator;
    return options;
}

tw_loop *loop_with(const tw_options *options)
{
    tw_loop *loop = tw_loop_new(options);

    cr_assert_not_null(loop, "tw_loop_new failed with errno %d", errno);
    return loop;
}

tw_loop *loop_new(void)
{
    tw_options options = test_options();

    return loop_with(&options);
}

void check_loop(const tw_loop *loop)
{
    const char *broken = tw_check(loop);

    REQUIRE(broken == NULL, "tw_check: %s", broken);
}

void loop_free(tw_loop *loop)
{
    check_loop(loop);
    tw_loop_free(loop);
    cr_assert_eq(heap.live_blocks, 0, "%zu blocks of the freed loop are left", heap.live_blocks);
    cr_assert_eq(heap.live_bytes, 0, "%zu bytes of the freed loop are left", heap.live_bytes);
}

size_t run_at(tw_loop *loop, uint64_t now_ns)
{
    clock_ns = now_ns;
    return tw_run(loop);
}

size_t run_next(tw_loop *loop)
{
    uint64_t next_ns = tw_next_ns(loop);

    REQUIRE(next_ns != NEVER, "run_next with nothing pending");
    if (next_ns > clock_ns) {
        clock_ns = next_ns;
    }
    return tw_run(loop);
}

tw_stats stats_of(const tw_loop *loop)
{
    tw_stats stats;

    memset(&stats, 0, sizeof(stats));
    stats.size = sizeof(stats);
    tw_stats_get(loop, &stats);
    return stats;
}

/* ------------------------------------------------------------ what has fired */

firing *fired;
size_t fired_count;
static size_t fired_capacity;

void record(void *id)
{
    if (fired_count == fired_capacity) {
        fired_capacity = fired_capacity ? 2 * fired_capacity : 64;
        fired = realloc(fired, fired_capacity * sizeof(*fired));
        REQUIRE(fired != NULL, "no memory for the test itself");
    }
    fired[fired_count++] = (firing){(uintptr_t)id, clock_ns};
}

void forget_fired(void)
{
    fired_count = 0;
}

void expect_fired_list(const uintptr_t *ids, size_t count, int line)
{
    for (size_t i = 0; i < count && i < fired_count; i++) {
        cr_assert_eq(fired[i].id, ids[i], "line %d: call %zu was %zu, and not %zu", line, i,
                     (size_t)fired[i].id, (size_t)ids[i]);
    }
    cr_assert_eq(fired_count, count, "line %d: %zu calls, and not %zu", line, fired_count, count);
}

/* --------------------------------------------------------------- the ledger */

entry *ledger;
size_t ledger_count;
static size_t ledger_capacity;
static uint64_t ledger_order = 1;

/* The run under way: what it may run, and the last call it made. */
static struct {
    uint64_t now_ns;
    uint64_t orders_below;
    uint64_t last_deadline_ns;
    uint64_t last_order;
    size_t calls;
} current_run;

size_t ledger_add(uint64_t deadline_ns)
{
    if (ledger_count == ledger_capacity) {
        ledger_capacity = ledger_capacity ? 2 * ledger_capacity : 64;
        ledger = realloc(ledger, ledger_capacity * sizeof(*ledger));
        REQUIRE(ledger != NULL, "no memory for the test itself");
    }
    ledger[ledger_count] = (entry){deadline_ns, ledger_order++, ENTRY_PENDING};
    return ledger_count++;
}

void ledger_undo_add(void)
{
    ledger_count--;
}

void ledger_move(size_t number, uint64_t deadline_ns)
{
    ledger[number] = (entry){deadline_ns, ledger_order++, ENTRY_PENDING};
}

void ledger_cancel(size_t number)
{
    ledger[number].state = ENTRY_GONE;
}

size_t ledger_pending(void)
{
    size_t pending = 0;

    for (size_t i = 0; i < ledger_count; i++) {
        pending += ledger[i].state == ENTRY_PENDING;
    }
    return pending;
}

uint64_t ledger_earliest_ns(void)
{
    uint64_t earliest_ns = NEVER;

    for (size_t i = 0; i < ledger_count; i++) {
        if (ledger[i].state == ENTRY_PENDING && ledger[i].deadline_ns < earliest_ns) {
            earliest_ns = ledger[i].deadline_ns;
        }
    }
    return earliest_ns;
}

void ledger_fire(void *id)
{
    size_t number = (uintptr_t)id;
    entry *call = &ledger[number];

    REQUIRE(number < ledger_count, "a call that was never scheduled: %zu", number);
    REQUIRE(call->state == ENTRY_PENDING, "call %zu is not pending", number);
    REQUIRE(call->deadline_ns <= current_run.now_ns,
            "call %zu of %" PRIu64 " is early at %" PRIu64, number, call->deadline_ns,
            current_run.now_ns);
    REQUIRE(call->deadline_ns != NEVER, "call %zu is never due", number);
    REQUIRE(call->order < current_run.orders_below, "call %zu was scheduled by this run", number);
    REQUIRE(current_run.calls == 0 || call->deadline_ns > current_run.last_deadline_ns ||
                (call->deadline_ns == current_run.last_deadline_ns &&
                 call->order > current_run.last_order),
            "call %zu of %" PRIu64 " is out of order after one of %" PRIu64, number,
            call->deadline_ns, current_run.last_deadline_ns);
    current_run.last_deadline_ns = call->deadline_ns;
    current_run.last_order = call->order;
    current_run.calls++;
    call->state = ENTRY_FIRED;
}

static size_t ledger_due(uint64_t now_ns)
{
    size_t due = 0;

    for (size_t i = 0; i < ledger_count; i++) {
        due += ledger[i].state == ENTRY_PENDING && ledger[i].deadline_ns <= now_ns &&
               ledger[i].deadline_ns != NEVER && ledger[i].order < current_run.orders_below;
    }
    return due;
}

/* Answers what the run answered; current_run has the calls of the ledger. */
static size_t run_and_verify(tw_loop *loop, uint64_t now_ns, size_t max_calls)
{
    memset(&current_run, 0, sizeof(current_run));
    current_run.now_ns = now_ns;
    current_run.orders_below = ledger_order;
    clock_ns = now_ns;

    size_t made = max_calls == SIZE_MAX ? tw_run(loop) : tw_run_max(loop, max_calls);
    size_t left = ledger_due(now_ns);

    REQUIRE(made <= max_calls, "the run made %zu calls of at most %zu", made, max_calls);
    REQUIRE(left == 0 || made == max_calls, "%zu calls due at %" PRIu64 " were not made", left,
            now_ns);
    return made;
}

size_t ledger_run_max_at(tw_loop *loop, uint64_t now_ns, size_t max_calls)
{
    size_t made = run_and_verify(loop, now_ns, max_calls);

    REQUIRE(made == current_run.calls, "the run made %zu calls and answered %zu",
            current_run.calls, made);
    REQUIRE(tw_pending_count(loop) == ledger_pending(), "%zu calls are pending, and not %zu",
            tw_pending_count(loop), ledger_pending());
    return made;
}

size_t ledger_run_mixed_at(tw_loop *loop, uint64_t now_ns)
{
    run_and_verify(loop, now_ns, SIZE_MAX);
    return current_run.calls;
}

size_t ledger_run_at(tw_loop *loop, uint64_t now_ns)
{
    return ledger_run_max_at(loop, now_ns, SIZE_MAX);
}

/* ------------------------------------------------------------------- chance */

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return random_next(state) % limit;
}
