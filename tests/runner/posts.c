/* SPDX-License-Identifier: MIT */
/* tw_call_soon_threadsafe and tw_post_send: nothing lost, in order, and no needless wake-ups. */
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "support.h"

/* ------------------------------------- memory that ends, and that is counted
 * The program is linked with --wrap=malloc and --wrap=free, which touches what is
 * called from here and from the library. */

static _Thread_local bool no_memory;
static _Thread_local size_t mallocs;
static atomic_int blocks_held;

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes)
{
    void *block = no_memory ? NULL : __real_malloc(bytes);
    mallocs += block != NULL;
    atomic_fetch_add(&blocks_held, block != NULL);
    return block;
}

void __real_free(void *block);
void __wrap_free(void *block);
void __wrap_free(void *block)
{
    atomic_fetch_sub(&blocks_held, block != NULL);
    __real_free(block);
}

/* ------------------------------------------------------------------ the posters */

enum { SENDERS = 8, EACH = SLOW ? 5000 : 100000 };

struct sender {
    tw_loop *loop;
    size_t next;         /* the number that the loop must see next */
    atomic_size_t *left; /* calls that have still to come, of all senders */
    struct letter *letters;
};

struct letter {
    struct sender *sender;
    size_t number;
};

static void receive(void *arg)
{
    struct letter *letter = arg;
    struct sender *sender = letter->sender;
    cr_assert_eq(letter->number == sender->next, true, "lost, doubled or out of order");
    sender->next++;
    if (atomic_fetch_sub(sender->left, 1) == 1)
        tw_stop(sender->loop);
}

static void *send_letters(void *arg)
{
    struct sender *sender = arg;
    for (size_t i = 0; i < EACH; i++) {
        sender->letters[i] = (struct letter){sender, i};
        if (tw_call_soon_threadsafe(sender->loop, receive, &sender->letters[i]) != 0)
            abort();
    }
    return NULL;
}

struct senders {
    struct sender sender[SENDERS];
    pthread_t thread[SENDERS];
    atomic_size_t left;
};

static void senders_start(struct senders *senders, tw_loop *loop)
{
    atomic_init(&senders->left, (size_t)SENDERS * EACH);
    for (size_t i = 0; i < SENDERS; i++) {
        senders->sender[i] = (struct sender){loop, 0, &senders->left,
                                             calloc(EACH, sizeof(struct letter))};
        senders->thread[i] = thread_start(send_letters, &senders->sender[i]);
    }
}

static void senders_end(struct senders *senders)
{
    for (size_t i = 0; i < SENDERS; i++) {
        thread_join(senders->thread[i]);
        cr_assert_eq(senders->sender[i].next, (size_t)EACH);
        free(senders->sender[i].letters);
    }
}

