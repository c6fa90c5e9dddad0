/* SPDX-License-Identifier: MIT */
/*
 * idle_timeouts_client: proves over real sockets what idle_timeouts promises.
 * It starts the server itself, and opens thousands of connections of four kinds:
 *
 *   active    sends a request every PACE_MS: is kept, and gets every byte back
 *   silent    never sends anything: is closed as idle
 *   lapsing   sends a few requests and then nothing more: is closed as idle
 *   dribbling sends a byte every PACE_MS that never ends its request: is cut at
 *             the deadline, however busy it keeps its idle timer
 *
 * No connection may be closed before its timeout, counted on CLOCK_MONOTONIC from
 * before the send that set it. Nothing is asked of how late it is closed, only
 * that each one is. The sends are paced by a wheel of the client's own.
 *
 *     idle_timeouts_client ./idle_timeouts [CONNECTIONS]      (3000)
 *
 * Exits with 0; 1 if a promise was broken; 77 (ctest: skipped) if the client
 * itself was held up so long that no connection was active in time.
 */
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <tickwheel.h>
#include <unistd.h>

#define NS_PER_MS 1000000u
#define IDLE_MS 600
#define DEADLINE_MS 400 /* less than IDLE_MS: so it is always the first for a dribbler */
#define PACE_MS 100
#define LAPSING_SENDS 3

enum kind { ACTIVE, SILENT, LAPSING, DRIBBLING, KINDS };
enum ending { KEPT, IDLE, DEADLINE, DROPPED, ENDINGS }; /* DROPPED: closed without a word */

static const char *const kind_names[KINDS] = {"active", "silent", "lapsing", "dribbling"};
static const enum ending expected[KINDS] = {KEPT, IDLE, IDLE, DEADLINE};

struct peer {
    int fd; /* -1: has ended */
    enum kind kind;
    unsigned sends_left;       /* lapsing only */
    bool late;                 /* we let more than the idle timeout pass: it may be closed */
    uint64_t idle_since_ns;    /* read before the send, or connect, that the idle timeout follows */
    uint64_t request_since_ns; /* read before the first byte of a dribbler's request */
    uint64_t sent, received;   /* bytes */
    char tail[16];             /* the last bytes received */
    tw_timer next_send;
};

static struct {
    tw_loop *loop;
    int epoll;
    struct server_process server;
    struct peer *peers;
    size_t count;
    size_t open[KINDS];           /* connections of each kind still open */
    size_t ended[KINDS][ENDINGS]; /* and how the others ended */
    size_t early;                 /* closed before their timeout */
    size_t excused;               /* closed as idle while we were late with a send */
    size_t miscounted;            /* got another number of bytes back than they sent */
    tw_timer patience;            /* how long the active ones are to be kept */
    bool leaving;                 /* it has passed: they say goodbye themselves */
} client;

static void peer_send(struct peer *peer, const char *bytes)
{
    uint64_t before = monotonic_ns();
    ssize_t count = send(peer->fd, bytes, strlen(bytes), MSG_NOSIGNAL);
    if (count < 0)
        return; /* the server has closed it: the next read will say so */
    if (monotonic_ns() - peer->idle_since_ns >= IDLE_MS * NS_PER_MS)
        peer->late = true;
    peer->idle_since_ns = before;
    if (peer->sent == 0)
        peer->request_since_ns = before;
    peer->sent += (uint64_t)count;
}

static void on_next_send(void *arg)
{
    struct peer *peer = arg;
    peer_send(peer, peer->kind == DRIBBLING ? "x" : "ping\n");
    if (peer->kind != LAPSING || --peer->sends_left > 0)
        tw_timer_start_later_ns(client.loop, &peer->next_send, PACE_MS * NS_PER_MS);
}

/* How the server took its leave, by its last words; they are not echo. */
static enum ending last_words(struct peer *peer)
{
    static const char *const words[ENDINGS] = {[IDLE] = "-idle\n", [DEADLINE] = "-deadline\n"};
    for (enum ending ending = IDLE; ending <= DEADLINE; ending++) {
        size_t length = strlen(words[ending]);
        if (memcmp(peer->tail + sizeof peer->tail - length, words[ending], length) == 0) {
            peer->received -= length;
            return ending;
        }
    }
    return client.leaving && peer->kind == ACTIVE ? KEPT : DROPPED;
}

/* What was still under way to the server when it closed does not come back; it
 * is only known that nothing was under way if the peer had fallen silent. */
static bool echo_is_whole(const struct peer *peer, enum ending ending)
{
    bool nothing_under_way = ending == KEPT || (ending == IDLE && !peer->late);
    return nothing_under_way ? peer->received == peer->sent : peer->received <= peer->sent;
}

static void peer_ended(struct peer *peer)
{
    uint64_t now = monotonic_ns();
    enum ending ending = last_words(peer);
    if ((ending == IDLE && !peer->late && now - peer->idle_since_ns < IDLE_MS * NS_PER_MS) ||
        (ending == DEADLINE && now - peer->request_since_ns < DEADLINE_MS * NS_PER_MS))
        client.early++;
    else if (ending == IDLE && expected[peer->kind] != IDLE)
        client.excused++; /* it is idle by the clock, so it was we who were late */
    if (!echo_is_whole(peer, ending))
        client.miscounted++;
    client.open[peer->kind]--;
    client.ended[peer->kind][ending]++;
    tw_timer_stop(client.loop, &peer->next_send);
    close(peer->fd);
    peer->fd = -1;
}

static void remember_tail(struct peer *peer, const char *bytes, size_t count)
{
    size_t size = sizeof peer->tail;
    if (count > size) {
        bytes += count - size;
        count = size;
    }
    memmove(peer->tail, peer->tail + count, size - count);
    memcpy(peer->tail + size - count, bytes, count);
}

