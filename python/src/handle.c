/* SPDX-License-Identifier: MIT */
/*
 * handle: the TimerHandle that call_later and call_at return.
 *
 * What it inherits from asyncio.TimerHandle works on that class's slots, and so
 * when(), cancelled(), comparison, hash, repr and _run are asyncio's own. What is
 * written here is how one is made, cancelled and given up, because these are
 * what a program with very many timers does all the time.
 */
#include "core.h"

/* Of so many handles that are no more a Timers keeps the memory. */
#define MOST_SPARE 256

static void replace(PyObject *handle, Py_ssize_t offset, PyObject *value)
{
    PyObject **place = slot(handle, offset);
    PyObject *old = *place;

    Py_INCREF(value);
    *place = value;
    Py_XDECREF(old);
}

/* In debug mode the handle remembers what it looked like, for the logs. */
static int keep_repr(core_state *state, PyObject *handle)
{
    PyObject *repr = PyObject_Repr(handle);

    if (repr == NULL) {
        return -1;
    }
    replace(handle, state->slots.repr, repr);
    Py_DECREF(repr);
    return 0;
}

PyDoc_STRVAR(cancel_doc,
"cancel($self, /)\n--\n\n"
"Cancel the call.\n\n"
"The callback, its arguments, its context and the timer are given up at once.\n"
"A call that has been made or cancelled already is left as it is.");

