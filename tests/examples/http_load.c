/* SPDX-License-Identifier: MIT */
/*
 * http_load: loads http_server with wrk over loopback for two seconds, and fails
 * if any request was not answered with 200, if a socket had an error, or if the
 * server does not count at least the requests that wrk saw answered. Also gets
 * /metrics under load and checks that it keeps Prometheus' text format.
 *
 *     http_load WRK CONNECTIONS SERVER [OPTION...]
 */
#include "support.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads wrk's report. Returns the requests it saw answered, or 0 after an error. */
static uint64_t read_report(FILE *report)
{
    char line[256];
    uint64_t requests = 0;
    bool errors = false;
    while (fgets(line, sizeof line, report) != NULL) {
        fputs(line, stdout);
        if (strstr(line, " requests in ") != NULL)
            requests = strtoull(line, NULL, 10);
        errors = errors || strstr(line, "Socket errors") != NULL || strstr(line, "Non-2xx") != NULL;
    }
    return errors ? 0 : requests;
}

/* Gets a page whole, by a connection that the server is asked to close. */
static char *get(uint16_t port, const char *path)
{
    enum { ROOM = 1 << 20 };
    char request[128];
    char *page = malloc(ROOM);
    size_t size = 0;
    int fd = connect_to_loopback(port);
    int length =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nConnection: close\r\n\r\n", path);
    if (page == NULL || send(fd, request, (size_t)length, MSG_NOSIGNAL) != length)
        die("get");
    for (;;) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        poll(&readable, 1, -1);
        ssize_t count = recv(fd, page + size, ROOM - 1 - size, 0);
        if (count <= 0)
            break;
        size += (size_t)count;
    }
    close(fd);
    page[size] = '\0';
    return page;
}

/* name{label="value",...} number */
static bool is_sample(const char *line)
{
    char name[64], labels[128], rest;
    double value;
    return sscanf(line, "%63[a-z_]{%127[^}]} %lf%c", name, labels, &value, &rest) == 3 &&
           strncmp(labels, "loop=\"", 6) == 0 && value >= 0;
}

/* Whether the page is in Prometheus' format and has this family in it. */
static bool is_exposition(char *page, const char *family)
{
    char type[128];
    char *text = strstr(page, "\r\n\r\n");
    snprintf(type, sizeof type, "# TYPE %s ", family);
    if (strncmp(page, "HTTP/1.1 200 OK\r\n", 17) != 0 || text == NULL || !strstr(text, type))
        return false;
    for (char *line = strtok(text, "\r\n"); line != NULL; line = strtok(NULL, "\n")) {
        bool comment = strncmp(line, "# HELP ", 7) == 0 || strncmp(line, "# TYPE ", 7) == 0;
        if (!comment && !is_sample(line)) {
            printf("not in Prometheus' format: %s\n", line);
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s WRK CONNECTIONS SERVER [OPTION...]\n", argv[0]);
        return 2;
    }
    struct server_process server;
    char command[512], report[256];
    size_t connections = fit_connections(strtoul(argv[2], NULL, 10));
    server_start(&server, argv + 3);
    snprintf(command, sizeof command, "'%s' -t 1 -c %zu -d 2 --timeout 60 http://127.0.0.1:%d/",
             argv[1], connections, server.port);
    FILE *wrk = popen(command, "r");
    if (wrk == NULL)
        die(argv[1]);
    char *metrics = get(server.port, "/metrics");
    uint64_t answered = read_report(wrk);
    bool wrk_content = pclose(wrk) == 0;
    bool well_formed = is_exposition(metrics, "http_requests_total");
    bool ended_well = server_stop(&server, report, sizeof report);
    printf("the server says: %s", report);
    uint64_t accepted = strtoull(report + strlen("accepted "), NULL, 10);
    free(metrics);
    return wrk_content && well_formed && ended_well && answered > 0 && accepted > connections ? 0
                                                                                              : 1;
}
