# SPDX-License-Identifier: MIT
"""The timers on loops that are not asyncio's own: uvloop's, and one by add_reader only."""

import asyncio
import contextvars
import gc
import os
import random
import signal
import threading
import unittest
import weakref

import tickwheel
import uvloop


class OnUvloop(tickwheel.TimersMixin, uvloop.Loop):
    pass


class OnAsyncio(tickwheel.TimersMixin, asyncio.SelectorEventLoop):
    """By its descriptor, as any loop; EventLoop knows asyncio's better."""


class Common:
    make = None

    def setUp(self):
        self.loop = self.make()
        self.addCleanup(self.loop.close)
        self.ran = []

    def run_for(self, seconds):
        self.loop.call_later(seconds, self.loop.stop)
        self.loop.run_forever()

    def test_order_and_never_early(self):
        rng = random.Random(5)
        base = self.loop.time()
        expected, early = [], []

        def run(when, number):
            self.ran.append((when, number))
            if self.loop.time() < when:
                early.append(when)

        for number in range(500):
            when = base + rng.randrange(20) * 0.005
            expected.append((when, number))
            self.loop.call_at(when, run, when, number)
        self.run_for(0.12)
        self.assertEqual(self.ran, sorted(expected))
        self.assertEqual(early, [])

    def test_handles(self):
        handle = self.loop.call_later(0.001, self.fail)
        self.assertIsInstance(handle, tickwheel.TimerHandle)
        handle.cancel()
        self.loop.call_later(0.001, self.ran.append, 1)
        self.run_for(0.01)
        self.assertEqual(self.ran, [1])

    def test_an_earlier_one_started_while_it_sleeps(self):
        self.loop.call_later(3600, self.fail)
        self.loop.call_soon_threadsafe(lambda: self.loop.call_later(0.002, self.loop.stop))
        self.loop.run_forever()

    def test_cancelling_one_that_is_due(self):
        when = self.loop.time() + 0.001
        self.loop.call_at(when, lambda: other.cancel())
        other = self.loop.call_at(when, self.fail)
        self.run_for(0.01)

    def test_what_asyncio_does_with_timers(self):
        async def main():
            await asyncio.sleep(0.001)
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 0.002)
            done, pending = await asyncio.wait([asyncio.ensure_future(asyncio.sleep(60))],
                                               timeout=0.002)
            self.assertEqual((len(done), len(pending)), (0, 1))
            for task in pending:
                task.cancel()
            return 5

        self.assertEqual(self.loop.run_until_complete(main()), 5)

    def test_contexts(self):
        variable = contextvars.ContextVar("variable", default=0)
        variable.set(1)
        self.loop.call_later(0.001, lambda: self.ran.append(variable.get()))
        variable.set(2)
        self.run_for(0.01)
        self.assertEqual(self.ran, [1])

    def test_exceptions(self):
        contexts = []
        self.loop.set_exception_handler(lambda loop, context: contexts.append(context))
        when = self.loop.time() + 0.001
        self.loop.call_at(when, lambda: 1 / 0)
        self.loop.call_at(when, self.ran.append, 1)
        self.run_for(0.01)
        self.assertEqual(self.ran, [1])
        self.assertIsInstance(contexts[0]["exception"], ZeroDivisionError)

    def test_system_exit_leaves_the_rest_due(self):
        def leave():
            raise SystemExit

        when = self.loop.time() + 0.001
        self.loop.call_at(when, leave)
        self.loop.call_at(when, self.ran.append, 1)
        with self.assertRaises(SystemExit):
            self.loop.run_forever()
        self.run_for(0.01)
        self.assertEqual(self.ran, [1])

    def test_bad_input(self):
        async def coroutine():
            pass

        for function in (self.loop.call_later, self.loop.call_at):
            for bad in (None, "1", 1j):
                self.assertRaises(TypeError, function, bad, print)
            self.loop.set_debug(True)
            for bad in (coroutine, 5):
                self.assertRaises(TypeError, function, 1, bad)
            self.loop.set_debug(False)
        self.assertEqual(len(self.loop._wheel), 0)

    def test_another_thread_in_debug_mode(self):
        self.loop.set_debug(True)

        def start():
            try:
                self.loop.call_later(1, print)
            except RuntimeError as error:
                self.ran.append(str(error))

        def from_a_thread():
            thread = threading.Thread(target=start)
            thread.start()
            thread.join()

        self.loop.call_later(0.001, from_a_thread)
        self.run_for(0.05)
        self.assertIn("Non-thread-safe operation", self.ran[0])

    def test_closing(self):
        handle = self.loop.call_later(1, self.fail)
        reference = weakref.ref(handle)
        self.loop.close()
        self.assertRaises(RuntimeError, self.loop.call_later, 1, print)
        del handle
        gc.collect()
        self.assertIsNone(reference())
        self.loop.close()

    def test_closing_while_it_runs_is_refused(self):
        def close():
            self.assertRaises(RuntimeError, self.loop.close)
            self.loop.call_later(0.001, self.ran.append, 1)

        self.loop.call_soon(close)
        self.run_for(0.01)
        self.assertEqual(self.ran, [1])


    def test_a_child_that_ends_leaves_the_parents_timers_alone(self):
        self.loop.run_until_complete(asyncio.sleep(0))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                self.loop.close()     # as the end of an interpreter does with an open loop
                status = 0
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        signal.alarm(20)          # nothing else would wake the loop: it ends the test
        self.loop.call_later(0.01, self.ran.append, "woken")
        self.loop.call_later(0.02, self.loop.stop)
        self.loop.run_forever()
        signal.alarm(0)
        self.assertEqual(self.ran, ["woken"])


class Uvloop(Common, unittest.TestCase):
    make = OnUvloop
    test_a_child_that_ends_leaves_the_parents_timers_alone = None   # nor does uvloop itself


class Asyncio(Common, unittest.TestCase):
    make = OnAsyncio


if __name__ == "__main__":
    unittest.main()
