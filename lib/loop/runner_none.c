/* SPDX-License-Identifier: MIT */
/*
 * runner_none: what stands in for the runner, its back ends and the posts in a
 * tickwheel.c with TICKWHEEL_NO_RUNNER (tools/amalgamate). Nothing sleeps, nothing
 * is posted, and there are no descriptors.
 */
#include "alarm.h"
#include "owner.h"
#include "remote_call.h"
#include "remote_loop.h"
#include "sleep.h"

bool backend_knows_clock(int clock_id)
{
    return clock_id == TW_CLOCK_MONOTONIC;
}

uint64_t backend_clock_ns(int clock_id)
{
    (void)clock_id;
    return port_clock_ns();
}

void runner_init(struct runner *runner, int clock_id)
{
    runner->clock_id = clock_id;
}

void runner_free(struct runner *runner)
{
    (void)runner;
}

void sleep_before_run(tw_loop *loop)
{
    (void)loop;
}

void sleep_after_run(tw_loop *loop)
{
    (void)loop;
}

void sleep_run_left(tw_loop *loop)
{
    (void)loop;
}

void alarm_wake_earlier(tw_loop *loop, uint64_t when_ns)
{
    (void)loop, (void)when_ns;
}

void owner_claim(tw_loop *loop)
{
    (void)loop;
}

void owner_adopt(tw_loop *loop)
{
    (void)loop;
}

void owner_check(const tw_loop *loop)
{
    (void)loop;
}

size_t post_collect(struct post_queue *queue, size_t limit)
{
    (void)queue, (void)limit;
    return 0;
}

void remote_init(tw_loop *loop)
{
    (void)loop;
}

void remote_free(tw_loop *loop)
{
    (void)loop;
}

void remote_collect(tw_loop *loop)
{
    (void)loop;
}

size_t remote_collect_bounded(tw_loop *loop)
{
    (void)loop;
    return 0;
}

size_t remote_begin_run(tw_loop *loop, size_t budget)
{
    (void)loop;
    return budget;
}

bool remote_start_callback(tw_loop *loop, struct node *node)
{
    (void)loop, (void)node;
    return false;
}

void remote_end_callback(tw_loop *loop, struct node *node)
{
    (void)loop, (void)node;
}

size_t remote_drop_all(tw_loop *loop, void (*drop)(tw_loop *loop, tw_callback *callback, void *arg))
{
    (void)loop, (void)drop;
    return 0;
}

size_t remote_trim(tw_loop *loop)
{
    (void)loop;
    return 0;
}

void remote_pool_visit(struct remote_pool *pool, void (*visit)(void *arg, struct remote_node *node),
                       void *arg)
{
    (void)pool, (void)visit, (void)arg;
}

bool remote_cancel(tw_loop *loop, tw_handle handle)
{
    (void)loop, (void)handle;
    return false;
}

bool remote_pending(const tw_loop *loop, tw_handle handle)
{
    (void)loop, (void)handle;
    return false;
}

uint64_t remote_when_ns(const tw_loop *loop, tw_handle handle)
{
    (void)loop, (void)handle;
    return BITS_NEVER;
}

bool remote_reschedule(tw_loop *loop, tw_handle handle, uint64_t when_ns)
{
    (void)loop, (void)handle, (void)when_ns;
    return false;
}

struct remote_tally remote_counts(const struct remote *remote)
{
    (void)remote;
    return (struct remote_tally){0, 0, 0};
}

bool post_next(struct post_queue *queue, struct post *out)
{
    (void)queue, (void)out;
    return false;
}
