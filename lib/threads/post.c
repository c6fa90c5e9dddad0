/* SPDX-License-Identifier: MIT */
/*
 * post: sending, collecting, and waking a loop that sleeps.
 */
#include "post.h"

#include <errno.h>

#include "post_block.h"

void tw_post_init(tw_post *post, tw_callback *callback, void *arg)
{
    if (!post) {
        errno = EINVAL;
        return;
    }
    *post = (tw_post){.callback_ = callback, .arg_ = arg, .state_ = POST_IDLE};
}

/* Makes ASLEEP, as the caller has seen it, WOKEN. */
static bool claim(struct post_queue *queue)
{
    int asleep = POST_ASLEEP;
    return atomic_compare_exchange_strong(&queue->reader, &asleep, POST_WOKEN);
}

bool post_claim_wake(struct post_queue *queue, uint64_t when_ns)
{
    /* by a race alone: another has claimed it since */
    return atomic_load(&queue->reader) == POST_ASLEEP && when_ns < atomic_load(&queue->alarm_ns) &&
           claim(queue);
}

static int push(struct post_queue *queue, tw_post *post)
{
    tw_post *newest = NULL; /* a guess; where it is wrong, the exchange says what is true */
    do {
        post->next_ = newest;
    } while (!atomic_compare_exchange_weak_explicit(&queue->newest, &newest, post,
                                                    memory_order_seq_cst, memory_order_relaxed));
    /* by a race alone: another has claimed it since */
    return atomic_load(&queue->reader) == POST_ASLEEP && claim(queue);
}

int post_send(struct post_queue *queue, tw_post *post)
{
    /* An exchange, not a load: the callback, which comes after the exchange in
     * post_next, must see what was written before this. */
    if (__atomic_exchange_n(&post->state_, POST_SENT, __ATOMIC_ACQ_REL) != POST_IDLE)
        return 0;
    return push(queue, post);
}

int post_push(struct post_queue *queue, tw_callback *callback, void *arg)
{
    tw_post *post = post_block_take(callback, arg);
    return post ? push(queue, post) : -1;
}

/* Turns the stack round that was taken (there is one), as far as `limit` posts go. When it
 * is done, they follow those that are waiting to be made. Returns how many it has turned. */
static size_t turn(struct post_queue *queue, size_t limit)
{
    TW_ASSERT(queue->turning);
    size_t turned = 0;
    for (; queue->turning && turned < limit; turned++) {
        tw_post *post = queue->turning;
        queue->turning = post->next_;
        post->next_ = queue->turned;
        queue->turned = post;
    }
    queue->turned_count += turned;
    if (queue->turning)
        return turned;
    if (queue->taken)
        queue->last_taken->next_ = queue->turned;
    else
        queue->taken = queue->turned;
    queue->last_taken = queue->last_turned;
    queue->collected += queue->turned_count;
    queue->turned = NULL;
    queue->turned_count = 0;
    return turned;
}

size_t post_collect(struct post_queue *queue, size_t limit)
{
    size_t turned = queue->turning ? turn(queue, limit) : 0;
    /* The load spares the usual run, which finds nothing, the dearer exchange. */
    if (queue->turning || !atomic_load_explicit(&queue->newest, memory_order_relaxed))
        return turned;
    queue->turning = atomic_exchange_explicit(&queue->newest, NULL, memory_order_acquire);
    queue->last_turned = queue->turning;
    return turned + turn(queue, limit - turned);
}

bool post_next(struct post_queue *queue, struct post *out)
{
    tw_post *post = queue->taken;
    if (!post)
        return false;
    queue->taken = post->next_;
    queue->handed++;
    *out = (struct post){post->callback_, post->arg_};
    if (post_block_owns(post))
        post_block_return(post);
    else
        __atomic_exchange_n(&post->state_, POST_IDLE, __ATOMIC_ACQ_REL);
    return true;
}
