/* SPDX-License-Identifier: MIT */
/* What tickwheel_inline.c offers to tickwheel_inline.cpp. */
#ifndef TICKWHEEL_BENCH_CONTENDERS_TICKWHEEL_INLINE_H
#define TICKWHEEL_BENCH_CONTENDERS_TICKWHEEL_INLINE_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(hidden) /* so that no copy has to be kept for others */

tw_loop *inline_loop_new(const tw_options *options);
void inline_loop_free(tw_loop *loop);
int inline_reserve(tw_loop *loop, size_t timers);
void inline_init(tw_timer *timer, tw_callback *callback, void *arg);
void inline_start(tw_loop *loop, tw_timer *timer, uint64_t due_ns);
void inline_stop(tw_loop *loop, tw_timer *timer);
void inline_advance(tw_loop *loop, uint64_t now_ns);
uint64_t inline_next_ns(tw_loop *loop);
void inline_stats(tw_loop *loop, tw_stats *stats);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
