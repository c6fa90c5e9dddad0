/* SPDX-License-Identifier: MIT */
/* A connection of http_server: its parser, its output and its four timers. */
#define _GNU_SOURCE
#include "http_server.h"

#include <errno.h>
#include <http_parser.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct http_connection {
    struct http_loop *loop;
    int fd;
    http_parser parser;
    struct http_timer idle, header, request, lifetime;
    bool in_request;         /* a request has begun and is not answered */
    bool expired;            /* its lifetime is over: the next response is the last */
    bool last;               /* the last response was given: close when it is sent */
    bool broken;             /* nothing more can be sent or received */
    bool writing;            /* epoll waits for room to send, not for bytes to read */
    enum http_closed reason; /* to be counted when it is closed after `last` or `broken` */
    char path[64];           /* of the request; cut off if longer */
    char *output;            /* not sent yet; NULL: all was */
    size_t output_size;
    LIST_ENTRY(http_connection) others;
};

static void break_off(struct http_connection *connection, enum http_closed reason)
{
    connection->broken = true;
    connection->reason = reason;
}

static void start(struct http_connection *connection, struct http_timer *timer, uint64_t delay_ns)
{
    if (http_timer_start(connection->loop->timers, timer, delay_ns) != 0)
        break_off(connection, CLOSED_BY_SERVER);
}

void http_connection_close(struct http_connection *connection, enum http_closed reason)
{
    struct http_loop *loop = connection->loop;
    http_timer_stop(loop->timers, &connection->idle);
    http_timer_stop(loop->timers, &connection->header);
    http_timer_stop(loop->timers, &connection->request);
    http_timer_stop(loop->timers, &connection->lifetime);
    loop->counts.closed[reason]++;
    LIST_REMOVE(connection, others);
    close(connection->fd);
    free(connection->output);
    free(connection);
}

/* ------------------------------------------------------------------ output */

/* Keeps what could not be sent at once. A peer that asks for more than a MiB
 * without reading it is cut off. */
static void keep_output(struct http_connection *connection, const char *bytes, size_t size)
{
    size_t total = connection->output_size + size;
    char *output = total <= 1 << 20 ? realloc(connection->output, total) : NULL;
    if (output == NULL) {
        break_off(connection, CLOSED_BY_SERVER);
        return;
    }
    memcpy(output + connection->output_size, bytes, size);
    connection->output = output;
    connection->output_size = total;
}

/* What was sent of so many bytes; 0 if there is no room. */
static size_t sent(struct http_connection *connection, ssize_t result)
{
    if (result >= 0)
        return (size_t)result;
    if (errno != EAGAIN && errno != EINTR)
        break_off(connection, CLOSED_BY_PEER);
    return 0;
}

static void flush_output(struct http_connection *connection)
{
    size_t size = connection->output_size;
    size_t gone = sent(connection, send(connection->fd, connection->output, size, MSG_NOSIGNAL));
    connection->output_size -= gone;
    memmove(connection->output, connection->output + gone, connection->output_size);
    if (connection->output_size == 0) {
        free(connection->output);
        connection->output = NULL;
    }
}

static void reply(struct http_connection *connection, const char *status, const char *body,
                  size_t body_size)
{
    char head[256];
    bool bodiless = connection->parser.method == HTTP_HEAD;
    int head_size = snprintf(head, sizeof head,
                             "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\n"
                             "Content-Length: %zu\r\n%s\r\n",
                             status, body_size, connection->last ? "Connection: close\r\n" : "");
    struct iovec parts[2] = {
        {.iov_base = head, .iov_len = (size_t)head_size},
        {.iov_base = (char *)body, .iov_len = bodiless ? 0 : body_size},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    size_t gone = 0;
    if (connection->output == NULL) /* else it has to queue up */
        gone = sent(connection, sendmsg(connection->fd, &message, MSG_NOSIGNAL));
    for (int i = 0; i < 2; i++) {
        size_t skipped = gone < parts[i].iov_len ? gone : parts[i].iov_len;
        gone -= skipped;
        if (parts[i].iov_len > skipped)
            keep_output(connection, (char *)parts[i].iov_base + skipped,
                        parts[i].iov_len - skipped);
    }
}

static void reply_with_page(struct http_connection *connection)
{
    static const char hello[] = "hello\n";
    if (strcmp(connection->path, "/") == 0) {
        reply(connection, "200 OK", hello, sizeof hello - 1);
        return;
    }
    char *page = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&page, &size);
    bool found = out != NULL && http_page(connection->loop, connection->path, out);
    if (out == NULL || fclose(out) != 0)
        break_off(connection, CLOSED_BY_SERVER);
    else
        reply(connection, found ? "200 OK" : "404 Not Found", page, size);
    free(page);
}

/* -------------------------------------------- what the parser finds: requests */

static int on_message_begin(http_parser *parser)
{
    struct http_connection *connection = parser->data;
    const struct http_limits *limits = connection->loop->limits;
    connection->in_request = true;
    connection->path[0] = '\0';
    start(connection, &connection->header, limits->header_ns);
    start(connection, &connection->request, limits->request_ns);
    return 0;
}

