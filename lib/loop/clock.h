/* SPDX-License-Identifier: MIT */
/*
 * clock: which clock a loop reads.
 */
#ifndef TW_CLOCK_H
#define TW_CLOCK_H

#include "loop.h"

/* That of the options, which are known to be sound. */
void clock_choose(tw_loop *loop, const tw_options *options);

#endif
