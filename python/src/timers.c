/* SPDX-License-Identifier: MIT */
/*
 * timers: the timers of one loop, in a wheel.
 *
 * It stands where asyncio has its heap. The loop asks
 * it how long it may sleep (`timeout`), and after each sleep has it hand over
 * what is due (`collect`).
 *
 * The wheel's clock is what the loop last said: that way loop.time() may be
 * anything, as it may be with asyncio. Only where the wheel must wake somebody
 * else's loop by a descriptor does it read the system's clock.
 */
#include "core.h"
#include "seconds.h"

#define LONGEST_SLEEP_S (24.0 * 3600)

/* -------------------------------------------------------------- the lists */

/* What asyncio's handles say of themselves. A bool: nothing is run. */
static void set_scheduled(timers *self, struct entry *entry, PyObject *value)
{
    PyObject **scheduled = slot(handle_of(self->state, entry), self->state->slots.scheduled);
    PyObject *old = *scheduled;

    Py_INCREF(value);
    *scheduled = value;
    Py_XDECREF(old);
}

/* An entry begins with its timer. */
static struct entry *entry_at(tw_bare_timer *timer)
{
    return (struct entry *)timer;
}

/* Called by the wheel: the timer is due, and out of the wheel. */
static void on_due(void *hook_arg, tw_bare_timer *timer)
{
    timers *self = hook_arg;
    struct entry *entry = entry_at(timer);

    set_scheduled(self, entry, Py_False);
    entry->next = NULL;
    *self->due_end = entry;
    self->due_end = &entry->next;
    self->due_count++;
}

static bool put_in_front(void *arg, const tw_call_info *info)
{
    struct entry **first = arg, *entry = (struct entry *)info->timer;

    entry->next = *first;
    *first = entry;
    return true;
}

/* All that are active, in a list. The wheel must not be changed while it shows them,
 * so whatever may run Python's code comes after it. */
static struct entry *list_active(timers *self)
{
    struct entry *first = NULL;

    if (self->wheel != NULL) {
        tw_foreach(self->wheel, put_in_front, &first);
    }
    return first;
}

/* The first of what is due, or NULL. The reference to it goes to the caller. */
static PyObject *take_due(timers *self)
{
    struct entry *entry = self->due;

    if (entry == NULL) {
        return NULL;
    }
    self->due = entry->next;
    if (self->due == NULL) {
        self->due_end = &self->due;
    }
    self->due_count--;
    return handle_of(self->state, entry);
}

static void put_due_back(timers *self, PyObject *handle)
{
    struct entry *entry = entry_of(self->state, handle);

    entry->next = self->due;
    if (self->due == NULL) {
        self->due_end = &entry->next;
    }
    self->due = entry;
    self->due_count++;
}

/* Drops everything. No handle is run, nor marked as cancelled: as in asyncio. */
static void drop_all(timers *self)
{
    struct entry *dropped = list_active(self), *next;
    tw_loop *wheel = self->wheel;
    PyObject *handle;

    self->wheel = NULL;
    tw_loop_free(wheel);         /* from here on none of these timers is active */
    for (struct entry *entry = dropped; entry != NULL; entry = entry->next) {
        set_scheduled(self, entry, Py_False);
    }
    /* Now Python's code may run, and finds everything in order. */
    for (; dropped != NULL; dropped = next) {
        next = dropped->next;
        Py_DECREF(handle_of(self->state, dropped));
    }
    while ((handle = take_due(self)) != NULL) {
        Py_DECREF(handle);
    }
}

void timers_forget_last(timers *self)
{
    if (self->state->last_timers == self) {
        self->state->last_loop = NULL;
        self->state->last_timers = NULL;
    }
}

/* -------------------------------------------------------------- the wheel */

static uint64_t read_clock(void *arg)
{
    return ((timers *)arg)->now_ns;
}

/* Sets now_ns to loop.time(). Answers 0, or -1 with an exception. */
static int ask_time(timers *self, PyObject *loop)
{
    PyObject *time = PyObject_CallMethodNoArgs(loop, self->state->name_time);
    double now = time == NULL ? -1 : PyFloat_AsDouble(time);

    Py_XDECREF(time);
    if (now == -1 && PyErr_Occurred()) {
        return -1;
    }
    self->now_ns = clock_ns(now);
    return 0;
}

