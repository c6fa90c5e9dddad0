/* SPDX-License-Identifier: MIT */
/*
 * remote_loop: see remote_loop.h, and remote.h for the whole. remote_call.c is what other
 * threads call.
 */
#include "remote_loop.h"

#include "guard.h"
#include "threads.h"

void remote_init(tw_loop *loop)
{
    struct remote *remote = &loop->remote;
    remote->clock = loop->given_clock ? loop->given_clock : loop->clock;
    remote->clock_arg = loop->given_clock ? loop->given_clock_arg : loop->clock_arg;
    remote->slack_ns = loop->slack_ns;
    for (unsigned slab = 0; slab < REMOTE_SLABS; slab++)
        remote->pool.slabs[slab].generation = loop->pool.first_generation;
    remote->pending_cap = loop->pending_cap == SIZE_MAX ? UINT64_MAX : loop->pending_cap;
}

void remote_free(tw_loop *loop)
{
    remote_pool_free(&loop->remote.pool);
}

/* ------------------------------------------------------ the steps of the loop */

/* A step that nobody else can make. */
static void set_phase(struct remote_node *node, enum remote_phase phase)
{
    uint64_t state = atomic_load_explicit(&node->state, memory_order_relaxed);
    atomic_store(&node->state, (state & ~REMOTE_PHASE_MASK) | (uint64_t)phase);
}

/* Unless it was cancelled. */
static bool leave_scheduled(struct remote_node *node, enum remote_phase phase)
{
    uint64_t state = atomic_load_explicit(&node->state, memory_order_relaxed);
    uint64_t next = (state & ~REMOTE_PHASE_MASK) | (uint64_t)phase;
    /* by a race alone: it was cancelled since */
    return remote_phase(state) == REMOTE_SCHEDULED &&
           atomic_compare_exchange_strong(&node->state, &state, next);
}

/* The node is no longer linked in the arrivals. Returns the phase that it was in;
 * POSTED has become SCHEDULED. */
static enum remote_phase unlink_arrival(struct remote_node *node)
{
    uint64_t state = atomic_load(&node->state), next;
    do {
        next = state & ~REMOTE_LINKED;
        if (remote_phase(state) == REMOTE_POSTED)
            next = (next & ~REMOTE_PHASE_MASK) | REMOTE_SCHEDULED;
        /* by a race alone: it was cancelled since */
    } while (!atomic_compare_exchange_weak(&node->state, &state, next));
    return remote_phase(state);
}

static void give_back(struct remote *remote, struct remote_node *node)
{
    TW_ASSERT(!timer_placed(&node->node.timer.bare_)); /* X6: the loop has forgotten it */
    set_phase(node, REMOTE_FREE);
    remote_pool_give(&remote->pool, node);
}

/* The loop forgets the call. */
static void take_out_remote(tw_loop *loop, struct remote_node *node)
{
    if (!timer_placed(&node->node.timer.bare_))
        return;
    calendar_remove(&loop->calendar, &node->node.timer.bare_);
    loop->counts.stops++;
    loop->remote.taken_out++;
}

/* ----------------------------------------------------------------- collecting */

/* Takes the stack of arrivals whole. Each of its calls gets the sequence number that its
 * own among all starts stands for, whenever it is looked at, and in whatever order:
 * so they are scheduled in the order in which they were started, and before what the
 * loop starts from now on. */
static void take_arrivals(tw_loop *loop)
{
    struct remote *remote = &loop->remote;
    remote->arrived = atomic_exchange(&loop->posts.arrivals, NULL);
    remote->first = remote->last;
    remote->last = atomic_load(&remote->started);
    /* One more for the late: see place_remote. */
    uint64_t numbers = remote->last - remote->first + 1;
    remote->sequence = loop->calendar.sequence;
    loop->calendar.sequence += numbers * TIMER_SEQUENCE_ONE;
    loop->counts.reserved += numbers;
}

/* A thread that was stopped between taking its number and pushing its call may be late:
 * the stack that had the calls around it has been taken. Then its call comes before all
 * of this stack. There may be several with one number: they were started at one time. */
static void place_remote(tw_loop *loop, struct remote_node *node)
{
    struct calendar *calendar = &loop->calendar;
    const struct remote *remote = &loop->remote;
    TW_ASSERT(!timer_placed(&node->node.timer.bare_) && node->number <= remote->last); /* X9 */
    uint64_t at = node->number > remote->first ? node->number - remote->first : 0;
    uint64_t latest = calendar->sequence;
    calendar->sequence = remote->sequence + at * TIMER_SEQUENCE_ONE;
    node->node.context = NULL;
    node->node.timer.bare_.state_ = TIMER_NODE;
    calendar_restart(calendar, &node->node.timer.bare_, node->node.timer.bare_.deadline_);
    calendar->sequence = latest;
    loop->counts.reserved--;
    loop->counts.starts++;
    loop->remote.placed++;
}

