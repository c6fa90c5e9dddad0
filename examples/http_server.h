/* SPDX-License-Identifier: MIT */
/*
 * http_server.h: what the parts of the example http_server share.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http_timers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>

struct http_connection;

/* The delays of a connection's four timers. */
struct http_limits {
    uint64_t idle_ns;     /* without a byte from the peer */
    uint64_t header_ns;   /* from the first byte of a request to the end of its header */
    uint64_t request_ns;  /* from the first byte of a request to the last of its response */
    uint64_t lifetime_ns; /* of the connection; a request under way is still answered */
};

/* Why a connection was closed: the first four by its timers. */
enum http_closed {
    CLOSED_IDLE,
    CLOSED_HEADER,
    CLOSED_REQUEST,
    CLOSED_LIFETIME,
    CLOSED_BY_PEER,
    CLOSED_BY_SERVER, /* a bad request, one that asked for it, no memory, the end */
    CLOSED_REASONS
};
extern const char *const http_closed_names[CLOSED_REASONS];

struct http_counts {
    uint64_t accepted, requests;
    uint64_t closed[CLOSED_REASONS];
};

/* One loop: a thread with its own listener, epoll and timers. */
struct http_loop {
    size_t index;
    int epoll, listener;
    bool stopping;
    const struct http_limits *limits;
    struct http_timers *timers;
    struct http_timer accept_again; /* see pause_accepting */
    struct http_timer publish;
    LIST_HEAD(, http_connection) open;
    struct http_counts counts;
    size_t timers_left; /* that were active at the end: none, or the server forgot one */
    pthread_t thread;

    /* The loop's figures as of up to a second ago, for the others' /metrics. */
    pthread_mutex_t published_lock;
    struct http_counts published_counts;
    tw_stats published_stats;
};

/* One descriptor to the loop's epoll; `data` is what its events carry. */
int http_watch(struct http_loop *loop, int operation, int fd, uint32_t events, void *data);

/* http_connection.c */
void http_connection_open(struct http_loop *loop, int fd);
void http_connection_handle(struct http_connection *connection);
void http_connection_close(struct http_connection *connection, enum http_closed reason);

/* http_pages.c. Writes the page, and returns whether there is one at this path. */
bool http_page(struct http_loop *loop, const char *path, FILE *out);
void http_pages_init(struct http_loop *loops, size_t count);
void http_publish(struct http_loop *loop);

#endif
