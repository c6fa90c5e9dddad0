/*
 * with_libev: one ev_timer carries a whole wheel. To use it, copy struct
 * wheel_on_ev and its functions; the rest is a check.
 *
 * An ev_prepare looks before each sleep whether the wheel is due earlier than the
 * ev_timer is set for, so timers may be started from any callback of the loop
 * without a word to libev.
 *
 *     with_libev [SEED]      checks ten thousand timers, and counts the wake-ups
 */
#include "trial.h"

#include <ev.h>

struct wheel_on_ev {
    tw_loop *wheel;
    struct ev_loop *loop;
    ev_timer timer;
    ev_prepare prepare;
    uint64_t armed_ns;    /* what the timer is set for; UINT64_MAX: it is not */
    size_t wakeups, arms; /* counted for the check only */
};

/* Sets the timer, if it is not set early enough. A timer that is set earlier
 * than need be is left alone: it costs one wake-up, which sets it anew. libev
 * adds the delay to the time when it last woke, so that is renewed first. */
static void wheel_on_ev_arm(struct wheel_on_ev *on)
{
    uint64_t next_ns = tw_next_ns(on->wheel);
    if (next_ns >= on->armed_ns)
        return;
    ev_now_update(on->loop);
    uint64_t now_ns = tw_time_ns(on->wheel);
    ev_timer_stop(on->loop, &on->timer);
    ev_timer_set(&on->timer, next_ns > now_ns ? (double)(next_ns - now_ns) * 1e-9 : 0, 0);
    ev_timer_start(on->loop, &on->timer);
    on->armed_ns = next_ns;
    on->arms++;
}

/* Set again here, and not left to on_prepare: ev_run looks in between whether
 * anything is still active. */
static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct wheel_on_ev *on = timer->data;
    (void)loop, (void)events;
    on->armed_ns = UINT64_MAX;
    on->wakeups++;
    tw_run(on->wheel);
    wheel_on_ev_arm(on);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    (void)loop, (void)events;
    wheel_on_ev_arm(prepare->data);
}

/* Only the timer keeps the loop alive, and it is set only while the wheel has
 * something pending. */
static void wheel_on_ev_open(struct wheel_on_ev *on, struct ev_loop *loop, tw_loop *wheel)
{
    *on = (struct wheel_on_ev){.wheel = wheel, .loop = loop, .armed_ns = UINT64_MAX};
    ev_init(&on->timer, on_timer);
    ev_prepare_init(&on->prepare, on_prepare);
    on->timer.data = on->prepare.data = on;
    ev_prepare_start(loop, &on->prepare);
    ev_unref(loop);
}

/* The wheel itself stays. */
static void wheel_on_ev_close(struct wheel_on_ev *on)
{
    ev_ref(on->loop);
    ev_prepare_stop(on->loop, &on->prepare);
    ev_timer_stop(on->loop, &on->timer);
}

/* ------------------------------------------------------------- the check */

static void on_event(struct ev_loop *loop, ev_timer *event, int events)
{
    (void)loop, (void)event, (void)events;
    trial_event();
}

int main(int argc, char **argv)
{
    struct wheel_on_ev on;
    ev_timer event; /* stands for a socket */
    struct ev_loop *loop = ev_default_loop(0);
    wheel_on_ev_open(&on, loop, trial_new(argc, argv));
    ev_timer_init(&event, on_event, TRIAL_EVENT_MS / 1e3, 0);
    ev_timer_start(loop, &event);
    ev_run(loop, 0); /* returns when the wheel is empty */
    wheel_on_ev_close(&on);
    ev_loop_destroy(loop);
    return trial_end("libev", on.wakeups, on.arms);
}