/* A node of the stack was cancelled and started anew after the stack was taken: its turn
 * is behind what other threads have pushed since. */
static void put_off_arrival(tw_loop *loop, struct remote_node *node)
{
    uint64_t state = atomic_load_explicit(&node->state, memory_order_relaxed);
    uint64_t posted = (state & ~REMOTE_PHASE_MASK) | REMOTE_LINKED | REMOTE_POSTED;
    /* by a race alone: it was cancelled since */
    if (remote_phase(state) == REMOTE_SCHEDULED &&
        atomic_compare_exchange_strong(&node->state, &state, posted))
        remote_push_arrival(&loop->posts, node);
}

static void look_at_arrival(tw_loop *loop, struct remote_node *node)
{
    switch (unlink_arrival(node)) {
    case REMOTE_POSTED:
        if (node->number > loop->remote.last)
            put_off_arrival(loop, node);
        else
            place_remote(loop, node);
        break;
    case REMOTE_CANCELLED:
        take_out_remote(loop, node);
        give_back(&loop->remote, node);
        break;
    default:
        break; /* cancelled before it was seen: free already, or taken again */
    }
}

/* remote_collect of so many arrivals at most: of what is left of the stack that was taken
 * last, else of a new one. Returns how many it has looked at. */
static size_t remote_collect_some(tw_loop *loop, size_t limit)
{
    struct remote *remote = &loop->remote;
    if (!remote->arrived) {
        if (!post_has_arrivals(&loop->posts))
            return 0;
        take_arrivals(loop);
    }
    size_t seen = 0;
    for (; remote->arrived && seen < limit; seen++) {
        struct remote_node *node = remote->arrived;
        remote->arrived = node->next; /* before it may be linked again */
        look_at_arrival(loop, node);
    }
    loop->calendar.visited += seen;
    if (remote->arrived)
        calendar_stop_passing(&loop->calendar);
    return seen;
}

void remote_collect(tw_loop *loop)
{
    if (loop->remote.arrived)
        (void)remote_collect_some(loop, SIZE_MAX);
    (void)remote_collect_some(loop, SIZE_MAX);
}

/* Whether so many calls have come that they must wait until what was taken in before is
 * sorted: or else threads that start them faster than bounded runs can take them in
 * would keep all of them waiting for ever. */
static bool are_too_many(const tw_loop *loop)
{
    return calendar_cut_short(&loop->calendar) &&
           atomic_load(&loop->remote.started) - loop->remote.last > REMOTE_SHORT / 4;
}

size_t remote_collect_bounded(tw_loop *loop)
{
    const struct remote *remote = &loop->remote;
    size_t seen = remote->arrived ? remote_collect_some(loop, REMOTE_SHORT) : 0;
    if (!remote->arrived && post_has_arrivals(&loop->posts) && !are_too_many(loop))
        seen += remote_collect_some(loop, REMOTE_SHORT - seen);
    return seen;
}

size_t remote_begin_run(tw_loop *loop, size_t budget)
{
    const struct remote *remote = &loop->remote;
    TW_ASSERT(loop->calendar.running || !remote->running); /* every run ends what it has started */
    if (TW_LIKELY(!loop_has_arrivals(loop)))
        return budget;
    if (budget == CALENDAR_UNBOUNDED) {
        remote_collect(loop);
        return budget;
    }
    budget -= remote_collect_bounded(loop);
    return remote->arrived ? 0 : budget;
}

/* ---------------------------------------------------------------------- running */

static void count_over(struct remote *remote)
{
    uint64_t over = atomic_load_explicit(&remote->over, memory_order_relaxed);
    atomic_store(&remote->over, over + 1); /* the loop's thread alone writes it */
}

bool remote_start_callback(tw_loop *loop, struct node *call)
{
    struct remote *remote = &loop->remote;
    struct remote_node *node = remote_node_of(call);
    atomic_store_explicit(&remote->thread, threads_current(), memory_order_relaxed);
    if (!leave_scheduled(node, REMOTE_RUNNING)) {
        remote->taken_out++; /* its node comes back with the arrivals */
        return false;
    }
    remote->left++;
    count_over(remote);
    node->node.next = remote->running ? &remote->running->node : NULL;
    remote->running = node;
    return true;
}

