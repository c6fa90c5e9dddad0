#include "remote.h"

#include "loop.h"
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

struct remote_tally remote_counts(const struct remote *remote)
{
    /* In this order: no call is seen to be cancelled and not to have been started. */
    uint64_t over = atomic_load(&remote->over);
    uint64_t cancelled = atomic_load(&remote->cancelled);
    uint64_t started = atomic_load(&remote->started);
    return (struct remote_tally){started, cancelled, started - cancelled - over};
}

void remote_tell_others(tw_loop *loop, size_t others)
{
    atomic_store_explicit(&loop->remote.others, others, memory_order_relaxed);
}

/* ---------------------------------------- lists of the loop's, through node.next */

static struct remote_node *remote_after(const struct remote_node *node)
{
    return node->node.next ? remote_node_of(node->node.next) : NULL;
}

static void set_remote_after(struct remote_node *node, struct remote_node *next)
{
    node->node.next = next ? &next->node : NULL;
}

static bool started_before(const struct remote_node *a, const struct remote_node *b)
{
    return a->number < b->number;
}

static bool due_before(const struct remote_node *a, const struct remote_node *b)
{
    if (a->node.timer.bare_.deadline_ != b->node.timer.bare_.deadline_)
        return a->node.timer.bare_.deadline_ < b->node.timer.bare_.deadline_;
    return started_before(a, b);
}

typedef bool remote_order(const struct remote_node *a, const struct remote_node *b);

static struct remote_node *merge_remotes(struct remote_node *a, struct remote_node *b, remote_order *before)
{
    struct remote_node *first = NULL, *last = NULL;
    while (a && b) {
        struct remote_node **least = before(b, a) ? &b : &a, *node = *least;
        *least = remote_after(node);
        if (last)
            set_remote_after(last, node);
        else
            first = node;
        last = node;
    }
    if (!last)
        return a ? a : b;
    set_remote_after(last, a ? a : b);
    return first;
}

/* Cuts what is in order off the front of the list. */
static struct remote_node *cut_run(struct remote_node **list, remote_order *before)
{
    struct remote_node *run = *list, *last = run;
    while (remote_after(last) && !before(remote_after(last), last))
        last = remote_after(last);
    *list = remote_after(last);
    set_remote_after(last, NULL);
    return run;
}

/* Sorts a list by merging the runs it has, of like length as in a binary counter. What
 * came in order, as mostly, is one run. */
static struct remote_node *sort_remotes(struct remote_node *list, remote_order *before)
{
    enum { DEPTH = 64 };
    struct remote_node *runs[DEPTH] = {NULL}, *sorted = NULL;
    while (list) {
        struct remote_node *run = cut_run(&list, before);
        unsigned depth = 0;
        for (; depth < DEPTH - 1 && runs[depth]; depth++) {
            run = merge_remotes(runs[depth], run, before);
            runs[depth] = NULL;
        }
        runs[depth] = run;
    }
    for (unsigned depth = 0; depth < DEPTH; depth++)
        sorted = merge_remotes(runs[depth], sorted, before);
    return sorted;
}

static void leave_waiting(struct remote *remote, struct remote_node *node)
{
    struct remote_node *before = NULL, *at = remote->waiting;
    while (at != node) {
        before = at;
        at = remote_after(at);
    }
    if (before)
        set_remote_after(before, remote_after(node));
    else
        remote->waiting = remote_after(node);
    node->waiting = false;
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
    return remote_phase(state) == REMOTE_SCHEDULED &&
           atomic_compare_exchange_strong(&node->state, &state, next);
}

/* The node is no longer linked in the arrivals. Answers the phase that it was in;
 * POSTED has become SCHEDULED. */
static enum remote_phase unlink_arrival(struct remote_node *node)
{
    uint64_t state = atomic_load(&node->state), next;
    do {
        next = state & ~REMOTE_LINKED;
        if (remote_phase(state) == REMOTE_POSTED)
            next = (next & ~REMOTE_PHASE_MASK) | REMOTE_SCHEDULED;
    } while (!atomic_compare_exchange_weak(&node->state, &state, next));
    return remote_phase(state);
}

static void give_back(struct remote *remote, struct remote_node *node)
{
    set_phase(node, REMOTE_FREE);
    remote_pool_give(&remote->pool, node);
}

