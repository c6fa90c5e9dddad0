/* SPDX-License-Identifier: MIT */
/*
 * owner: which thread a loop belongs to; see owner.h.
 */
#include "owner.h"

#include "threads.h"

static const void *owner(const tw_loop *loop)
{
    return atomic_load_explicit(&loop->runner.owner, memory_order_relaxed);
}

static void set_owner(tw_loop *loop, const void *thread)
{
    atomic_store_explicit(&loop->runner.owner, thread, memory_order_relaxed);
}

void owner_claim(tw_loop *loop)
{
    const void *before = owner(loop);
    bool in_use = loop->calendar.running || runner_driven(&loop->runner);
    if (before && before != threads_current() && in_use)
        tw_misuse("a loop is run or freed by one thread while another one runs it");
    set_owner(loop, threads_current());
}

void owner_release(tw_loop *loop)
{
    set_owner(loop, NULL);
}

void owner_check(const tw_loop *loop)
{
    const void *before = owner(loop);
    if (before && before != threads_current())
        tw_misuse("a loop is used by another thread than the one that runs it; only tw_post_send, "
                  "tw_cancel_and_wait and what has _threadsafe in its name may be called from "
                  "other threads, and tw_loop_adopt by a thread that takes the loop over");
}

void owner_adopt(tw_loop *loop)
{
    TW_CLAIM(loop);
    set_owner(loop, threads_current());
}
