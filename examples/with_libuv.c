/* SPDX-License-Identifier: MIT */
/*
 * with_libuv: a libuv loop carries a wheel, by tickwheel_uv.h.
 *
 *     cc with_libuv.c trial.c support.c -ltickwheel -luv
 *     with_libuv [SEED]      checks ten thousand timers, and counts the turns of the loop
 */
#include "trial.h"

#include <tickwheel_uv.h>

static size_t turns;

static void on_check(uv_check_t *check)
{
    (void)check;
    turns++;
}

static void on_event(uv_timer_t *event)
{
    trial_event(); /* starts timers: libuv need not be told */
    uv_close((uv_handle_t *)event, NULL);
}

int main(int argc, char **argv)
{
    tw_uv on;
    uv_timer_t event; /* stands for a socket */
    uv_check_t check;
    uv_loop_t *loop = uv_default_loop();
    tw_loop *wheel = trial_new(argc, argv);
    if (tw_uv_attach(&on, loop, wheel) != 0)
        return 1;
    uv_timer_init(loop, &event);
    uv_timer_start(&event, on_event, TRIAL_EVENT_MS, 0);
    uv_check_init(loop, &check);
    uv_check_start(&check, on_check);
    uv_unref((uv_handle_t *)&check);

    uv_run(loop, UV_RUN_DEFAULT); /* returns when the wheel is empty */

    uv_close((uv_handle_t *)&check, NULL);
    tw_uv_detach(&on, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    if (uv_loop_close(loop) != 0)
        return 1;
    return trial_end("libuv", turns);
}
