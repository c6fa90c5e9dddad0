/* SPDX-License-Identifier: MIT */
/*
 * methods: call_later and call_at of a loop, without a Python frame.
 *
 * A class without fields of its own, so that it can be mixed into any loop
 * class, one that is written in C as well. The loop's Timers is in `_wheel`.
 *
 * They do what BaseEventLoop's do, in the same order: call_later asks self.time()
 * and self.call_at(), and the checks of debug mode are the loop's own. A subclass
 * or the loop itself may have another time() or call_at(): so for each loop it is
 * found out whether it has, and again whenever its class has changed or one of
 * the two is set on it. As long as both are our own, call_later calls them
 * directly, without looking them up.
 */
#include "core.h"

#define MOST_ON_STACK 8

/* What was asked for: (first, callback, *args, context=None). */
struct call {
    PyObject *first;             /* the delay or the time */
    PyObject *callback;
    PyObject *const *args;
    Py_ssize_t arg_count;
    PyObject *context;           /* NULL: none was given */
};

/* How the function is called, for messages. */
struct signature {
    const char *name;
    const char *first;
};

/* Takes one argument given by name: -1 with an exception if it may not be. */
static int take_named(const struct signature *signature, PyObject *name, PyObject *value,
                      struct call *call)
{
    PyObject **place = NULL;

    if (PyUnicode_CompareWithASCIIString(name, "context") == 0) {
        place = &call->context;
    } else if (PyUnicode_CompareWithASCIIString(name, "callback") == 0) {
        place = &call->callback;
    } else if (PyUnicode_CompareWithASCIIString(name, signature->first) == 0) {
        place = &call->first;
    }
    if (place == NULL) {
        PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                     signature->name, name);
        return -1;
    }
    if (*place != NULL) {
        PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'",
                     signature->name, name);
        return -1;
    }
    *place = value;
    return 0;
}

static int parse(const struct signature *signature, PyObject *const *args, Py_ssize_t count,
                 PyObject *names, struct call *call)
{
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);

    *call = (struct call){
        .first = count > 0 ? args[0] : NULL,
        .callback = count > 1 ? args[1] : NULL,
        .args = args + 2,
        .arg_count = count > 2 ? count - 2 : 0,
    };
    for (Py_ssize_t i = 0; i < named; i++) {
        if (take_named(signature, PyTuple_GET_ITEM(names, i), args[count + i], call) < 0) {
            return -1;
        }
    }
    if (call->first == NULL || call->callback == NULL) {
        PyErr_Format(PyExc_TypeError, "%s() missing a required argument: '%s'", signature->name,
                     call->first == NULL ? signature->first : "callback");
        return -1;
    }
    return 0;
}

/* The loop's Timers: a new reference, or NULL with an exception. To look it up took
 * 250 instructions, of 1,450 for a cancel and a start, and most programs have one loop. */
static timers *timers_of(core_state *state, PyObject *loop)
{
    if (state->last_loop == loop) {
        Py_INCREF(state->last_timers);
        return state->last_timers;
    }
    PyObject *found = PyObject_GetAttr(loop, state->name_wheel);

    if (found != NULL && !timers_check(found)) {
        PyErr_Format(PyExc_RuntimeError,
                     "%.200s._wheel is no tickwheel.Timers: was __init__ called?",
                     Py_TYPE(loop)->tp_name);
        Py_CLEAR(found);
    }
    if (found != NULL && !((timers *)found)->closed) {
        state->last_loop = loop;
        state->last_timers = (timers *)found;
    }
    return (timers *)found;
}