/* The loop forgets the call. */
static void take_out_remote(tw_loop *loop, struct remote_node *node)
{
    if (node->waiting) {
        leave_waiting(&loop->remote, node);
    } else if (timer_placed(&node->node.timer.bare_)) {
        calendar_remove(&loop->calendar, &node->node.timer.bare_);
        loop->counts.stops++;
        loop->remote.taken_out++;
    }
}

/* ----------------------------------------------------------------- collecting */

/* Gives those their places that there is memory for; the others wait. */
static void place_all(tw_loop *loop, struct remote_node *list)
{
    struct remote *remote = &loop->remote;
    while (list) {
        struct remote_node *node = list;
        tw_bare_timer *timer = &node->node.timer.bare_;
        struct remote_node *rest = remote_after(node);
        node->node.context = NULL; /* no longer linked */
        if (calendar_start(&loop->calendar, timer, timer->deadline_, TIMER_NODE) != 0) {
            set_remote_after(node, rest);
            break;
        }
        loop->counts.starts++;
        remote->placed++;
        node->waiting = false;
        list = rest;
    }
    for (struct remote_node *node = list; node; node = remote_after(node))
        node->waiting = true;
    remote->waiting = merge_remotes(remote->waiting, sort_remotes(list, due_before), due_before);
}

/* What was waiting may find memory now. */
static void place_waiting(tw_loop *loop)
{
    struct remote_node *list = loop->remote.waiting;
    loop->remote.waiting = NULL;
    place_all(loop, list);
}

void remote_collect(tw_loop *loop)
{
    struct remote *remote = &loop->remote;
    if (TW_UNLIKELY(remote->waiting != NULL))
        place_waiting(loop);
    if (!post_has_arrivals(&loop->posts))
        return;
    struct remote_node *stack = atomic_exchange(&loop->posts.arrivals, NULL), *came = NULL;
    while (stack) {
        struct remote_node *node = stack;
        stack = node->next; /* before it may be linked again */
        switch (unlink_arrival(node)) {
        case REMOTE_POSTED:
            set_remote_after(node, came);
            came = node;
            break;
        case REMOTE_CANCELLED:
            take_out_remote(loop, node);
            give_back(remote, node);
            break;
        default:
            break; /* cancelled before it was seen: free already, or taken again */
        }
    }
    place_all(loop, sort_remotes(came, started_before));
}

void remote_begin_run(tw_loop *loop)
{
    struct remote *remote = &loop->remote;
    if (TW_UNLIKELY(remote->running != NULL) && !loop->running)
        remote_end_callback(loop, NULL);
    remote_collect(loop);
    remote->last_of_run = atomic_load_explicit(&remote->started, memory_order_relaxed);
}

/* ---------------------------------------------------------------------- running */

uint64_t remote_waiting_ns(const tw_loop *loop)
{
    const struct remote_node *first = loop->remote.waiting;
    return first ? first->node.timer.bare_.deadline_ : BITS_NEVER;
}

tw_bare_timer *remote_next_waiting(tw_loop *loop, uint64_t now_ns)
{
    struct remote *remote = &loop->remote;
    struct remote_node *first = remote->waiting;
    if (!first || first->node.timer.bare_.deadline_ > now_ns || first->number > remote->last_of_run)
        return NULL;
    leave_waiting(remote, first);
    first->node.context = NULL;
    /* As if it had had a place, so that the counts come out. */
    first->node.timer.bare_.state_ = (uint16_t)(loop->calendar.tag | TIMER_NODE);
    loop->calendar.sequence += TIMER_SEQUENCE_ONE;
    loop->counts.starts++;
    remote->placed++;
    return &first->node.timer.bare_;
}

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
    set_remote_after(node, remote->running);
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
        remote->running = remote_after(over);
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
    bool pending = remote_phase(*state) == REMOTE_POSTED || remote_phase(*state) == REMOTE_SCHEDULED;
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
    if (!(node = find_pending(loop, handle, &state)))
        return false; /* cancelled just now */
    loop_look_at_move(loop, when_ns);
    if (!node->waiting) {
        calendar_move(&loop->calendar, &node->node.timer.bare_, when_ns);
        return true;
    }
    leave_waiting(&loop->remote, node);
    node->node.timer.bare_.deadline_ = when_ns;
    node->number = atomic_load_explicit(&loop->remote.started, memory_order_relaxed) + 1;
    set_remote_after(node, NULL);
    place_all(loop, node);
    return true;
}