/* A path comes in pieces if the packets do. */
static int on_url(http_parser *parser, const char *bytes, size_t size)
{
    struct http_connection *connection = parser->data;
    size_t length = strlen(connection->path);
    size_t room = sizeof connection->path - 1 - length;
    size_t taken = size < room ? size : room;
    memcpy(connection->path + length, bytes, taken);
    connection->path[length + taken] = '\0';
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    struct http_connection *connection = parser->data;
    http_timer_pause(connection->loop->timers, &connection->header);
    return 0;
}

/* Returns 0 to go on, or 1: nothing that follows on this connection is heard. */
static int on_message_complete(http_parser *parser)
{
    struct http_connection *connection = parser->data;
    connection->loop->counts.requests++;
    connection->in_request = false;
    connection->last = connection->expired || parser->upgrade || !http_should_keep_alive(parser);
    connection->reason = connection->expired ? CLOSED_LIFETIME : CLOSED_BY_SERVER;
    reply_with_page(connection);
    return connection->last || connection->broken ? 1 : 0;
}

static const http_parser_settings settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_headers_complete = on_headers_complete,
    .on_message_complete = on_message_complete,
};

/* ------------------------------------------------------------------- input */

/* Reads and parses what has arrived. Returns whether anything had. */
static bool receive(struct http_connection *connection)
{
    char bytes[16384];
    ssize_t count = recv(connection->fd, bytes, sizeof bytes, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (count <= 0) {
        break_off(connection, CLOSED_BY_PEER);
        return true;
    }
    start(connection, &connection->idle, connection->loop->limits->idle_ns);
    size_t parsed = http_parser_execute(&connection->parser, &settings, bytes, (size_t)count);
    if (parsed != (size_t)count && !connection->last && !connection->broken) {
        static const char what[] = "bad request\n";
        connection->last = true;
        connection->reason = CLOSED_BY_SERVER;
        reply(connection, "400 Bad Request", what, sizeof what - 1);
    }
    return true;
}

/* Draws the consequences of what was received, parsed and sent. */
static void settle(struct http_connection *connection)
{
    bool pending = connection->output != NULL;
    if (connection->broken || (connection->last && !pending)) {
        http_connection_close(connection, connection->reason);
        return;
    }
    if (!pending && !connection->in_request)
        http_timer_pause(connection->loop->timers, &connection->request);
    if (pending != connection->writing) {
        http_watch(connection->loop, EPOLL_CTL_MOD, connection->fd, pending ? EPOLLOUT : EPOLLIN,
                   connection);
        connection->writing = pending;
    }
}

/* A peer that does not read its responses is not read from either. */
void http_connection_handle(struct http_connection *connection)
{
    if (connection->writing)
        flush_output(connection);
    else
        receive(connection);
    settle(connection);
}

/* -------------------------------------------------------------- the timers */

static void time_out(struct http_connection *connection, const char *which, enum http_closed reason)
{
    connection->last = true;
    reply(connection, "408 Request Timeout", which, strlen(which));
    http_connection_close(connection, reason);
}

/* A last look before closing: a packet that arrived while the server was busy
 * with others came in time. It moves the timer, and the connection lives. */
static void on_idle(void *arg)
{
    struct http_connection *connection = arg;
    if (!connection->writing && receive(connection))
        settle(connection);
    else
        http_connection_close(connection, CLOSED_IDLE);
}

static void on_header(void *arg)
{
    time_out(arg, "header\n", CLOSED_HEADER);
}

/* Either the request did not end, or the peer does not read the response. */
static void on_request(void *arg)
{
    struct http_connection *connection = arg;
    if (connection->in_request)
        time_out(connection, "request\n", CLOSED_REQUEST);
    else
        http_connection_close(connection, CLOSED_REQUEST);
}

/* A request under way is answered; its own timer bounds how long that takes. */
static void on_lifetime(void *arg)
{
    struct http_connection *connection = arg;
    connection->expired = true;
    connection->reason = CLOSED_LIFETIME;
    if (!connection->in_request) {
        connection->last = true;
        settle(connection);
    }
}

void http_connection_open(struct http_loop *loop, int fd)
{
    struct http_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        close(fd);
        return;
    }
    loop->counts.accepted++;
    connection->loop = loop;
    connection->fd = fd;
    LIST_INSERT_HEAD(&loop->open, connection, others);
    http_parser_init(&connection->parser, HTTP_REQUEST);
    connection->parser.data = connection;
    http_timer_init(loop->timers, &connection->idle, on_idle, connection);
    http_timer_init(loop->timers, &connection->header, on_header, connection);
    http_timer_init(loop->timers, &connection->request, on_request, connection);
    http_timer_init(loop->timers, &connection->lifetime, on_lifetime, connection);
    start(connection, &connection->idle, loop->limits->idle_ns);
    start(connection, &connection->lifetime, loop->limits->lifetime_ns);
    if (connection->broken || http_watch(loop, EPOLL_CTL_ADD, fd, EPOLLIN, connection) != 0)
        http_connection_close(connection, CLOSED_BY_SERVER);
}
