# SPDX-License-Identifier: MIT
"""CPython's own tests of asyncio, with tickwheel's loops in place of asyncio's.

    cpython_suite.py [NAME...]         tests, as test_events or test_tasks.TimeoutTests

Whatever a test makes is one of ours: asyncio.SelectorEventLoop, what the default
policy makes, and BaseEventLoop and BaseSelectorEventLoop, from which the tests
derive loops of their own, with selectors that are mocks and clocks that the test
moves. All tests must pass, but for those in LOOK_INSIDE.

A test that fails is run again, and then with asyncio's own loops, each time by
itself in a process of its own. If it fails there, too, or passes when it has the
machine to itself, it says nothing about our loops, and is only reported.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import unittest

from asyncio import base_events, selector_events, unix_events

# Tests that look at asyncio's heap itself, and why they cannot pass.
LOOK_INSIDE = {
    "test_base_events.BaseEventLoopTests.test__run_once":
        "appends handles of its own to the heap, and looks for them there",
    "test_base_events.BaseEventLoopTests.test__run_once_schedule_handle":
        "appends a handle of its own to the heap",
    "test_base_events.BaseEventLoopTests.test__run_once_cancelled_event_cleanup":
        "counts the cancelled handles that wait in the heap: here none do",
}
FEWEST = 1500  # there are some 2,000


def put_ours_in_place():
    import tickwheel
    from tickwheel._loop import AsyncioTimers

    class BaseEventLoop(AsyncioTimers, base_events.BaseEventLoop):
        pass

    class BaseSelectorEventLoop(AsyncioTimers, selector_events.BaseSelectorEventLoop):
        pass

    asyncio.BaseEventLoop = base_events.BaseEventLoop = BaseEventLoop
    selector_events.BaseSelectorEventLoop = BaseSelectorEventLoop
    asyncio.SelectorEventLoop = tickwheel.EventLoop
    unix_events.SelectorEventLoop = unix_events._UnixSelectorEventLoop = tickwheel.EventLoop
    asyncio.DefaultEventLoopPolicy._loop_factory = tickwheel.EventLoop


def all_tests(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from all_tests(test)
        else:
            yield test


def name_of(test):
    """test_events.HandleTests.test_handle, or of a module that could not be loaded."""
    return test.id().split("test_asyncio.")[-1]


def load(names):
    loader = unittest.defaultTestLoader
    if names:
        return loader.loadTestsFromNames([f"test.test_asyncio.{name}" for name in names])
    return loader.loadTestsFromName("test.test_asyncio")


def run(names):
    """Runs tests in this process; answers what failed, and how many were run."""
    suite = unittest.TestSuite(test for test in all_tests(load(names))
                               if names or name_of(test) not in LOOK_INSIDE)
    result = unittest.TextTestRunner(verbosity=1, stream=sys.stdout).run(suite)
    failed = [name_of(test) for test, _ in result.failures + result.errors]
    # A subtest's or a class's fault goes under a name in brackets.
    return {name.split(" (")[0] for name in failed}, result.testsRun


def passes(name, loops):
    command = [sys.executable, "-B", __file__, "--alone", loops, name]
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(command, cwd=place, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print(done.stdout)
    return done.returncode == 0


def judge(failed):
    """Which of these failures are ours."""
    ours = []
    for name in sorted(failed):
        if passes(name, "tickwheel"):
            print(f"{name}: passed by itself")
        elif not passes(name, "asyncio"):
            print(f"{name}: fails with asyncio's own loops, too")
        else:
            ours.append(name)
    return ours


def main(arguments):
    if arguments[:1] == ["--alone"]:
        if arguments[1] == "tickwheel":
            put_ours_in_place()
        failed, count = run(arguments[2:])
        return 1 if failed or not count else 0
    put_ours_in_place()
    with tempfile.TemporaryDirectory() as place:
        here = os.getcwd()
        os.chdir(place)  # some leave files behind
        failed, count = run(arguments)
        os.chdir(here)
    ours = judge(failed)
    if not arguments:
        if count < FEWEST:
            ours.append(f"only {count} tests were found")
        for name, reason in LOOK_INSIDE.items():
            print(f"left out: {name}, which {reason}")
            if passes(name, "tickwheel"):
                ours.append(f"{name} passes, and is left out")
    for name in ours:
        print("FAILED:", name)
    return 1 if ours else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
