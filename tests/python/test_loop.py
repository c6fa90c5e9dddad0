# SPDX-License-Identifier: MIT
"""What the package promises beyond asyncio's own tests, which cpython_suite.py runs.

Clocks are the test's own: no test here depends on how long anything takes.
"""

import asyncio
import contextvars
import gc
import inspect
import math
import os
import random
import selectors
import subprocess
import sys
import threading
import unittest
import weakref

from unittest import mock

import tickwheel

START = 1000.0


class Selector(selectors.DefaultSelector):
    """Sleeping moves the clock; with nothing to wait for the loop stops."""

    def __init__(self):
        super().__init__()
        self.loop = None
        self.now = START
        self.timeouts = []

    def select(self, timeout=None):
        self.timeouts.append(timeout)
        if timeout is None:
            self.loop.stop()
        else:
            self.now += max(0, timeout)
        return super().select(0)


class VirtualLoop(tickwheel.EventLoop):
    """A loop whose clock moves when it sleeps."""

    def __init__(self):
        self.clock = Selector()
        super().__init__(self.clock)
        self.clock.loop = self

    def time(self):
        return self.clock.now


class LoopTest(unittest.TestCase):
    def setUp(self):
        self.loop = self.make()
        self.addCleanup(self.loop.close)
        self.ran = []

    make = VirtualLoop

    def run_all(self):
        self.loop.run_forever()


