/* SPDX-License-Identifier: MIT */
/*
 * http_clients: what http_server's four timers are there for, done to it over real
 * sockets.
 *
 *   waiting    connects and says nothing: is closed when idle
 *   pausing    makes a few requests and then no more: likewise
 *   loris      dribbles a header that never ends: gets 408 at the header's deadline
 *   dragging   sends a header at once and dribbles the body: 408 at the request's
 *   active     makes one request after the other: is closed when its lifetime is
 *              over, with every request but perhaps the last answered
 *   vanishing  connects, sends half a header, and resets the connection: nobody
 *              hears of it again, and the server must notice
 *
 * No connection may be closed before its time, counted on CLOCK_MONOTONIC from
 * before the send or connect that set it; all must be closed in the end; and the
 * server's own account of why must be the same as what was seen. Nothing is asked
 * of how late anything happens.
 *
 *     http_clients CONNECTIONS SHARES SERVER [OPTION...]
 *     http_clients CONNECTIONS SHARES :PORT
 *
 * In place of SERVER, :PORT names a server that runs already, with the limits below;
 * its own account is then left to who has started it.
 *
 * SHARES has letters that name the kinds by their first, and is shared out over the
 * connections: w lets all wait, wwla half of them. Active ones should stand last,
 * so that they need not wait while others connect. The server is started with the
 * options and the limits below.
 *
 * Exits with 0; 1 if a promise was broken; 77 (ctest: skipped) if the client itself
 * was held up so long that no active connection reached its lifetime.
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
#define IDLE_MS 1000
#define HEADER_MS 500  /* shorter than the request's, and both than the idle one: */
#define REQUEST_MS 750 /* so it is known which is the first */
#define LIFETIME_MS 2000
#define PACE_MS 150
#define PAUSING_REQUESTS 3
#define TEXT_(number) #number
#define TEXT(number) TEXT_(number)

enum kind { WAITING, PAUSING, LORIS, DRAGGING, ACTIVE, VANISHING, KINDS };
enum ending { SILENT, HEADER, REQUEST, GONE, ENDINGS }; /* GONE: we left */

static const char kind_letters[] = "wpldav";
static const char *const kind_names[KINDS] = {"waiting",  "pausing", "loris",
                                              "dragging", "active",  "vanishing"};
static const enum ending expected[KINDS] = {SILENT, SILENT, HEADER, REQUEST, SILENT, GONE};

struct client {
    int fd;
    enum kind kind;
    bool late;               /* we were, with a send: another timer may be the first */
    bool idle;               /* and it was closed for that */
    uint64_t connected_ns;   /* read before the connect, */
    uint64_t heard_of_us_ns; /* before the last send, */
    uint64_t request_ns;     /* and before the first byte of the first request */
    size_t requests, responses;
    char tail[8]; /* the last bytes received */
    tw_timer next_send;
};

static struct {
    tw_loop *loop;
    int epoll;
    struct server_process server;
    struct client *clients;
    size_t count, open;
    size_t ended[KINDS][ENDINGS];
    size_t early;      /* closed before their time */
    size_t wrong;      /* closed for another reason than expected */
    size_t excused;    /* the same, but because we were late: the clock says so */
    size_t lived;      /* active clients that were closed at their lifetime's end */
    size_t unanswered; /* clients that lack an answer, or have one too many */
} test;

static void client_ended(struct client *client, enum ending ending)
{
    test.ended[client->kind][ending]++;
    test.open--;
    tw_timer_stop(test.loop, &client->next_send);
    close(client->fd);
}

static bool passed(uint64_t since_ns, uint64_t ms)
{
    return monotonic_ns() - since_ns >= ms * NS_PER_MS;
}

static void client_send(struct client *client, const char *bytes)
{
    uint64_t before = monotonic_ns();
    bool refused = send(client->fd, bytes, strlen(bytes), MSG_NOSIGNAL) < 0;
    bool lifetime_first =
        client->kind == PAUSING && passed(client->connected_ns, LIFETIME_MS - IDLE_MS);
    if (lifetime_first || passed(client->heard_of_us_ns, IDLE_MS))
        client->late = true;
    if (refused)
        return; /* the server has closed it: the next read will say so */
    client->heard_of_us_ns = before;
    if (client->request_ns == 0)
        client->request_ns = before;
}

/* Leaves by a reset, as a machine that lost its power and came back would. */
static void vanish(struct client *client)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    if (passed(client->request_ns, HEADER_MS))
        test.excused++; /* it may have been cut before */
    client_ended(client, GONE);
}

