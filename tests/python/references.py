# SPDX-License-Identifier: MIT
"""Counts references over a million timers: nothing is leaked, whatever became of them.

    references.py                      with any interpreter: objects and memory
    references.py --debug SOURCE       with a debug build of it: every reference

With --debug it first compiles the extension for that interpreter, in a temporary
folder; SOURCE is the folder python/.
"""

import argparse
import contextvars
import gc
import os
import shutil
import subprocess
import sys
import tempfile

ROUNDS = 5
TIMERS = 200_000       # in a round; a debug build, which is slow, takes a quarter


class Clock:
    """A loop's clock and selector in one: sleeping moves it."""

    def __init__(self, tickwheel):
        import selectors

        clock = self

        class Selector(selectors.SelectSelector):
            def select(self, timeout=None):
                clock.now += timeout or 0
                return []

        class Loop(tickwheel.EventLoop):
            def time(self):
                return clock.now

        self.now = 1.0
        self.loop = Loop(Selector())

    def pass_time(self, seconds):
        self.loop.call_later(seconds, self.loop.stop)
        self.loop.run_forever()


def do_nothing(*args):
    pass


def fire(clock, count):
    for number in range(count):
        clock.loop.call_later(number % 1000, do_nothing, object(), clock)
    clock.pass_time(2000)


def cancel(clock, count):
    context = contextvars.copy_context()
    handles = [clock.loop.call_later(number % 1000, do_nothing, object(), context=context)
               for number in range(count)]
    for handle in handles:
        handle.cancel()


def replace(clock, count):
    handle = clock.loop.call_later(1, do_nothing)
    for number in range(count):
        handle.cancel()
        handle = clock.loop.call_later(number % 1000, do_nothing, object())
    handle.cancel()


def refuse(clock, count):
    clock.loop.set_debug(True)
    for number in range(count // 100):
        for time, callback in ((None, do_nothing), ("1", do_nothing), (1, 5)):
            for function in (clock.loop.call_later, clock.loop.call_at):
                try:
                    function(time, callback)
                except TypeError:
                    pass
        clock.loop.call_later(1, do_nothing, number).cancel()
    clock.loop.set_debug(False)


def drop(clock, count):
    """With the loop, and in a cycle with it."""
    other = Clock(sys.modules["tickwheel"])
    for number in range(count):
        handle = other.loop.call_later(number % 1000, do_nothing, object(), other)
        if number % 3 == 0:
            handle.cancel()
    other.handle = handle
    other.loop.close()


KINDS = (fire, cancel, replace, refuse, drop)


def measure():
    """References (or objects, where those are not counted) and kilobytes."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        kilobytes = int(file.read().split()[1]) * 4
    count = getattr(sys, "gettotalrefcount", lambda: len(gc.get_objects()))()
    return count, sys.getallocatedblocks(), kilobytes


def check():
    import tickwheel

    debug = hasattr(sys, "gettotalrefcount")
    print(f"CPython {sys.version.split()[0]}{', debug build' if debug else ''}")
    timers = TIMERS // 4 if debug else TIMERS
    clock = Clock(tickwheel)
    failed = False
    for kind in KINDS:
        counts = []
        for _ in range(ROUNDS):
            kind(clock, timers)
            counts.append(measure())
        growth = [last - first for first, last in zip(counts[1], counts[-1])]
        print(f"{kind.__name__}: {growth[0]:+} {'references' if debug else 'objects'}, "
              f"{growth[1]:+} blocks, {growth[2]:+} kB over {(ROUNDS - 2) * timers:,} timers")
        # The counting itself, and caches of the interpreter's, make some; a leak is one a timer.
        failed |= growth[0] > 50 or growth[1] > 500 or growth[2] > 4096
    clock.loop.close()
    return 1 if failed else 0


def check_in_debug_build(source):
    """Compiles the extension for this interpreter, and checks it in a new process."""
    with tempfile.TemporaryDirectory() as place:
        top = os.path.dirname(source)
        for folder in ("python", "tools", "lib", "include"):
            shutil.copytree(os.path.join(top, folder), os.path.join(place, folder))
        shutil.copy(os.path.join(top, "CMakeLists.txt"), place)
        subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
                       cwd=os.path.join(place, "python"), check=True)
        return subprocess.run([sys.executable, "-B", __file__], check=False,
                              env={**os.environ, "PYTHONPATH": os.path.join(place, "python")}
                              ).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--debug", metavar="SOURCE")
    options = parser.parse_args()
    if options.debug:
        if not hasattr(sys, "gettotalrefcount"):
            sys.exit("references.py: this interpreter is no debug build")
        return check_in_debug_build(os.path.abspath(options.debug))
    return check()


if __name__ == "__main__":
    sys.exit(main())
