/* SPDX-License-Identifier: MIT */
/*
 * core: what the C files of the Python package share.
 *
 *     loop (EventLoop)                     Python; its methods in methods.c
 *      '- _wheel: Timers                   timers.c; owns a tw_loop
 *                      '- TimerHandle ...  handle.c; each holds its timer
 *
 * A TimerHandle is an asyncio.TimerHandle in full, with the slots of that class
 * filled as its own __init__ would fill them; behind them it has an `entry`,
 * with a timer in it. So nothing is allocated for a timer beside its handle: a time
 * that is a float, up to two arguments, and the copy of an empty context are kept in
 * the entry, or not at all, and become objects, in their slots, when somebody asks. At
 * a million timers each object is one cache line and one page more to go and get.
 *
 * Who owns what: while a timer is scheduled, its Timers owns one reference to the
 * handle, as asyncio's heap does; and every handle that was started owns one to
 * its Timers.
 *
 * A cancelled timer is parked, which touches nothing but the handle. When the
 * handle is no more, the Timers keeps its memory for the next call_later, which
 * then starts the parked timer: in the wheel that often is a few stores.
 *
 * Which timers are scheduled only the wheel knows, and shows them with tw_foreach.
 *
 * All of this runs under the interpreter's lock, and nothing calls back into
 * Python while the wheel is at work: what is due is put in a list, and the list
 * is handed over when the run is over.
 */
#ifndef TICKWHEEL_PYTHON_CORE_H
#define TICKWHEEL_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdbool.h>
#include <stdint.h>

#include <tickwheel.h>

/* Where the slots of asyncio.TimerHandle are, in bytes from the object's start. */
struct slots {
    Py_ssize_t callback, args, context, loop, when;
    Py_ssize_t cancelled, scheduled;     /* bool */
    Py_ssize_t repr, source_traceback;   /* None but in debug mode */
};

/* The state of the module: one for each interpreter that imports it. */
typedef struct core_state {
    PyTypeObject *timers_type;
    PyTypeObject *handle_type;
    struct slots slots;
    Py_ssize_t slots_end;       /* all before it, but for the weak references, are objects */
    Py_ssize_t entry;           /* where the entry is in a handle */
    PyObject *extract_stack;    /* asyncio.format_helpers.extract_stack */
    PyObject *monotonic;        /* time.monotonic: the time() of our loops */
    /* interned names */
    PyObject *name_append, *name_call_at, *name_check_callback, *name_check_thread,
        *name_context, *name_time, *name_wheel;
    PyObject *context_only;     /* ("context",) */
    /* The loop that last asked for its Timers, and them: borrowed. Forgotten when the
     * Timers is closed or dies, as it does with its loop, and when a loop's `_wheel` is
     * set, as it is when one is made. NULL: none. */
    PyObject *last_loop;
    struct timers *last_timers;
} core_state;

typedef struct timers timers;

#define INLINE_ARGS 2            /* call_later(delay, set_result, future, result) has two */

/* A handle's own part. */
struct entry {
    tw_bare_timer timer;
    timers *timers;              /* where it was started: a reference */
    double when;                 /* what `_when` is while its slot is NULL */
    PyObject *args[INLINE_ARGS]; /* what `_args` is while its slot is NULL: those before NULL */
    struct entry *next;          /* in the list that it is in, while it is not active */
};

struct timers {
    PyObject_HEAD
    core_state *state;
    PyObject *module;            /* whose state that is: a reference that the collector is not shown,
                                    so that it leaves the module and its types to the end */
    tw_loop *wheel;              /* NULL: nothing was started yet, or closed */
    uint64_t now_ns;             /* the wheel's clock, unless that is the system's */
    struct entry *due;           /* taken out by a run, and not handed over yet: in order */
    struct entry **due_end;
    Py_ssize_t due_count;
    struct entry *spare;         /* of handles that are no more: memory for new ones */
    int spare_count;
    unsigned int version;        /* of the loop's type when `plain` was found out; 0: it was not */
    bool plain;                  /* the loop's time() and call_at() are our own */
    bool system_clock;           /* the wheel reads the clock itself, and so has a descriptor */
    char debug;                  /* what the loop's get_debug() answers */
    char closed;                 /* nothing can be started any more */
};

static inline PyObject **slot(PyObject *handle, Py_ssize_t offset)
{
    return (PyObject **)((char *)handle + offset);
}

/* Not by its type, which may have forgotten its module when the interpreter ends. */
static inline core_state *state_of(PyObject *handle)
{
    char *end = (char *)handle + Py_TYPE(handle)->tp_basicsize;

    return ((struct entry *)end)[-1].timers->state;
}

static inline struct entry *entry_of(const core_state *state, PyObject *handle)
{
    return (struct entry *)((char *)handle + state->entry);
}

static inline PyObject *handle_of(const core_state *state, struct entry *entry)
{
    return (PyObject *)((char *)entry - state->entry);
}

/* handle.c */

/* Makes the type, which derives from asyncio.TimerHandle, and finds its slots.
 * Answers 0, or -1 with an exception. */
int handle_type_make(core_state *state, PyObject *module);

/* A new handle that is not scheduled yet, or NULL with an exception.
 *   when_s    when it is due
 *   when      the same as the caller gave it; NULL: as a float
 *   context   NULL or None: a copy of the current one
 * A new reference is taken of each object. */
PyObject *handle_new(timers *owner, PyObject *loop, double when_s, PyObject *when,
                     PyObject *callback, PyObject *const *args, Py_ssize_t arg_count,
                     PyObject *context);

/* Frees the memory of handles that are no more. Their timers are in no wheel. */
void handles_free_spare(timers *owner);

/* timers.c */

extern PyType_Spec timers_spec;

/* The next call of the loop that it was last used by looks for it again. */
void timers_forget_last(timers *self);

/* Whether it is one. */
bool timers_check(PyObject *object);

/* Schedules a new handle; it is due once the clock has reached when_s. The
 * Timers takes a reference to it. Answers 0, or -1 with an exception. */
int timers_start(timers *self, PyObject *loop, PyObject *handle, double when_s);

/* If the handle is scheduled, it no longer is, and the reference to it is given
 * up: the caller has one, too. Its timer is left parked. */
void timers_cancel(timers *self, struct entry *entry);

/* Takes a parked timer out of the wheel, so that its memory can be freed. */
void timers_forget(timers *self, struct entry *entry);

/* methods.c */

extern PyType_Spec methods_spec;

#endif