static void on_next_send(void *arg)
{
    struct client *client = arg;
    bool first = client->request_ns == 0;
    switch (client->kind) {
    case LORIS:
        client_send(client, first ? "GET / HTTP/1.1\r\nX-Slow: " : "x");
        break;
    case DRAGGING:
        client_send(client, first ? "POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" : "x");
        break;
    case ACTIVE:
    case PAUSING:
        if (client->responses < client->requests)
            break; /* no pipelining: wait for the answer */
        client->requests++;
        client_send(client, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        if (client->kind == PAUSING && client->requests == PAUSING_REQUESTS)
            return;
        break;
    case VANISHING:
        if (!first) {
            vanish(client);
            return;
        }
        client_send(client, "GET / HT");
        break;
    default:
        return;
    }
    tw_timer_start_later_ns(test.loop, &client->next_send, PACE_MS * NS_PER_MS);
}

/* A header's end, an empty line, stands for a response: no body contains one. */
static void take(struct client *client, const char *bytes, size_t count)
{
    size_t size = sizeof client->tail;
    for (size_t i = 0; i < count; i++) {
        memmove(client->tail, client->tail + 1, size - 1);
        client->tail[size - 1] = bytes[i];
        if (memcmp(client->tail + size - 4, "\r\n\r\n", 4) == 0)
            client->responses++;
    }
}

static bool tail_is(const struct client *client, const char *text)
{
    size_t length = strlen(text);
    return memcmp(client->tail + sizeof client->tail - length, text, length) == 0;
}

/* Also finds out whether a silent close was for being idle: a client that says
 * nothing has no other, and an active one if its lifetime is not over. */
static bool ended_early(struct client *client, enum ending ending)
{
    if (ending == HEADER)
        return !passed(client->request_ns, HEADER_MS);
    if (ending == REQUEST)
        return !passed(client->request_ns, REQUEST_MS);
    client->idle = client->kind != ACTIVE || !passed(client->connected_ns, LIFETIME_MS);
    return client->idle && !client->late && !passed(client->heard_of_us_ns, IDLE_MS);
}

/* The last request of an active client may have crossed with the close. */
static bool all_answered(const struct client *client)
{
    size_t crossed = client->kind == ACTIVE && client->responses + 1 == client->requests ? 1 : 0;
    return client->responses + crossed == client->requests;
}

static void on_end(struct client *client)
{
    enum ending ending = tail_is(client, "header\n")    ? HEADER
                         : tail_is(client, "request\n") ? REQUEST
                                                        : SILENT;
    bool early = ended_early(client, ending);
    bool silent_kind = client->kind == WAITING || client->kind == PAUSING;
    bool too_slow = client->late || (client->idle && !silent_kind) ||
                    (client->kind == VANISHING && ending == HEADER);
    if (early)
        test.early++;
    else if (too_slow)
        test.excused++;
    else if (ending != expected[client->kind])
        test.wrong++;
    else if (ending == SILENT && !all_answered(client))
        test.unanswered++;
    else if (client->kind == ACTIVE)
        test.lived++;
    client_ended(client, ending);
}

static void on_readable(struct client *client)
{
    char bytes[4096];
    ssize_t count = recv(client->fd, bytes, sizeof bytes, 0);
    if (count > 0)
        take(client, bytes, (size_t)count);
    else if (count == 0 || (errno != EAGAIN && errno != EINTR))
        on_end(client);
}

static void client_start(struct client *client, enum kind kind, unsigned phase)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    *client = (struct client){.kind = kind};
    client->connected_ns = client->heard_of_us_ns = monotonic_ns();
    client->fd = connect_to_loopback(test.server.port);
    tw_timer_init(&client->next_send, on_next_send, client);
    if (epoll_ctl(test.epoll, EPOLL_CTL_ADD, client->fd, &event) != 0 ||
        (kind != WAITING &&
         tw_timer_start_later_ns(test.loop, &client->next_send, phase % PACE_MS * NS_PER_MS) != 0))
        die("client_start");
    test.open++;
}

static void start_server(char **command, int count)
{
    static char *const limits[] = {"-i", TEXT(IDLE_MS),    "-h", TEXT(HEADER_MS),
                                   "-r", TEXT(REQUEST_MS), "-l", TEXT(LIFETIME_MS)};
    enum { LIMITS = sizeof limits / sizeof limits[0] };
    char **arguments = calloc((size_t)count + LIMITS + 1, sizeof *arguments);
    if (arguments == NULL)
        die("http_clients");
    memcpy(arguments, command, (size_t)count * sizeof *arguments);
    memcpy(arguments + count, limits, sizeof limits);
    server_start(&test.server, arguments);
    free(arguments);
}

