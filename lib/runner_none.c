/*
 * runner_none: what stands in for the runner, its back ends and the posts in a
 * tickwheel.c with TICKWHEEL_NO_RUNNER (tools/amalgamate). Nothing sleeps, nothing
 * is posted, and there are no descriptors.
 */
#include "loop.h"

bool backend_knows_clock(int clock_id)
{
    return clock_id == TW_CLOCK_MONOTONIC;
}

uint64_t backend_clock_ns(int clock_id)
{
    (void)clock_id;
    return port_clock_ns();
}

void runner_init(tw_loop *loop, int clock_id)
{
    loop->runner.clock_id = clock_id;
}

void runner_free(tw_loop *loop)
{
    (void)loop;
}

void runner_begin(tw_loop *loop)
{
    (void)loop;
}

void runner_end(tw_loop *loop)
{
    (void)loop;
}

void runner_hurry(tw_loop *loop, uint64_t when_ns)
{
    (void)loop, (void)when_ns;
}

void runner_claim(tw_loop *loop)
{
    (void)loop;
}

void runner_adopt(tw_loop *loop)
{
    (void)loop;
}

void runner_check_owner(const tw_loop *loop)
{
    (void)loop;
}

void post_collect(struct post_queue *queue)
{
    (void)queue;
}

bool post_next(struct post_queue *queue, struct post *out)
{
    (void)queue, (void)out;
    return false;
}
