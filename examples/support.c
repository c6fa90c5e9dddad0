/* SPDX-License-Identifier: MIT */
/* support: sockets, descriptors and servers to test, as support.h says. */
#define _GNU_SOURCE
#include "support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void die(const char *what)
{
    perror(what);
    exit(1);
}

size_t raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        die("setrlimit");
    return limit.rlim_cur > SIZE_MAX ? SIZE_MAX : (size_t)limit.rlim_cur;
}

size_t fit_connections(size_t wanted)
{
    enum { SPARE = 64 }; /* for what else a process has open */
    size_t limit = raise_descriptor_limit();
    size_t room = limit > 2 * SPARE ? limit - SPARE : SPARE;
    if (wanted <= room)
        return wanted;
    printf("the limit of %zu descriptors leaves room for %zu connections, not %zu\n", limit, room,
           wanted);
    return room;
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
    };
}

int listen_on_loopback(uint16_t port, bool shared)
{
    int on = 1;
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, SOMAXCONN) != 0)
        die("listen");
    return fd;
}

uint16_t local_port(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        die("getsockname");
    return ntohs(address.sin_port);
}

int connect_to_loopback(uint16_t port)
{
    int on = 1;
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        die("connect");
    return fd;
}

int termination_fd(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        die("signalfd");
    return fd;
}

void server_start(struct server_process *server, char *const arguments[])
{
    int ends[2];
    if (pipe(ends) != 0 || (server->pid = fork()) < 0)
        die("fork");
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(arguments[0], arguments);
        die(arguments[0]);
    }
    close(ends[1]);
    server->output = fdopen(ends[0], "r");
    char line[256];
    char *port = NULL;
    if (server->output != NULL && fgets(line, sizeof line, server->output) != NULL)
        port = strrchr(line, ' ');
    server->port = port == NULL ? 0 : (uint16_t)strtoul(port, NULL, 10);
    if (server->port == 0) {
        fprintf(stderr, "%s did not say where it listens\n", arguments[0]);
        exit(1);
    }
}

bool server_stop(struct server_process *server, char *report, size_t size)
{
    int status;
    char line[256];
    kill(server->pid, SIGTERM);
    report[0] = '\0';
    while (fgets(line, sizeof line, server->output) != NULL)
        snprintf(report, size, "%s", line);
    fclose(server->output);
    return waitpid(server->pid, &status, 0) == server->pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}
