/* SPDX-License-Identifier: MIT */
/*
 * http_server: a small HTTP/1.1 keep-alive server on epoll, one loop per core, with
 * the four timers that production servers give every connection:
 *
 *   idle      moved at each packet: closes a connection that has fallen silent
 *   header    from a request's first byte to the end of its header: cuts clients
 *             that dribble it in to hold on to a connection (slow loris)
 *   request   from a request's first byte to the last of its response
 *   lifetime  from the accept: a connection is closed between requests then, so
 *             that load balancing and restarts get their chance
 *
 * GET / says hello; /metrics is for Prometheus, and /stats for people. With -w it
 * records the timers of its first loop, as a trace for bench/replay.
 *
 *     http_server [-p PORT] [-t LOOPS] [-i IDLE_MS] [-h HEADER_MS] [-r REQUEST_MS]
 *                 [-l LIFETIME_MS] [-w TRACE]
 *     wrk -c 1000 -d 10 http://127.0.0.1:PORT/
 *
 * The loops share the port (SO_REUSEPORT) and nothing else. For comparison the same
 * server is built as http_server_libevent and http_server_list_wheel, with their
 * timers: see http_timers.h. Requests are parsed by http_parser.
 */
#define _GNU_SOURCE
#include "http_server.h"
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define NS_PER_MS 1000000u
#define PUBLISH_NS (1000 * NS_PER_MS)
#define MAX_LOOPS 64

static int termination; /* readable when the server is to end; all loops watch it */

int http_watch(struct http_loop *loop, int operation, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    return epoll_ctl(loop->epoll, operation, fd, &event);
}

/* Out of descriptors: the listener stays readable, and asking it again at once
 * would be a busy loop. So it is left alone for a while. */
static void pause_accepting(struct http_loop *loop)
{
    if (http_timer_start(loop->timers, &loop->accept_again, 50 * NS_PER_MS) == 0)
        http_watch(loop, EPOLL_CTL_MOD, loop->listener, 0, &loop->listener);
}

static void on_accept_again(void *arg)
{
    struct http_loop *loop = arg;
    http_watch(loop, EPOLL_CTL_MOD, loop->listener, EPOLLIN, &loop->listener);
}