void remote_end_callback(tw_loop *loop, struct node *call)
{
    struct remote *remote = &loop->remote;
    const struct remote_node *node = remote_node_of(call);
    /* Those above it have been left by longjmp or an exception. */
    while (remote->running) {
        struct remote_node *over = remote->running;
        remote->running = over->node.next ? remote_node_of(over->node.next) : NULL;
        over->node.context = NULL;
        set_phase(over, REMOTE_FREE);
        if (threads_anyone_waits())
            threads_wake_waiting();
        remote_pool_give(&remote->pool, over);
        if (over == node)
            break;
    }
}

/* --------------------------------------------------------------------- dropping */

struct dropping {
    tw_loop *loop;
    void (*drop)(tw_loop *loop, tw_callback *callback, void *arg);
    uint64_t last;      /* number of the last one to be dropped */
    size_t dropped;
};

static void drop_one(void *arg, struct remote_node *node)
{
    struct dropping *dropping = arg;
    tw_loop *loop = dropping->loop;
    uint64_t state = atomic_load(&node->state);
    bool is_ours = remote_phase(state) == REMOTE_SCHEDULED && node->number <= dropping->last;
    /* by a race alone: it was cancelled since */
    if (!is_ours || !leave_scheduled(node, REMOTE_FREE))
        return;
    tw_callback *callback = node->node.timer.callback_;
    void *its_arg = node->node.timer.arg_;
    take_out_remote(loop, node);
    atomic_fetch_add(&loop->remote.cancelled, 1);
    remote_pool_give(&loop->remote.pool, node);
    dropping->dropped++;
    dropping->drop(loop, callback, its_arg);
}

size_t remote_drop_all(tw_loop *loop, void (*drop)(tw_loop *loop, tw_callback *callback, void *arg))
{
    struct dropping dropping = {.loop = loop, .drop = drop};
    remote_collect(loop);
    /* What drop starts is left alone. */
    dropping.last = atomic_load_explicit(&loop->remote.started, memory_order_relaxed);
    remote_pool_visit(&loop->remote.pool, drop_one, &dropping);
    return dropping.dropped;
}

size_t remote_trim(tw_loop *loop)
{
    remote_collect(loop); /* what is linked cannot go */
    return remote_pool_trim(&loop->remote.pool);
}

/* ------------------------------------------------- by handle, on the loop's thread */

/* The node of a call that is pending, and its state; NULL: it is not. */
static struct remote_node *find_pending(const tw_loop *loop, tw_handle handle, uint64_t *state)
{
    struct remote_pool *pool = (struct remote_pool *)(uintptr_t)&loop->remote.pool;
    struct remote_node *node = remote_pool_find(pool, handle);
    if (!node)
        return NULL;
    *state = atomic_load(&node->state);
    bool pending = remote_phase(*state) == REMOTE_POSTED ||
                   remote_phase(*state) == REMOTE_SCHEDULED;
    return pending && remote_generation(*state) == (uint32_t)(handle >> 32) ? node : NULL;
}

bool remote_pending(const tw_loop *loop, tw_handle handle)
{
    uint64_t state;
    return find_pending(loop, handle, &state) != NULL;
}

/* While the loop has not seen it, it may be cancelled and started anew by others
 * meanwhile: the deadline is right if the call is the same before and after. */
uint64_t remote_when_ns(const tw_loop *loop, tw_handle handle)
{
    uint64_t state;
    const struct remote_node *node = find_pending(loop, handle, &state);
    if (!node)
        return BITS_NEVER;
    uint64_t deadline = __atomic_load_n(&node->node.timer.bare_.deadline_, __ATOMIC_ACQUIRE);
    /* by a race alone: it was cancelled since */
    return find_pending(loop, handle, &state) ? deadline : BITS_NEVER;
}

bool remote_reschedule(tw_loop *loop, tw_handle handle, uint64_t when_ns)
{
    uint64_t state;
    struct remote_node *node = find_pending(loop, handle, &state);
    if (!node)
        return false;
    if (!loop_may_change(loop))
        return false;
    remote_collect(loop);
    if (!(node = find_pending(loop, handle, &state))) /* by a race alone: cancelled just now */
        return false;
    if (!timer_placed(&node->node.timer.bare_)) /* by a race alone: a guess, its start has */
        return false;                           /* not returned yet */
    guard_move(loop, when_ns);
    calendar_move(&loop->calendar, &node->node.timer.bare_, when_ns);
    return true;
}