class Scheduling(LoopTest):
    def test_runs_by_time_and_then_in_the_order_of_scheduling(self):
        rng = random.Random(1)
        expected = []
        for number in range(2000):
            when = START + rng.randrange(100) * 0.01
            expected.append((when, number))
            self.loop.call_at(when, self.ran.append, (when, number))
        self.run_all()
        self.assertEqual(self.ran, sorted(expected))

    def test_soon_comes_before_timers_of_the_same_turn(self):
        self.loop.call_later(0, self.ran.append, "timer")
        self.loop.call_soon(self.ran.append, "soon")
        self.run_all()
        self.assertEqual(self.ran, ["soon", "timer"])

    def test_what_a_callback_schedules_waits_for_the_next_turn(self):
        def first():
            self.ran.append("first")
            self.loop.call_at(0, self.ran.append, "at once")
            self.loop.call_soon(self.ran.append, "soon")

        self.loop.call_later(1, first)
        self.loop.call_later(1, self.ran.append, "second")
        self.run_all()
        self.assertEqual(self.ran, ["first", "second", "soon", "at once"])

    def test_a_handle_is_asyncios(self):
        handle = self.loop.call_later(2, self.ran.append, 1)
        self.assertIsInstance(handle, asyncio.TimerHandle)
        self.assertIs(type(handle), tickwheel.TimerHandle)
        self.assertEqual(handle.when(), START + 2)
        self.assertFalse(handle.cancelled())
        self.assertIn(f"<TimerHandle when={START + 2} ", repr(handle))
        later = self.loop.call_later(3, self.ran.append, 1)
        self.assertLess(handle, later)
        self.assertNotEqual(handle, later)
        self.assertEqual(hash(handle), hash(START + 2))
        same = asyncio.TimerHandle(START + 2, handle._callback, handle._args, self.loop)
        self.assertEqual(handle, same)

    def test_when_is_what_was_given(self):
        class Seconds(float):
            pass

        for when in (2000, True, Seconds(2000)):
            self.assertIs(self.loop.call_at(when, print).when(), when)
        for when in (2000.5, -0.0, 5e-324, math.inf):
            given = self.loop.call_at(when, print).when()
            self.assertIs(type(given), float)
            self.assertEqual(given.hex(), when.hex())

    def test_its_attributes_are_what_asyncios_are(self):
        """Those that are made when asked for: the same each time, and as asyncio's."""
        for count in range(5):
            handle = self.loop.call_at(math.nan, print, *range(count))
            theirs = asyncio.TimerHandle(math.nan, print, tuple(range(count)), self.loop)
            self.assertEqual(handle._args, theirs._args)
            self.assertIs(handle._args, handle._args)
            self.assertIsInstance(handle._context, contextvars.Context)
            self.assertIs(handle._context, handle._context)
            self.assertIs(handle.when(), handle._when)
            self.assertEqual(hash(handle), hash(handle))
            handle.cancel()
            self.assertEqual((handle._args, handle._context, handle._callback), (None,) * 3)
            self.assertTrue(math.isnan(handle.when()))

    def test_its_attributes_can_be_set_as_asyncios(self):
        handle = self.loop.call_later(1, self.fail, 1)
        context = contextvars.copy_context()
        handle._when, handle._callback, handle._args, handle._context = (
            5.0, self.ran.append, (2,), context)
        self.assertEqual((handle.when(), handle._args), (5.0, (2,)))
        self.assertIs(handle._context, context)
        with self.assertRaises((TypeError, AttributeError)):
            del handle._args
        self.run_all()
        self.assertEqual(self.ran, [2])

    def test_arguments_by_name(self):
        self.loop.call_later(delay=1, callback=lambda: self.ran.append(1))
        self.loop.call_at(when=START + 2, callback=lambda: self.ran.append(2))
        self.loop.call_later(3, self.ran.append, 3, context=contextvars.copy_context())
        self.loop.call_later(4, lambda *args: self.ran.append(args), *range(20), context=None)
        self.run_all()
        self.assertEqual(self.ran, [1, 2, 3, tuple(range(20))])

    def test_pending_can_be_looked_at(self):
        handles = [self.loop.call_later(1 + i, print) for i in range(10)]
        self.assertEqual(set(self.loop._scheduled), set(handles))
        self.assertEqual(len(self.loop._scheduled), 10)
        handles[3].cancel()
        self.assertIn(handles[2], self.loop._scheduled)
        self.assertNotIn(handles[3], self.loop._scheduled)
        self.assertNotIn(handles, self.loop._scheduled)
        self.assertTrue(handles[2]._scheduled)
        self.assertFalse(handles[3]._scheduled)

    def test_far_away(self):
        for when in (START + 1e5, START + 1e8, 1e10, 1e300, math.inf):
            self.loop.call_at(when, self.ran.append, when)
        handle = self.loop.call_at(math.inf, self.fail)
        handle.cancel()
        self.loop.call_at(START + 1e8, self.loop.stop)
        self.run_all()
        self.assertEqual(self.ran, [START + 1e5, START + 1e8])
        self.assertLessEqual(max(t for t in self.loop.clock.timeouts if t is not None), 24 * 3600)

    def test_an_exception_goes_to_the_handler_and_the_rest_runs(self):
        contexts = []
        self.loop.set_exception_handler(lambda loop, context: contexts.append(context))
        handle = self.loop.call_later(1, lambda: 1 / 0)
        self.loop.call_later(1, self.ran.append, 1)
        self.run_all()
        self.assertEqual(self.ran, [1])
        self.assertIsInstance(contexts[0]["exception"], ZeroDivisionError)
        self.assertIs(contexts[0]["handle"], handle)

    def test_system_exit_leaves_the_rest_due(self):
        def leave():
            raise SystemExit

        self.loop.call_later(1, leave)
        self.loop.call_later(1, self.ran.append, 1)
        with self.assertRaises(SystemExit):
            self.run_all()
        self.assertEqual(self.ran, [])
        self.run_all()
        self.assertEqual(self.ran, [1])

    def test_collecting_that_fails_loses_nothing(self):
        class Refuses:
            def append(self, handle):
                raise OverflowError

        self.loop.call_later(1, self.ran.append, 1)
        self.loop.call_later(1, self.ran.append, 2)
        with self.assertRaises(OverflowError):
            self.loop._wheel.collect(START + 1, Refuses())
        self.assertEqual(len(self.loop._scheduled), 2)
        self.run_all()
        self.assertEqual(self.ran, [1, 2])


