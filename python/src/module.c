/* SPDX-License-Identifier: MIT */
/*
 * module: tickwheel._core, the part of the package that is written in C.
 *
 * Its types and names are in the module's state, so that each interpreter has its
 * own; there are no variables outside it.
 */
#include "core.h"

static int intern_names(core_state *state)
{
    const struct {
        PyObject **name;
        const char *text;
    } wanted[] = {
        {&state->name_append, "append"},
        {&state->name_call_at, "call_at"},
        {&state->name_check_callback, "_check_callback"},
        {&state->name_check_thread, "_check_thread"},
        {&state->name_context, "context"},
        {&state->name_wheel, "_wheel"},
        {&state->name_time, "time"},
    };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        *wanted[i].name = PyUnicode_InternFromString(wanted[i].text);
        if (*wanted[i].name == NULL) {
            return -1;
        }
    }
    state->context_only = PyTuple_Pack(1, state->name_context);
    return state->context_only == NULL ? -1 : 0;
}

static PyObject *import_from(const char *module, const char *name)
{
    PyObject *imported = PyImport_ImportModule(module), *found = NULL;

    if (imported != NULL) {
        found = PyObject_GetAttrString(imported, name);
        Py_DECREF(imported);
    }
    return found;
}

static int find_functions(core_state *state)
{
    state->extract_stack = import_from("asyncio.format_helpers", "extract_stack");
    state->monotonic = import_from("time", "monotonic");
    return state->extract_stack == NULL || state->monotonic == NULL ? -1 : 0;
}

static int add_methods_type(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &methods_spec, NULL);

    if (type == NULL) {
        return -1;
    }
    int status = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return status;
}

static int core_exec(PyObject *module)
{
    core_state *state = PyModule_GetState(module);

    if (intern_names(state) < 0 || find_functions(state) < 0 ||
        handle_type_make(state, module) < 0) {
        return -1;
    }
    state->timers_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &timers_spec, NULL);
    if (state->timers_type == NULL || PyModule_AddType(module, state->timers_type) < 0 ||
        PyModule_AddType(module, state->handle_type) < 0 || add_methods_type(module) < 0) {
        return -1;
    }
    return PyModule_AddStringConstant(module, "library_version", tw_version());
}

static int core_traverse(PyObject *module, visitproc visit, void *arg)
{
    core_state *state = PyModule_GetState(module);

    Py_VISIT(state->timers_type);
    Py_VISIT(state->handle_type);
    Py_VISIT(state->extract_stack);
    Py_VISIT(state->monotonic);
    return 0;
}

static int core_clear(PyObject *module)
{
    core_state *state = PyModule_GetState(module);

    Py_CLEAR(state->timers_type);
    Py_CLEAR(state->handle_type);
    Py_CLEAR(state->extract_stack);
    Py_CLEAR(state->monotonic);
    Py_CLEAR(state->name_append);
    Py_CLEAR(state->name_call_at);
    Py_CLEAR(state->name_check_callback);
    Py_CLEAR(state->name_check_thread);
    Py_CLEAR(state->name_context);
    Py_CLEAR(state->name_wheel);
    Py_CLEAR(state->name_time);
    Py_CLEAR(state->context_only);
    return 0;
}

static void core_free(void *module)
{
    core_clear(module);
}

static PyModuleDef_Slot core_slots[] = {
    {Py_mod_exec, core_exec},
    {0, NULL},
};

static PyModuleDef core_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "tickwheel._core",
    .m_doc = "The timers of tickwheel's loops, on the C library.",
    .m_size = sizeof(core_state),
    .m_slots = core_slots,
    .m_traverse = core_traverse,
    .m_clear = core_clear,
    .m_free = core_free,
};

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&core_module);
}
