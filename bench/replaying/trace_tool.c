/* SPDX-License-Identifier: MIT */
/* bench/trace: turns a trace into the other form, or says what is in it. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdlib.h>

#include "trace_file.h"

static int usage(void)
{
    fprintf(stderr, "usage: trace text|binary|summary [TRACE [OUTPUT]]\n");
    return 2;
}

static void print_summary(const uint64_t *counts, const struct trace_codec *codec,
                          uint64_t began_ns, uint32_t timers, size_t bytes)
{
    printf("%" PRIu64 " events, %u timers, %.3f s, %.2f bytes an event\n", codec->count, timers,
           (double)(codec->time_ns - began_ns) * 1e-9,
           codec->count ? (double)bytes / (double)codec->count : 0.);
    for (unsigned op = TRACE_RUN; op <= TRACE_SOON; op++)
        printf("%-6s %" PRIu64 "\n", trace_op_names[op], counts[op]);
}

/* Reads all events, and writes them if there is a writer. 0, or -1. */
static int copy(struct trace_reader *reader, struct trace_writer *writer, size_t bytes)
{
    struct trace_event event;
    uint64_t counts[8] = {0}, began_ns = 0;
    uint32_t timers = 0;
    int more;
    while ((more = trace_read_next(reader, &event)) == 1) {
        if (reader->codec.count == 1)
            began_ns = event.time_ns;
        if (event.op != TRACE_RUN && event.id >= timers)
            timers = event.id + 1;
        counts[event.op]++;
        if (writer && trace_write_event(writer, &event) != 0)
            return -1;
    }
    if (more == 0 && !writer)
        print_summary(counts, &reader->codec, began_ns, timers, bytes);
    return more == 0 && writer ? trace_write_end(writer) : more;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 4)
        return usage();
    int is_text = strcmp(argv[1], "text") == 0, summary = strcmp(argv[1], "summary") == 0;
    if (!is_text && !summary && strcmp(argv[1], "binary") != 0)
        return usage();
    const char *path = argc > 2 && strcmp(argv[2], "-") != 0 ? argv[2] : NULL;
    size_t count;
    void *bytes = trace_load(path, TRACE_MAX_BYTES, &count);
    FILE *out = argc > 3 ? fopen(argv[3], "wb") : stdout;
    if (bytes == NULL || out == NULL) {
        perror(bytes == NULL ? (path ? path : "standard input") : argv[3]);
        return 1;
    }
    struct trace_reader reader;
    struct trace_writer writer;
    int failed = trace_read_begin(&reader, bytes, count);
    if (failed == 0 && !summary)
        failed = trace_write_begin(&writer, out, is_text);
    if (failed == 0)
        failed = copy(&reader, summary ? NULL : &writer, count);
    if (failed != 0 && reader.error[0] != '\0')
        fprintf(stderr, "%s: %s\n", path ? path : "standard input", reader.error);
    else if (fclose(out) != 0 || failed != 0)
        perror(argc > 3 ? argv[3] : "standard output"), failed = 1;
    free(bytes);
    return failed != 0;
}
