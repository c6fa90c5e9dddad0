/* SPDX-License-Identifier: MIT */
/*
 * trace: the trace reader, on any bytes. What it takes for a trace, the writer
 * writes in both forms, and each reads as the same events; what it refuses, it
 * says why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzzing.h"
#include "trace_file.h"

#define MUST(condition)                                                                            \
    ((condition) ? (void)0 : (fprintf(stderr, "trace.c:%d: not so: %s\n", __LINE__, #condition),   \
                              abort()))

struct events {
    struct trace_event *list;
    size_t count, room;
};

static void keep(struct events *events, const struct trace_event *event)
{
    if (events->count == events->room) {
        events->room = events->room * 2 + 64;
        events->list = realloc(events->list, events->room * sizeof *event);
        if (!events->list)
            abort();
    }
    events->list[events->count++] = *event;
}

/* Whether the bytes are a whole trace. */
static int read_all(const void *bytes, size_t count, struct events *events)
{
    struct trace_reader reader;
    struct trace_event event;
    int result = trace_read_begin(&reader, bytes, count);
    if (result == 0) {
        while ((result = trace_read_next(&reader, &event)) == 1) {
            MUST(event.op != TRACE_END && event.op <= TRACE_SOON);
            MUST(event.id < reader.ids);
            MUST(events->count == 0 ||
                 event.time_ns >= events->list[events->count - 1].time_ns);
            keep(events, &event);
        }
    }
    MUST(result == 0 || (result == -1 && memchr(reader.error, '\0', sizeof reader.error) &&
                         reader.error[0] != '\0'));
    return result;
}

static void write_and_read(const struct events *events, int is_text)
{
    struct trace_writer writer;
    FILE *file = tmpfile();
    MUST(file && trace_write_begin(&writer, file, is_text) == 0);
    for (size_t i = 0; i < events->count; i++)
        MUST(trace_write_event(&writer, &events->list[i]) == 0);
    MUST(trace_write_end(&writer) == 0 && fflush(file) == 0);
    long length = ftell(file);
    MUST(length > 0);
    char *bytes = malloc((size_t)length);
    rewind(file);
    MUST(bytes && fread(bytes, 1, (size_t)length, file) == (size_t)length);
    fclose(file);
    struct events again = {0};
    MUST(read_all(bytes, (size_t)length, &again) == 0);
    MUST(again.count == events->count);
    for (size_t i = 0; i < again.count; i++) {
        MUST(again.list[i].time_ns == events->list[i].time_ns);
        MUST(again.list[i].deadline_ns == events->list[i].deadline_ns);
        MUST(again.list[i].id == events->list[i].id && again.list[i].op == events->list[i].op);
    }
    free(bytes);
    free(again.list);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct events events = {0};
    if (read_all(bytes, count, &events) == 0) {
        write_and_read(&events, 0);
        write_and_read(&events, 1);
    }
    free(events.list);
    return 0;
}
