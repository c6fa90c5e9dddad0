/* SPDX-License-Identifier: MIT */
/*
 * support: what several examples need that is not about timers: sockets on the
 * loopback interface, the limit on descriptors, and starting a server to test.
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* CLOCK_MONOTONIC in ns: the clock of a tw_loop without options, read without
 * its help, so that a check of the library does not trust the library. */
uint64_t monotonic_ns(void);

/* Prints `what` with the text of errno and exits with 1. */
_Noreturn void die(const char *what);

/* Raises the soft limit on open descriptors to the hard one, and returns it. */
size_t raise_descriptor_limit(void);

/* How many of the `wanted` connections fit the limit on descriptors; says so
 * if it is fewer. */
size_t fit_connections(size_t wanted);

/* A non-blocking TCP socket that listens on 127.0.0.1; port 0: any free one.
 * shared: other sockets may listen on the port too (SO_REUSEPORT). */
int listen_on_loopback(uint16_t port, bool shared);

/* The port that a socket is bound to. */
uint16_t local_port(int fd);

/* A non-blocking TCP socket connected to a port of 127.0.0.1. */
int connect_to_loopback(uint16_t port);

/* A non-blocking descriptor that is readable once the process was told to end
 * by SIGTERM or SIGINT. Call it before starting threads. */
int termination_fd(void);

/* A server in a process of its own. It announces itself by a line that ends in
 * " PORT", and its last line of output is its report. */
struct server_process {
    pid_t pid;
    uint16_t port; /* that it announced */
    FILE *output;  /* its standard output */
};

/* Starts arguments[0] and waits for the announcement. It ends with us. */
void server_start(struct server_process *server, char *const arguments[]);

/* Tells the server to end, and stores its last line of output.
 * Returns whether it exited with 0. */
bool server_stop(struct server_process *server, char *report, size_t size);

#endif
