/* SPDX-License-Identifier: MIT */
/* The whole library, every function of it static, behind the few functions that the
 * contender tickwheel-inline calls. Compiled for link-time optimisation together with
 * the contender (bench/CMakeLists.txt), so that they end up in the program that uses
 * them, as they do in a C program that includes tickwheel.c. */
#define TICKWHEEL_STATIC
#include "tickwheel.c"

#include "tickwheel_inline.h"

tw_loop *inline_loop_new(const tw_options *options)
{
    return tw_loop_new(options);
}

void inline_loop_free(tw_loop *loop)
{
    tw_loop_free(loop);
}

int inline_reserve(tw_loop *loop, size_t timers)
{
    return tw_reserve_embedded(loop, timers);
}

void inline_init(tw_timer *timer, tw_callback *callback, void *arg)
{
    tw_timer_init(timer, callback, arg);
}

void inline_start(tw_loop *loop, tw_timer *timer, uint64_t due_ns)
{
    tw_timer_start_at_ns(loop, timer, due_ns);
}

void inline_stop(tw_loop *loop, tw_timer *timer)
{
    tw_timer_stop(loop, timer);
}

void inline_advance(tw_loop *loop, uint64_t now_ns)
{
    tw_advance(loop, now_ns);
}

uint64_t inline_next_ns(tw_loop *loop)
{
    return tw_next_ns(loop);
}

void inline_stats(tw_loop *loop, tw_stats *stats)
{
    tw_stats_get(loop, stats);
}
