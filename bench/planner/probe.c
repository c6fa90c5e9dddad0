/*
 * What the planner measures with: it calibrates the cost of each operation, and
 * plays a plan through to see what it really costs.
 *
 *     plan_probe calibrate INTERFACE CONNECTIONS
 *     plan_probe simulate INTERFACE name=value...
 *
 * INTERFACE is stop or park (embedded timers, ended by tw_timer_stop or
 * tw_timer_park), handles, or none: the same events without any timer. Answers
 * one JSON object on stdout. Time is virtual; costs are processor time, since
 * the machine may do other work meanwhile.
 *
 * A connection is two cache lines: what the server itself touches at each event
 * with the idle timer, and the request's timer. After each event the processor
 * waits for its loads, as in a server that does other work in between: no two
 * events' cache misses overlap, and so their costs add up.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <tickwheel.h>

#include "../wait_for_loads.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

enum interface { NONE, STOP, PARK, HANDLES };
static const char *const interface_names[] = {"none", "stop", "park", "handles"};

/* A timer in the connection, or the handle of a call. */
union slot {
    tw_timer timer;
    tw_handle handle;
};

struct connection {
    uint64_t bytes;     /* what the server counts: touched at each event */
    uint32_t id;
    bool requesting;    /* its request is neither answered nor timed out */
    union slot idle;    /* in the line that is touched anyway */
    _Alignas(64) union slot request;
};
_Static_assert(sizeof(struct connection) == 128, "a connection is two cache lines");

/* One world at a time: callbacks need no more than their connection. */
static struct {
    enum interface interface;
    tw_loop *loop;
    uint64_t now_ns;                /* the virtual clock */
    struct connection *connections;
    size_t count;
    size_t mapped_bytes;
    uint64_t idle_timeout_ns;       /* 0: a connection that idled out is not followed by another */
    uint64_t random;
    uint64_t idle_fires, request_fires;
} world;

