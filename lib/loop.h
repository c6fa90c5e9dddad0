/*
 * loop: what a tw_loop is made of. The public calls are in
 *     loop.c       making, freeing, the clock, room, statistics
 *     call.c       calls by handle, contexts
 *     embedded.c   timers in the caller's structs
 *     run.c        running what is due, and when to run next
 *     post.c       calls from other threads
 *     check.c      the walk over every invariant
 */
#ifndef TW_LOOP_H
#define TW_LOOP_H

#include <errno.h>

#include "calendar.h"
#include "pool.h"
#include "post.h"

struct tw_loop {
    /* Hot: touched by starts and stops. */
    size_t pending;                 /* calls and timers that will still run */
    size_t max_pending;             /* SIZE_MAX: no cap; 0 while the loop is being freed */
    uint64_t started, fired, cancelled, rearmed; /* see tw_stats */
    tw_context *context;            /* the current one; NULL: none */
    uint64_t now_ns;                /* the clock as the last run saw it */
    uint64_t clock_ns;              /* the highest reading of the clock so far */
    uint64_t (*clock)(void *clock_arg);
    void *clock_arg;
    bool running;                   /* a run is under way */
    bool closing;                   /* tw_loop_free is under way */
    bool soon_cut;                  /* the last run could not make all its soon calls */
    uint64_t soon_end;              /* the order of the last soon call that this run may make */

    struct pool pool;
    struct calendar calendar;
    struct post_queue posts;

    /* Cold. */
    uint64_t slack_ns;
    bool own_clock;                 /* options.clock was given */
    int missed;                     /* TW_MISSED_... */
    uint64_t slow_callback_ns;      /* 0: off */
    void (*on_slow)(void *hook_arg, tw_callback *callback, void *arg, uint64_t took_ns);
    void (*on_drop)(void *hook_arg, tw_callback *callback, void *arg);
    void *hook_arg;
    uint64_t late[64];              /* see tw_stats */
    struct memory memory;
};

/* Reads the clock. Readings that go backwards are ignored. */
TW_INLINE uint64_t loop_read_clock(tw_loop *loop)
{
    uint64_t reading = bits_clamp_now(loop->clock(loop->clock_arg));
    if (reading > loop->clock_ns)
        loop->clock_ns = reading;
    return loop->clock_ns;
}

/* Whether something not pending may be started now; else sets errno. */
TW_INLINE bool loop_may_start(const tw_loop *loop)
{
    if (TW_LIKELY(loop->pending < loop->max_pending))
        return true;
    errno = loop->closing ? EBUSY : ENOBUFS;
    return false;
}

TW_INLINE void loop_count_start(tw_loop *loop)
{
    loop->pending++;
    loop->started++;
}

TW_INLINE void loop_count_cancel(tw_loop *loop)
{
    loop->pending--;
    loop->cancelled++;
}

/* In builds with TW_CHECKED >= 3: the full walk, after every public call. */
#if TW_CHECKED >= 3
#define TW_ASSERT_SOUND(loop)                                                                      \
    do {                                                                                           \
        const char *broken_ = tw_check(loop);                                                      \
        if (broken_)                                                                               \
            tw_broken(broken_, __FILE__, __LINE__);                                                \
    } while (0)
#else
#define TW_ASSERT_SOUND(loop) ((void)0)
#endif

/* A node's reference to its context. context may be NULL. */
void context_retain(tw_context *context);
void context_release(tw_context *context);

/* A call that is over, by being run, cancelled or dropped: its node goes back
 * and its handle is stale. Answers its context, whose reference the caller
 * still has to release. */
tw_context *call_retire(tw_loop *loop, struct node *node);

#endif
