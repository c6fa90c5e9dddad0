/* SPDX-License-Identifier: MIT */
/*
 * run: whether a run is under way, for what must not happen in one.
 */
#ifndef TW_RUN_H
#define TW_RUN_H

#include "loop.h"

/* Whether a loop that seems to be busy is not, after a second look: a run that was left by
 * a jump, so that its frames are no more, is over. Else sets errno. The calling function
 * is not deeper in the stack than 512 bytes below the one that called tw_run, or it is
 * taken for a callback. */
bool run_settle(tw_loop *loop);

/* Whether the loop may be run or freed now; else sets errno. */
TW_INLINE bool run_idle(tw_loop *loop)
{
    return TW_LIKELY(!loop_busy(loop)) || run_settle(loop);
}

#endif
