/* SPDX-License-Identifier: MIT */
/*
 * owner: a loop belongs to the thread that runs it, from its first run on, and until
 * tw_run_forever returns.
 *
 * Running or freeing it claims it for the calling thread; every other call must come
 * from the thread that owns it, but those that are for any thread: ..._threadsafe,
 * tw_cancel_and_wait, tw_post_send. Builds with TW_CHECKED >= 1 look.
 */
#ifndef TW_OWNER_H
#define TW_OWNER_H

#include "loop.h"

#if TW_CHECKED >= 1
#define TW_CLAIM(loop) owner_claim(loop)
#define TW_ASSERT_OWNED(loop) owner_check(loop)
#else
#define TW_CLAIM(loop) ((void)0)
#define TW_ASSERT_OWNED(loop) ((void)0)
#endif

/* The calling thread is about to run or free the loop: it owns it now. */
void owner_claim(tw_loop *loop);

/* The calling thread says that it owns the loop. */
void owner_adopt(tw_loop *loop);

/* The calling thread is about to use the loop: it must own it. */
void owner_check(const tw_loop *loop);

/* tw_run_forever returns: nobody owns the loop. */
void owner_release(tw_loop *loop);

#endif
