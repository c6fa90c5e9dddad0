/* SPDX-License-Identifier: MIT */
/*
 * handle: the TimerHandle that call_later and call_at return.
 *
 * What it inherits from asyncio.TimerHandle works on that class's slots, and so
 * when(), cancelled(), comparison, hash, repr and _run are asyncio's own. What is
 * written here is how one is made, cancelled and given up, because these are
 * what a program with very many timers does all the time; and the attributes whose
 * slots are filled when somebody asks for them.
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

static void drop_inline_args(struct entry *entry)
{
    for (int i = 0; i < INLINE_ARGS; i++) {
        Py_CLEAR(entry->args[i]);
    }
}

/* A handle is in three cache lines, of which looking its method up has read the first. */
static void prefetch_rest(PyObject *handle)
{
#if defined(__GNUC__)
    __builtin_prefetch((const char *)handle + 64, 1);
    __builtin_prefetch((const char *)handle + 128, 1);
#else
    (void)handle;
#endif
}

/* The collector's list of handles is in no order that memory is in, and a handle that dies
 * is taken out from between its neighbours there. Most die soon after their cancel: the
 * neighbours are fetched meanwhile. A hint, which reads the two words in front of the
 * object: every CPython that collects by lists has had the links there. */
static void prefetch_neighbours(PyObject *handle)
{
#if defined(__GNUC__) && !defined(Py_GIL_DISABLED)
    const uintptr_t *links = (const uintptr_t *)handle - 2;

    __builtin_prefetch((const void *)links[0], 1);
    __builtin_prefetch((const void *)(links[1] & ~(uintptr_t)3), 1);
#else
    (void)handle;
#endif
}

PyDoc_STRVAR(cancel_doc,
"cancel($self, /)\n--\n\n"
"Cancel the call.\n\n"
"The callback, its arguments, its context and the timer are given up at once.\n"
"A call that has been made or cancelled already is left as it is.");

static PyObject *handle_cancel(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    prefetch_rest(self);
    core_state *state = state_of(self);
    const struct slots *slots = &state->slots;
    struct entry *entry = entry_of(state, self);
    int status = 0;

    if (*slot(self, slots->cancelled) == Py_True) {
        Py_RETURN_NONE;
    }
    prefetch_neighbours(self);
    timers_cancel(entry->timers, entry);
    replace(self, slots->cancelled, Py_True);
    if (entry->timers->debug) {
        status = keep_repr(state, self);
    }
    replace(self, slots->callback, Py_None);
    replace(self, slots->args, Py_None);
    drop_inline_args(entry);
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
                  **weak_ = slot(handle, Py_TYPE(handle)->tp_weaklistoffset);                   \
         place < end_; place++)                                                                 \
        if (place != weak_)

static int handle_traverse(PyObject *self, visitproc visit, void *arg)
{
    core_state *state = state_of(self);

    Py_VISIT(Py_TYPE(self));
    FOR_EACH_SLOT(place, state, self) {
        Py_VISIT(*place);
    }
    for (int i = 0; i < INLINE_ARGS; i++) {
        Py_VISIT(entry_of(state, self)->args[i]);
    }
    Py_VISIT(entry_of(state, self)->timers);
    return 0;
}

/* The Timers stays: it is cleared itself if it is garbage, too. */
static int handle_clear(PyObject *self)
{
    core_state *state = state_of(self);

    FOR_EACH_SLOT(place, state, self) {
        Py_CLEAR(*place);
    }
    drop_inline_args(entry_of(state, self));
    return 0;
}

static void handle_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    core_state *state = state_of(self);

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

/* Few go to the entry, and the slot stays NULL. Answers 0, or -1 with an exception. */
static int keep_args(core_state *state, PyObject *handle, PyObject *const *args, Py_ssize_t count)
{
    struct entry *entry = entry_of(state, handle);

    if (count > INLINE_ARGS) {
        return (*slot(handle, state->slots.args) = make_args(args, count)) == NULL ? -1 : 0;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_INCREF(args[i]);
        entry->args[i] = args[i];
    }
    return 0;
}