static int make_wheel(timers *self, PyObject *loop)
{
    tw_options options = {.size = sizeof(options), .on_bare = on_due, .hook_arg = self};

    if (!self->system_clock) {
        if (ask_time(self, loop) < 0) {
            return -1;
        }
        options.clock = read_clock;
        options.clock_arg = self;
    }
    if (self->wheel != NULL || self->closed) {     /* time() may be Python's code */
        return 0;
    }
    self->wheel = tw_loop_new(&options);
    if (self->wheel == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

int timers_start(timers *self, PyObject *loop, PyObject *handle, double when_s)
{
    struct entry *entry = entry_of(self->state, handle);

    if (self->wheel == NULL && make_wheel(self, loop) < 0) {
        return -1;
    }
    if (self->closed) {
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
        return -1;
    }
    if (tw_bare_start_at_ns(self->wheel, &entry->timer, deadline_ns(when_s)) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    Py_INCREF(handle);
    set_scheduled(self, entry, Py_True);
    return 0;
}

void timers_cancel(timers *self, struct entry *entry)
{
    if (tw_bare_active(&entry->timer)) {
        tw_bare_park(self->wheel, &entry->timer);
        set_scheduled(self, entry, Py_False);
        Py_DECREF(handle_of(self->state, entry));
    }
}

void timers_forget(timers *self, struct entry *entry)
{
    if (self->wheel != NULL) {
        tw_bare_stop(self->wheel, &entry->timer);
    }
}

/* ------------------------------------------------------- Python's methods */

PyDoc_STRVAR(timeout_doc,
"timeout($self, now, /)\n--\n\n"
"How many seconds after the clock reading `now` something is due; None: nothing\n"
"ever is.");

static PyObject *timers_timeout(timers *self, PyObject *arg)
{
    double now = PyFloat_AsDouble(arg);

    if (now == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (self->due != NULL) {
        return PyFloat_FromDouble(0);
    }
    uint64_t next_ns = self->wheel == NULL ? NEVER_NS : tw_next_ns(self->wheel);
    if (next_ns == NEVER_NS) {
        Py_RETURN_NONE;
    }
    double timeout = seconds(next_ns) - now;
    return PyFloat_FromDouble(timeout < 0 ? 0 : timeout < LONGEST_SLEEP_S ? timeout : LONGEST_SLEEP_S);
}

/* A clock that was set back, which asyncio's heap would not notice: without
 * timers nothing depends on the old one. */
static void forget_later_time(timers *self, uint64_t now_ns)
{
    if (!self->system_clock && now_ns < self->now_ns && tw_pending_count(self->wheel) == 0) {
        tw_loop_free(self->wheel);
        self->wheel = NULL;
    }
}

PyDoc_STRVAR(collect_doc,
"collect($self, now, ready, /)\n--\n\n"
"Take out what is due at the clock reading `now` and append the handles to\n"
"`ready`, by deadline, and in the order of scheduling among equal ones.");

static PyObject *timers_collect(timers *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_Format(PyExc_TypeError, "collect() takes 2 arguments, got %zd", count);
        return NULL;
    }
    double now = PyFloat_AsDouble(args[0]);
    if (now == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (self->wheel != NULL) {
        uint64_t now_ns = clock_ns(now);

        forget_later_time(self, now_ns);
        if (self->wheel != NULL) {
            self->now_ns = now_ns;
            tw_advance(self->wheel, now_ns);
        }
    }
    PyObject *handle;
    while ((handle = take_due(self)) != NULL) {
        PyObject *result = PyObject_CallMethodOneArg(args[1], self->state->name_append, handle);
        if (result == NULL) {
            put_due_back(self, handle);
            return NULL;
        }
        Py_DECREF(result);
        Py_DECREF(handle);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(fileno_doc,
"fileno($self, loop, /)\n--\n\n"
"A file descriptor that is readable when something is due. Only with\n"
"system_clock, and only where the system has such descriptors: Linux.");

static PyObject *timers_fileno(timers *self, PyObject *loop)
{
    if (self->closed) {
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
        return NULL;
    }
    if (self->wheel == NULL && make_wheel(self, loop) < 0) {
        return NULL;
    }
    int descriptor = tw_fd(self->wheel);
    if (descriptor < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyLong_FromLong(descriptor);
}

PyDoc_STRVAR(clear_doc,
"clear($self, /)\n--\n\n"
"Drop every timer; none of them is called.");

static PyObject *timers_clear_method(timers *self, PyObject *Py_UNUSED(ignored))
{
    drop_all(self);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(close_doc,
"close($self, /)\n--\n\n"
"Drop every timer, and refuse new ones: RuntimeError, as a closed loop does.");

static PyObject *timers_close(timers *self, PyObject *Py_UNUSED(ignored))
{
    self->closed = 1;
    timers_forget_last(self);
    drop_all(self);
    Py_RETURN_NONE;
}

static Py_ssize_t timers_length(timers *self)
{
    size_t pending = self->wheel == NULL ? 0 : tw_pending_count(self->wheel);

    return (Py_ssize_t)pending + self->due_count;
}

static int timers_contains(timers *self, PyObject *handle)
{
    return Py_IS_TYPE(handle, self->state->handle_type) &&
           entry_of(self->state, handle)->timers == self &&
           tw_bare_active(&entry_of(self->state, handle)->timer);
}

/* In no particular order, as a heap's. Of what there was when it was asked for. */
static PyObject *timers_iterate(timers *self)
{
    PyObject *list = PyList_New(0), *iterator = NULL;

    if (list == NULL) {
        return NULL;
    }
    for (struct entry *entry = list_active(self); entry != NULL; entry = entry->next) {
        if (PyList_Append(list, handle_of(self->state, entry)) < 0) {
            goto done;
        }
    }
    iterator = PyObject_GetIter(list);
done:
    Py_DECREF(list);
    return iterator;
}

/* --------------------------------------------------------------- the type */

static PyObject *timers_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"system_clock", NULL};
    int system_clock = 0;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|$p:Timers", names, &system_clock)) {
        return NULL;
    }
    timers *self = (timers *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->state = PyType_GetModuleState(type);
        self->module = PyType_GetModule(type);
        Py_INCREF(self->module);
        self->due_end = &self->due;
        self->system_clock = system_clock;
    }
    return (PyObject *)self;
}

struct visit {
    const core_state *state;
    visitproc function;
    void *arg;
    int status;
};

static bool visit_one(void *arg, const tw_call_info *info)
{
    struct visit *visit = arg;

    visit->status = visit->function(handle_of(visit->state, (struct entry *)info->timer),
                                    visit->arg);
    return visit->status == 0;
}

static int timers_traverse(timers *self, visitproc visit, void *arg)
{
    struct visit shown = {self->state, visit, arg, 0};

    Py_VISIT(Py_TYPE(self));
    for (struct entry *entry = self->due; entry != NULL; entry = entry->next) {
        Py_VISIT(handle_of(self->state, entry));
    }
    if (self->wheel != NULL) {
        tw_foreach(self->wheel, visit_one, &shown);
    }
    return shown.status;
}

static int timers_clear(timers *self)
{
    timers_forget_last(self);
    drop_all(self);
    return 0;
}

static void timers_dealloc(timers *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    timers_forget_last(self);
    drop_all(self);
    handles_free_spare(self);
    Py_XDECREF(self->module);
    type->tp_free(self);
    Py_DECREF(type);
}

bool timers_check(PyObject *object)
{
    return Py_TYPE(object)->tp_dealloc == (destructor)timers_dealloc;
}

static PyMethodDef timers_methods[] = {
    {"timeout", (PyCFunction)timers_timeout, METH_O, timeout_doc},
    {"collect", (PyCFunction)(void (*)(void))timers_collect, METH_FASTCALL, collect_doc},
    {"fileno", (PyCFunction)timers_fileno, METH_O, fileno_doc},
    {"clear", (PyCFunction)timers_clear_method, METH_NOARGS, clear_doc},
    {"close", (PyCFunction)timers_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef timers_members[] = {
    {"debug", T_BOOL, offsetof(timers, debug), 0, "What the loop's get_debug() answers."},
    {"closed", T_BOOL, offsetof(timers, closed), READONLY, "Whether close() was called."},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(timers_doc,
"Timers(*, system_clock=False)\n--\n\n"
"The timers of one event loop. A container of its pending TimerHandles.\n\n"
"With system_clock the wheel reads the monotonic clock itself, as fileno() needs.");

static PyType_Slot timers_slots[] = {
    {Py_tp_doc, (void *)timers_doc},
    {Py_tp_new, timers_new},
    {Py_tp_traverse, timers_traverse},
    {Py_tp_clear, timers_clear},
    {Py_tp_dealloc, timers_dealloc},
    {Py_tp_methods, timers_methods},
    {Py_tp_members, timers_members},
    {Py_tp_iter, timers_iterate},
    {Py_sq_length, timers_length},
    {Py_sq_contains, timers_contains},
    {0, NULL},
};

PyType_Spec timers_spec = {
    .name = "tickwheel._core.Timers",
    .basicsize = sizeof(timers),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = timers_slots,
};
