/* SPDX-License-Identifier: MIT */
/*
 * idle_timeouts: a TCP echo server on epoll, with two timers embedded in every
 * connection.
 *
 *   idle      moved further out at each packet: fires when nothing was heard for
 *             so long. Moving it is nearly free, so it is done at every packet.
 *   deadline  runs from the first byte of a request (a line) to its newline, and
 *             is never moved: a peer that dribbles bytes cannot hold on by it.
 *
 * A connection that is closed by a timer is told so: "-idle" or "-deadline".
 *
 *     idle_timeouts [PORT [IDLE_MS [DEADLINE_MS]]]      (0 60000 5000)
 *     nc 127.0.0.1 PORT
 *
 * If IDLE_TIMEOUTS_TRACE is set in the environment, it names a file in which the
 * timers are recorded, as a trace for bench/replay.
 *
 * idle_timeouts_client.c proves that it keeps what it promises.
 */
#define _GNU_SOURCE
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <tickwheel.h>
#include <unistd.h>

#define NS_PER_MS 1000000u

struct connection {
    int fd;
    bool in_request; /* a line has begun and not ended */
    tw_timer idle;
    tw_timer deadline;
    LIST_ENTRY(connection) others; /* to free them when the server ends */
};

static struct {
    tw_loop *loop;
    int epoll;
    int listener;
    int termination;
    uint64_t idle_ns;
    uint64_t deadline_ns;
    tw_timer accept_again; /* see pause_accepting */
    LIST_HEAD(, connection) open;
    bool stopping;
    size_t accepted, idle, deadline, by_peer;
} server;

/* One descriptor to epoll; `data` is what its events carry. */
static int watch(int operation, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    return epoll_ctl(server.epoll, operation, fd, &event);
}

static void connection_close(struct connection *connection)
{
    tw_timer_stop(server.loop, &connection->idle);     /* both may be active or parked, */
    tw_timer_stop(server.loop, &connection->deadline); /* and their memory goes away */
    LIST_REMOVE(connection, others);
    close(connection->fd);
    free(connection);
}

static void connection_cut(struct connection *connection, const char *why, size_t *count)
{
    send(connection->fd, why, strlen(why), MSG_NOSIGNAL);
    ++*count;
    connection_close(connection);
}

/* Starts and ends the deadline as these bytes start and end requests.
 * Returns 0, or -1 if there is no memory for the timer. */
static int follow_requests(struct connection *connection, const char *bytes, size_t count)
{
    const char *newline = memrchr(bytes, '\n', count);
    if (newline != NULL && connection->in_request) {
        connection->in_request = false;
        tw_timer_park(server.loop, &connection->deadline); /* soon to be started again */
    }
    bool ends_inside = newline != bytes + count - 1;
    if (!ends_inside || connection->in_request)
        return 0;
    connection->in_request = true;
    return tw_timer_start_later_ns(server.loop, &connection->deadline, server.deadline_ns);
}

/* Echoes what has arrived, and closes the connection if the peer did, or if it
 * does not read its own echo. Returns whether anything had arrived. */
static bool connection_serve(struct connection *connection)
{
    char bytes[4096];
    ssize_t count = recv(connection->fd, bytes, sizeof bytes, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (count <= 0 || send(connection->fd, bytes, (size_t)count, MSG_NOSIGNAL) != count ||
        follow_requests(connection, bytes, (size_t)count) != 0) {
        server.by_peer++;
        connection_close(connection);
    } else {
        tw_timer_start_later_ns(server.loop, &connection->idle, server.idle_ns);
    }
    return true;
}

/* A last look before closing: a packet that arrived while the server was busy
 * with others came in time. It moves the timer, and the connection lives. */
static void on_idle(void *arg)
{
    if (!connection_serve(arg))
        connection_cut(arg, "-idle\n", &server.idle);
}

static void on_deadline(void *arg)
{
    connection_cut(arg, "-deadline\n", &server.deadline);
}

static void connection_open(int fd)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->fd = fd;
    tw_timer_init(&connection->idle, on_idle, connection);
    tw_timer_init(&connection->deadline, on_deadline, connection);
    LIST_INSERT_HEAD(&server.open, connection, others);
    if (tw_timer_start_later_ns(server.loop, &connection->idle, server.idle_ns) != 0 ||
        watch(EPOLL_CTL_ADD, fd, EPOLLIN, connection) != 0) {
        connection_close(connection);
        return;
    }
    server.accepted++;
}