Test(posts, of_many_threads_arrive_once_and_in_order)
{
    static struct senders senders;
    tw_loop *loop = loop_new();
    senders_start(&senders, loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    senders_end(&senders);
    cr_assert_eq(stats_of(loop).fired, (size_t)SENDERS * EACH);
    loop_free(loop);
}

Test(posts, arrive_in_a_loop_driven_by_hand)
{
    static struct senders senders;
    tw_loop *loop = loop_new();
    senders_start(&senders, loop);
    while (atomic_load(&senders.left) > 0)
        tw_run_max(loop, 1000);
    senders_end(&senders);
    tw_stop(loop);
    loop_free(loop);
}

/* --------------------------------------------------------------------- waking */

struct meeting {
    tw_loop *loop;
    sem_t begun, done;
    size_t calls;
};

/* Keeps the loop busy until the other thread has posted all it has. */
static void hold_up(void *arg)
{
    struct meeting *meeting = arg;
    sem_post(&meeting->begun);
    sem_wait(&meeting->done);
}

static void *post_meanwhile(void *arg)
{
    struct meeting *meeting = arg;
    sem_wait(&meeting->begun);
    for (size_t i = 0; i < 1000; i++)
        tw_call_soon_threadsafe(meeting->loop, count, &meeting->calls);
    tw_call_soon_threadsafe(meeting->loop, stop, meeting->loop);
    sem_post(&meeting->done);
    return NULL;
}

Test(posts, to_a_busy_loop_do_not_wake_it)
{
    struct meeting meeting = {.loop = loop_new()};
    sem_init(&meeting.begun, 0, 0);
    sem_init(&meeting.done, 0, 0);
    tw_call_soon(meeting.loop, hold_up, &meeting);
    pthread_t thread = thread_start(post_meanwhile, &meeting);
    cr_assert_eq(tw_run_forever(meeting.loop), 0);
    thread_join(thread);
    cr_assert_eq(meeting.calls, 1000);
    cr_assert_eq(stats_of(meeting.loop).wakeups, 0);
    loop_free(meeting.loop);
}

/* Every post finds the loop asleep, or about to be: the wake-up that is lost
 * would be found here, by the test's timeout. */
struct ping {
    tw_loop *loop;
    sem_t answered;
};

static void answer(void *arg)
{
    struct ping *ping = arg;
    sem_post(&ping->answered);
}

enum { PINGS = SLOW ? 2000 : 20000 };

static void *send_pings(void *arg)
{
    struct ping *ping = arg;
    for (size_t i = 0; i < PINGS; i++) {
        tw_call_soon_threadsafe(ping->loop, answer, ping);
        sem_wait(&ping->answered);
    }
    tw_call_soon_threadsafe(ping->loop, stop, ping->loop);
    return NULL;
}

Test(posts, always_wake_a_loop_that_sleeps_and_only_once)
{
    struct ping ping = {.loop = loop_new()};
    sem_init(&ping.answered, 0, 0);
    pthread_t thread = thread_start(send_pings, &ping);
    cr_assert_eq(tw_run_forever(ping.loop), 0);
    thread_join(thread);
    cr_assert_leq(stats_of(ping.loop).wakeups, PINGS + 1);
    loop_free(ping.loop);
}

/* A poster has claimed the wake-up, but not yet written when the loop looks: what
 * it was for is called without it, and it is not waited for. */
Test(posts, that_wake_too_late_cost_one_short_sleep)
{
    tw_loop *loop = loop_new();
    size_t calls = 0;
    tw_stop(loop);
    cr_assert_eq(tw_run_forever(loop), 0); /* makes the descriptors */
    post_reader_is(&loop->posts, POST_ASLEEP);
    cr_assert_eq(post_push(&loop->posts, count, &calls), 1, "it is for us to wake");
    tw_call_later_ns(loop, MS, stop, loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    cr_assert_eq(calls, 1);
    for (size_t i = 0; i < 3; i++) {
        uint64_t before = stats_of(loop).wakeups;
        if (i == 1)
            backend_wake(&loop->runner.backend);
        tw_call_later_ns(loop, 20 * MS, stop, loop);
        cr_assert_eq(tw_run_forever(loop), 0);
        cr_assert_leq(stats_of(loop).wakeups - before, i == 1 ? 2 : 1);
        cr_assert_eq(post_reader(&loop->posts), POST_AWAKE);
        cr_assert_eq(loop->runner.wake_owed, i == 0);
    }
    loop_free(loop);
}

/* ---------------------------------------------------------- memory of the calls */

struct batch {
    tw_loop *loop;
    size_t posts, calls;
    size_t mallocs;     /* that the thread has made */
};

static void *post_batch(void *arg)
{
    struct batch *batch = arg;
    for (size_t i = 0; i < batch->posts; i++) {
        if (tw_call_soon_threadsafe(batch->loop, count, &batch->calls) != 0)
            abort();
    }
    batch->mallocs = mallocs;
    return NULL;
}

Test(posts, of_a_thread_share_their_allocations)
{
    struct batch batch = {.loop = loop_new(), .posts = 640};
    thread_join(thread_start(post_batch, &batch));
    cr_assert_geq(batch.mallocs, 1);
    cr_assert_leq(batch.mallocs, 20);
    cr_assert_eq(tw_run(batch.loop), 640);
    loop_free(batch.loop);
}

/* Ends threads that have posted so many, with all on its way, and with nothing;
 * and expects that no memory is held for them when all has been called. */
static void expect_memory_back(tw_loop *loop, size_t posts)
{
    struct batch batch = {.loop = loop, .posts = posts};
    int before = atomic_load(&blocks_held);
    thread_join(thread_start(post_batch, &batch));
    cr_assert_eq(tw_run(loop), posts);
    cr_assert_eq(atomic_load(&blocks_held), before, "after %zu posts", posts);
    pthread_t thread = thread_start(post_batch, &batch);
    while (batch.calls < 2 * posts)
        tw_run(loop);
    thread_join(thread);
    cr_assert_eq(atomic_load(&blocks_held), before, "after %zu posts, run meanwhile", posts);
}

/* The thread outlives its posts, and ends when their memory is another's. */
static sem_t all_called;

static void *post_batch_and_wait(void *arg)
{
    post_batch(arg);
    sem_wait(&all_called);
    return NULL;
}

Test(posts, of_a_thread_that_ends_after_they_were_called_are_given_back_once)
{
    const size_t edges[] = {1, 31, 32, 33, 64, 96, 320};
    tw_loop *loop = loop_new();
    sem_init(&all_called, 0, 0);
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        struct batch batch = {.loop = loop, .posts = edges[i]};
        int before = atomic_load(&blocks_held);
        pthread_t thread = thread_start(post_batch_and_wait, &batch);
        while (batch.calls < edges[i])
            tw_run(loop);
        sem_post(&all_called);
        thread_join(thread);
        cr_assert_eq(atomic_load(&blocks_held), before, "after %zu posts", edges[i]);
    }
    loop_free(loop);
}

Test(posts, leave_no_memory_behind_when_their_thread_has_ended)
{
    const size_t edges[] = {1, 2, 31, 32, 33, 63, 64, 65, 100, 128, 1000};
    tw_loop *loop = loop_new();
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        expect_memory_back(loop, edges[i]);
    loop_free(loop);
}

/* All keys of threads are taken: the library cannot learn that a thread ends. */
Test(posts, leave_no_memory_behind_even_if_the_end_of_a_thread_cannot_be_seen)
{
    pthread_key_t keys[4096];
    size_t taken = 0;
    while (taken < 4096 && pthread_key_create(&keys[taken], NULL) == 0)
        taken++;
    tw_loop *loop = loop_new();
    expect_memory_back(loop, 100);
    loop_free(loop);
    while (taken > 0)
        pthread_key_delete(keys[--taken]);
}

/* Linked with --wrap. */
static bool no_values;

int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    return no_values ? ENOMEM : __real_pthread_setspecific(key, value);
}

