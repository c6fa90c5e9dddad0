/* SPDX-License-Identifier: MIT */
/*
 * record: writes down what is started, moved, stopped and fired, as a trace
 * (trace_format.h), for replay.
 *
 * A timer has no room for an id: a hash of its address gives it one, from the
 * first start that is seen to the stop or firing. A parked timer keeps its id.
 * What was pending before the recording began has none until it is moved, and
 * until then is left out.
 *
 *     slots   address -> id, open addressing; at most half are in use
 *     spare   ids given back, last in, first out, so that ids stay small
 *
 * A process that is forked off inherits the recorder, and events in its buffer
 * that its parent will write. So whoever is about to write looks whether it is the
 * process that began.
 */
#include "record.h"

#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "owner.h"

#define BUFFER_BYTES 65536
#define FIRST_SLOTS 1024

struct id_slot {
    uintptr_t key; /* address of the timer; 0: empty */
    uint32_t id;
};

/* Which id each timer has. */
struct ids {
    struct id_slot *slots;
    uint32_t *spare;
    uint32_t slot_count; /* a power of two; also what there is room for in spare */
    uint32_t spare_count;
    uint32_t held;       /* ids in use */
    uint32_t given;      /* ids ever given out: the next new one */
};

struct recorder {
    int (*write)(void *arg, const void *bytes, size_t count);
    void *arg;
    pid_t process;       /* that began the recording, and alone may write */
    struct trace_codec codec;
    struct ids ids;
    size_t used;         /* bytes of the buffer */
    unsigned char buffer[BUFFER_BYTES];
};

/* ----------------------------------------------------------------------- ids */

static uint32_t home(const struct ids *ids, uintptr_t key)
{
    uint64_t mixed = (uint64_t)key * 0x9E3779B97F4A7C15u;
    return (uint32_t)(mixed >> 32) & (ids->slot_count - 1);
}

/* Where the key is, or would be put. */
static struct id_slot *find_slot(const struct ids *ids, uintptr_t key)
{
    uint32_t at = home(ids, key);
    while (ids->slots[at].key != 0 && ids->slots[at].key != key)
        at = (at + 1) & (ids->slot_count - 1);
    return &ids->slots[at];
}

static void ids_free(struct ids *ids, struct memory *memory)
{
    memory_free(memory, ids->slots, ids->slot_count * sizeof *ids->slots);
    memory_free(memory, ids->spare, ids->slot_count * sizeof *ids->spare);
}

/* Twice the room, or the first. 0, or -1 if there is no memory. None is spare then: a new
 * one is only given when all are held, and the room grows when half of it are. */
static int ids_grow(struct ids *ids, struct memory *memory)
{
    TW_ASSERT(ids->spare_count == 0);
    /* unreachable because the tests do not record 67 million timers: 4 GiB of them */
    if (ids->slot_count > UINT32_MAX / 2 / sizeof(struct id_slot))
        return -1;
    struct ids grown = {.slot_count = ids->slot_count * 2};
    if (grown.slot_count == 0)
        grown.slot_count = FIRST_SLOTS;
    size_t bytes = grown.slot_count * sizeof *grown.slots;
    grown.slots = memory_alloc(memory, bytes, 64);
    grown.spare = memory_alloc(memory, grown.slot_count * sizeof *grown.spare, 64);
    if (!grown.slots || !grown.spare) {
        ids_free(&grown, memory);
        return -1;
    }
    memset(grown.slots, 0, bytes);
    for (uint32_t i = 0; i < ids->slot_count; i++) {
        if (ids->slots[i].key != 0)
            *find_slot(&grown, ids->slots[i].key) = ids->slots[i];
    }
    ids_free(ids, memory);
    grown.held = ids->held;
    grown.given = ids->given;
    *ids = grown;
    return 0;
}

/* A slot for a key that has none; NULL: there is no memory. */
static struct id_slot *id_give(struct ids *ids, struct memory *memory, uintptr_t key)
{
    if (ids->held >= ids->slot_count / 2 && ids_grow(ids, memory) != 0)
        return NULL;
    struct id_slot *slot = find_slot(ids, key);
    TW_ASSERT(slot->key == 0 && ids->held < ids->slot_count / 2);
    slot->key = key;
    slot->id = ids->spare_count > 0 ? ids->spare[--ids->spare_count]
                                         : ids->given++;
    ids->held++;
    return slot;
}

/* Empties the slot, and closes the gap: what follows and could be in it moves up. */
static void id_release(struct ids *ids, struct id_slot *slot)
{
    uint32_t mask = ids->slot_count - 1;
    uint32_t gap = (uint32_t)(slot - ids->slots);
    ids->spare[ids->spare_count++] = slot->id;
    ids->held--;
    for (uint32_t at = (gap + 1) & mask; ids->slots[at].key != 0; at = (at + 1) & mask) {
        uint32_t wanted = home(ids, ids->slots[at].key);
        if (((at - wanted) & mask) >= ((at - gap) & mask)) {
            ids->slots[gap] = ids->slots[at];
            gap = at;
        }
    }
    ids->slots[gap].key = 0;
}

/* ----------------------------------------------------------- switching on and off */

static size_t recorder_bytes(void)
{
    return (sizeof(struct recorder) + 63) / 64 * 64;
}

static void set_recorder(tw_loop *loop, struct recorder *recorder)
{
    loop->recorder = recorder;
    loop_set_short_cuts(loop);
}

static void recorder_free(tw_loop *loop)
{
    struct recorder *recorder = loop->recorder;
    set_recorder(loop, NULL);
    ids_free(&recorder->ids, &loop->memory);
    memory_free(&loop->memory, recorder, recorder_bytes());
}