/* Out of descriptors: the listener stays readable, and asking it again at once
 * would be a busy loop. So it is left alone for a while. */
static void pause_accepting(void)
{
    if (tw_timer_start_later_ns(server.loop, &server.accept_again, 50 * NS_PER_MS) == 0)
        watch(EPOLL_CTL_MOD, server.listener, 0, &server.listener);
}

static void on_accept_again(void *arg)
{
    (void)arg;
    watch(EPOLL_CTL_MOD, server.listener, EPOLLIN, &server.listener);
}

static void accept_all(void)
{
    for (;;) {
        int fd = accept4(server.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            connection_open(fd);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting();
            return;
        } else if (errno != ECONNABORTED && errno != EINTR)
            return; /* EAGAIN: no more are waiting */
    }
}

/* Sockets first, timers after: what has arrived counts before what is due. */
static void serve(void)
{
    struct epoll_event events[256];
    while (!server.stopping) {
        int count = epoll_wait(server.epoll, events, 256, tw_timeout_ms(server.loop));
        for (int i = 0; i < count; i++) {
            void *source = events[i].data.ptr;
            if (source == &server.listener)
                accept_all();
            else if (source == &server.termination)
                server.stopping = true;
            else
                connection_serve(source);
        }
        tw_run(server.loop);
    }
}

static uint64_t argument(int argc, char **argv, int index, uint64_t otherwise)
{
    return index < argc ? strtoull(argv[index], NULL, 10) : otherwise;
}

static void set_up(int argc, char **argv)
{
    raise_descriptor_limit();
    server.idle_ns = argument(argc, argv, 2, 60000) * NS_PER_MS;
    server.deadline_ns = argument(argc, argv, 3, 5000) * NS_PER_MS;
    server.listener = listen_on_loopback((uint16_t)argument(argc, argv, 1, 0), false);
    server.termination = termination_fd();
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    server.loop = tw_loop_new(NULL);
    if (server.epoll < 0 || server.loop == NULL ||
        watch(EPOLL_CTL_ADD, server.listener, EPOLLIN, &server.listener) != 0 ||
        watch(EPOLL_CTL_ADD, server.termination, EPOLLIN, &server.termination) != 0)
        die("idle_timeouts");
    LIST_INIT(&server.open);
    tw_timer_init(&server.accept_again, on_accept_again, NULL);
}

static int write_trace(void *file, const void *bytes, size_t count)
{
    return fwrite(bytes, 1, count, file) == count ? 0 : -1;
}

static FILE *record_to(const char *path)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || tw_record_start(server.loop, write_trace, file) != 0)
        die(path);
    return file;
}

int main(int argc, char **argv)
{
    set_up(argc, argv);
    const char *path = getenv("IDLE_TIMEOUTS_TRACE");
    FILE *trace = path != NULL ? record_to(path) : NULL;
    printf("idle_timeouts listens on port %d\n", (int)local_port(server.listener));
    fflush(stdout);
    serve();

    size_t open = 0;
    while (!LIST_EMPTY(&server.open)) {
        connection_close(LIST_FIRST(&server.open));
        open++;
    }
    tw_timer_stop(server.loop, &server.accept_again);
    size_t left = tw_pending_count(server.loop);
    tw_loop_free(server.loop); /* and the trace has its end */
    if (trace != NULL && fclose(trace) != 0)
        die(path);
    printf("accepted %zu idle %zu deadline %zu by_peer %zu open %zu timers_left %zu\n",
           server.accepted, server.idle, server.deadline, server.by_peer, open, left);
    return left == 0 ? 0 : 1;
}
