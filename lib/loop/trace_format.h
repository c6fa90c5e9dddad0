/* SPDX-License-Identifier: MIT */
/*
 * trace_format: the bytes of a recorded trace. docs/TRACES.md describes the
 * format to its users; the recorder and bench/trace write it with what is here,
 * and bench/replaying/trace_file.c reads it.
 *
 *     file    magic (8 bytes, the last is the version), events, an end event
 *     event   | more (1) | time, low bits (4) | op (3) |  time, the rest: varint
 *             then, by op: id, deadline
 *     time    ns since the event before; the first: since 0
 *     id      zigzag varint of the difference to the id before
 *     delay   deadline - time: a byte 0..7 for one of the last eight different
 *             delays, the latest first, or a byte 8 and the delay as a varint
 *     run     no id; a varint of time - the reading the run was made with
 *     end     no id; a varint of the number of events, 8 bytes of their checksum
 *
 * Varints are of 7 bits a byte, low bits first. Servers use few different delays,
 * and the timers of a connection have neighbouring ids: so most events take three
 * to six bytes.
 */
#ifndef TW_TRACE_FORMAT_H
#define TW_TRACE_FORMAT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TRACE_VERSION 1
/* As PNG's: a byte above 127, both kinds of line end and a control-Z, so that a
 * file mangled in transit is told from one that was never a trace. */
#define TRACE_MAGIC "\x93TWT\r\n\x1a\x01"
#define TRACE_MAGIC_BYTES 8
#define TRACE_MAX_EVENT 32  /* bytes that one event takes at most */
#define TRACE_DELAYS 8

enum trace_op {
    TRACE_END,
    TRACE_RUN,   /* the loop ran; its firings follow */
    TRACE_START, /* what was not pending is */
    TRACE_MOVE,  /* what is pending gets another deadline */
    TRACE_STOP,  /* stopped or cancelled: the id may be given to another timer */
    TRACE_PARK,
    TRACE_FIRE,  /* called: the id may be given to another timer */
    TRACE_SOON,  /* tw_call_soon */
};

struct trace_event {
    uint64_t time_ns;     /* the highest reading of the loop's clock by then */
    uint64_t deadline_ns; /* start, move; run: the reading it was made with; else 0 */
    uint32_t id;          /* end, run: 0 */
    enum trace_op op;
};

/* What writer and reader keep of the events so far. All zero before the first. */
struct trace_codec {
    uint64_t time_ns;              /* of the last event */
    uint64_t delays[TRACE_DELAYS]; /* the latest first */
    uint32_t id;                   /* of the last event that had one */
    uint64_t count;                /* events, the end not counted */
    uint64_t checksum;             /* over them, the same in text and binary */
};

/* Counts the event in. */
static inline void trace_codec_count(struct trace_codec *codec, const struct trace_event *event)
{
    uint64_t word = event->time_ns * 0x9E3779B97F4A7C15u ^
                    (((uint64_t)event->id << 3) | event->op) * 0xD6E8FEB86659FD93u ^
                    event->deadline_ns;
    uint64_t sum = codec->checksum;
    codec->checksum = ((sum << 5 | sum >> 59) ^ word) * 0xFF51AFD7ED558CCDu;
    codec->count++;
    codec->time_ns = event->time_ns;
}

/* Makes delays[index] the first; TRACE_DELAYS: `delay` is new. */
static inline void trace_codec_use_delay(struct trace_codec *codec, unsigned index, uint64_t delay)
{
    unsigned last = index < TRACE_DELAYS ? index : TRACE_DELAYS - 1;
    for (unsigned i = last; i > 0; i--)
        codec->delays[i] = codec->delays[i - 1];
    codec->delays[0] = delay;
}

static inline unsigned char *trace_put_varint(unsigned char *out, uint64_t value)
{
    for (; value > 127; value >>= 7)
        *out++ = (unsigned char)(value | 128);
    *out++ = (unsigned char)value;
    return out;
}

static inline unsigned char *trace_put_head(unsigned char *out, enum trace_op op, uint64_t passed)
{
    unsigned head = (unsigned)op | (unsigned)(passed & 15) << 3;
    if (passed <= 15) {
        *out++ = (unsigned char)head;
        return out;
    }
    *out++ = (unsigned char)(head | 128);
    return trace_put_varint(out, passed >> 4);
}

static inline unsigned char *trace_put_delay(struct trace_codec *codec, unsigned char *out,
                                             uint64_t delay)
{
    unsigned index = 0;
    while (index < TRACE_DELAYS && codec->delays[index] != delay)
        index++;
    trace_codec_use_delay(codec, index, delay);
    *out++ = (unsigned char)index;
    return index < TRACE_DELAYS ? out : trace_put_varint(out, delay);
}

/* Writes an event of any kind but the end; returns where the next one goes. */
static inline unsigned char *trace_put(struct trace_codec *codec, unsigned char *out,
                                       const struct trace_event *event)
{
    out = trace_put_head(out, event->op, event->time_ns - codec->time_ns);
    if (event->op == TRACE_RUN) {
        out = trace_put_varint(out, event->time_ns - event->deadline_ns);
    } else {
        int64_t step = (int64_t)event->id - (int64_t)codec->id;
        out = trace_put_varint(out, step < 0 ? ~((uint64_t)step << 1) : (uint64_t)step << 1);
        codec->id = event->id;
        if (event->op == TRACE_START || event->op == TRACE_MOVE)
            out = trace_put_delay(codec, out, event->deadline_ns - event->time_ns);
    }
    trace_codec_count(codec, event);
    return out;
}

static inline unsigned char *trace_put_end(const struct trace_codec *codec, unsigned char *out)
{
    out = trace_put_varint(trace_put_head(out, TRACE_END, 0), codec->count);
    for (unsigned shift = 0; shift < 64; shift += 8)
        *out++ = (unsigned char)(codec->checksum >> shift);
    return out;
}

#endif