static PyObject *handle_cancel(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    core_state *state = PyType_GetModuleState(Py_TYPE(self));
    const struct slots *slots = &state->slots;
    struct entry *entry = entry_of(state, self);
    int status = 0;

    if (*slot(self, slots->cancelled) == Py_True) {
        Py_RETURN_NONE;
    }
    timers_cancel(entry->timers, entry);
    replace(self, slots->cancelled, Py_True);
    if (entry->timers->debug) {
        status = keep_repr(state, self);
    }
    replace(self, slots->callback, Py_None);
    replace(self, slots->args, Py_None);
    replace(self, slots->context, Py_None);
    if (status < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ------------------------------------------------------ made and given up */

/* An object whose slots are NULL, with a timer that is idle or parked: from the
 * memory of an earlier one, or new. The garbage collector does not know it. */
static PyObject *allocate(timers *owner)
{
    core_state *state = owner->state;
    struct entry *entry = owner->spare;

    if (entry != NULL) {
        owner->spare = entry->next;
        owner->spare_count--;
        return PyObject_Init(handle_of(state, entry), state->handle_type);
    }
    PyObject *handle = (PyObject *)PyObject_GC_New(PyObject, state->handle_type);
    if (handle != NULL) {
        memset(handle + 1, 0, (size_t)state->handle_type->tp_basicsize - sizeof(PyObject));
    }
    return handle;
}

/* Keeps the memory of a handle that is no more, or frees it. Gives up its
 * reference to the Timers, which may be the last one. */
static void release(core_state *state, PyObject *handle)
{
    struct entry *entry = entry_of(state, handle);
    timers *owner = entry->timers;

    entry->timers = NULL;
    if (owner != NULL && owner->spare_count < MOST_SPARE) {
        entry->next = owner->spare;
        owner->spare = entry;
        owner->spare_count++;
    } else {
        if (owner != NULL) {
            timers_forget(owner, entry);
        }
        PyObject_GC_Del(handle);
    }
    Py_XDECREF(owner);
}

void handles_free_spare(timers *owner)
{
    struct entry *entry;

    while ((entry = owner->spare) != NULL) {
        owner->spare = entry->next;
        owner->spare_count--;
        PyObject_GC_Del(handle_of(owner->state, entry));
    }
}

/* The slots are all that the classes above have, but for the weak references. */
#define FOR_EACH_SLOT(place, state, handle)                                                    \
    for (PyObject **place = slot(handle, sizeof(PyObject)),                                     \
                  **end_ = slot(handle, (state)->slots_end),                                    \
                  **weak_ = slot(handle, (state)->handle_type->tp_weaklistoffset);              \
         place < end_; place++)                                                                 \
        if (place != weak_)

static int handle_traverse(PyObject *self, visitproc visit, void *arg)
{
    core_state *state = PyType_GetModuleState(Py_TYPE(self));

    Py_VISIT(Py_TYPE(self));
    FOR_EACH_SLOT(place, state, self) {
        Py_VISIT(*place);
    }
    Py_VISIT(entry_of(state, self)->timers);
    return 0;
}

/* The Timers stays: it is cleared itself if it is garbage, too. */
static int handle_clear(PyObject *self)
{
    core_state *state = PyType_GetModuleState(Py_TYPE(self));

    FOR_EACH_SLOT(place, state, self) {
        Py_CLEAR(*place);
    }
    return 0;
}

static void handle_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    core_state *state = PyType_GetModuleState(type);

    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, handle_dealloc)
    /* From 3.12 on the list of them is in front of the object. */
    if (type->tp_weaklistoffset < 0 || *slot(self, type->tp_weaklistoffset) != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    handle_clear(self);
    release(state, self);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

/* A slot of a handle just made: it holds nothing yet. */
static void fill(PyObject *handle, Py_ssize_t offset, PyObject *value)
{
    Py_INCREF(value);
    *slot(handle, offset) = value;
}

static PyObject *make_args(PyObject *const *args, Py_ssize_t count)
{
    PyObject *tuple = PyTuple_New(count);

    if (tuple != NULL) {
        for (Py_ssize_t i = 0; i < count; i++) {
            Py_INCREF(args[i]);
            PyTuple_SET_ITEM(tuple, i, args[i]);
        }
    }
    return tuple;
}

static PyObject *make_context(PyObject *context)
{
    if (context == NULL || context == Py_None) {
        return PyContext_CopyCurrent();
    }
    Py_INCREF(context);
    return context;
}

/* C functions have no frame, so the last one in it is that of our caller. */
static PyObject *make_source_traceback(const timers *owner)
{
    if (owner->debug) {
        return PyObject_CallNoArgs(owner->state->extract_stack);
    }
    Py_INCREF(Py_None);
    return Py_None;
}

PyObject *handle_new(timers *owner, PyObject *loop, PyObject *when, PyObject *callback,
                     PyObject *const *args, Py_ssize_t arg_count, PyObject *context)
{
    const struct slots *slots = &owner->state->slots;
    PyObject *handle = allocate(owner);

    if (handle == NULL) {
        return NULL;
    }
    Py_INCREF(owner);
    entry_of(owner->state, handle)->timers = owner;
    fill(handle, slots->when, when);
    fill(handle, slots->callback, callback);
    fill(handle, slots->loop, loop);
    fill(handle, slots->cancelled, Py_False);
    fill(handle, slots->scheduled, Py_False);
    fill(handle, slots->repr, Py_None);
    PyObject_GC_Track(handle);

    PyObject **place[] = {slot(handle, slots->args), slot(handle, slots->context),
                          slot(handle, slots->source_traceback)};
    if ((*place[0] = make_args(args, arg_count)) == NULL ||
        (*place[1] = make_context(context)) == NULL ||
        (*place[2] = make_source_traceback(owner)) == NULL) {
        Py_CLEAR(handle);
    }
    return handle;
}

static PyMethodDef handle_methods[] = {
    {"cancel", handle_cancel, METH_NOARGS, cancel_doc},
    {NULL, NULL, 0, NULL},
};

/* The offset of a slot of base, or -1 with an exception. */
static Py_ssize_t find_slot(PyObject *base, const char *name)
{
    PyObject *descriptor = PyObject_GetAttrString(base, name);
    Py_ssize_t offset = -1;

    if (descriptor == NULL) {
        return -1;
    }
    if (Py_IS_TYPE(descriptor, &PyMemberDescr_Type)) {
        PyMemberDef *member = ((PyMemberDescrObject *)descriptor)->d_member;
        if (member->type == T_OBJECT_EX) {
            offset = member->offset;
        }
    }
    Py_DECREF(descriptor);
    if (offset < 0) {
        PyErr_Format(PyExc_ImportError,
                     "tickwheel does not know this asyncio: TimerHandle.%s is no slot", name);
    }
    return offset;
}

static int find_slots(struct slots *slots, PyObject *base)
{
    const struct {
        Py_ssize_t *offset;
        const char *name;
    } wanted[] = {
        {&slots->callback, "_callback"},   {&slots->args, "_args"},
        {&slots->context, "_context"},     {&slots->loop, "_loop"},
        {&slots->when, "_when"},           {&slots->cancelled, "_cancelled"},
        {&slots->scheduled, "_scheduled"}, {&slots->repr, "_repr"},
        {&slots->source_traceback, "_source_traceback"},
    };

    if (((PyTypeObject *)base)->tp_weaklistoffset == 0 || ((PyTypeObject *)base)->tp_dictoffset) {
        PyErr_SetString(PyExc_ImportError,
                        "tickwheel does not know this asyncio: TimerHandle has other slots");
        return -1;
    }
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        *wanted[i].offset = find_slot(base, wanted[i].name);
        if (*wanted[i].offset < 0) {
            return -1;
        }
    }
    return 0;
}

PyDoc_STRVAR(handle_doc,
"What call_later() and call_at() of a tickwheel loop return: an\n"
"asyncio.TimerHandle whose timer is in a timing wheel.");

static int make_type(core_state *state, PyObject *module, PyObject *base)
{
    PyType_Slot type_slots[] = {
        {Py_tp_doc, (void *)handle_doc},
        {Py_tp_methods, handle_methods},
        {Py_tp_traverse, handle_traverse},
        {Py_tp_clear, handle_clear},
        {Py_tp_dealloc, handle_dealloc},
        {0, NULL},
    };
    PyType_Spec spec = {.name = "tickwheel.TimerHandle", .slots = type_slots};
    Py_ssize_t alignment = _Alignof(struct entry);

    state->slots_end = ((PyTypeObject *)base)->tp_basicsize;
    state->entry = (state->slots_end + alignment - 1) / alignment * alignment;
    spec.basicsize = (int)(state->entry + (Py_ssize_t)sizeof(struct entry));
    spec.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
    PyObject *bases = PyTuple_Pack(1, base);
    if (bases == NULL) {
        return -1;
    }
    state->handle_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, bases);
    Py_DECREF(bases);
    if (state->handle_type == NULL) {
        return -1;
    }
    /* Made by loops only: a handle of nobody's loop would never be called. */
    state->handle_type->tp_new = NULL;
    return 0;
}

int handle_type_make(core_state *state, PyObject *module)
{
    PyObject *asyncio = PyImport_ImportModule("asyncio");
    PyObject *base = asyncio == NULL ? NULL : PyObject_GetAttrString(asyncio, "TimerHandle");
    int status = -1;

    if (base != NULL && PyType_Check(base) && find_slots(&state->slots, base) == 0) {
        status = make_type(state, module, base);
    }
    Py_XDECREF(base);
    Py_XDECREF(asyncio);
    return status;
}
