/* SPDX-License-Identifier: MIT */
/*
 * guard: the start of something while the loop is guarded; see guard.h.
 */
#include "guard.h"

/* There may be no room for it, or it may be due before the runner's alarm. */
TW_COLD bool guard_look_at_start(tw_loop *loop, uint64_t when_ns)
{
    TW_ASSERT(loop->guarded); /* F5 */
    bool busy = loop->closing || loop->locked;
    if (busy || loop_pending_all(loop) >= loop->pending_cap) {
        errno = busy ? EBUSY : ENOBUFS;
        return false;
    }
    remote_report_pending(&loop->remote, loop_pending_own(loop) + 1);
    guard_move(loop, when_ns);
    return true;
}
