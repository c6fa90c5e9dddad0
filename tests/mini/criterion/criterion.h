/* SPDX-License-Identifier: MIT */
/*
 * As much of Criterion's interface as our tests use, for the two places where
 * Criterion does not run: under the thread sanitizer, whose address space has
 * no room for the arena that Criterion maps (its issue 274), and in 32 bits,
 * where Debian has no package of it beside the 64-bit one. The same test files
 * compile against either; with Criterion's own, failures read better.
 */
#ifndef TW_MINI_CRITERION_H
#define TW_MINI_CRITERION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What may stand after the names in Test(suite, name, ...) and TestSuite(suite, ...). */
struct mini_options {
    void (*init)(void);      /* before the test, in its process */
    void (*fini)(void);      /* after it */
    double timeout;          /* seconds */
    int signal;              /* the test must end by this signal */
    int exit_code;           /* or with this code */
    bool disabled;
    const char *description; /* taken and ignored */
};

struct mini_test {
    const char *suite;
    const char *name;            /* NULL: the options of the whole suite */
    void (*body)(void);
    struct mini_options options;
    struct mini_test *next;
};

void mini_register(struct mini_test *test);

/* Prints the failure; ends the test if it is fatal. */
void mini_failed(bool fatal, const char *file, int line, const char *what, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#define MINI_REGISTER(id, suite, name, body, ...)                                                  \
    static struct mini_test id##_test = {suite, name, body, {__VA_ARGS__}, NULL};                  \
    __attribute__((constructor)) static void id##_register(void)                                   \
    {                                                                                              \
        mini_register(&id##_test);                                                                 \
    }

#define Test(suite, name, ...)                                                                     \
    static void suite##_##name##_body(void);                                                       \
    MINI_REGISTER(suite##_##name, #suite, #name, suite##_##name##_body, __VA_ARGS__)               \
    static void suite##_##name##_body(void)

#define TestSuite(suite, ...)                                                                      \
    MINI_REGISTER(suite##_suite, #suite, NULL, NULL, __VA_ARGS__)                                  \
    _Static_assert(1, "takes the semicolon")

#define MINI_CHECK(fatal, condition, what, ...)                                                    \
    ((condition) ? (void)0 : mini_failed(fatal, __FILE__, __LINE__, what, " " __VA_ARGS__))

#define cr_assert(condition, ...) MINI_CHECK(true, condition, #condition, __VA_ARGS__)
#define cr_assert_not(condition, ...)                                                              \
    MINI_CHECK(true, !(condition), "!(" #condition ")", __VA_ARGS__)
#define cr_assert_eq(a, b, ...) MINI_CHECK(true, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) MINI_CHECK(true, (a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) MINI_CHECK(true, (a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) MINI_CHECK(true, (a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) MINI_CHECK(true, (a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) MINI_CHECK(true, (a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_null(p, ...) MINI_CHECK(true, (p) == NULL, #p " == NULL", __VA_ARGS__)
#define cr_assert_not_null(p, ...) MINI_CHECK(true, (p) != NULL, #p " != NULL", __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)                                                                \
    MINI_CHECK(true, strcmp(a, b) == 0, #a " is the string " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)                                                               \
    MINI_CHECK(true, strcmp(a, b) != 0, #a " is not the string " #b, __VA_ARGS__)
#define cr_assert_float_eq(a, b, epsilon, ...)                                                     \
    MINI_CHECK(true, (a) - (b) <= (epsilon) && (b) - (a) <= (epsilon), #a " is about " #b,         \
               __VA_ARGS__)
#define cr_assert_arr_eq(a, b, bytes, ...)                                                         \
    MINI_CHECK(true, memcmp(a, b, bytes) == 0, #a " holds the same as " #b, __VA_ARGS__)
#define cr_assert_fail(...) MINI_CHECK(true, false, "the test fails", __VA_ARGS__)
#define cr_fatal(...) cr_assert_fail(__VA_ARGS__)

#define cr_expect(condition, ...) MINI_CHECK(false, condition, #condition, __VA_ARGS__)
#define cr_expect_not(condition, ...)                                                              \
    MINI_CHECK(false, !(condition), "!(" #condition ")", __VA_ARGS__)
#define cr_expect_eq(a, b, ...) MINI_CHECK(false, (a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_expect_neq(a, b, ...) MINI_CHECK(false, (a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_expect_lt(a, b, ...) MINI_CHECK(false, (a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_expect_leq(a, b, ...) MINI_CHECK(false, (a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_expect_gt(a, b, ...) MINI_CHECK(false, (a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...) MINI_CHECK(false, (a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_expect_null(p, ...) MINI_CHECK(false, (p) == NULL, #p " == NULL", __VA_ARGS__)
#define cr_expect_not_null(p, ...) MINI_CHECK(false, (p) != NULL, #p " != NULL", __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...)                                                                \
    MINI_CHECK(false, strcmp(a, b) == 0, #a " is the string " #b, __VA_ARGS__)
#define cr_expect_fail(...) MINI_CHECK(false, false, "the test fails", __VA_ARGS__)

#define cr_log_info(...) ((void)fprintf(stderr, __VA_ARGS__), (void)fputc('\n', stderr))
#define cr_log_warn(...) cr_log_info(__VA_ARGS__)
#define cr_log_error(...) cr_log_info(__VA_ARGS__)

#endif
