/* SPDX-License-Identifier: MIT */
/* A program as a user of an installed tickwheel writes it: the installed header
 * and libraries, and nothing of this source tree. It starts some thousands of
 * timers on a clock of its own, cancels a third, and checks that the rest fire
 * once, in order, none early and none late. Needing no test framework, it is
 * also the smoke test where Criterion cannot be had. */
#include <tickwheel.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMERS 5000
#define STEP_NS 700000u               /* less than a tick: several runs in each */
#define DAY_NS 86400000000000u

struct call {
    tw_timer timer;
    tw_handle handle;
    uint64_t deadline_ns;
    int calls;
};

static struct call calls[TIMERS];
static uint64_t now_ns = 1000000000;
static uint64_t last_deadline_ns;

static void require(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "consumer: not so: %s\n", what);
        exit(1);
    }
}

static uint64_t read_clock(void *arg)
{
    (void)arg;
    return now_ns;
}

static void fired(void *arg)
{
    struct call *call = arg;
    require(call->deadline_ns <= now_ns, "no timer fires early");
    require(call->deadline_ns + STEP_NS > now_ns, "no timer fires a run late");
    require(call->deadline_ns >= last_deadline_ns, "timers fire by deadline");
    last_deadline_ns = call->deadline_ns;
    call->calls++;
}

static uint64_t random_below(uint64_t limit)
{
    static uint64_t state = 88172645463325252u; /* xorshift64 */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % limit;
}

/* Even ones by handle, odd ones embedded. */
static void start(tw_loop *loop, size_t i)
{
    struct call *call = &calls[i];
    call->deadline_ns = now_ns + 1 + random_below(5000000000u);
    if (i % 2 == 0) {
        call->handle = tw_call_at_ns(loop, call->deadline_ns, fired, call);
        require(call->handle != 0, "tw_call_at_ns answers a handle");
    } else {
        tw_timer_init(&call->timer, fired, call);
        require(tw_timer_start_at_ns(loop, &call->timer, call->deadline_ns) == 0, "a timer starts");
    }
}

static void cancel(tw_loop *loop, size_t i)
{
    if (i % 2 == 0)
        require(tw_cancel(loop, calls[i].handle), "a pending call can be cancelled");
    else
        tw_timer_stop(loop, &calls[i].timer);
}

int main(void)
{
    tw_options options = {.size = sizeof options, .clock = read_clock};
    tw_loop *loop = tw_loop_new(&options);
    require(loop != NULL, "tw_loop_new answers a loop");
    require(strcmp(tw_version(), TW_VERSION_STRING) == 0, "header and library are of one version");

    for (size_t i = 0; i < TIMERS; i++)
        start(loop, i);
    for (size_t i = 0; i < TIMERS; i += 3)
        cancel(loop, i);
    while (tw_pending_count(loop) > 0) {
        require(tw_next_ns(loop) != UINT64_MAX, "a loop with timers has a next run");
        now_ns += STEP_NS;
        tw_run(loop);
    }
    for (size_t i = 0; i < TIMERS; i++)
        require(calls[i].calls == (i % 3 == 0 ? 0 : 1), "each fires once, unless cancelled");

    /* Beyond the wheel's span, and in one jump. */
    calls[0].deadline_ns = now_ns + 50 * DAY_NS;
    require(tw_call_at_ns(loop, calls[0].deadline_ns, fired, &calls[0]) != 0, "50 days ahead");
    now_ns += 50 * DAY_NS - 1;
    require(tw_run(loop) == 0, "not a nanosecond early");
    now_ns += 1;
    require(tw_run(loop) == 1, "on the nanosecond");
    require(tw_check(loop) == NULL, "the invariants hold");
    tw_loop_free(loop);
    printf("tickwheel %s: %d timers\n", tw_version(), TIMERS);
    return 0;
}
