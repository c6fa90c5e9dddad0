/* SPDX-License-Identifier: MIT */
/* tests/mini/mini.c for Windows, which has no fork: runs the registered tests, each in a
 * process of its own, in which the program is called again with the test's name.
 *
 *     program [SUITE/NAME]     only this test, in this process */
#include "../mini/registered.h"

#include <errno.h>
#include <process.h>
#include <signal.h>

/* What a process that aborts ends with. */
#define ABORTED 3

static int run_body(const struct mini_test *test)
{
    const struct mini_options *suite = suite_options(test);
    void (*init)(void) = test->options.init ? test->options.init : suite->init;
    void (*fini)(void) = test->options.fini ? test->options.fini : suite->fini;
    if (init)
        init();
    test->body();
    if (fini)
        fini();
    return this_test_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void name_of(const struct mini_test *test, char name[256])
{
    snprintf(name, 256, "%s/%s", test->suite, test->name);
}

static bool passes(const struct mini_test *test, const char *program)
{
    char name[256];
    name_of(test, name);
    fflush(NULL);
    int expected = test->options.signal == SIGABRT ? ABORTED : test->options.exit_code;
    errno = 0;
    int code = (int)_spawnl(_P_WAIT, program, program, name, NULL);
    if (code == -1 && errno != 0)
        fprintf(stderr, "%s was not started: %s\n", name, strerror(errno));
    if (code != expected)
        fprintf(stderr, "[FAIL] %s (exit code %d)\n", name, code);
    return code == expected;
}

int main(int argc, char **argv)
{
    int tested = 0, failed = 0;
    char name[256];
    for (const struct mini_test *test = tests; test; test = test->next) {
        if (!test->name || test->options.disabled || suite_options(test)->disabled)
            continue;
        name_of(test, name);
        if (argc > 1 && strcmp(argv[1], name) == 0)
            return run_body(test);
        if (argc > 1)
            continue;
        tested++;
        failed += !passes(test, argv[0]);
    }
    printf("[====] Synthesis: Tested: %d | Passing: %d | Failing: %d\n", tested, tested - failed,
           failed);
    return tested > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
