/* SPDX-License-Identifier: MIT */
/*
 * remote_call: what any thread may do with a call of another thread.
 */
#ifndef TW_REMOTE_CALL_H
#define TW_REMOTE_CALL_H

#include "loop.h"

/* What tw_cancel does with a handle that is none of the loop's own. */
bool remote_cancel(tw_loop *loop, tw_handle handle);

#endif
