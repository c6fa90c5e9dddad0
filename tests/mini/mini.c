/* SPDX-License-Identifier: MIT */
/* Runs the registered tests, each in a process of its own, as Criterion does.
 *
 *     program [PATTERN]     only the tests whose "suite/name" matches, as a shell's pattern */
#include "registered.h"

#include <fnmatch.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a program that counts what it runs (tests/coverage), a process that aborts or leaves
 * by _exit, which is wrapped there, writes down what it has counted all the same. */
extern void __gcov_dump(void) __attribute__((weak));
_Noreturn void __real__exit(int status) __attribute__((weak));
_Noreturn void __wrap__exit(int status);

static void write_counts(int signal)
{
    (void)signal;
    if (__gcov_dump)
        __gcov_dump();
}

_Noreturn void __wrap__exit(int status)
{
    write_counts(0);
    __real__exit(status);
}

/* Where this is used instead of Criterion everything is slower. */
#define TIMEOUT_FACTOR 10

/* In the child: does not return. */
static void run_body(const struct mini_test *test, const struct mini_options *suite)
{
    void (*init)(void) = test->options.init ? test->options.init : suite->init;
    void (*fini)(void) = test->options.fini ? test->options.fini : suite->fini;
    double timeout = test->options.timeout > 0 ? test->options.timeout : suite->timeout;

    alarm((unsigned)ceil(timeout * TIMEOUT_FACTOR)); /* 0: none */
    if (__gcov_dump)
        signal(SIGABRT, write_counts); /* abort goes on when it returns */
    if (init)
        init();
    test->body();
    if (fini)
        fini();
    exit(this_test_failed ? EXIT_FAILURE : EXIT_SUCCESS);
}

static bool ended_as_expected(const struct mini_test *test, int status)
{
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == test->options.signal;
    return test->options.signal == 0 && WEXITSTATUS(status) == test->options.exit_code;
}

static bool passes(const struct mini_test *test, const struct mini_options *suite)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        run_body(test, suite);
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("mini");
        return false;
    }
    if (ended_as_expected(test, status))
        return true;
    fprintf(stderr, "[FAIL] %s::%s (%s %d)\n", test->suite, test->name,
            WIFSIGNALED(status) ? "signal" : "exit code",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}

static bool matches(const struct mini_test *test, const char *pattern)
{
    char name[256];
    snprintf(name, sizeof name, "%s/%s", test->suite, test->name);
    return fnmatch(pattern, name, 0) == 0;
}

int main(int argc, char **argv)
{
    int tested = 0, failed = 0;
    for (const struct mini_test *test = tests; test; test = test->next) {
        if (!test->name || (argc > 1 && !matches(test, argv[1])))
            continue;
        const struct mini_options *suite = suite_options(test);
        if (test->options.disabled || suite->disabled)
            continue;
        tested++;
        failed += !passes(test, suite);
    }
    printf("[====] Synthesis: Tested: %d | Passing: %d | Failing: %d\n", tested, tested - failed,
           failed);
    return tested > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
