/* SPDX-License-Identifier: MIT */
/*
 * runner: the state that a loop begins with, and what a fork makes of it.
 */
#include "runner.h"

#include "threads.h"

void runner_init(struct runner *runner, int clock_id)
{
    runner->clock_id = clock_id;
    atomic_init(&runner->forks, threads_forks());
}

void runner_free(struct runner *runner)
{
    if (runner->process != 0)
        backend_close(&runner->backend);
}

bool runner_inherited(const struct runner *runner)
{
    return atomic_load_explicit(&runner->forks, memory_order_relaxed) != threads_forks();
}

bool runner_driven(const struct runner *runner)
{
    return runner->driver && (!runner_inherited(runner) || runner->driver == threads_survivor());
}
