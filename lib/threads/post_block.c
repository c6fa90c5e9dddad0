/* SPDX-License-Identifier: MIT */
/*
 * post_block: a thread's block, counted down by the loop that reads what is in it.
 */
#include "post_block.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "threads.h"

/* With its counter as large as the largest block that glibc caches by thread. */
enum { POSTS = (1032 - 8) / sizeof(tw_post) };

struct block {
    tw_post posts[POSTS];
    atomic_int held;        /* posts not given back yet, those never given out included */
};

/* The calling thread's. From malloc, not from a loop's allocator: that belongs to
 * the loop's thread. */
static _Thread_local struct {
    struct block *block;    /* NULL: there is none */
    int given;              /* posts of it that were given out */
} own;

static void release(struct block *block, int posts)
{
    /* Whoever frees it must have seen all that the others did to it. */
    if (atomic_fetch_sub_explicit(&block->held, posts, memory_order_acq_rel) == posts)
        free(block);
}

/* A thread that was about to post in another destructor begins a block anew, and
 * ends once more. */
static void end_block(void *block)
{
    release(block, POSTS - own.given);
    own.block = NULL;
}

/* ------------------------------------------------------------------- the posts */

static bool begin_block(void)
{
    struct block *block = malloc(sizeof *block);
    if (!block)
        return false;
    atomic_init(&block->held, POSTS);
    own.block = block;
    own.given = 0;
    return true;
}

/* No more posts come from the block. */
static void leave_block(void)
{
    struct block *block = own.block;
    own.block = NULL;
    if (own.given < POSTS)
        release(block, POSTS - own.given);
}

tw_post *post_block_take(tw_callback *callback, void *arg)
{
    if (!own.block && !begin_block())
        return NULL;
    int at = own.given++;
    tw_post *post = &own.block->posts[at];
    *post = (tw_post){.callback_ = callback, .arg_ = arg, .state_ = POST_OURS + at};
    bool is_first = at == 0, is_last = at == POSTS - 1;
    if (is_last)
        (void)threads_end_with(end_block, NULL);
    if (is_last || (is_first && !threads_end_with(end_block, own.block)))
        leave_block(); /* a block that would be lost with the thread is for one post */
    return post;
}

void post_block_return(tw_post *post)
{
    tw_post *first = post - (post->state_ - POST_OURS);
    release((struct block *)first, 1);
}