/* One turn of our own loop. */
static void turn(int timeout_ms)
{
    struct epoll_event events[256];
    int count = epoll_wait(test.epoll, events, 256, timeout_ms);
    for (int i = 0; i < count; i++)
        on_readable(events[i].data.ptr);
    tw_run(test.loop);
}

static void start_clients(const char *shares)
{
    size_t share_count = strlen(shares);
    test.epoll = epoll_create1(EPOLL_CLOEXEC);
    test.loop = tw_loop_new(NULL);
    test.clients = calloc(test.count, sizeof *test.clients);
    if (test.epoll < 0 || test.loop == NULL || test.clients == NULL)
        die("http_clients");
    for (size_t i = 0; i < test.count; i++) {
        const char *letter = strchr(kind_letters, shares[i * share_count / test.count]);
        if (letter == NULL) {
            fprintf(stderr, "the shares are to be made of the letters %s\n", kind_letters);
            exit(2);
        }
        client_start(&test.clients[i], (enum kind)(letter - kind_letters), (unsigned)i);
        if (i % 64 == 0)
            turn(0); /* those that are connected already may not wait for the others */
    }
}

/* Whether the server ended well and gives the same reasons. Where we were late it
 * is not known which timer was the first, and only the sum has to be right. */
static bool server_agrees(void)
{
    char report[256], seen[256];
    size_t accepted, idle, header, request, lifetime, by_peer, by_server, left;
    bool ended_well = server_stop(&test.server, report, sizeof report);
    printf("the server says: %s", report);
    int fields =
        sscanf(report,
               "accepted %zu idle %zu header %zu request %zu lifetime %zu by_peer %zu "
               "by_server %zu timers_left %zu",
               &accepted, &idle, &header, &request, &lifetime, &by_peer, &by_server, &left);
    if (!ended_well || fields != 8 || accepted != test.count || left != 0)
        return false;
    if (test.excused > 0)
        return idle + header + request + lifetime + by_peer == test.count;
    snprintf(seen, sizeof seen,
             "accepted %zu idle %zu header %zu request %zu lifetime %zu by_peer %zu by_server 0 "
             "timers_left 0\n",
             test.count, test.ended[WAITING][SILENT] + test.ended[PAUSING][SILENT],
             test.ended[LORIS][HEADER], test.ended[DRAGGING][REQUEST], test.ended[ACTIVE][SILENT],
             test.ended[VANISHING][GONE]);
    return strcmp(report, seen) == 0;
}

/* Prints what happened, and returns the number of broken promises. */
static size_t judge(void)
{
    printf("%-10s %8s %8s %8s %8s\n", "", "silently", "header", "request", "we left");
    for (int kind = 0; kind < KINDS; kind++) {
        size_t *ended = test.ended[kind];
        printf("%-10s %8zu %8zu %8zu %8zu\n", kind_names[kind], ended[SILENT], ended[HEADER],
               ended[REQUEST], ended[GONE]);
    }
    printf(
        "early %zu, ended wrongly %zu, unanswered %zu, excused because the client was late %zu\n",
        test.early, test.wrong, test.unanswered, test.excused);
    return test.early + test.wrong + test.unanswered;
}

int main(int argc, char **argv)
{
    if (argc < 4 || argv[2][0] == '\0') {
        fprintf(stderr, "usage: %s CONNECTIONS SHARES SERVER|:PORT [OPTION...]\n", argv[0]);
        return 2;
    }
    test.count = fit_connections(strtoul(argv[1], NULL, 10));
    bool ours = argv[3][0] != ':';
    if (ours)
        start_server(argv + 3, argc - 3);
    else
        test.server.port = (uint16_t)strtoul(argv[3] + 1, NULL, 10);
    start_clients(argv[2]);
    while (test.open > 0)
        turn(tw_timeout_ms(test.loop));
    bool agreed = !ours || server_agrees();
    size_t broken = judge();
    tw_loop_free(test.loop);
    free(test.clients);
    if (broken > 0 || !agreed)
        return 1;
    bool some_active = strchr(argv[2], 'a') != NULL;
    return some_active && test.lived == 0 ? 77 : 0;
}
