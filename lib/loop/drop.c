/* SPDX-License-Identifier: MIT */
/*
 * drop: handing what is pending to on_drop: all of it at the end of a loop, and what there
 * was when tw_cancel_all was called.
 */
#include "drop.h"

#include "check.h"
#include "context.h"
#include "owner.h"
#include "record.h"
#include "remote_loop.h"

static void drop(tw_loop *loop, tw_callback *callback, void *arg)
{
    if (loop->on_drop)
        loop->on_drop(loop->hook_arg, callback, arg);
}

/* Hands over a timer that has no place any more. */
static void drop_timer(tw_loop *loop, tw_bare_timer *timer)
{
    bool bare = loop->on_bare && !timer_is_node(timer);
    tw_callback *callback = bare ? NULL : timer_whole(timer)->callback_;
    void *arg = bare ? timer : timer_whole(timer)->arg_;
    tw_context *context = NULL;
    record_event(loop, TRACE_STOP, timer);
    if (timer_is_node(timer))
        context = pool_retire(&loop->pool, pool_node_of(timer));
    drop(loop, callback, arg);
    context_release(context);
}

/* Whether it is that of a call which another thread has started: then it is dropped by
 * remote_drop_all, or has been cancelled at this moment. */
static bool is_remote(tw_bare_timer *timer)
{
    return timer_is_node(timer) && remote_owns(pool_node_of(timer));
}

/* Hands over what other threads have posted. Returns how many. */
static size_t drop_posts(tw_loop *loop, struct post_queue *posts)
{
    size_t dropped = 0;
    for (struct post post; post_next(posts, &post); dropped++)
        drop(loop, post.callback, post.arg);
    return dropped;
}

/* Puts every active timer among the soon calls, behind those that are there, and
 * forgets the parked ones. It takes no memory: each has just given up a cell. */
static void gather(tw_loop *loop)
{
    struct calendar *calendar = &loop->calendar;
    struct queue all = calendar->soon;
    calendar->soon = (struct queue){0};
    tw_bare_timer *timer, *spilled = calendar->spill;
    calendar->spill = NULL; /* they have no cell to give up: next_dropped finds them */
    while ((timer = calendar_drain(calendar)) != NULL) {
        if (timer_parked(timer))
            continue;
        loop->counts.gathered++;
        calendar->sequence += TIMER_SEQUENCE_ONE;
        timer_set_sequence(timer, calendar->sequence);
        timer_set_slot(timer, SLOT_SOON);
        queue_push_sure(&calendar->cells, &all, timer);
        calendar->soon_pending++;
    }
    calendar->soon = all;
    calendar->spill = spilled;
    chunk_keep_again(&calendar->cells);
    calendar->next_ns = 0;
    calendar_stop_passing(calendar);
}

/* The next of what was gathered, or spilled, up to this sequence number, taken out of
 * its place; NULL: no more. */
static tw_bare_timer *next_dropped(tw_loop *loop, uint64_t last)
{
    struct calendar *calendar = &loop->calendar;
    const tw_bare_timer *first = queue_first(&calendar->cells, &calendar->soon);
    if (first && !timer_scheduled_before(last, timer_sequence(first)))
        return calendar_next_soon(calendar);
    for (tw_bare_timer *timer = calendar->spill; timer; timer = timer->place_) {
        if (!timer_scheduled_before(last, timer_sequence(timer))) {
            calendar_remove(calendar, timer);
            return timer;
        }
    }
    return NULL;
}

/* on_drop may use the loop meanwhile: so all that is to be dropped is gathered
 * first, and what is started or moved comes behind it or goes elsewhere. */
size_t tw_cancel_all(tw_loop *loop)
{
    if (!loop) {
        errno = EINVAL;
        return 0;
    }
    TW_ASSERT_OWNED(loop);
    if (!loop_may_change(loop))
        return 0;
    struct calendar *calendar = &loop->calendar;
    bool dropping = loop->dropping;
    loop->dropping = true;
    gather(loop);
    (void)post_collect(&loop->posts, SIZE_MAX);
    struct post_queue posts = {.taken = loop->posts.taken};
    loop->posts.taken = NULL;
    loop->posts.handed = loop->posts.collected;
    uint64_t last = calendar->sequence;
    size_t dropped = remote_drop_all(loop, drop);
    tw_bare_timer *timer;
    while ((timer = next_dropped(loop, last)) != NULL) {
        loop->counts.stops++;
        if (is_remote(timer)) {
            loop->remote.taken_out++;
            continue;
        }
        dropped++;
        drop_timer(loop, timer);
    }
    dropped += drop_posts(loop, &posts);
    loop->dropping = dropping;
    TW_ASSERT_SOUND(loop);
    return dropped;
}

void drop_all(tw_loop *loop)
{
    (void)remote_drop_all(loop, drop);
    tw_bare_timer *timer;
    while ((timer = calendar_drain(&loop->calendar)) != NULL) {
        if (timer_parked(timer) || is_remote(timer))
            continue;
        loop->counts.dropped++;
        drop_timer(loop, timer);
    }
    (void)post_collect(&loop->posts, SIZE_MAX);
    (void)drop_posts(loop, &loop->posts);
}
