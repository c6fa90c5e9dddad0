/* SPDX-License-Identifier: MIT */
/*
 * foreach: showing what is pending, for hosts that have to walk their timers.
 *
 * The calendar shows what it holds; calls that other threads have started are shown
 * from the pool of their nodes, since some may not have arrived yet.
 */
#include "owner.h"
#include "remote_loop.h"

struct showing {
    bool (*visit)(void *visit_arg, const tw_call_info *info);
    void *visit_arg;
    bool bare;       /* embedded timers have no callback */
    bool ended;      /* visit has returned false */
    size_t shown;    /* calls of other threads */
};

static tw_call_info info_of(const tw_bare_timer *timer)
{
    return (tw_call_info){.size = sizeof(tw_call_info), .when_ns = timer->deadline_};
}

static bool show_call(struct showing *showing, struct node *node, uint64_t interval_ns,
                      tw_handle handle, tw_context *context)
{
    tw_call_info info = info_of(&node->timer.bare_);
    info.interval_ns = interval_ns;
    info.callback = node->timer.callback_;
    info.arg = node->timer.arg_;
    info.handle = handle;
    info.context = context;
    return showing->visit(showing->visit_arg, &info);
}

static bool show_embedded(struct showing *showing, tw_bare_timer *timer)
{
    tw_call_info info = info_of(timer);
    info.timer = timer_whole(timer);
    if (!showing->bare) {
        info.callback = info.timer->callback_;
        info.arg = info.timer->arg_;
    }
    return showing->visit(showing->visit_arg, &info);
}

static bool is_others(tw_bare_timer *timer)
{
    return timer_is_node(timer) && remote_owns(pool_node_of(timer));
}

/* Of the calendar's. */
static bool show_timer(void *arg, tw_bare_timer *timer)
{
    struct showing *showing = arg;
    if (!timer_is_node(timer))
        return show_embedded(showing, timer);
    struct node *node = pool_node_of(timer);
    return show_call(showing, node, node->interval_ns, pool_handle(node), node->context);
}

static void show_remote(void *arg, struct remote_node *node)
{
    struct showing *showing = arg;
    uint64_t state = atomic_load_explicit(&node->state, memory_order_acquire);
    /* Not POSTED: such a one may be cancelled and started anew while it is shown. */
    if (showing->ended || remote_phase(state) != REMOTE_SCHEDULED)
        return;
    showing->shown++;
    tw_handle handle = remote_handle(node->node.index, state);
    showing->ended = !show_call(showing, &node->node, 0, handle, NULL);
}

/* visit has returned, or was left by an exception. */
static void let_go(tw_loop **of)
{
    loop_unlock(*of);
}

size_t tw_foreach(const tw_loop *loop, bool (*visit)(void *visit_arg, const tw_call_info *info),
                  void *visit_arg)
{
    if (!loop || !visit) {
        errno = EINVAL;
        return 0;
    }
    TW_ASSERT_OWNED(loop);
    struct showing showing = {
        .visit = visit, .visit_arg = visit_arg, .bare = loop->calendar.bare};
    tw_loop *locked = (tw_loop *)loop; /* visit is to find it locked, as hooks do */
    if (!loop->locked)
        remote_collect(locked);
    loop_lock(locked);
    tw_loop *held TW_AT_END(let_go) = locked;
    remote_pool_visit(&locked->remote.pool, show_remote, &showing);
    size_t shown = showing.shown;
    if (!showing.ended)
        shown += calendar_foreach(&held->calendar, show_timer, is_others, &showing);
    return shown;
}
