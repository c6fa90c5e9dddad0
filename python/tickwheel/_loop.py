# SPDX-License-Identifier: MIT
"""The loops: asyncio's own, and the mix-in that carries another.

asyncio keeps its timers in a heap, `_scheduled`, which call_at fills and _run_once
empties. Here a Timers (written in C, around the wheel) takes its place, and
call_later, call_at and _run_once are our own. Everything else is asyncio's.
"""

import asyncio
import collections
import os
import sys
import time

from asyncio import base_events

from . import _core

__all__ = ("EventLoop", "EventLoopPolicy", "TimersMixin", "install", "new_event_loop", "run")


class _Timers(_core.LoopMethods):
    """What all loops have in common: the wheel, and the clock."""

    _system_clock = False

    # The clock of asyncio, but called without a frame.
    time = staticmethod(time.monotonic)

    def __init__(self, *args, **kwargs):
        self._wheel = _core.Timers(system_clock=self._system_clock)
        super().__init__(*args, **kwargs)

    def set_debug(self, enabled):
        """Set the debug mode of the event loop."""
        super().set_debug(enabled)
        self._wheel.debug = bool(enabled)

    def close(self):
        """Close the event loop. What is pending is dropped; nothing more can be started."""
        if not self.is_running():  # else it is refused
            self._wheel.close()    # first: what is dropped may want to start something
        super().close()

    def _timer_handle_cancelled(self, handle):
        """Nothing to do: a cancelled handle has left the wheel already."""


class AsyncioTimers(_Timers):
    """The timers for a loop that derives from asyncio.BaseEventLoop."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._scheduled = self._wheel  # for those who look

    def _run_once(self):
        """One turn: sleep, see what has happened and what is due, and call it.

        As in asyncio, what a callback schedules waits for the next turn, and
        other threads may append to _ready at any time.
        """
        ready = self._ready
        timers = self._wheel
        timeout = 0 if ready or self._stopping else timers.timeout(self.time())
        self._process_events(self._selector.select(timeout))
        timers.collect(self.time(), ready)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            if self._debug:
                self._run_in_debug(handle)
            else:
                handle._run()
        handle = None  # an exception's traceback would keep it, and it the exception

    def _run_in_debug(self, handle):
        self._current_handle = handle
        try:
            begin = self.time()
            handle._run()
            took = self.time() - begin
            if took >= self.slow_callback_duration:
                base_events.logger.warning("Executing %s took %.3f seconds",
                                           base_events._format_handle(handle), took)
        finally:
            self._current_handle = None


class EventLoop(AsyncioTimers, asyncio.SelectorEventLoop):
    """asyncio's selector event loop with its timers in a timing wheel.

    EventLoop(selector=None), as asyncio.SelectorEventLoop. Nothing of its interface
    is new; what holds beyond asyncio's promises:

    * Starting and cancelling a timer cost the same however many there are, and a
      cancelled one is gone at once, with its callback, arguments and context.
    * A callback runs once time() has reached its time, never a moment earlier.
    * Calls with equal times are made in the order of scheduling.
    """


class TimersMixin(_Timers):
    """The timers for any other loop that has add_reader(), uvloop's for one:

        class Loop(tickwheel.TimersMixin, uvloop.Loop):
            pass

    The loop watches a descriptor that is readable when something is due, so this
    needs Linux. time() is time.monotonic(), whatever the loop's own clock is.
    """

    _system_clock = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._due = collections.deque()
        self._pid = os.getpid()
        self._timers_fd = self._wheel.fileno(self)
        self.add_reader(self._timers_fd, self._run_timers)

    def close(self):
        """Close the event loop. What is pending is dropped; nothing more can be started."""
        # Before its number is used again; but not in a child, whose selector is its parent's.
        if not (self.is_running() or self.is_closed() or os.getpid() != self._pid):
            self.remove_reader(self._timers_fd)
        super().close()
        self._due.clear()

    def _run_timers(self):
        self._wheel.collect(self.time(), self._due)
        try:
            for _ in range(len(self._due)):
                handle = self._due.popleft()
                if not handle._cancelled:
                    handle._run()
        finally:
            handle = None
            if self._due and not self.is_closed():  # a callback has raised SystemExit
                self.call_soon(self._run_timers)

    def _check_thread(self):
        running = asyncio._get_running_loop()
        if self.is_running() and running is not self:
            raise RuntimeError("Non-thread-safe operation invoked on an event loop other "
                               "than the current one")

    def _check_callback(self, callback, method):
        if asyncio.iscoroutine(callback) or asyncio.iscoroutinefunction(callback):
            raise TypeError(f"coroutines cannot be used with {method}()")
        if not callable(callback):
            raise TypeError(f"a callable object was expected by {method}(), got {callback!r}")


def new_event_loop():
    """Return a new EventLoop."""
    return EventLoop()


class EventLoopPolicy(asyncio.DefaultEventLoopPolicy):
    """asyncio's policy, whose new loops are EventLoops."""

    _loop_factory = EventLoop


def install():
    """Make EventLoop what asyncio.new_event_loop() and asyncio.run() use."""
    asyncio.set_event_loop_policy(EventLoopPolicy())


def run(main, *, debug=None):
    """asyncio.run() on an EventLoop: run the coroutine `main` and return its result."""
    if sys.version_info >= (3, 11):
        with asyncio.Runner(debug=debug, loop_factory=new_event_loop) as runner:
            return runner.run(main)
    policy = asyncio.get_event_loop_policy()
    install()
    try:
        return asyncio.run(main, debug=debug)
    finally:
        asyncio.set_event_loop_policy(policy)