/* The recording ends here; tw_record_stop will say why. */
static void give_up(tw_loop *loop, int error)
{
    recorder_free(loop);
    loop->record_error = error;
}

static bool inherited(const struct recorder *recorder)
{
    return recorder->process != getpid();
}

/* 0, or the errno that ends the recording. */
static int flush(tw_loop *loop)
{
    struct recorder *recorder = loop->recorder;
    if (inherited(recorder))
        return EPERM;
    size_t count = recorder->used;
    recorder->used = 0;
    loop_lock(loop);
    int result = recorder->write(recorder->arg, recorder->buffer, count);
    loop_unlock(loop);
    return result == 0 ? 0 : EIO;
}

/* A recorder with an empty buffer; NULL: there is no memory. */
static struct recorder *recorder_new(struct memory *memory)
{
    struct recorder *recorder = memory_alloc(memory, recorder_bytes(), 64);
    if (!recorder)
        return NULL;
    memset(recorder, 0, offsetof(struct recorder, buffer));
    if (ids_grow(&recorder->ids, memory) != 0) {
        memory_free(memory, recorder, recorder_bytes());
        return NULL;
    }
    memcpy(recorder->buffer, TRACE_MAGIC, TRACE_MAGIC_BYTES);
    recorder->used = TRACE_MAGIC_BYTES;
    recorder->process = getpid();
    return recorder;
}

static int record_fail(int error)
{
    errno = error;
    return -1;
}

int tw_record_start(tw_loop *loop, int (*write)(void *arg, const void *bytes, size_t count),
                    void *arg)
{
    if (loop && loop->recorder && inherited(loop->recorder))
        give_up(loop, EPERM);
    if (!loop || !write)
        return record_fail(EINVAL);
    if (loop->recorder || loop->closing || loop->locked)
        return record_fail(EBUSY);
    TW_ASSERT_OWNED(loop);
    struct recorder *recorder = recorder_new(&loop->memory);
    if (!recorder)
        return record_fail(ENOMEM);
    recorder->write = write;
    recorder->arg = arg;
    loop->record_error = 0;
    set_recorder(loop, recorder);
    return 0;
}

/* The recorder writes its end, and what it has in its buffer. 0, or the errno. */
static int end_recording(tw_loop *loop)
{
    struct recorder *recorder = loop->recorder;
    unsigned char *end = recorder->buffer + recorder->used;
    recorder->used = (size_t)(trace_put_end(&recorder->codec, end) - recorder->buffer);
    int error = flush(loop);
    recorder_free(loop);
    return error;
}

int tw_record_stop(tw_loop *loop)
{
    if (!loop)
        return record_fail(EINVAL);
    TW_ASSERT_OWNED(loop);
    if (!loop_may_change(loop))
        return -1;
    /* It ended by itself, or never began. */
    int error = loop->record_error ? loop->record_error : EINVAL;
    loop->record_error = 0;
    if (loop->recorder)
        error = end_recording(loop);
    return error == 0 ? 0 : record_fail(error);
}

bool tw_recording(const tw_loop *loop)
{
    return loop && loop->recorder && !inherited(loop->recorder);
}

/* ------------------------------------------------------------------ recording */

/* Appends an event. There is always room for one more, or for the end. */
static void append_event(tw_loop *loop, enum trace_op op, uint32_t id, uint64_t deadline_ns)
{
    struct recorder *recorder = loop->recorder;
    TW_ASSERT(recorder->used <= BUFFER_BYTES - TRACE_MAX_EVENT);
    struct trace_event event = {
        .time_ns = loop->clock_ns, .deadline_ns = deadline_ns, .id = id, .op = op};
    unsigned char *out = trace_put(&recorder->codec, recorder->buffer + recorder->used, &event);
    recorder->used = (size_t)(out - recorder->buffer);
    if (recorder->used <= BUFFER_BYTES - TRACE_MAX_EVENT)
        return;
    int error = flush(loop);
    if (error != 0)
        give_up(loop, error);
}

void record_add(tw_loop *loop, enum trace_op op, const tw_bare_timer *timer)
{
    if (op == TRACE_RUN) {
        append_event(loop, op, 0, loop->now_ns);
        return;
    }
    if (timer_is_node(timer) && remote_owns((const struct node *)(const void *)timer))
        return; /* another thread has started it */
    struct recorder *recorder = loop->recorder;
    struct id_slot *slot = find_slot(&recorder->ids, (uintptr_t)timer);
    bool starts = op == TRACE_START || op == TRACE_MOVE || op == TRACE_SOON;
    if (slot->key == 0) {
        /* Pending since before the recording began: unknown until it is moved. */
        if (!starts)
            return;
        if (op == TRACE_MOVE)
            op = TRACE_START;
        slot = id_give(&recorder->ids, &loop->memory, (uintptr_t)timer);
        if (!slot) {
            give_up(loop, ENOMEM);
            return;
        }
    }
    uint32_t id = slot->id;
    if (op == TRACE_STOP || op == TRACE_FIRE)
        id_release(&recorder->ids, slot);
    bool timed = op == TRACE_START || op == TRACE_MOVE;
    append_event(loop, op, id, timed ? timer->deadline_ : 0);
}

void record_forget(tw_loop *loop, const tw_bare_timer *timer)
{
    struct id_slot *slot = find_slot(&loop->recorder->ids, (uintptr_t)timer);
    if (slot->key != 0)
        id_release(&loop->recorder->ids, slot);
}