Test(posts, leave_no_memory_behind_even_if_a_thread_cannot_be_marked)
{
    tw_loop *loop = loop_new();
    no_values = true;
    expect_memory_back(loop, 100);
    no_values = false;
    expect_memory_back(loop, 100);
    loop_free(loop);
}

/* A process may end while other threads post, for the first time even: the library looks
 * then whether one has. Nothing but a flag of no order is between the two. */
static atomic_bool has_posted;

static void *post_and_stay(void *loop)
{
    tw_call_soon_threadsafe(loop, free, NULL);
    atomic_store_explicit(&has_posted, true, memory_order_relaxed);
    sleep_ns(HOUR);
    return NULL;
}

static void end_beside_it(void *loop)
{
    pthread_t thread = thread_start(post_and_stay, loop);
    pthread_detach(thread);
    while (!atomic_load_explicit(&has_posted, memory_order_relaxed))
        sleep_ns(MS);
    exit(0);
}

Test(posts, of_a_thread_that_outlives_main_are_no_race)
{
    tw_loop *loop = loop_new();
    static char said[4000];
    int status = in_child(end_beside_it, loop, said, sizeof said);
    cr_assert_eq(status, 0, "the child ended with %#x: %s", status, said);
    loop_free(loop);
}

/* ------------------------------------------------------------- embedded posts */

