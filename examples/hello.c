/* SPDX-License-Identifier: MIT */
/*
 * hello: the example of asyncio's documentation, driven by a plain poll() loop.
 * Prints 3, 2, 1: the call made soon, then the two timers by deadline.
 *
 *     cc hello.c -ltickwheel -o hello && ./hello
 */
#include <poll.h>
#include <stdio.h>
#include <tickwheel.h>

static void show(void *arg)
{
    puts(arg);
}

int main(void)
{
    tw_loop *loop = tw_loop_new(NULL);
    if (loop == NULL || tw_call_later(loop, 0.2, show, "1") == 0 ||
        tw_call_later(loop, 0.1, show, "2") == 0 || tw_call_soon(loop, show, "3") == 0) {
        perror("hello");
        return 1;
    }
    while (tw_pending_count(loop) > 0) {
        poll(NULL, 0, tw_timeout_ms(loop)); /* your event loop sleeps here */
        tw_run(loop);
    }
    tw_loop_free(loop);
    return 0;
}