static void on_readable(struct peer *peer)
{
    char bytes[4096];
    ssize_t count = recv(peer->fd, bytes, sizeof bytes, 0);
    if (count > 0) {
        peer->received += (uint64_t)count;
        remember_tail(peer, bytes, (size_t)count);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        peer_ended(peer);
    }
}

/* Connects and, unless the peer is silent, starts it sending, out of step with
 * the others. */
static void peer_start(struct peer *peer, enum kind kind, unsigned phase)
{
    *peer = (struct peer){.kind = kind, .sends_left = LAPSING_SENDS};
    peer->idle_since_ns = monotonic_ns();
    peer->fd = connect_to_loopback(client.server.port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    tw_timer_init(&peer->next_send, on_next_send, peer);
    if (epoll_ctl(client.epoll, EPOLL_CTL_ADD, peer->fd, &event) != 0 ||
        (kind != SILENT &&
         tw_timer_start_later_ns(client.loop, &peer->next_send, phase % PACE_MS * NS_PER_MS) != 0))
        die("peer_start");
    client.open[kind]++;
}

/* The active ones have been kept long enough. Each ends its side, reads what is
 * still to come, and has then been kept to the last byte. */
static void on_patience(void *arg)
{
    (void)arg;
    client.leaving = true;
    for (size_t i = 0; i < client.count; i++) {
        struct peer *peer = &client.peers[i];
        if (peer->fd < 0 || peer->kind != ACTIVE)
            continue;
        tw_timer_stop(client.loop, &peer->next_send);
        shutdown(peer->fd, SHUT_WR);
    }
}

static bool all_ended(void)
{
    size_t open = 0;
    for (int kind = 0; kind < KINDS; kind++)
        open += client.open[kind];
    return open == 0;
}

static void turn(int timeout_ms)
{
    struct epoll_event events[256];
    int count = epoll_wait(client.epoll, events, 256, timeout_ms);
    for (int i = 0; i < count; i++)
        on_readable(events[i].data.ptr);
    tw_run(client.loop);
}

static void set_up(const char *server, size_t wanted)
{
    /* Active ones last: their time to be kept is counted from the last connect. */
    static const enum kind mix[] = {SILENT, SILENT, LAPSING, LAPSING, DRIBBLING,
                                    ACTIVE, ACTIVE, ACTIVE,  ACTIVE,  ACTIVE};
    char idle[16], deadline[16];
    snprintf(idle, sizeof idle, "%d", IDLE_MS);
    snprintf(deadline, sizeof deadline, "%d", DEADLINE_MS);
    char *arguments[] = {(char *)server, "0", idle, deadline, NULL};
    client.count = fit_connections(wanted);
    server_start(&client.server, arguments);
    client.epoll = epoll_create1(EPOLL_CLOEXEC);
    client.loop = tw_loop_new(NULL);
    client.peers = calloc(client.count, sizeof *client.peers);
    tw_timer_init(&client.patience, on_patience, NULL);
    if (client.epoll < 0 || client.loop == NULL || client.peers == NULL)
        die("idle_timeouts_client");
    for (size_t i = 0; i < client.count; i++) {
        peer_start(&client.peers[i], mix[i * 10 / client.count], (unsigned)i);
        if (i % 64 == 0)
            turn(0); /* those that are connected already may not wait for the others */
    }
    if (tw_timer_start_later_ns(client.loop, &client.patience, 2 * IDLE_MS * NS_PER_MS) != 0)
        die("idle_timeouts_client");
}

/* Whether the server ended well and counted what we saw. */
static bool server_agrees(void)
{
    char report[256], seen[256];
    size_t by_server[ENDINGS] = {0};
    bool ended_well = server_stop(&client.server, report, sizeof report);
    for (int kind = 0; kind < KINDS; kind++)
        for (int ending = 0; ending < ENDINGS; ending++)
            by_server[ending] += client.ended[kind][ending];
    snprintf(seen, sizeof seen,
             "accepted %zu idle %zu deadline %zu by_peer %zu open 0 timers_left 0\n", client.count,
             by_server[IDLE], by_server[DEADLINE], by_server[KEPT] + by_server[DROPPED]);
    if (ended_well && strcmp(report, seen) == 0)
        return true;
    printf("the server says  %sthe client saw   %s", report, seen);
    return false;
}

/* Prints what happened, and returns the number of broken promises. */
static size_t judge(void)
{
    size_t wrong = 0;
    printf("%-10s %8s %8s %8s %8s\n", "", "kept", "idle", "deadline", "dropped");
    for (int kind = 0; kind < KINDS; kind++) {
        size_t *ended = client.ended[kind];
        printf("%-10s %8zu %8zu %8zu %8zu\n", kind_names[kind], ended[KEPT], ended[IDLE],
               ended[DEADLINE], ended[DROPPED]);
        for (enum ending ending = 0; ending < ENDINGS; ending++)
            wrong += ending == expected[kind] ? 0 : ended[ending];
    }
    wrong -= client.excused;
    printf(
        "early %zu, ended wrongly %zu, miscounted %zu, excused because the client was late %zu\n",
        client.early, wrong, client.miscounted, client.excused);
    return client.early + wrong + client.miscounted;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s ./idle_timeouts [CONNECTIONS]\n", argv[0]);
        return 2;
    }
    set_up(argv[1], argc > 2 ? strtoul(argv[2], NULL, 10) : 3000);
    while (!all_ended())
        turn(tw_timeout_ms(client.loop));
    bool agreed = server_agrees();
    size_t broken = judge();
    tw_loop_free(client.loop);
    free(client.peers);
    if (broken > 0 || !agreed)
        return 1;
    return client.ended[ACTIVE][KEPT] > 0 ? 0 : 77;
}
