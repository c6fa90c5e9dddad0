/* SPDX-License-Identifier: MIT */
/* The pages of http_server that speak of the server itself. */
#include "http_server.h"
#include "stats_text.h"

#include <inttypes.h>
#include <string.h>

const char *const http_closed_names[CLOSED_REASONS] = {"idle",     "header",  "request",
                                                       "lifetime", "by_peer", "by_server"};

/* All loops: each serves the figures of all, as Prometheus reaches any of them. */
static struct {
    struct http_loop *loops;
    size_t count;
} all;

void http_pages_init(struct http_loop *loops, size_t count)
{
    all.loops = loops;
    all.count = count;
}

/* On the loop's own thread. */
void http_publish(struct http_loop *loop)
{
    pthread_mutex_lock(&loop->published_lock);
    loop->published_counts = loop->counts;
    if (http_timers_stats(loop->timers, &loop->published_stats) != 0)
        loop->published_stats.size = 0;
    pthread_mutex_unlock(&loop->published_lock);
}

/* Copies what the loops published. Returns whether there are statistics of a wheel. */
static bool collect(struct http_counts *counts, tw_stats *stats)
{
    bool have_stats = true;
    for (size_t i = 0; i < all.count; i++) {
        pthread_mutex_lock(&all.loops[i].published_lock);
        counts[i] = all.loops[i].published_counts;
        stats[i] = all.loops[i].published_stats;
        pthread_mutex_unlock(&all.loops[i].published_lock);
        have_stats = have_stats && stats[i].size != 0;
    }
    return have_stats;
}

static void print_counts(FILE *out, const struct http_counts *counts)
{
    fprintf(out, "# HELP http_accepted_total Connections accepted.\n"
                 "# TYPE http_accepted_total counter\n");
    for (size_t i = 0; i < all.count; i++)
        fprintf(out, "http_accepted_total{loop=\"%zu\"} %" PRIu64 "\n", i, counts[i].accepted);
    fprintf(out, "# HELP http_requests_total Requests answered.\n"
                 "# TYPE http_requests_total counter\n");
    for (size_t i = 0; i < all.count; i++)
        fprintf(out, "http_requests_total{loop=\"%zu\"} %" PRIu64 "\n", i, counts[i].requests);
    fprintf(out, "# HELP http_closed_total Connections closed, and by what.\n"
                 "# TYPE http_closed_total counter\n");
    for (size_t i = 0; i < all.count; i++)
        for (int reason = 0; reason < CLOSED_REASONS; reason++)
            fprintf(out, "http_closed_total{loop=\"%zu\",by=\"%s\"} %" PRIu64 "\n", i,
                    http_closed_names[reason], counts[i].closed[reason]);
}

bool http_page(struct http_loop *loop, const char *path, FILE *out)
{
    struct http_counts counts[all.count];
    tw_stats stats[all.count];
    bool metrics = strcmp(path, "/metrics") == 0;
    if (!metrics && strcmp(path, "/stats") != 0) {
        fprintf(out, "here are /, /metrics and /stats\n");
        return false;
    }
    http_publish(loop);
    bool have_stats = collect(counts, stats);
    if (metrics) {
        print_counts(out, counts);
        if (have_stats)
            stats_prometheus(out, stats, all.count);
        return true;
    }
    for (size_t i = 0; i < all.count; i++) {
        fprintf(out, "loop %zu, timers by %s\n", i, http_timers_name);
        if (have_stats)
            stats_text(out, &stats[i]);
    }
    return true;
}
