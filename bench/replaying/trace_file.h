/* SPDX-License-Identifier: MIT */
/*
 * trace_file: reads traces of either form, and writes them. docs/TRACES.md
 * describes the forms; lib/loop/trace_format.h has the bytes of the binary one.
 */
#ifndef TICKWHEEL_BENCH_TRACE_FILE_H
#define TICKWHEEL_BENCH_TRACE_FILE_H

#include <stdio.h>

#include "trace_format.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Ids are numbers of a replay's records: a file that asks for more is damaged, and
 * so is one that asks for many times more than it can have events. */
#define TRACE_MAX_ID ((uint32_t)1 << 28)
#define TRACE_FEW_IDS ((uint32_t)1 << 20) /* any file may have so many */
#define TRACE_IDS_A_BYTE 8

/* A trace of more bytes, a thousand million events, is not read: who feeds it in by
 * a pipe gets an error before memory runs out. */
#define TRACE_MAX_BYTES ((uint64_t)1 << 32)

/* A trace in memory, being read. Private but for `error`. */
struct trace_reader {
    const unsigned char *at, *begin, *end;
    size_t line; /* of the text form; 0: it is binary */
    uint32_t ids; /* that there may be in so many bytes */
    struct trace_codec codec;
    char error[160]; /* after -1: what is wrong, and where */
};

/* Prepares to read so many bytes, which stay the caller's. 0, or -1: it is not a
 * trace, or not of a version known here. */
int trace_read_begin(struct trace_reader *reader, const void *bytes, size_t count);

/* Reads the next event. 1; 0 at the end; -1: the trace is damaged or cut short.
 * A binary trace must have its end; a text may do without. */
int trace_read_next(struct trace_reader *reader, struct trace_event *event);

/* The words of the text form. */
extern const char *const trace_op_names[8];

/* Writes events to a file in either form. */
struct trace_writer {
    FILE *file;
    int is_text;
    struct trace_codec codec;
};

/* 0, or -1 with errno if the file could not be written. */
int trace_write_begin(struct trace_writer *writer, FILE *file, int is_text);
int trace_write_event(struct trace_writer *writer, const struct trace_event *event);
int trace_write_end(struct trace_writer *writer);

/* A whole file (NULL: standard input), to be freed; NULL with errno: EFBIG if there
 * are more than `most` bytes. What does not begin as a trace does is not read on. */
void *trace_load(const char *path, uint64_t most, size_t *count);

#ifdef __cplusplus
}
#endif

#endif
