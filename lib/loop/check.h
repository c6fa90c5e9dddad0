/* SPDX-License-Identifier: MIT */
/*
 * check: tw_check after every public call, in builds with TW_CHECKED >= 3; of a large
 * loop, after one in as many as keeps it at a few hundred cells a call.
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
