/* SPDX-License-Identifier: MIT */
/*
 * stats: what a loop has counted.
 */
#include <string.h>

#include "owner.h"

size_t tw_pending_count(const tw_loop *loop)
{
    if (!loop)
        return 0;
    TW_ASSERT_OWNED(loop);
    return loop_pending_all(loop);
}

void tw_stats_get(const tw_loop *loop, tw_stats *out)
{
    if (!loop || !out) {
        errno = EINVAL;
        return;
    }
    TW_ASSERT_OWNED(loop);
    const struct calendar *calendar = &loop->calendar;
    const struct remote *remote = &loop->remote;
    struct remote_tally others = remote_counts(remote);
    tw_stats stats = {
        .size = out->size,
        .pending = loop_pending_own(loop) + (size_t)others.live,
        .parked = calendar_parked(calendar),
        .overflow = calendar_overflow(calendar),
        .bytes = loop->memory.bytes,
        .started = loop_started(loop) - remote->placed + others.started,
        .fired = loop->counts.fired,
        .cancelled = loop_cancelled(loop) - remote->taken_out + others.cancelled,
        .rearmed = loop_rearmed(loop),
        .moved = calendar->moved,
        .moved_max = calendar->moved_max,
        .relocated = calendar->relocated,
        .visited = calendar->visited,
        .wakeups = loop->runner.wakeups,
        .alarms = loop->runner.alarms,
    };
    memcpy(stats.late, loop->late, sizeof stats.late);
    memcpy(out, &stats, out->size < sizeof stats ? out->size : sizeof stats);
}

const char *tw_version(void)
{
    return TW_VERSION_STRING;
}