/* A queue of the caller's own, here a number, and a post that says it has grown. */
struct mailbox {
    tw_loop *loop;
    tw_post post;
    atomic_size_t filled;   /* letters put in, of all senders */
    size_t emptied;         /* letters that the callback has seen */
    size_t calls;
};

static void empty(void *arg)
{
    struct mailbox *mailbox = arg;
    mailbox->calls++;
    mailbox->emptied = atomic_load_explicit(&mailbox->filled, memory_order_relaxed);
    if (mailbox->emptied == (size_t)SENDERS * EACH)
        tw_stop(mailbox->loop);
}

static void *fill(void *arg)
{
    struct mailbox *mailbox = arg;
    for (size_t i = 0; i < EACH; i++) {
        atomic_fetch_add_explicit(&mailbox->filled, 1, memory_order_relaxed);
        if (tw_post_send(mailbox->loop, &mailbox->post) != 0)
            abort();
    }
    return NULL;
}

/* If one were lost, the last letter would not be seen and the test not end. */
Test(posts, embedded_are_called_after_the_last_of_them)
{
    struct mailbox mailbox = {.loop = loop_new()};
    pthread_t threads[SENDERS];
    tw_post_init(&mailbox.post, empty, &mailbox);
    for (size_t i = 0; i < SENDERS; i++)
        threads[i] = thread_start(fill, &mailbox);
    cr_assert_eq(tw_run_forever(mailbox.loop), 0);
    for (size_t i = 0; i < SENDERS; i++)
        thread_join(threads[i]);
    cr_assert_eq(mailbox.emptied, (size_t)SENDERS * EACH);
    cr_assert_leq(mailbox.calls, (size_t)SENDERS * EACH);
    loop_free(mailbox.loop);
}

struct echo {
    tw_loop *loop;
    tw_post *post;
    size_t calls;
};

static void send_again(void *arg)
{
    struct echo *echo = arg;
    if (++echo->calls < 3)
        cr_assert_eq(tw_post_send(echo->loop, echo->post), 0);
    else
        free(echo->post);
}

Test(posts, embedded_come_once_and_may_be_sent_again_or_freed_in_their_callback)
{
    struct echo echo = {loop_new(), malloc(sizeof(tw_post)), 0};
    no_memory = true; /* they need none */
    tw_post_init(echo.post, send_again, &echo);
    for (size_t i = 0; i < 5; i++)
        cr_assert_eq(tw_post_send(echo.loop, echo.post), 0);
    cr_assert_eq(tw_run(echo.loop), 1);
    cr_assert_eq(tw_run(echo.loop), 1, "what a callback sends is for a later run");
    cr_assert_eq(tw_run(echo.loop), 1);
    cr_assert_eq(tw_run(echo.loop), 0);
    no_memory = false;
    cr_assert_eq(echo.calls, 3);
    loop_free(echo.loop);
}

Test(posts, embedded_keep_their_place_among_the_others)
{
    tw_loop *loop = loop_new();
    size_t first = 0, second = 0, third = 0;
    tw_post post;
    tw_post_init(&post, count, &second);
    tw_call_soon_threadsafe(loop, count, &first);
    tw_post_send(loop, &post);
    tw_call_soon_threadsafe(loop, count, &third);
    tw_post_send(loop, &post);
    for (size_t i = 1; i <= 3; i++) {
        cr_assert_eq(tw_run_max(loop, 1), 1);
        cr_assert_eq(first, 1);
        cr_assert_eq(second, i > 1);
        cr_assert_eq(third, i > 2);
    }
    cr_assert_eq(tw_run(loop), 0);
    loop_free(loop);
}

/* ------------------------------------------------------------ stopped and freed */

