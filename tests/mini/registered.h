/* SPDX-License-Identifier: MIT */
/* registered: the tests of a program, and what one of them says when it fails. For mini.c,
 * here and in tests/windows, which differ in how they run them. */
#ifndef TW_TESTS_MINI_REGISTERED_H
#define TW_TESTS_MINI_REGISTERED_H

#include <criterion/criterion.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mini_test *tests;
static bool this_test_failed;

void mini_register(struct mini_test *test)
{
    test->next = tests;
    tests = test;
}

void mini_failed(bool fatal, const char *file, int line, const char *what, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: not so: %s:", file, line, what);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    this_test_failed = true;
    if (fatal)
        exit(EXIT_FAILURE);
}

static const struct mini_options *suite_options(const struct mini_test *test)
{
    static const struct mini_options none;
    for (const struct mini_test *suite = tests; suite; suite = suite->next)
        if (!suite->name && strcmp(suite->suite, test->suite) == 0)
            return &suite->options;
    return &none;
}

#endif
