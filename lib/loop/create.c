/* SPDX-License-Identifier: MIT */
/*
 * create: making a loop, and freeing it.
 */
#include <string.h>

#include "clock.h"
#include "drop.h"
#include "options.h"
#include "owner.h"
#include "remote_loop.h"
#include "run.h"

#define DEFAULT_TICK_NS ((uint64_t)1 << 20)

static void *given_alloc(void *arg, size_t bytes, size_t alignment)
{
    tw_loop *loop = arg;
    loop_lock(loop);
    void *memory = loop->allocator.alloc(loop->allocator.allocator_arg, bytes, alignment);
    loop_unlock(loop);
    return memory;
}

static void given_free(void *arg, void *memory, size_t bytes)
{
    tw_loop *loop = arg;
    loop_lock(loop);
    loop->allocator.free(loop->allocator.allocator_arg, memory, bytes);
    loop_unlock(loop);
}

/* Puts the lock around an allocator that is not ours, once the loop is made. */
static void lock_allocator(tw_loop *loop)
{
    loop->allocator = loop->memory.allocator;
    loop->memory.allocator =
        (tw_allocator){.alloc = given_alloc, .free = given_free, .allocator_arg = loop};
}

/* false: an option is out of its range. */
static bool read_options(const tw_options *given, tw_options *out)
{
    if (options_copy(given, out) != 0)
        return false;
    if (out->tick_ns > (uint64_t)1 << 63)
        return false;
    if (out->clock_id != TW_CLOCK_MONOTONIC && (out->clock_id != TW_CLOCK_BOOTTIME || out->clock))
        return false;
    if (out->missed != TW_MISSED_SKIP && out->missed != TW_MISSED_CATCH_UP)
        return false;
    if (out->allocator && (!out->allocator->alloc || !out->allocator->free))
        return false;
    return true;
}

/* The shift of the tick, rounded up to a power of two. At least 1, so that no
 * sum of ticks overflows. */
static unsigned tick_shift_of(uint64_t tick_ns)
{
    if (tick_ns == 0)
        tick_ns = DEFAULT_TICK_NS;
    unsigned shift = bits_width(tick_ns - 1);
    return shift < 1 ? 1 : shift;
}

static size_t loop_bytes(void)
{
    return (sizeof(tw_loop) + 63) / 64 * 64;
}

tw_loop *tw_loop_new(const tw_options *given)
{
    tw_options options;
    if (!read_options(given, &options)) {
        errno = EINVAL;
        return NULL;
    }
    if (!backend_knows_clock(options.clock_id)) {
        errno = ENOTSUP;
        return NULL;
    }
    struct memory memory;
    memory_init(&memory, options.allocator);
    tw_loop *loop = memory_alloc(&memory, loop_bytes(), 64);
    if (!loop) {
        errno = ENOMEM;
        return NULL;
    }
    memset(loop, 0, sizeof *loop);
    loop->memory = memory;
    loop->pending_cap = options.max_pending ? options.max_pending : SIZE_MAX;
    loop_watch_starts(loop, 0);
    loop->slack_ns = options.slack_ns;
    clock_choose(loop, &options);
    loop->missed = options.missed;
    loop->nested = options.nested;
    loop->cached_now = options.cached_now;
    loop->slow_callback_ns = options.slow_callback_ns;
    loop->on_slow = options.on_slow;
    loop->on_drop = options.on_drop;
    loop->on_bare = options.on_bare;
    loop->hook_arg = options.hook_arg;
    loop->now_ns = loop_read_clock(loop);
    runner_init(&loop->runner, options.clock_id);
    pool_init(&loop->pool, &loop->memory, port_next_number());
    remote_init(loop);
    calendar_init(&loop->calendar, &loop->memory, tick_shift_of(options.tick_ns), loop->now_ns,
                  options.on_bare != NULL);
    loop_set_short_cuts(loop);
    if (options.allocator)
        lock_allocator(loop);
    if (options.reserve > 0 && tw_reserve(loop, options.reserve) != 0) {
        tw_loop_free(loop);
        errno = ENOMEM;
        return NULL;
    }
    return loop;
}

void tw_loop_free(tw_loop *loop)
{
    if (!loop)
        return;
    TW_CLAIM(loop);
    if (!run_idle(loop))
        return;
    if (loop->recorder)
        tw_record_stop(loop);
    loop->closing = loop->dropping = loop->posts.closed = true;
    loop_watch_starts(loop, 0);
    calendar_stop_passing(&loop->calendar);
    drop_all(loop);
    TW_ASSERT(loop_pending_own(loop) == 0); /* L1: each has fired, or was stopped or dropped */
    runner_free(&loop->runner);
    remote_free(loop);
    calendar_free(&loop->calendar);
    pool_free(&loop->pool);
    struct memory memory = loop->memory;
    if (loop->allocator.free)
        memory.allocator = loop->allocator;
    loop_lock(loop); /* the hook that frees the loop itself finds it so, too */
    memory_free(&memory, loop, loop_bytes());
}

int tw_loop_adopt(tw_loop *loop)
{
    if (!loop) {
        errno = EINVAL;
        return -1;
    }
    owner_adopt(loop);
    return 0;
}
