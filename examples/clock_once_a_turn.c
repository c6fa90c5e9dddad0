/* SPDX-License-Identifier: MIT */
/*
 * clock_once_a_turn: a loop that reads the clock once after each wait, and starts its
 * timers from that. A start by tw_timer_start_later_ns reads the clock: most of what
 * refreshing an idle timeout costs. A loop that has just woken knows the time.
 *
 *     cc clock_once_a_turn.c -ltickwheel
 *     clock_once_a_turn      serves 50 turns of 1000 packets each, and checks how often
 *                            the clock was read, and that no timeout came early
 */
#define _POSIX_C_SOURCE 200809L

#include <poll.h>
#include <stdio.h>
#include <tickwheel.h>
#include <time.h>

enum { CONNECTIONS = 1000, TURNS = 50 };
#define IDLE_NS 20000000u

static struct connection {
    tw_timer idle;
    uint64_t turn_ns;       /* when the turn began that served its last packet */
} connections[CONNECTIONS];

static size_t readings, timeouts, early;

/* CLOCK_MONOTONIC, which a loop without options reads, too; counted. */
static uint64_t read_clock(void *none)
{
    struct timespec now;
    (void)none;
    readings++;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void on_idle(void *arg)
{
    const struct connection *connection = arg;
    timeouts++;
    early += read_clock(NULL) < connection->turn_ns + IDLE_NS;
    readings--;             /* this one was ours */
}

/* Stands for epoll_wait: packets are there at once until all turns have been served. */
static size_t wait_for_packets(size_t turn, int timeout_ms)
{
    poll(NULL, 0, turn < TURNS ? 0 : timeout_ms);
    return turn < TURNS ? CONNECTIONS : 0;
}

int main(void)
{
    tw_options options = TW_OPTIONS_INIT;
    options.clock = read_clock;
    tw_loop *loop = tw_loop_new(&options);
    if (loop == NULL || tw_reserve_embedded(loop, CONNECTIONS) != 0)
        return 1;
    for (size_t i = 0; i < CONNECTIONS; i++)
        tw_timer_init(&connections[i].idle, on_idle, &connections[i]);

    readings = 0;
    size_t turns = 0;
    do {
        size_t packets = wait_for_packets(turns, tw_timeout_ms(loop));
        uint64_t now_ns = tw_update_now(loop); /* after the wait, before anything is started */
        for (size_t i = 0; i < packets; i++) {
            connections[i].turn_ns = now_ns;
            if (tw_timer_start_at_ns(loop, &connections[i].idle, now_ns + IDLE_NS) != 0)
                return 1;
        }
        tw_run(loop);
        turns++;
    } while (tw_pending_count(loop) > 0);
    tw_loop_free(loop);

    printf("%zu turns, %d starts, %zu readings of the clock; %zu timeouts, %zu early\n", turns,
           TURNS * CONNECTIONS, readings, timeouts, early);
    /* One of ours; and one each for how long to wait and for what is due. */
    return readings <= 3 * turns && timeouts >= CONNECTIONS && early == 0 ? 0 : 1;
}