/* Whether a copy of it would be like a new one, which can just as well be made later. */
static bool current_context_is_empty(void)
{
    PyObject *current = PyThreadState_Get()->context;

    return current == NULL || PyMapping_Size(current) == 0;
}

static int keep_context(core_state *state, PyObject *handle, PyObject *context)
{
    PyObject **place = slot(handle, state->slots.context);

    if (context != NULL && context != Py_None) {
        Py_INCREF(context);
        *place = context;
        return 0;
    }
    return current_context_is_empty() || (*place = PyContext_CopyCurrent()) != NULL ? 0 : -1;
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

PyObject *handle_new(timers *owner, PyObject *loop, double when_s, PyObject *when,
                     PyObject *callback, PyObject *const *args, Py_ssize_t arg_count,
                     PyObject *context)
{
    core_state *state = owner->state;
    const struct slots *slots = &state->slots;
    PyObject *handle = allocate(owner);

    if (handle == NULL) {
        return NULL;
    }
    Py_INCREF(owner);
    entry_of(state, handle)->timers = owner;
    entry_of(state, handle)->when = when_s;
    if (when != NULL) {
        fill(handle, slots->when, when);
    }
    fill(handle, slots->callback, callback);
    fill(handle, slots->loop, loop);
    fill(handle, slots->cancelled, Py_False);
    fill(handle, slots->scheduled, Py_False);
    fill(handle, slots->repr, Py_None);
    PyObject_GC_Track(handle);

    if (keep_args(state, handle, args, arg_count) < 0 ||
        keep_context(state, handle, context) < 0 ||
        (*slot(handle, slots->source_traceback) = make_source_traceback(owner)) == NULL) {
        Py_CLEAR(handle);
    }
    return handle;
}

/* ------------------------------------------------- what is made when asked for */

/* An attribute whose slot may be NULL, and how what it stands for is made. */
struct lazy {
    size_t slot;                             /* where in struct slots its offset is */
    PyObject *(*make)(struct entry *entry);
};

static PyObject *make_when(struct entry *entry)
{
    return PyFloat_FromDouble(entry->when);
}

static PyObject *make_args_of(struct entry *entry)
{
    Py_ssize_t count = 0;

    while (count < INLINE_ARGS && entry->args[count] != NULL) {
        count++;
    }
    return make_args(entry->args, count);
}

static PyObject *make_empty_context(struct entry *Py_UNUSED(entry))
{
    return PyContext_New();
}

static PyObject **lazy_slot(core_state *state, PyObject *self, const struct lazy *lazy)
{
    return slot(self, *(Py_ssize_t *)((char *)&state->slots + lazy->slot));
}

static PyObject *get_lazy(PyObject *self, void *closure)
{
    const struct lazy *lazy = closure;
    core_state *state = state_of(self);
    PyObject **place = lazy_slot(state, self, lazy);

    if (*place == NULL) {
        PyObject *made = lazy->make(entry_of(state, self));
        if (made == NULL) {
            return NULL;
        }
        if (*place == NULL) {                /* making it may have collected garbage */
            *place = made;
        } else {
            Py_DECREF(made);
        }
    }
    Py_INCREF(*place);
    return *place;
}

/* As the slot, which may be written to: somebody may. */
static int set_lazy(PyObject *self, PyObject *value, void *closure)
{
    core_state *state = state_of(self);

    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "an attribute of a TimerHandle cannot be deleted");
        return -1;
    }
    PyObject **place = lazy_slot(state, self, closure), *old = *place;
    Py_INCREF(value);
    *place = value;
    Py_XDECREF(old);
    return 0;
}

static const struct lazy lazy_when = {offsetof(struct slots, when), make_when};
static const struct lazy lazy_args = {offsetof(struct slots, args), make_args_of};
static const struct lazy lazy_context = {offsetof(struct slots, context), make_empty_context};

static PyGetSetDef handle_attributes[] = {
    {"_when", get_lazy, set_lazy, NULL, (void *)&lazy_when},
    {"_args", get_lazy, set_lazy, NULL, (void *)&lazy_args},
    {"_context", get_lazy, set_lazy, NULL, (void *)&lazy_context},
    {NULL, NULL, NULL, NULL, NULL},
};

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
        {Py_tp_getset, handle_attributes},
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
