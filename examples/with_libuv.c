/*
 * with_libuv: one uv_timer_t carries a whole wheel. To use it, copy struct
 * wheel_on_uv and its functions; the rest is a check.
 *
 * A uv_prepare_t looks before each sleep whether the wheel is due earlier than
 * the uv_timer_t is set for, so timers may be started from any callback of the
 * loop without a word to libuv. libuv's timers have a grain of a millisecond;
 * rounding up, the wheel is never woken early.
 *
 *     with_libuv [SEED]      checks ten thousand timers, and counts the wake-ups
 */
#include "trial.h"

#include <uv.h>

#define NS_PER_MS 1000000u

struct wheel_on_uv {
    tw_loop *wheel;
    uv_timer_t timer;
    uv_prepare_t prepare;
    uint64_t armed_ns;    /* what the timer is set for; UINT64_MAX: it is not */
    size_t wakeups, arms; /* counted for the check only */
};

static void on_timer(uv_timer_t *timer);

/* Sets the timer, if it is not set early enough. A timer that is set earlier
 * than need be is left alone: it costs one wake-up, which sets it anew.
 *
 * Both clocks are CLOCK_MONOTONIC, so a deadline can be put to libuv as a whole
 * millisecond on its own clock, and it does not matter that uv_now is stale. */
static void wheel_on_uv_arm(struct wheel_on_uv *on)
{
    uint64_t next_ns = tw_next_ns(on->wheel);
    if (next_ns >= on->armed_ns)
        return;
    uint64_t due_ms = next_ns / NS_PER_MS + (next_ns % NS_PER_MS != 0);
    uint64_t now_ms = uv_now(on->timer.loop);
    uv_timer_start(&on->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
    on->armed_ns = next_ns;
    on->arms++;
}

/* Set again here, and not left to on_prepare: uv_run may look in between whether
 * anything is still active. */
static void on_timer(uv_timer_t *timer)
{
    struct wheel_on_uv *on = timer->data;
    on->armed_ns = UINT64_MAX;
    on->wakeups++;
    tw_run(on->wheel);
    wheel_on_uv_arm(on);
}

static void on_prepare(uv_prepare_t *prepare)
{
    wheel_on_uv_arm(prepare->data);
}

/* Only the timer keeps the loop alive, and it is set only while the wheel has
 * something pending. So uv_run has to find it set: call this after the first
 * timers were started, or call wheel_on_uv_arm then. */
static void wheel_on_uv_open(struct wheel_on_uv *on, uv_loop_t *loop, tw_loop *wheel)
{
    *on = (struct wheel_on_uv){.wheel = wheel, .armed_ns = UINT64_MAX};
    uv_timer_init(loop, &on->timer);
    uv_prepare_init(loop, &on->prepare);
    on->timer.data = on->prepare.data = on;
    uv_prepare_start(&on->prepare, on_prepare);
    uv_unref((uv_handle_t *)&on->prepare);
    wheel_on_uv_arm(on);
}

/* The wheel itself stays; the memory of `on` may go after the next uv_run. */
static void wheel_on_uv_close(struct wheel_on_uv *on)
{
    uv_close((uv_handle_t *)&on->timer, NULL);
    uv_close((uv_handle_t *)&on->prepare, NULL);
}

/* ------------------------------------------------------------- the check */

static void on_event(uv_timer_t *event)
{
    trial_event();
    uv_close((uv_handle_t *)event, NULL);
}

int main(int argc, char **argv)
{
    struct wheel_on_uv on;
    uv_timer_t event; /* stands for a socket */
    uv_loop_t *loop = uv_default_loop();
    wheel_on_uv_open(&on, loop, trial_new(argc, argv));
    uv_timer_init(loop, &event);
    uv_timer_start(&event, on_event, TRIAL_EVENT_MS, 0);
    uv_run(loop, UV_RUN_DEFAULT); /* returns when the wheel is empty */
    wheel_on_uv_close(&on);
    uv_run(loop, UV_RUN_DEFAULT);
    if (uv_loop_close(loop) != 0)
        return 1;
    return trial_end("libuv", on.wakeups, on.arms);
}