class NeverEarly(unittest.TestCase):
    """The clock moves by the smallest steps that a float can make."""

    def test_not_before_the_clock_has_reached_it(self):
        rng = random.Random(2)
        for clock in (0.0, 1e-9, 1.0, 1234.5, 1e5, 1e7, 3e8, 1.7e9):
            for _ in range(200):
                self.one(clock + rng.random() * rng.choice((1e-9, 1e-3, 10.0)))

    def one(self, when):
        timers = tickwheel._core.Timers()
        loop = tickwheel.EventLoop()
        loop._wheel = timers
        loop.time = lambda: max(0.0, when - 1)
        self.addCleanup(loop.close)
        loop.call_at(when, print)
        ready = []
        before = math.nextafter(when, 0) if hasattr(math, "nextafter") else when * (1 - 2 ** -53)
        timers.collect(before, ready)
        self.assertEqual(ready, [], f"{when!r} at {before!r}")
        # A clock of whole nanoseconds has reached it with its first reading that is not less.
        ns = int(when * 1e9) - 300
        while self.reading(ns) < when:
            ns += 1
        timers.collect(self.reading(ns), ready)
        self.assertEqual(len(ready), 1, f"{when!r} at {self.reading(ns)!r}")
        timers.close()
        loop.close()

    @staticmethod
    def reading(ns):
        """A float of seconds, as CPython makes it."""
        return float(ns // 10 ** 9) if ns % 10 ** 9 == 0 else ns / 1e9

    def test_on_the_real_clock(self):
        loop = tickwheel.new_event_loop()
        early = []

        def check(when):
            if loop.time() < when:
                early.append(when)

        rng = random.Random(3)
        for _ in range(500):
            when = loop.time() + rng.random() * 0.2
            loop.call_at(when, check, when)
        loop.call_later(0.3, loop.stop)
        loop.run_forever()
        loop.close()
        self.assertEqual(early, [])

    def test_the_clock_is_the_monotonic_one(self):
        self.assertIs(tickwheel.EventLoop.time, __import__("time").monotonic)


class Cancelling(LoopTest):
    def test_gives_up_everything_at_once(self):
        class Thing:
            pass

        variable = contextvars.ContextVar("variable")
        things = [Thing(), Thing(), Thing()]
        references = [weakref.ref(thing) for thing in things]

        def schedule(callback, argument, value):
            context = contextvars.copy_context()
            context.run(variable.set, value)
            return self.loop.call_later(1, lambda: callback, argument, context=context)

        handle = schedule(*things)
        things = None
        self.assertNotIn(None, [reference() for reference in references])
        handle.cancel()
        self.assertEqual([reference() for reference in references], [None] * 3)
        self.assertTrue(handle.cancelled())
        self.assertEqual(handle.when(), START + 1)
        self.assertEqual(len(self.loop._scheduled), 0)

    def test_twice_and_after_it_ran(self):
        handle = self.loop.call_later(1, self.ran.append, 1)
        other = self.loop.call_later(1, self.fail)
        other.cancel()
        other.cancel()
        self.run_all()
        self.assertFalse(handle.cancelled())
        handle.cancel()
        self.assertTrue(handle.cancelled())
        self.assertEqual(self.ran, [1])

    def test_of_one_that_is_due_already(self):
        other = None
        self.loop.call_later(1, lambda: other.cancel())
        other = self.loop.call_later(1, self.fail)
        self.run_all()
        self.assertTrue(other.cancelled())

    def test_memory_of_handles_is_used_again(self):
        """Starts and cancels in every order; each handle is what it says."""
        rng = random.Random(4)
        live, expected = {}, []
        for number in range(20000):
            if live and rng.random() < 0.55:
                live.pop(rng.choice(list(live))).cancel()
            else:
                live[number] = self.loop.call_later(rng.random() * 100, self.ran.append, number)
        for number, handle in live.items():
            self.assertEqual(handle._args, (number,))
            expected.append((handle.when(), number))
        self.assertEqual(len(self.loop._scheduled), len(live))
        live.clear()
        handle = None
        self.run_all()
        self.assertEqual(self.ran, [number for _, number in sorted(expected)])

    def test_of_a_million_needs_no_pause(self):
        """The turn after it handles nothing: none of them is there any more."""
        handles = [self.loop.call_later(60 + i * 1e-5, self.fail) for i in range(100_000)]
        for handle in handles:
            handle.cancel()
        self.assertEqual(len(self.loop._scheduled), 0)
        self.run_all()
        self.assertEqual(self.loop.clock.timeouts, [None])

    def test_keeps_the_handles_repr_in_debug_mode(self):
        self.loop.set_debug(True)
        handle = self.loop.call_later(1, self.ran.append, 1)
        self.assertIn("created at " + __file__, repr(handle))
        handle.cancel()
        self.assertIn("TimerHandle cancelled when=", repr(handle))
        self.assertIn("append", repr(handle))


class BadInput(LoopTest):
    def both(self, error, time, callback=print, **keywords):
        for function in (self.loop.call_later, self.loop.call_at):
            with self.assertRaises(error, msg=function.__name__) as caught:
                function(time, callback, **keywords)
        self.assertEqual(len(self.loop._scheduled), 0)
        return str(caught.exception)

    def test_times(self):
        for time in (None, "1", b"1", [], 1j, object()):
            self.both(TypeError, time)
        self.both(OverflowError, 10 ** 400)

    def test_nan_is_due_at_once_as_in_asyncio(self):
        on_asyncio = asyncio.SelectorEventLoop()
        for loop in (self.loop, on_asyncio):
            handle = loop.call_later(math.nan, self.ran.append, loop)
            self.assertTrue(math.isnan(handle.when()))
            loop.call_soon(loop.stop)
            loop.run_forever()
        on_asyncio.close()
        self.assertEqual(self.ran, [self.loop, on_asyncio])

    def test_callbacks_in_debug_mode(self):
        async def coroutine():
            pass

        self.loop.set_debug(True)
        self.assertEqual(self.both(TypeError, 1, coroutine),
                         "coroutines cannot be used with call_at()")
        self.assertEqual(self.both(TypeError, 1, 5),
                         "a callable object was expected by call_at(), got 5")

    def test_arguments(self):
        for function in (self.loop.call_later, self.loop.call_at):
            for args, keywords in (((), {}), ((1,), {}), ((1, print), {"what": 1}),
                                   ((1, print), {"callback": print})):
                with self.assertRaises(TypeError):
                    function(*args, **keywords)

    def test_a_closed_loop(self):
        handle = self.loop.call_later(1, self.fail)
        self.loop.close()
        self.assertEqual(self.both(RuntimeError, 1), "Event loop is closed")
        self.assertFalse(handle.cancelled())
        handle.cancel()
        self.loop.close()

    def test_closing_a_loop_that_runs(self):
        self.loop.call_later(1, lambda: self.ran.append(self.assertRaises(
            RuntimeError, self.loop.close)))
        self.loop.call_later(2, self.ran.append, 2)
        self.run_all()
        self.assertEqual(self.ran, [None, 2])

    def test_another_thread_in_debug_mode(self):
        self.loop.set_debug(True)
        errors = []

        def start():
            try:
                self.loop.call_later(1, print)
            except RuntimeError as error:
                errors.append(str(error))

        def from_a_thread():
            thread = threading.Thread(target=start)
            thread.start()
            thread.join()

        self.loop.call_later(1, from_a_thread)
        self.run_all()
        self.assertEqual(len(errors), 1)
        self.assertIn("Non-thread-safe operation", errors[0])

    def test_handles_are_made_by_loops_only(self):
        with self.assertRaises(TypeError):
            tickwheel.TimerHandle(1, print, (), self.loop)
        with self.assertRaises(TypeError):
            object.__new__(tickwheel.TimerHandle)
        with self.assertRaises(TypeError):
            class Derived(tickwheel.TimerHandle):
                pass

    def test_a_loop_that_was_not_initialised(self):
        class Loop(tickwheel.EventLoop):
            def __init__(self):
                pass

            def __del__(self):
                pass

        with self.assertRaises(AttributeError):
            Loop().call_at(1, print)
        loop = Loop()
        loop._wheel = []
        with self.assertRaises(RuntimeError):
            loop.call_at(1, print)


class Overriding(LoopTest):
    """call_later asks time() and call_at(), whoever has defined them, and when."""

    make = tickwheel.EventLoop

    def check(self, loop, now):
        self.assertEqual(loop.call_later(1, print).when(), now + 1)

    def test_time_of_a_subclass(self):
        class Loop(tickwheel.EventLoop):
            def time(self):
                return 5.0

        loop = Loop()
        self.addCleanup(loop.close)
        self.check(loop, 5)

    def test_time_set_on_the_loop(self):
        self.loop.call_later(1, print)
        self.loop.time = lambda: 7.0
        self.check(self.loop, 7)
        del self.loop.time
        self.assertGreater(self.loop.call_later(1, print).when(), 8)

    def test_time_set_on_the_class(self):
        class Loop(tickwheel.EventLoop):
            pass

        loop = Loop()
        self.addCleanup(loop.close)
        loop.call_later(1, print)
        with mock.patch.object(Loop, "time", lambda self: 9.0):
            self.check(loop, 9)
        self.assertGreater(loop.call_later(1, print).when(), 10)

    def test_call_at_of_a_subclass(self):
        class Loop(tickwheel.EventLoop):
            def call_at(self, when, callback, *args, context=None):
                seen.append((callback, args, context))
                return super().call_at(when, callback, *args, context=context)

        seen = []
        loop = Loop()
        self.addCleanup(loop.close)
        context = contextvars.copy_context()
        for count in (0, 1, 20):
            loop.call_later(1, print, *range(count), context=context)
        self.assertEqual(seen, [(print, tuple(range(count)), context) for count in (0, 1, 20)])

    def test_call_at_set_on_the_loop(self):
        self.loop.call_later(1, print)
        self.loop.call_at = mock.Mock()
        self.loop.call_later(1, print, 2)
        self.loop.call_at.assert_called_once_with(mock.ANY, print, 2)
        del self.loop.call_at
        self.assertIsInstance(self.loop.call_later(1, print), tickwheel.TimerHandle)

    def test_a_clock_that_is_set_back_while_nothing_is_pending(self):
        self.loop.call_later(0, self.loop.stop)
        self.loop.run_forever()
        now = 3.0
        self.loop.time = lambda: now
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        self.loop.call_later(2, self.ran.append, 1)
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        self.assertEqual(self.ran, [])
        now = 5.0
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        self.assertEqual(self.ran, [1])


class Contexts(LoopTest):
    def test_a_copy_of_the_current_one_or_the_given_one(self):
        variable = contextvars.ContextVar("variable", default=0)

        def see(then=None):
            self.ran.append(variable.get())
            variable.set(variable.get() + 100)
            if then:
                self.loop.call_later(1, then)

        variable.set(1)
        self.loop.call_later(1, see, see)
        variable.set(2)
        self.loop.call_later(2.5, see)
        context = contextvars.copy_context()
        context.run(variable.set, 3)
        self.loop.call_later(3, see, context=context)
        variable.set(4)
        self.run_all()
        self.assertEqual(self.ran, [1, 101, 2, 3])
        self.assertEqual(variable.get(), 4)
        self.assertEqual(context[variable], 103)


    def test_each_call_has_a_copy_of_its_own_of_an_empty_one(self):
        variable = contextvars.ContextVar("variable", default=0)

        def see():
            self.ran.append(variable.get())
            variable.set(variable.get() + 1)
            self.loop.call_later(1, lambda: self.ran.append(variable.get()))

        def schedule():
            self.assertEqual(len(contextvars.copy_context()), 0)
            handles.append(self.loop.call_later(1, see))
            variable.set(100)
            handles.append(self.loop.call_later(1, see))

        handles = []
        contextvars.Context().run(schedule)
        self.run_all()
        self.assertEqual(self.ran, [0, 100, 1, 101])
        self.assertIsNot(handles[0]._context, handles[1]._context)


class ManyLoops(unittest.TestCase):
    """Each loop finds its own timers, whichever was used last."""

    def test_by_turns(self):
        loops = [tickwheel.EventLoop() for _ in range(3)]
        for i in range(30):
            loops[i % 3].call_later(1000, print)
        self.assertEqual([len(loop._scheduled) for loop in loops], [10] * 3)
        for loop in loops:
            loop.close()

    def test_one_made_where_another_was(self):
        """With the timers of the first still there, since a handle holds them."""
        handles = []
        for _ in range(50):
            loop = tickwheel.EventLoop()
            handle = loop.call_later(1000, print)
            handle.cancel()
            self.assertEqual(len(loop._scheduled), 0)
            loop.call_later(1000, print)
            self.assertEqual(len(loop._scheduled), 1)
            loop.close()
            with self.assertRaises(RuntimeError):
                loop.call_later(1, print)
            handle._loop = None
            handles.append(handle)
            del loop

    def test_that_are_given_other_timers(self):
        loop = tickwheel.EventLoop()
        first = loop._wheel
        loop.call_later(1000, print)
        loop._wheel = tickwheel._core.Timers()
        loop.call_later(1000, print)
        loop.call_later(1000, print)
        self.assertEqual((len(first), len(loop._wheel)), (1, 2))
        del loop._wheel
        with self.assertRaises(AttributeError):
            loop.call_later(1000, print)
        loop._wheel = first
        loop.close()


class Collecting(unittest.TestCase):
    """The garbage collector, and who holds whom."""

    def setUp(self):
        gc.collect()

    def test_a_loop_in_a_cycle_with_its_handles(self):
        class Thing:
            pass

        loop = tickwheel.EventLoop()
        thing = Thing()
        thing.handle = loop.call_later(1000, lambda thing: None, thing)
        thing.cancelled = loop.call_later(1000, print)
        thing.cancelled.cancel()
        references = [weakref.ref(o) for o in (thing, loop, thing.handle)]
        loop.close()
        del thing, loop
        gc.collect()
        self.assertEqual([reference() for reference in references], [None] * 3)

    def test_timers_that_were_never_closed(self):
        """Only the collector can find this: the loop is not an asyncio one."""
        class Loop(tickwheel._core.LoopMethods):
            time = staticmethod(lambda: 1.0)

            def __init__(self):
                self._wheel = tickwheel._core.Timers()

        class Thing:
            pass

        for cancel in (False, True):
            loop, thing = Loop(), Thing()
            thing.handle = loop.call_later(1, print, thing)
            thing.loop = loop
            loop.call_later(1, print, thing)
            if cancel:
                thing.handle.cancel()
            reference = weakref.ref(thing)
            del loop, thing
            gc.collect()
            self.assertIsNone(reference())

    def test_a_pending_handle_needs_no_other_reference(self):
        loop = VirtualLoop()
        ran = []
        loop.call_later(1, ran.append, 1)
        gc.collect()
        loop.run_forever()
        loop.close()
        self.assertEqual(ran, [1])

    def test_weak_references(self):
        loop = tickwheel.EventLoop()
        died = []
        handle = loop.call_later(1, print)
        reference = weakref.ref(handle, died.append)
        self.assertIs(reference(), handle)
        handle.cancel()
        handle = None
        self.assertEqual(died, [reference])
        loop.close()

    def test_a_handle_outlives_its_loop(self):
        loop = tickwheel.EventLoop()
        pending, cancelled = loop.call_later(1, print), loop.call_later(1, print)
        cancelled.cancel()
        loop.close()
        del loop
        gc.collect()
        pending.cancel()
        self.assertTrue(pending.cancelled())
        self.assertIn("cancelled", repr(cancelled))

    def test_a_long_chain_is_given_up_without_recursion(self):
        loop = tickwheel.EventLoop()
        handle = None
        for _ in range(200_000):
            handle = loop.call_later(1, print, handle)
        loop.close()
        handle = None

    def test_closing_from_what_is_dropped(self):
        loop = tickwheel.EventLoop()

        class Closes:
            def __del__(self):
                loop.close()
                other.cancel()

        other = loop.call_later(1, print)
        loop.call_later(1, print, Closes())
        loop.close()
        other = None


class Program(unittest.TestCase):
    def test_run(self):
        async def main():
            self.assertIsInstance(asyncio.get_running_loop(), tickwheel.EventLoop)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 0.01)
            return 5

        self.assertEqual(tickwheel.run(main()), 5)

    def test_run_in_debug_mode(self):
        async def main():
            return asyncio.get_running_loop().get_debug()

        self.assertTrue(tickwheel.run(main(), debug=True))

    def test_install(self):
        policy = asyncio.get_event_loop_policy()
        tickwheel.install()
        try:
            async def main():
                return type(asyncio.get_running_loop())

            self.assertIs(asyncio.run(main()), tickwheel.EventLoop)
            loop = asyncio.new_event_loop()
            self.assertIsInstance(loop, tickwheel.EventLoop)
            loop.close()
        finally:
            asyncio.set_event_loop_policy(policy)

    def test_signatures_and_documentation(self):
        for function in (tickwheel.EventLoop.call_at, tickwheel.EventLoop.call_later,
                         tickwheel.TimerHandle.cancel, tickwheel.run, tickwheel.install):
            self.assertTrue(function.__doc__, function)
            inspect.signature(function)
        for method in ("call_at", "call_later"):
            ours = inspect.signature(getattr(tickwheel.EventLoop, method))
            theirs = inspect.signature(getattr(asyncio.SelectorEventLoop, method))
            self.assertEqual(list(ours.parameters), list(theirs.parameters))
            self.assertEqual(ours.parameters["context"].kind, inspect.Parameter.KEYWORD_ONLY)

    @unittest.skipUnless(hasattr(os, "fork"), "needs fork")
    def test_a_child_makes_a_loop_of_its_own(self):
        loop = tickwheel.new_event_loop()
        ran = []
        loop.call_later(0.01, ran.append, 1)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                async def main():
                    await asyncio.sleep(0.001)
                    return 7

                status = 0 if tickwheel.run(main()) == 7 else 2
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        loop.call_later(0.02, loop.stop)
        loop.run_forever()
        loop.close()
        self.assertEqual(ran, [1])

    def test_in_a_subinterpreter(self):
        try:
            from test.support import run_in_subinterp
        except ImportError:
            self.skipTest("needs CPython's test package")
        code = ("import asyncio, sys\n"
                f"sys.path[:0] = {sys.path!r}\n"
                "import tickwheel\n"
                "async def main():\n"
                "    await asyncio.sleep(0.001)\n"
                "    return type(asyncio.get_running_loop().call_later(1, print))\n"
                "assert tickwheel.run(main()) is tickwheel.TimerHandle\n")
        for _ in range(3):
            self.assertEqual(run_in_subinterp(code), 0)