static void accept_all(struct http_loop *loop)
{
    for (;;) {
        int fd = accept4(loop->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            http_connection_open(loop, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(loop);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return; /* EAGAIN: no more are waiting */
        }
    }
}

static void on_publish(void *arg)
{
    struct http_loop *loop = arg;
    if (LIST_EMPTY(&loop->open))
        http_timers_trim(loop->timers); /* after a burst of connections has left */
    http_publish(loop);
    http_timer_start(loop->timers, &loop->publish, PUBLISH_NS);
}

static void serve(void *arg, int timeout_ms)
{
    struct http_loop *loop = arg;
    struct epoll_event events[256];
    int count = epoll_wait(loop->epoll, events, 256, timeout_ms);
    for (int i = 0; i < count; i++) {
        void *source = events[i].data.ptr;
        if (source == &loop->listener)
            accept_all(loop);
        else if (source == &termination)
            loop->stopping = true;
        else
            http_connection_handle(source);
    }
}

static void loop_open(struct http_loop *loop, uint16_t port, const struct http_limits *limits)
{
    loop->limits = limits;
    loop->listener = listen_on_loopback(port, true);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    LIST_INIT(&loop->open);
    pthread_mutex_init(&loop->published_lock, NULL);
    loop->timers = loop->epoll < 0 ? NULL : http_timers_new(loop->epoll, serve, loop);
    if (loop->timers == NULL)
        die("http_server");
    http_timer_init(loop->timers, &loop->accept_again, on_accept_again, loop);
    http_timer_init(loop->timers, &loop->publish, on_publish, loop);
    http_publish(loop);
    if (http_timer_start(loop->timers, &loop->publish, PUBLISH_NS) != 0 ||
        http_watch(loop, EPOLL_CTL_ADD, loop->listener, EPOLLIN, &loop->listener) != 0 ||
        http_watch(loop, EPOLL_CTL_ADD, termination, EPOLLIN, &termination) != 0)
        die("http_server");
}

static void *loop_run(void *arg)
{
    struct http_loop *loop = arg;
    while (!loop->stopping)
        http_timers_turn(loop->timers);
    while (!LIST_EMPTY(&loop->open))
        http_connection_close(LIST_FIRST(&loop->open), CLOSED_BY_SERVER);
    http_timer_stop(loop->timers, &loop->accept_again);
    http_timer_stop(loop->timers, &loop->publish);
    loop->timers_left = http_timers_free(loop->timers);
    close(loop->epoll);
    close(loop->listener);
    return NULL;
}

static size_t report(const struct http_loop *loops, size_t count)
{
    struct http_counts sum = {0};
    size_t timers_left = 0;
    for (size_t i = 0; i < count; i++) {
        sum.accepted += loops[i].counts.accepted;
        sum.requests += loops[i].counts.requests;
        timers_left += loops[i].timers_left;
        for (int reason = 0; reason < CLOSED_REASONS; reason++)
            sum.closed[reason] += loops[i].counts.closed[reason];
    }
    printf("accepted %" PRIu64, sum.accepted);
    for (int reason = 0; reason < CLOSED_REASONS; reason++)
        printf(" %s %" PRIu64, http_closed_names[reason], sum.closed[reason]);
    printf(" timers_left %zu\n", timers_left);
    return timers_left;
}

struct arguments {
    uint16_t port;
    size_t loops;
    const char *trace; /* where to record the first loop's timers; NULL: nowhere */
    struct http_limits limits;
};

static uint64_t parse_ms(const char *text)
{
    return strtoull(text, NULL, 10) * NS_PER_MS;
}

static struct arguments parse_arguments(int argc, char **argv)
{
    struct arguments given = {
        .loops = (size_t)get_nprocs(),
        .limits = {.idle_ns = UINT64_C(60000) * NS_PER_MS,
                   .header_ns = UINT64_C(10000) * NS_PER_MS,
                   .request_ns = UINT64_C(30000) * NS_PER_MS,
                   .lifetime_ns = UINT64_C(3600000) * NS_PER_MS},
    };
    for (int option; (option = getopt(argc, argv, "p:t:i:h:r:l:w:")) != -1;) {
        switch (option) {
        case 'p':
            given.port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 't':
            given.loops = strtoul(optarg, NULL, 10);
            break;
        case 'i':
            given.limits.idle_ns = parse_ms(optarg);
            break;
        case 'h':
            given.limits.header_ns = parse_ms(optarg);
            break;
        case 'r':
            given.limits.request_ns = parse_ms(optarg);
            break;
        case 'l':
            given.limits.lifetime_ns = parse_ms(optarg);
            break;
        case 'w':
            given.trace = optarg;
            break;
        default:
            fprintf(stderr,
                    "usage: %s [-p PORT] [-t LOOPS] [-i IDLE_MS] [-h HEADER_MS] "
                    "[-r REQUEST_MS] [-l LIFETIME_MS] [-w TRACE]\n",
                    argv[0]);
            exit(2);
        }
    }
    given.loops = given.loops < 1 ? 1 : given.loops > MAX_LOOPS ? MAX_LOOPS : given.loops;
    return given;
}

static FILE *record_to(struct http_loop *loop, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || http_timers_record(loop->timers, file) != 0)
        die(path);
    return file;
}

int main(int argc, char **argv)
{
    static struct http_loop loops[MAX_LOOPS];
    struct arguments given = parse_arguments(argc, argv);
    raise_descriptor_limit();
    termination = termination_fd();
    http_pages_init(loops, given.loops);
    for (size_t i = 0; i < given.loops; i++) {
        loops[i].index = i;
        loop_open(&loops[i], given.port, &given.limits);
        given.port = local_port(loops[i].listener); /* the others take the same */
    }
    FILE *trace = given.trace != NULL ? record_to(&loops[0], given.trace) : NULL;
    printf("http_server with timers by %s listens on port %d\n", http_timers_name, given.port);
    fflush(stdout);
    for (size_t i = 1; i < given.loops; i++)
        if (pthread_create(&loops[i].thread, NULL, loop_run, &loops[i]) != 0)
            die("pthread_create");
    loop_run(&loops[0]);
    for (size_t i = 1; i < given.loops; i++)
        pthread_join(loops[i].thread, NULL);
    if (trace != NULL && fclose(trace) != 0)
        die(given.trace);
    return report(loops, given.loops) == 0 ? 0 : 1;
}
