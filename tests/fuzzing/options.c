/* SPDX-License-Identifier: MIT */
/*
 * options: a tw_options of any bytes, of any size. tw_loop_new refuses it with
 * EINVAL or ENOTSUP (or ENOMEM) and leaves nothing behind, or makes a loop that
 * works. Pointers among the options are NULL or good: those the caller is trusted
 * with.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tickwheel.h>

#include "fuzzing.h"
#include "supply.h"

#define MUST(condition)                                                                            \
    ((condition) ? (void)0 : (fprintf(stderr, "options.c:%d: not so: %s\n", __LINE__,              \
                                      #condition), abort()))

static uint64_t now_ns;
static int calls, drops;

static uint64_t read_clock(void *arg)
{
    (void)arg;
    return now_ns;
}

static void on_fire(void *arg)
{
    (void)arg;
    calls++;
}

static void on_slow(void *arg, tw_callback *callback, void *call_arg, uint64_t took_ns)
{
    (void)arg, (void)callback, (void)call_arg, (void)took_ns;
}

static void on_drop(void *arg, tw_callback *callback, void *call_arg)
{
    (void)arg, (void)callback, (void)call_arg;
    drops++;
}

/* A pointer is taken from the bytes as one bit: given, or NULL. */
#define POINTER(field, good) (options->field = *(unsigned char *)&options->field & 1 ? (good) : NULL)

/* A bool of any other value than 0 and 1 is the caller's undefined behaviour. */
static void mend_bool(bool *value)
{
    unsigned char byte;
    memcpy(&byte, value, 1);
    *value = byte & 1;
}

static void mend_values(tw_options *options, const tw_allocator *allocator)
{
    POINTER(clock, read_clock);
    POINTER(on_slow, on_slow);
    POINTER(on_drop, on_drop);
    options->allocator = allocator;
    options->clock_arg = options->hook_arg = NULL;
    mend_bool(&options->nested);
    mend_bool(&options->cached_now);
    options->reserve %= 4096;
}

/* A call now and one later: the first is made, the other dropped. */
static void use(tw_loop *loop, bool is_dropped)
{
    int made = calls, dropped = drops;
    tw_handle soon = tw_call_soon(loop, on_fire, NULL);
    MUST(soon != 0 || errno == ENOMEM);
    tw_handle later = soon ? tw_call_later_ns(loop, UINT64_C(1) << 62, on_fire, NULL) : 0;
    MUST(!soon || later || errno == ENOMEM || errno == ENOBUFS);
    tw_run(loop);
    MUST(calls - made == (soon != 0));
    MUST(tw_check(loop) == NULL);
    tw_loop_free(loop);
    MUST(drops - dropped == (later != 0 && is_dropped));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct supply supply = {0};
    tw_allocator allocator = supply_allocator(&supply);
    union {
        tw_options options;
        unsigned char bytes[sizeof(tw_options) + 64];
    } given;
    if (count < 4)
        return 0;
    memset(&given, 0, sizeof given);
    size_t size = (bytes[0] | (size_t)bytes[1] << 8) % (sizeof given + 1);
    now_ns = (uint64_t)bytes[2] << 56;
    supply.fail_one_in = bytes[3] & 1;
    supply.fail_from = bytes[3] >> 1;
    bytes += 4, count -= 4;
    memcpy(given.bytes, bytes, count < sizeof given ? count : sizeof given);
    mend_values(&given.options, &allocator);
    given.options.size = size;
    /* Exactly as large as it says: a read behind its end shows. */
    tw_options *exact = malloc(size < sizeof(size_t) ? sizeof(size_t) : size);
    if (!exact)
        abort();
    memcpy(exact, &given, size < sizeof(size_t) ? sizeof(size_t) : size);
    bool has_allocator = size >= offsetof(tw_options, allocator) + sizeof(void *);
    bool has_drop = size >= offsetof(tw_options, on_drop) + sizeof(void *);
    errno = 0;
    tw_loop *loop = tw_loop_new(exact);
    if (!loop)
        MUST(errno == EINVAL || errno == ENOTSUP ||
             (errno == ENOMEM && (supply.refused > 0 || !has_allocator)));
    else
        use(loop, has_drop && given.options.on_drop != NULL);
    free(exact);
    MUST(supply.blocks == 0 && supply.bytes == 0 && !supply.complaint);
    return 0;
}