class Endings(unittest.TestCase):
    """Programs of their own: how they end is what is tested."""

    def ends(self, program):
        done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", program],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_handles_that_live_until_the_interpreter_ends(self):
        for kept in ("", "a.timer.cancel()", "await asyncio.sleep(0.002)"):
            self.ends("import asyncio, tickwheel\n"
                      "class A: pass\n"
                      "a = A()\n"
                      "async def main():\n"
                      "    loop = asyncio.get_running_loop()\n"
                      "    a.timer = loop.call_later(0.001, setattr, a, 'done', True)\n"
                      f"    {kept or 'pass'}\n"
                      "tickwheel.run(main())\n")

    def test_handles_that_outlive_the_module(self):
        self.ends("import gc, sys, tickwheel\n"
                  "loop, kept = tickwheel.EventLoop(), []\n"
                  "kept += [kept, loop.call_later(1, kept.append)]\n"
                  "loop.close()\n"
                  "for name in [name for name in sys.modules if name.startswith('tickwheel')]:\n"
                  "    del sys.modules[name]\n"
                  "del loop, kept, tickwheel\n"
                  "gc.collect()\n"
                  "gc.collect()\n")

    def test_what_is_dropped_by_close_starts_nothing(self):
        said = self.ends("import tickwheel\n"
                         "loop = tickwheel.EventLoop()\n"
                         "class Starter:\n"
                         "    def __del__(self):\n"
                         "        try:\n"
                         "            loop.call_later(1, print)\n"
                         "        except RuntimeError as why:\n"
                         "            print(why)\n"
                         "loop.call_later(1, print, Starter())\n"
                         "loop.close()\n")
        self.assertEqual(said, "Event loop is closed\n")


if __name__ == "__main__":
    unittest.main()
