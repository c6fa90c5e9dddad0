# SPDX-License-Identifier: MIT
"""Tests of bench/count: test_counts.py BENCH BUILD RECORDED

Holds tickwheel's own counts against those in the repository, RECORDED: an
operation that takes over 2 % more instructions or cache lines fails. If that is
meant, `bench/count --record` and say why in the commit.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

BENCH, BUILD, RECORDED = sys.argv[1:4]
sys.path.insert(0, f"{BENCH}/counts")

import kept  # noqa: E402
from callgrind import Count, run  # noqa: E402


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name, "counts.tsv")

    def test_what_is_written_is_read_again(self):
        kept.write(self.path, {"compiler": "GNU 1"}, {"a": Count(2, 30, 4), "b": Count(1, 5, 6)})
        built_with, counts = kept.read(self.path)
        self.assertEqual(built_with, {"compiler": "GNU 1"})
        self.assertEqual(counts["a"].per_operation(), (15, 2))
        self.assertEqual(counts["b"].per_operation(), (5, 6))

    def test_what_is_not_such_a_file_is_named_with_its_line(self):
        for line in ("a\t1\t2", "a\t1\t2\tx", "a\t0\t2\t3", "nonsense"):
            self.path.write_text(f"{kept.HEADER}\n{line}\n")
            with self.assertRaisesRegex(kept.BadFile, "line 2"):
                kept.read(self.path)
        with self.assertRaises(kept.BadFile):
            kept.read(self.path.parent / "missing")


class Growth(unittest.TestCase):
    def grown(self, before, now):
        return list(kept.grown({"a": Count(*before)}, {"a": Count(*now)}))

    def test_more_than_two_percent_of_either_is_told(self):
        self.assertEqual(self.grown((10, 1000, 100), (10, 1020, 102)), [])
        self.assertEqual(len(self.grown((10, 1000, 100), (10, 1021, 100))), 1)
        self.assertEqual(len(self.grown((10, 1000, 100), (10, 900, 103))), 1)
        self.assertEqual(len(self.grown((10, 1000, 100), (20, 2044, 206))), 2)

    def test_a_trifle_is_not(self):
        self.assertEqual(self.grown((100, 1000, 0), (100, 1049, 1)), [])


@unittest.skipIf(shutil.which("valgrind") is None, "valgrind is not installed")
class Counted(unittest.TestCase):
    OPERATIONS = f"{BUILD}/bench/counts/bench_operations"

    def test_twice_the_same_to_the_last_digit(self):
        first, second = (run(self.OPERATIONS, ["refresh"])["refresh"] for _ in range(2))
        self.assertEqual(vars(first), vars(second))
        self.assertGreater(first.instructions, first.operations)

    def test_when_to_run_next_is_told_at_a_bounded_cost_beyond_the_span_too(self):
        """A chunk's cells of each level are read, however stale what is known of them."""
        for name in ("next-stopped", "far-next-stopped"):
            instructions, _ = run(self.OPERATIONS, [name])[name].per_operation()
            self.assertLess(instructions, 2000, name)

    def test_nothing_of_tickwheels_own_has_grown(self):
        done = subprocess.run(
            [sys.executable, "-B", f"{BENCH}/counts", BUILD, "--check", RECORDED,
             "--filter", r"^operation/|/tickwheel-(embedded|park|bare|inline|handles)/10000$"], capture_output=True, text=True)
        if done.returncode == 77:
            self.skipTest(done.stdout.splitlines()[-1])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