Test(posts, to_a_stopped_loop_wait_for_its_next_run)
{
    tw_loop *loop = loop_new();
    size_t calls = 0;
    tw_call_soon_threadsafe(loop, count, &calls);
    cr_assert_eq(tw_next_ns(loop), tw_now_ns(loop), "there is something to do at once");
    cr_assert_eq(calls, 0);
    tw_stop(loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    cr_assert_eq(calls, 1);
    tw_call_soon_threadsafe(loop, count, &calls);
    tw_call_soon_threadsafe(loop, count, &calls);
    cr_assert_eq(calls, 1);
    cr_assert_eq(tw_run_max(loop, 1), 1);
    tw_call_soon_threadsafe(loop, count, &calls);
    while (tw_run(loop) > 0) { /* what was cut off comes first, perhaps alone */
    }
    cr_assert_eq(calls, 4);
    loop_free(loop);
}

struct dropped {
    tw_loop *loop;
    size_t args[8];
    size_t count;
    int refused;       /* errno of a post out of on_drop */
};

static void on_drop(void *hook_arg, tw_callback *callback, void *arg)
{
    struct dropped *dropped = hook_arg;
    cr_assert_eq(callback == count, true);
    dropped->args[dropped->count++] = (size_t)(uintptr_t)arg;
    errno = 0;
    if (tw_call_soon_threadsafe(dropped->loop, count, NULL) == -1)
        dropped->refused = errno;
}

Test(posts, left_when_the_loop_is_freed_are_handed_back)
{
    struct dropped dropped = {.count = 0};
    tw_options options = {.size = sizeof options, .on_drop = on_drop, .hook_arg = &dropped};
    dropped.loop = tw_loop_new(&options);
    for (size_t i = 1; i <= 3; i++)
        tw_call_soon_threadsafe(dropped.loop, count, (void *)(uintptr_t)i);
    tw_post post;
    tw_post_init(&post, count, (void *)(uintptr_t)4);
    tw_post_send(dropped.loop, &post);
    loop_free(dropped.loop);
    cr_assert_eq(dropped.count, 4);
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(dropped.args[i], i + 1);
    cr_assert_eq(dropped.refused, EBUSY);

    tw_loop *other = loop_new();
    size_t calls = 0;
    tw_post_init(&post, count, &calls);
    cr_assert_eq(tw_post_send(other, &post), 0, "it is free to be sent elsewhere");
    cr_assert_eq(tw_run(other), 1);
    cr_assert_eq(calls, 1);
    loop_free(other);
}

/* ------------------------------------------------------------------- bad input */

/* A thread that has not posted yet holds no memory for it. */
static void *post_without_memory(void *arg)
{
    struct batch *batch = arg;
    errno = 0;
    no_memory = true;
    int result = tw_call_soon_threadsafe(batch->loop, count, &batch->calls);
    no_memory = false;
    return (void *)(intptr_t)(result == -1 ? errno : -1);
}

Test(posts, without_loop_callback_or_memory_are_refused)
{
    tw_loop *loop = loop_new();
    size_t calls = 0;
    errno = 0;
    cr_assert_eq(tw_call_soon_threadsafe(NULL, count, &calls), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(tw_call_soon_threadsafe(loop, NULL, &calls), -1);
    cr_assert_eq(errno, EINVAL);
    tw_post post, empty_post;
    tw_post_init(&post, count, &calls);
    tw_post_init(&empty_post, NULL, NULL);
    errno = 0;
    cr_assert_eq(tw_post_send(NULL, &post), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(tw_post_send(loop, NULL), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(tw_post_send(loop, &empty_post), -1);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    tw_post_init(NULL, count, NULL);
    cr_assert_eq(errno, EINVAL);
    struct batch batch = {.loop = loop};
    void *error;
    cr_assert_eq(pthread_join(thread_start(post_without_memory, &batch), &error), 0);
    cr_assert_eq((int)(intptr_t)error, ENOMEM);
    cr_assert_eq(tw_run(loop), 0);
    cr_assert_eq(tw_call_soon_threadsafe(loop, count, &calls), 0);
    cr_assert_eq(tw_run(loop), 1);
    loop_free(loop);
}
