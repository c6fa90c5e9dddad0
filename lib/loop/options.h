/* SPDX-License-Identifier: MIT */
/*
 * options: a caller's tw_options, of whatever version it was compiled with.
 */
#ifndef TW_OPTIONS_H
#define TW_OPTIONS_H

#include <string.h>
#include <tickwheel.h>

/* Copies what the caller's struct has and this one knows; the rest, or all of it
 * where it is NULL, is 0. Returns 0, or -1 if its size was not set, or if it has an
 * option that is not known here. */
static inline int options_copy(const tw_options *given, tw_options *out)
{
    memset(out, 0, sizeof *out);
    if (!given)
        return 0;
    if (given->size < offsetof(tw_options, slack_ns))
        return -1; /* not even the first option */
    /* Whole words: half a pointer is none. */
    size_t known = given->size < sizeof *out ? given->size : sizeof *out;
    known -= known % _Alignof(tw_options);
    memcpy(out, given, known);
    /* A later version's options must not be ignored silently. */
    for (size_t i = sizeof *out; i < given->size; i++) {
        if (((const unsigned char *)given)[i] != 0)
            return -1;
    }
    return 0;
}

#endif
