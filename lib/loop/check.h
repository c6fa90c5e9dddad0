/* SPDX-License-Identifier: MIT */
/*
 * check: tw_check after each call that starts, stops, moves or runs, in builds with
 * TW_CHECKED >= 3; in a loop of 256 n timers, after one in n.
 */
#ifndef TW_CHECK_H
#define TW_CHECK_H

#include "loop.h"

#if TW_CHECKED >= 3
#define TW_ASSERT_SOUND(loop) check_sound(loop, __FILE__, __LINE__)
void check_sound(const tw_loop *loop, const char *file, int line);
#else
#define TW_ASSERT_SOUND(loop) ((void)0)
#endif

#endif
