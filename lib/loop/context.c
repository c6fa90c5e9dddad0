/* SPDX-License-Identifier: MIT */
/*
 * context: references to them, and which one is current.
 */
#include "context.h"

#include "owner.h"

void context_take(tw_loop *loop, tw_context *context)
{
    loop_lock(loop);
    context->ops->retain(context);
    loop_unlock(loop);
}

tw_context *tw_context_current(const tw_loop *loop)
{
    return loop ? loop->context : NULL;
}

tw_context *tw_context_set(tw_loop *loop, tw_context *context)
{
    if (!loop) {
        errno = EINVAL;
        return NULL;
    }
    TW_ASSERT_OWNED(loop);
    tw_context *before = loop->context;
    loop->context = context;
    return before;
}