static void fail(const char *what)
{
    fprintf(stderr, "plan_probe: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t virtual_clock(void *arg)
{
    (void)arg;
    return world.now_ns;
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static uint64_t random64(void)
{
    uint64_t x = world.random += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    return x ^ x >> 32;
}

static uint64_t below(uint64_t bound)
{
    return (uint64_t)((unsigned __int128)random64() * bound >> 64);
}

/* ------------------------------------------------------------ the interfaces */

static void idle_fired(void *arg);
static void request_fired(void *arg);

static void start(struct connection *connection, union slot *slot, tw_callback *callback,
                  uint64_t when_ns)
{
    if (world.interface == HANDLES)
        slot->handle = tw_call_at_ns(world.loop, when_ns, callback, connection);
    else if (world.interface != NONE)
        tw_timer_start_at_ns(world.loop, &slot->timer, when_ns);
}

static void start_idle(struct connection *connection, uint64_t delay_ns)
{
    start(connection, &connection->idle, idle_fired, world.now_ns + delay_ns);
}

static void start_request(struct connection *connection, uint64_t delay_ns)
{
    start(connection, &connection->request, request_fired, world.now_ns + delay_ns);
}

/* A packet came: the idle timeout begins anew. */
static void refresh(struct connection *connection, uint64_t delay_ns)
{
    connection->bytes++;
    if (world.interface == HANDLES)
        tw_reschedule_at_ns(world.loop, connection->idle.handle, world.now_ns + delay_ns);
    else if (world.interface != NONE)
        tw_timer_start_at_ns(world.loop, &connection->idle.timer, world.now_ns + delay_ns);
}

static void end(union slot *slot)
{
    if (world.interface == HANDLES)
        tw_cancel(world.loop, slot->handle);
    else if (world.interface == PARK)
        tw_timer_park(world.loop, &slot->timer);
    else if (world.interface == STOP)
        tw_timer_stop(world.loop, &slot->timer);
}

static void end_request(struct connection *connection)
{
    connection->bytes++;
    end(&connection->request);
}

static void idle_fired(void *arg)
{
    struct connection *connection = arg;
    connection->bytes++;
    world.idle_fires++;
    if (world.idle_timeout_ns > 0)
        start_idle(connection, world.idle_timeout_ns);
}

static void request_fired(void *arg)
{
    struct connection *connection = arg;
    connection->bytes++;
    connection->requesting = false;
    world.request_fires++;
}

/* ----------------------------------------------------------------- the world */

static void make_connections(size_t count)
{
    world.count = count;
    world.mapped_bytes = count * sizeof(struct connection);
    world.connections = mmap(NULL, world.mapped_bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (world.connections == MAP_FAILED)
        fail("memory for the connections");
    madvise(world.connections, world.mapped_bytes, MADV_HUGEPAGE);
}

/* timers: to make room for at once. */
static void open_world(size_t timers)
{
    world.now_ns = SECOND;
    world.random = 0;
    world.idle_fires = world.request_fires = 0;
    for (size_t i = 0; i < world.count; i++) {
        struct connection *connection = &world.connections[i];
        *connection = (struct connection){.id = (uint32_t)i};
        if (world.interface == STOP || world.interface == PARK) {
            tw_timer_init(&connection->idle.timer, idle_fired, connection);
            tw_timer_init(&connection->request.timer, request_fired, connection);
        }
    }
    if (world.interface == NONE)
        return;
    world.loop = tw_loop_new(&(tw_options){.size = sizeof(tw_options), .clock = virtual_clock});
    if (!world.loop)
        fail("tw_loop_new");
    int reserved = world.interface == HANDLES ? tw_reserve(world.loop, timers)
                                              : tw_reserve_embedded(world.loop, timers);
    if (reserved != 0)
        fail("tw_reserve");
}

static void close_world(void)
{
    tw_loop_free(world.loop);
    world.loop = NULL;
}

static void advance(uint64_t step_ns)
{
    world.now_ns += step_ns;
    if (world.interface != NONE)
        tw_advance(world.loop, world.now_ns);
}

static tw_stats stats(void)
{
    tw_stats now = {.size = sizeof now};
    if (world.interface != NONE)
        tw_stats_get(world.loop, &now);
    return now;
}

/* --------------------------------------------------------------- calibrating */

#define CALIBRATION_SPAN (60 * SECOND)
#define LARGEST_SAMPLE 300000

static const char *separator = "{";

static void answer(const char *name, double value)
{
    printf("%s\"%s\": %.9g", separator, name, value);
    separator = ", ";
}

static double since(uint64_t before_ns, size_t operations)
{
    return (double)(cpu_ns() - before_ns) / (double)operations;
}

/* Which connections, so many, in a random order without repetition. */
static uint32_t *draw_order(size_t count)
{
    uint32_t *order = malloc(world.count * sizeof *order);
    if (!order)
        fail("memory for an order");
    for (size_t i = 0; i < world.count; i++)
        order[i] = (uint32_t)i;
    for (size_t i = 0; i < count; i++) {
        size_t other = i + below(world.count - i);
        uint32_t id = order[i];
        order[i] = order[other];
        order[other] = id;
    }
    return order;
}

static void start_all_idle(void)
{
    for (size_t i = 0; i < world.count; i++)
        start_idle(&world.connections[i], 1 + below(CALIBRATION_SPAN));
}

/* One is due in a step, at most; the others are far away. */
static void start_sparse_idle(size_t steps)
{
    size_t sparse = world.count < steps / 2 ? world.count : steps / 2;
    for (size_t i = 0; i < world.count; i++) {
        struct connection *connection = &world.connections[i];
        bool soon = below(world.count) < sparse;
        start_idle(connection, soon ? 1 + below(steps * MS) : 3600 * SECOND);
    }
}

/* Time stands still; each connection of the order has the same thing happen to it. */
enum event { TOUCH, REFRESH, START, END };

static double time_event(enum event event, const uint32_t *order, size_t count, uint64_t delay_ns)
{
    uint64_t before_ns = cpu_ns();
    for (size_t i = 0; i < count; i++) {
        struct connection *connection = &world.connections[order[i]];
        if (event == TOUCH) {
            connection->bytes++;
        } else if (event == REFRESH) {
            refresh(connection, delay_ns);
        } else if (event == START) {
            connection->bytes++;
            start_request(connection, delay_ns);
        } else {
            end_request(connection);
        }
        wait_for_loads();
    }
    return since(before_ns, count);
}

/* So often that even few connections give a time that can be measured. */
static void calibrate_events(void)
{
    size_t count = world.count < LARGEST_SAMPLE ? world.count : LARGEST_SAMPLE;
    size_t rounds = count < 300000 ? 300000 / count : 1;
    double refreshed = 0, started = 0, ended = 0, restarted = 0;
    for (size_t round = 0; round < rounds; round++) {
        open_world(2 * world.count);
        world.random = (uint64_t)round << 40;
        uint32_t *order = draw_order(count);
        start_all_idle();
        time_event(TOUCH, order, count, 0); /* warms what the caches can hold */
        refreshed += time_event(REFRESH, order, count, CALIBRATION_SPAN);
        started += time_event(START, order, count, 30 * SECOND);
        ended += time_event(END, order, count, 0);
        restarted += time_event(START, order, count, 31 * SECOND);
        free(order);
        close_world();
    }
    double divisor = (double)rounds;
    answer("refresh", refreshed / divisor);
    answer("start", started / divisor);
    answer("end", ended / divisor);
    answer("restart", restarted / divisor);
}

/* Steps of a millisecond; answers the processor time they took. */
static double time_steps(size_t steps)
{
    uint64_t before_ns = cpu_ns();
    for (size_t i = 0; i < steps; i++) {
        advance(MS);
        wait_for_loads();
    }
    return (double)(cpu_ns() - before_ns);
}

/* A step in which nothing is to do: one timer waits, far away. */
static double calibrate_tick(void)
{
    const size_t steps = 100000;
    open_world(1);
    start_idle(&world.connections[0], 3600 * SECOND);
    double tick_ns = time_steps(steps) / (double)steps;
    close_world();
    answer("tick", tick_ns);
    return tick_ns;
}

enum passing { VISITED, DROPPED, FIRED, FIRED_ALONE };

/* What time's passing costs for each timer that was moved on to a later
 * deadline, parked, or is due: the steps' own cost taken off. */
static double time_passing(enum passing passing, double tick_ns)
{
    const size_t steps = 20000;
    open_world(world.count);
    if (passing == FIRED_ALONE)
        start_sparse_idle(steps + 1000);
    else
        start_all_idle();
    if (passing == VISITED)
        for (size_t i = 0; i < world.count; i++)
            refresh(&world.connections[i], CALIBRATION_SPAN + below(CALIBRATION_SPAN));
    if (passing == DROPPED)
        for (size_t i = 0; i < world.count; i++)
            end(&world.connections[i].idle);
    time_steps(1000); /* into the steady part */
    uint64_t visited = stats().visited, fired = world.idle_fires;
    double took_ns = time_steps(steps) - (double)steps * tick_ns;
    uint64_t done = passing >= FIRED ? world.idle_fires - fired : stats().visited - visited;
    close_world();
    return done > 0 && took_ns > 0 ? took_ns / (double)done : 0;
}

static void calibrate(size_t connections)
{
    make_connections(connections);
    calibrate_events();
    double tick_ns = calibrate_tick();
    answer("visit", time_passing(VISITED, tick_ns));
    answer("drop", world.interface == STOP ? 0 : time_passing(DROPPED, tick_ns));
    answer("fire", time_passing(FIRED, tick_ns));
    answer("fire_alone", time_passing(FIRED_ALONE, tick_ns));
    puts("}");
}

/* What touching a connection costs again, so many other events after the first. */
static double time_again(const uint32_t *order, size_t count, size_t distance, double touch_ns)
{
    uint64_t before_ns = cpu_ns();
    for (size_t i = distance; i < count; i++) {
        world.connections[order[i]].bytes++;
        wait_for_loads();
        world.connections[order[i - distance]].bytes++;
        wait_for_loads();
    }
    return since(before_ns, count - distance) - touch_ns;
}

/* Without any timer: the connections' own line, at each size and each distance. */
static void calibrate_touch(size_t connections)
{
    static const size_t distances[] = {100, 1000, 3000, 10000, 30000, 100000};
    make_connections(connections);
    open_world(0);
    size_t count = world.count < LARGEST_SAMPLE ? world.count : LARGEST_SAMPLE;
    uint32_t *order = draw_order(count);
    size_t rounds = LARGEST_SAMPLE / count;
    double touch_ns = 0;
    for (size_t round = 0; round < rounds; round++)
        touch_ns += time_event(TOUCH, order, count, 0) / (double)rounds;
    answer("touch", touch_ns);
    for (size_t i = 0; i < sizeof distances / sizeof distances[0] && count == LARGEST_SAMPLE; i++) {
        char name[32];
        snprintf(name, sizeof name, "again_%zu", 2 * distances[i]);
        answer(name, time_again(order, count, distances[i], touch_ns));
    }
    puts("}");
    free(order);
}

/* ---------------------------------------------------------------- simulating */

static struct {
    double connections, requests, refreshes, idle_timeout, request_timeout, response_time,
        answered_share, wakeups, seconds, reserve, parked_share;
} plan;

static const struct {
    const char *name;
    double *value;
} plan_fields[] = {
    {"connections", &plan.connections},
    {"requests", &plan.requests},
    {"refreshes", &plan.refreshes},
    {"idle_timeout", &plan.idle_timeout},
    {"request_timeout", &plan.request_timeout},
    {"response_time", &plan.response_time},
    {"answered_share", &plan.answered_share},
    {"wakeups", &plan.wakeups},
    {"seconds", &plan.seconds},           /* of virtual time that are measured */
    {"reserve", &plan.reserve},           /* timers to make room for */
    {"parked_share", &plan.parked_share}, /* connections whose request cell is parked at first */
};

/* Requests under way that will be answered, oldest first. */
static struct {
    struct response {
        uint64_t when_ns;
        uint32_t id;
    } *items;
    size_t mask, head, tail;
} responses;

static uint64_t seconds_ns(double seconds)
{
    return (uint64_t)(seconds * 1e9);
}

static void make_responses(void)
{
    double at_most = plan.requests * (plan.response_time + 2 / plan.wakeups) + 1;
    size_t size = 1;
    while ((double)size < at_most)
        size *= 2;
    responses.mask = size - 1;
    responses.items = calloc(size, sizeof *responses.items);
    if (!responses.items)
        fail("memory for responses");
}

/* Uniform in [0, 1). */
static double draw(void)
{
    return (double)(random64() >> 11) * 0x1p-53;
}

/* A connection without a request, or NULL if many tries found none. */
static struct connection *draw_free(void)
{
    for (int tries = 0; tries < 8; tries++) {
        struct connection *connection = &world.connections[below(world.count)];
        if (!connection->requesting)
            return connection;
    }
    return NULL;
}

static void begin_request(void)
{
    struct connection *connection = draw_free();
    if (!connection)
        return;
    bool answered = draw() < plan.answered_share;
    connection->bytes++;
    connection->requesting = answered || world.interface != NONE;
    start_request(connection, seconds_ns(plan.request_timeout));
    if (answered)
        responses.items[responses.tail++ & responses.mask] =
            (struct response){world.now_ns + seconds_ns(plan.response_time), connection->id};
    wait_for_loads();
}

static void answer_requests(void)
{
    while (responses.head < responses.tail) {
        struct response *next = &responses.items[responses.head & responses.mask];
        if (next->when_ns > world.now_ns)
            break;
        struct connection *connection = &world.connections[next->id];
        connection->requesting = false;
        end_request(connection);
        responses.head++;
        wait_for_loads();
    }
}

/* The age of the last refresh, when they come at random: exponential, within
 * the timeout. */
static uint64_t stationary_age(void)
{
    double mean = plan.refreshes > 0 ? plan.connections / plan.refreshes : 1e9;
    double within = -expm1(-plan.idle_timeout / mean);
    return seconds_ns(-mean * log1p(-draw() * within));
}

/* The state that the plan settles into: cells where their last visit would have
 * left them, parked cells, and requests that nobody will answer. */
static void settle(void)
{
    uint64_t idle_ns = seconds_ns(plan.idle_timeout), request_ns = seconds_ns(plan.request_timeout);
    double unanswered = (1 - plan.answered_share) * plan.requests * plan.request_timeout;
    for (size_t i = 0; i < world.count; i++) {
        struct connection *connection = &world.connections[i];
        uint64_t left_ns = idle_ns - stationary_age();
        start_idle(connection, 1 + below(left_ns));
        refresh(connection, left_ns);
        double lot = draw();
        if (lot < unanswered / plan.connections && world.interface != NONE) {
            connection->requesting = true;
            start_request(connection, 1 + below(request_ns));
        } else if (lot < plan.parked_share && world.interface == PARK) {
            start_request(connection, 1 + below(request_ns));
            end(&connection->request);
        }
    }
}

/* How many events are due now, so that the rate holds on average. */
struct pace {
    double per_step, due;
};

static size_t due_now(struct pace *pace)
{
    pace->due += pace->per_step;
    size_t count = (size_t)pace->due;
    pace->due -= (double)count;
    return count;
}

/* Answers the most timers that fired in one step. */
static uint64_t play(double seconds)
{
    struct pace requests = {plan.requests / plan.wakeups, 0};
    struct pace refreshes = {plan.refreshes / plan.wakeups, 0};
    uint64_t step_ns = seconds_ns(1 / plan.wakeups), most = 0;
    uint64_t idle_ns = seconds_ns(plan.idle_timeout);
    for (size_t steps = (size_t)(seconds * plan.wakeups); steps > 0; steps--) {
        uint64_t before = world.idle_fires + world.request_fires;
        advance(step_ns);
        wait_for_loads();
        uint64_t fired = world.idle_fires + world.request_fires - before;
        most = fired > most ? fired : most;
        answer_requests();
        for (size_t count = due_now(&requests); count > 0; count--)
            begin_request();
        for (size_t count = due_now(&refreshes); count > 0; count--) {
            refresh(&world.connections[below(world.count)], idle_ns);
            wait_for_loads();
        }
    }
    return most;
}

static void simulate(void)
{
    make_connections((size_t)plan.connections);
    make_responses();
    open_world((size_t)plan.reserve);
    world.idle_timeout_ns = seconds_ns(plan.idle_timeout);
    settle();
    play(plan.response_time + 2);
    tw_stats before = stats();
    uint64_t fired = world.idle_fires, timed_out = world.request_fires, before_ns = cpu_ns();
    uint64_t due_max = play(plan.seconds);
    answer("cpu_share", (double)(cpu_ns() - before_ns) / (plan.seconds * 1e9));
    tw_stats after = stats();
    answer("visited", (double)(after.visited - before.visited) / plan.seconds);
    answer("idle_fires", (double)(world.idle_fires - fired) / plan.seconds);
    answer("request_fires", (double)(world.request_fires - timed_out) / plan.seconds);
    answer("bytes", (double)after.bytes);
    answer("cells", (double)(after.pending + after.parked));
    answer("moved_max", (double)after.moved_max);
    answer("due_max", (double)due_max);
    puts("}");
    close_world();
}

/* ----------------------------------------------------------------- arguments */

static int usage(void)
{
    fputs("plan_probe calibrate INTERFACE CONNECTIONS\n"
          "plan_probe simulate INTERFACE name=value...   (bench/plan gives them)\n"
          "INTERFACE: none, stop, park or handles\n",
          stderr);
    return 2;
}

static bool read_number(const char *text, double *value)
{
    char *rest;
    *value = strtod(text, &rest);
    return rest != text && *rest == '\0' && *value >= 0 && *value < 1e12;
}

static bool read_field(const char *argument)
{
    for (size_t i = 0; i < sizeof plan_fields / sizeof plan_fields[0]; i++) {
        size_t length = strlen(plan_fields[i].name);
        if (strncmp(argument, plan_fields[i].name, length) == 0 && argument[length] == '=')
            return read_number(argument + length + 1, plan_fields[i].value);
    }
    return false;
}

static bool read_interface(const char *name)
{
    for (int i = NONE; i <= HANDLES; i++) {
        if (strcmp(name, interface_names[i]) == 0) {
            world.interface = (enum interface)i;
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    double connections;
    if (argc < 4 || !read_interface(argv[2]))
        return usage();
    if (strcmp(argv[1], "calibrate") == 0) {
        if (argc != 4 || !read_number(argv[3], &connections) ||
            connections < 1 || connections > 1e8)
            return usage();
        if (world.interface == NONE)
            calibrate_touch((size_t)connections);
        else
            calibrate((size_t)connections);
        return 0;
    }
    if (strcmp(argv[1], "simulate") != 0)
        return usage();
    for (int i = 3; i < argc; i++)
        if (!read_field(argv[i]))
            return usage();
    if (plan.connections < 1 || plan.connections > 1e8 || plan.wakeups < 1 || plan.seconds <= 0 ||
        plan.idle_timeout <= 0 || plan.request_timeout <= 0)
        return usage();
    simulate();
    return 0;
}
