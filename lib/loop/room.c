/* SPDX-License-Identifier: MIT */
/*
 * room: memory for timers, made ahead and given back.
 */
#include "check.h"
#include "owner.h"
#include "remote_loop.h"

/* Room for so many timers, with nodes for so many calls. 0 or -1. */
static int reserve(tw_loop *loop, size_t timers, size_t nodes)
{
    if (!loop) {
        errno = EINVAL;
        return -1;
    }
    TW_ASSERT_OWNED(loop);
    if (!loop_may_change(loop))
        return -1;
    bool made = calendar_reserve(&loop->calendar, timers) == 0 &&
                pool_reserve(&loop->pool, nodes) == 0;
    TW_ASSERT_SOUND(loop);
    if (made)
        return 0;
    errno = ENOMEM;
    return -1;
}

int tw_reserve(tw_loop *loop, size_t timers)
{
    return reserve(loop, timers, timers);
}

int tw_reserve_calls(tw_loop *loop, size_t calls)
{
    return reserve(loop, calls, calls);
}

int tw_reserve_embedded(tw_loop *loop, size_t timers)
{
    return reserve(loop, timers, 0);
}

size_t tw_trim(tw_loop *loop)
{
    if (!loop) {
        errno = EINVAL;
        return 0;
    }
    TW_ASSERT_OWNED(loop);
    if (!loop_may_change(loop))
        return 0;
    size_t given = remote_trim(loop);
    size_t before = loop->memory.bytes;
    calendar_trim(&loop->calendar);
    pool_trim(&loop->pool);
    TW_ASSERT_SOUND(loop);
    if (before > loop->memory.bytes)
        given += before - loop->memory.bytes;
    return given;
}
