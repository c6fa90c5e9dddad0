/* SPDX-License-Identifier: MIT */
/*
 * context: what a call is made in, and the references that nodes hold to it.
 */
#ifndef TW_CONTEXT_H
#define TW_CONTEXT_H

#include "loop.h"

/* Takes a reference to a context that has a hook for that. */
void context_take(tw_loop *loop, tw_context *context);

/* A node's reference to its context. context may be NULL. */
TW_INLINE void context_retain(tw_loop *loop, tw_context *context)
{
    if (context && context->ops && context->ops->retain)
        context_take(loop, context);
}

TW_INLINE void context_release(tw_context *context)
{
    if (context && context->ops && context->ops->release)
        context->ops->release(context);
}

#endif
