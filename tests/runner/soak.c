/* SPDX-License-Identifier: MIT */
/* Millions of operations, with threads posting all the while: nothing is lost,
 * nothing is early, and memory is flat at the end. */
#define _DEFAULT_SOURCE

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "support.h"

enum { POSTERS = 3, CONNECTIONS = 20000, BATCH = 200 };
enum { ROUNDS = SLOW ? 500 : 10000 }; /* of a batch each, in each half of the test */

struct connection {
    tw_timer idle;
    tw_handle request;
    struct soak *soak;
    uint64_t idle_ns, request_ns; /* deadlines */
};

struct soak {
    tw_loop *loop;
    uint64_t chance;
    size_t rounds;
    size_t idled, requests, posted;
    atomic_bool over;
    struct connection connections[CONNECTIONS];
};

static uint64_t random_below(struct soak *soak, uint64_t limit)
{
    soak->chance ^= soak->chance << 13;
    soak->chance ^= soak->chance >> 7;
    soak->chance ^= soak->chance << 17;
    return soak->chance % limit;
}

static void expect_due(const struct soak *soak, uint64_t deadline_ns)
{
    if (tw_now_ns(soak->loop) < deadline_ns)
        cr_assert_fail("a timer is early");
}

static void idle(void *arg)
{
    struct connection *connection = arg;
    expect_due(connection->soak, connection->idle_ns);
    connection->soak->idled++;
}

static void request(void *arg)
{
    struct connection *connection = arg;
    expect_due(connection->soak, connection->request_ns);
    connection->request = 0;
    connection->soak->requests++;
}

/* What a server does with one packet of a connection. */
static void packet(struct connection *connection)
{
    struct soak *soak = connection->soak;
    uint64_t now_ns = tw_now_ns(soak->loop);
    connection->idle_ns = now_ns + 20 * MS + random_below(soak, 20 * MS);
    tw_timer_start_at_ns(soak->loop, &connection->idle, connection->idle_ns);
    if (connection->request != 0)
        tw_cancel(soak->loop, connection->request);
    connection->request_ns = now_ns + random_below(soak, 10 * MS);
    connection->request = tw_call_at_ns(soak->loop, connection->request_ns, request, connection);
    cr_assert(connection->request != 0);
}

static void round_of_packets(void *arg)
{
    struct soak *soak = arg;
    for (size_t i = 0; i < BATCH; i++)
        packet(&soak->connections[random_below(soak, CONNECTIONS)]);
    if (--soak->rounds == 0)
        tw_stop(soak->loop);
    else if (soak->rounds % 50 == 0)
        tw_call_later_ns(soak->loop, MS, round_of_packets, soak); /* sleeps now and then */
    else
        tw_call_soon(soak->loop, round_of_packets, soak);
}

struct poster {
    struct soak *soak;
    size_t sent;
    atomic_size_t arrived;
};

static void posted(void *arg)
{
    struct poster *poster = arg;
    struct soak *soak = poster->soak;
    soak->posted++;
    atomic_fetch_add(&poster->arrived, 1);
    packet(&soak->connections[random_below(soak, CONNECTIONS)]);
}

/* Posts a hundred calls at a time, unless the loop is behind: a run makes all
 * the calls that were posted before it, and so one that falls behind would fall
 * further and further. */
static void *post(void *arg)
{
    struct poster *poster = arg;
    while (!atomic_load(&poster->soak->over)) {
        bool behind = poster->sent - atomic_load(&poster->arrived) > 1000;
        for (size_t i = 0; i < 100 && !behind; i++) {
            if (tw_call_soon_threadsafe(poster->soak->loop, posted, poster) != 0)
                abort();
            poster->sent++;
        }
        sleep_ns(200 * US);
    }
    return NULL;
}

/* Half of the soak: its threads are gone at the end, and their posts run. */
static void half(struct soak *soak)
{
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    size_t sent = 0, before = soak->posted;
    atomic_store(&soak->over, false);
    for (size_t i = 0; i < POSTERS; i++) {
        posters[i].soak = soak;
        posters[i].sent = 0;
        atomic_init(&posters[i].arrived, 0);
        threads[i] = thread_start(post, &posters[i]);
    }
    soak->rounds = ROUNDS;
    tw_call_soon(soak->loop, round_of_packets, soak);
    cr_assert_eq(tw_run_forever(soak->loop), 0);
    atomic_store(&soak->over, true);
    for (size_t i = 0; i < POSTERS; i++) {
        thread_join(threads[i]);
        sent += posters[i].sent;
    }
    tw_run(soak->loop);
    cr_assert_eq(soak->posted - before, sent);
}

/* Bytes in use by malloc, in all threads' arenas; 0 under a sanitizer. */
static size_t malloc_bytes(void)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
#else
    return 0;
#endif
}

Test(soak, memory_is_flat_and_nothing_is_lost)
{
    struct soak *soak = calloc(1, sizeof *soak);
    soak->loop = loop_new();
    soak->chance = UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        soak->connections[i].soak = soak;
        tw_timer_init(&soak->connections[i].idle, idle, &soak->connections[i]);
    }
    cr_assert_eq(tw_reserve(soak->loop, 2 * CONNECTIONS + 100), 0);
    half(soak);
    size_t loop_bytes = stats_of(soak->loop).bytes, bytes = malloc_bytes();
    half(soak);
    tw_stats stats = stats_of(soak->loop);
    /* The second half may meet a fuller tick; what leaked would be far more. */
    cr_assert_leq(stats.bytes, loop_bytes + loop_bytes / 10, "the loop has grown");
    cr_assert_leq(malloc_bytes(), bytes + loop_bytes / 10 + 65536, "something is not freed");
    cr_assert_eq(stats.started, stats.fired + stats.cancelled + stats.pending);
    cr_assert_gt(stats.started + stats.rearmed, (uint64_t)ROUNDS * BATCH * 3);
    cr_log_info("soak: %llu started, %llu re-armed, %llu fired, %zu posted, %llu wake-ups\n",
                (unsigned long long)stats.started, (unsigned long long)stats.rearmed,
                (unsigned long long)stats.fired, soak->posted,
                (unsigned long long)stats.wakeups);
    loop_free(soak->loop);
    free(soak);
}