/* What asyncio checks in debug mode, by the loop's own methods. */
static int check_in_debug(core_state *state, PyObject *loop, PyObject *callback)
{
    PyObject *args[] = {loop, callback, state->name_call_at};
    PyObject *result = PyObject_CallMethodNoArgs(loop, state->name_check_thread);

    if (result == NULL) {
        return -1;
    }
    Py_DECREF(result);
    result = PyObject_VectorcallMethod(state->name_check_callback, args, 3, NULL);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

/* A new handle, scheduled for the time `when_s`, which is what call->first is or, if that
 * is NULL, stands for. */
static PyObject *start(timers *owner, PyObject *loop, double when_s, const struct call *call)
{
    PyObject *handle = handle_new(owner, loop, when_s, call->first, call->callback, call->args,
                                  call->arg_count, call->context);

    if (handle != NULL && timers_start(owner, loop, handle, when_s) < 0) {
        Py_CLEAR(handle);
    }
    return handle;
}

/* What call_at does. call->first is the time; NULL: when_s is. */
static PyObject *schedule(timers *owner, PyObject *loop, double when_s, struct call *call)
{
    if (owner->closed) {
        PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
        return NULL;
    }
    if (owner->debug && check_in_debug(owner->state, loop, call->callback) < 0) {
        return NULL;
    }
    if (call->first != NULL) {
        when_s = PyFloat_AsDouble(call->first);
        if (when_s == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (PyFloat_CheckExact(call->first)) {
            call->first = NULL;
        }
    }
    return start(owner, loop, when_s, call);
}

PyDoc_STRVAR(call_at_doc,
"call_at($self, when, callback, *args, context=None)\n--\n\n"
"Call callback(*args) once loop.time() has reached `when`, and never before.\n\n"
"Calls with equal times are made in the order of scheduling. Return a\n"
"TimerHandle, to cancel it by.");

static PyObject *loop_call_at(PyObject *self, PyTypeObject *defining, PyObject *const *args,
                         Py_ssize_t count, PyObject *names)
{
    static const struct signature signature = {"call_at", "when"};
    core_state *state = PyType_GetModuleState(defining);
    struct call call;

    if (state == NULL || parse(&signature, args, count, names, &call) < 0) {
        return NULL;             /* without a module: the interpreter is ending */
    }
    if (call.first == Py_None) {
        PyErr_SetString(PyExc_TypeError, "when cannot be None");
        return NULL;
    }
    timers *owner = timers_of(state, self);
    if (owner == NULL) {
        return NULL;
    }
    PyObject *handle = schedule(owner, self, 0, &call);
    Py_DECREF(owner);
    return handle;
}

/* The number of this state of a class; it changes when the class does. 0: none. */
static unsigned int class_version(PyTypeObject *type)
{
#if PY_VERSION_HEX < 0x030d0000
    if (!PyType_HasFeature(type, Py_TPFLAGS_VALID_VERSION_TAG)) {
        return 0;
    }
#endif
    return type->tp_version_tag;
}

/* Finds out whether the loop's time() and call_at() are our own. */
static int look_for_overrides(timers *owner, PyObject *loop)
{
    PyObject *time = PyObject_GetAttr(loop, owner->state->name_time);
    PyObject *bound = time == NULL ? NULL : PyObject_GetAttr(loop, owner->state->name_call_at);

    if (bound == NULL) {
        Py_XDECREF(time);
        return -1;
    }
    owner->plain = time == owner->state->monotonic && PyCFunction_Check(bound) &&
                   PyCFunction_GET_FUNCTION(bound) == (PyCFunction)(void (*)(void))loop_call_at &&
                   PyCFunction_GET_SELF(bound) == loop;
    owner->version = class_version(Py_TYPE(loop));
    Py_DECREF(time);
    Py_DECREF(bound);
    return 0;
}

/* 1 if the loop's time() and call_at() are our own, 0, or -1 with an exception. */
static int is_plain(timers *owner, PyObject *loop)
{
    if (owner->version == 0 || owner->version != class_version(Py_TYPE(loop))) {
        if (look_for_overrides(owner, loop) < 0) {
            return -1;
        }
    }
    return owner->plain;
}

/* self.call_at(first, callback, *args, context=context) */
static PyObject *ask_call_at(core_state *state, PyObject *self, const struct call *call)
{
    PyObject *on_stack[MOST_ON_STACK], **args = on_stack;
    Py_ssize_t count = 3 + call->arg_count;

    if (count + 1 > MOST_ON_STACK) {
        args = PyMem_New(PyObject *, (size_t)count + 1);
        if (args == NULL) {
            return PyErr_NoMemory();
        }
    }
    args[0] = self;
    args[1] = call->first;
    args[2] = call->callback;
    memcpy(args + 3, call->args, (size_t)call->arg_count * sizeof(*args));
    args[count] = call->context;
    PyObject *handle =
        PyObject_VectorcallMethod(state->name_call_at, args, (size_t)count,
                                  call->context == NULL ? NULL : state->context_only);
    if (args != on_stack) {
        PyMem_Free(args);
    }
    return handle;
}

/* self.time() */
static PyObject *read_time(core_state *state, PyObject *self, bool plain)
{
    return plain ? PyObject_CallNoArgs(state->monotonic)
                 : PyObject_CallMethodNoArgs(self, state->name_time);
}

static PyObject *schedule_later(timers *owner, PyObject *self, struct call *call)
{
    int plain = is_plain(owner, self);
    PyObject *now = plain < 0 ? NULL : read_time(owner->state, self, plain);

    if (now == NULL) {
        return NULL;
    }
    if (plain && PyFloat_CheckExact(now) && PyFloat_CheckExact(call->first)) {
        double when_s = PyFloat_AS_DOUBLE(now) + PyFloat_AS_DOUBLE(call->first);
        Py_DECREF(now);
        call->first = NULL;
        return schedule(owner, self, when_s, call);
    }
    PyObject *when = PyNumber_Add(now, call->first), *handle = NULL;
    Py_DECREF(now);
    if (when != NULL) {
        call->first = when;
        handle = plain ? schedule(owner, self, 0, call) : ask_call_at(owner->state, self, call);
        Py_DECREF(when);
    }
    return handle;
}

PyDoc_STRVAR(call_later_doc,
"call_later($self, delay, callback, *args, context=None)\n--\n\n"
"Call callback(*args) once `delay` seconds have passed, and never before.\n\n"
"Return a TimerHandle, to cancel it by.");

static PyObject *loop_call_later(PyObject *self, PyTypeObject *defining, PyObject *const *args,
                                 Py_ssize_t count, PyObject *names)
{
    static const struct signature signature = {"call_later", "delay"};
    core_state *state = PyType_GetModuleState(defining);
    struct call call;

    if (state == NULL || parse(&signature, args, count, names, &call) < 0) {
        return NULL;             /* without a module: the interpreter is ending */
    }
    if (call.first == Py_None) {
        PyErr_SetString(PyExc_TypeError, "delay must not be None");
        return NULL;
    }
    timers *owner = timers_of(state, self);
    if (owner == NULL) {
        return NULL;
    }
    PyObject *handle = schedule_later(owner, self, &call);
    Py_DECREF(owner);
    return handle;
}

/* ---------------------------------------------------------------- the class */

/* What is known of a loop's Timers, if it is one, is to be found out again. */
static void look_again(PyObject *found)
{
    if (found != NULL && timers_check(found)) {
        ((timers *)found)->version = 0;
        timers_forget_last((timers *)found);
    }
}

/* loop.time = f, loop.call_at = f, loop._wheel = timers. */
static int loop_setattr(PyObject *self, PyObject *name, PyObject *value)
{
    bool is_wheel = PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "_wheel") == 0;

    if (is_wheel || (PyUnicode_Check(name) &&
                     (PyUnicode_CompareWithASCIIString(name, "time") == 0 ||
                      PyUnicode_CompareWithASCIIString(name, "call_at") == 0))) {
        PyObject *found = PyObject_GetAttrString(self, "_wheel");

        if (found == NULL) {
            PyErr_Clear();       /* it is being made */
        }
        look_again(found);
        look_again(is_wheel ? value : NULL);
        Py_XDECREF(found);
    }
    return PyObject_GenericSetAttr(self, name, value);
}

static PyMethodDef methods[] = {
    {"call_at", (PyCFunction)(void (*)(void))loop_call_at,
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS, call_at_doc},
    {"call_later", (PyCFunction)(void (*)(void))loop_call_later,
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS, call_later_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(methods_doc, "The methods of a loop that schedule timers, written in C.");

static PyType_Slot methods_slots[] = {
    {Py_tp_doc, (void *)methods_doc},
    {Py_tp_methods, methods},
    {Py_tp_setattro, loop_setattr},
    {0, NULL},
};

PyType_Spec methods_spec = {
    .name = "tickwheel._core.LoopMethods",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = methods_slots,
};
