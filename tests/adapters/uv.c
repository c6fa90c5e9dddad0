/* SPDX-License-Identifier: MIT */
/* The cases on a libuv loop. */
#include "outer.h"

#include <stdlib.h>
#include <tickwheel_uv.h>

static uv_loop_t loop;
static tw_uv *on;

static void open_loop(void)
{
    if (uv_loop_init(&loop) != 0)
        abort();
}

static int attach_to(uv_loop_t *to, tw_loop *wheel)
{
    tw_uv *fresh = malloc(sizeof *fresh);
    if (tw_uv_attach(fresh, to, wheel) != 0) {
        free(fresh);
        return -1;
    }
    on = fresh;
    return 0;
}

static int attach(tw_loop *wheel)
{
    return attach_to(&loop, wheel);
}

static int attach_nothing(tw_loop *wheel)
{
    return attach_to(NULL, wheel);
}

static void give_back(tw_uv *detached)
{
    free(detached);
}

static void detach(void)
{
    tw_uv_detach(on, give_back);
    on = NULL;
}

static void update(void)
{
    tw_uv_update(on);
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_ONCE);
}

static void run(void)
{
    uv_run(&loop, UV_RUN_DEFAULT);
}

static void close_loop(void)
{
    run();
    if (uv_loop_close(&loop) != 0)
        abort();
}

static void on_event(uv_timer_t *timer)
{
    void (*event)(void) = *(void (**)(void))timer->data;
    uv_close((uv_handle_t *)timer, (uv_close_cb)free);
    event();
}

static void in_a_while(void (*event)(void))
{
    static void (*latest)(void);
    uv_timer_t *timer = malloc(sizeof *timer);
    latest = event;
    uv_timer_init(&loop, timer);
    timer->data = &latest;
    uv_timer_start(timer, on_event, 5, 0);
}

static void child(void)
{
    if (uv_loop_fork(&loop) != 0 || tw_uv_fork(on) != 0)
        abort();
}

const struct outer outer = {
    .name = "libuv",
    .returns_when_empty = true,
    .forks = true,
    .open = open_loop,
    .close = close_loop,
    .attach = attach,
    .attach_nothing = attach_nothing,
    .detach = detach,
    .update = update,
    .turn = turn,
    .run = run,
    .in_a_while = in_a_while,
    .child = child,
};
