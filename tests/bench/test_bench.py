# SPDX-License-Identifier: MIT
"""Tests of the benchmark programs: test_bench.py BENCH BUILD SUITE WRONG [JEMALLOC_SUITE]

BUILD is the build folder, SUITE bench_suite, WRONG the same harness with wrong.cpp's contender. What is
tested does not depend on how fast the machine is.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

BENCH, BUILD, SUITE, WRONG = sys.argv[1:5]
JEMALLOC = sys.argv[5] if len(sys.argv) > 5 else None
sys.path.insert(0, f"{BENCH}/report")

import table  # noqa: E402


class Program(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_suite(self, program, pattern, repetitions=1, **environment):
        """(the finished process, the result file) of a run."""
        path = self.folder / "result.json"
        done = subprocess.run(
            [program, f"--benchmark_filter={pattern}", f"--benchmark_repetitions={repetitions}",
             f"--benchmark_out={path}", "--benchmark_out_format=json"],
            capture_output=True, text=True, env={**os.environ, **environment})
        return done, path

    def results(self, program, pattern, **environment):
        done, path = self.run_suite(program, pattern, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        results = table.Results()
        results.read(path)
        return results

    def show(self, path):
        return subprocess.run([sys.executable, "-B", f"{BENCH}/report/table.py", path],
                              capture_output=True, text=True)


class Allocations(Program):
    def test_a_tree_allocates_once_an_operation_and_a_wheel_never(self):
        results = self.results(SUITE, "^(churn|steady)/.*/10000$")
        for workload in ("churn", "steady"):
            counted = {name: results.median(workload, name, 10000, "allocations")
                       for name in results.contenders()}
            # In churn a timer that fires starts again, too: a little more than one.
            self.assertTrue(1 <= counted["multimap"] < 1.01, counted)
            for name in ("limit", "list-wheel", "tickwheel-embedded", "tickwheel-park",
                         "tickwheel-handles"):
                self.assertEqual(counted[name], 0, counted)

    @unittest.skipIf(JEMALLOC is None, "jemalloc is not installed")
    def test_those_from_an_arena_of_jemallocs_are_counted(self):
        results = self.results(JEMALLOC, "^(herd|fill)/tickwheel-jemalloc/10000$")
        # Sorting what is due in one tick takes scratch memory, beyond what was reserved.
        per_timer = results.median("herd", "tickwheel-jemalloc", 10000, "allocations")
        self.assertTrue(0 < per_timer < 0.01, per_timer)
        self.assertEqual(results.median("fill", "tickwheel-jemalloc", 10000, "allocations"), 0)


class Wrong(Program):
    def test_a_first_repetition_that_is_wrong_voids_the_run_visibly(self):
        done, path = self.run_suite(WRONG, "^fill/forgetful/10000$", repetitions=3)
        self.assertEqual(done.returncode, 1)
        self.assertIn("WRONG: fill/forgetful/10000", done.stderr)
        runs = json.loads(path.read_text())["benchmarks"]  # it is not cut off
        labels = [run.get("label", "") for run in runs if run["run_type"] == "iteration"]
        self.assertEqual([label[:7] for label in labels], ["WRONG: ", "", ""])
        shown = self.show(path)
        self.assertEqual(shown.returncode, 1)
        self.assertRegex(shown.stdout, r"WRONG: fill/forgetful/10000: its checksum differs: \d+ timers "
                         r"fired, and 10000 had to; 0 of them early, the latest \d\.\d+ ms after")

    def test_the_right_ones_are_not(self):
        results = self.results(WRONG, "^fill/multimap/10000$", repetitions=3)
        self.assertFalse(results.wrong)


class Slow(Program):
    def test_what_is_slow_is_run_once_and_named(self):
        done, path = self.run_suite(WRONG, "^(fill|steady)/multimap/10000$", repetitions=3,
                                    TICKWHEEL_BENCH_SLOW="0.000001")
        self.assertEqual(done.returncode, 0, done.stderr)
        results = table.Results()
        results.read(path)
        self.assertEqual(results.once, {"fill/multimap/10000", "steady/multimap/10000"})
        self.assertEqual([len(runs) for runs in results.runs.values()], [1, 1])
        self.assertIn("Measured once, since slow: fill/multimap/10000, steady/multimap/10000",
                      self.show(path).stdout)

    def test_what_is_not_is_repeated(self):
        results = self.results(WRONG, "^fill/multimap/10000$", repetitions=3,
                               TICKWHEEL_BENCH_SLOW="1000")
        self.assertEqual([len(runs) for runs in results.runs.values()], [3])


class Rounds(Program):
    def play(self, pattern, rounds="3 3 3 3", **environment):
        path = self.folder / "rounds.json"
        done = subprocess.run(
            [WRONG, f"--benchmark_filter={pattern}", f"--benchmark_out={path}",
             "--benchmark_out_format=json"], capture_output=True, text=True,
            env={**os.environ, "TICKWHEEL_BENCH_ROUNDS": rounds, **environment})
        return done, path

    def runs(self, *arguments, **environment):
        done, path = self.play(*arguments, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(path.read_text())["benchmarks"]

    def test_every_contender_comes_once_a_round_and_sizes_have_their_own_number(self):
        runs = self.runs("^(fill|steady)/multimap/(10000|100000)$", "3 2 1 1",
                         TICKWHEEL_BENCH_AWAY="1000")
        played = {}
        for run in runs:
            played.setdefault(run["run_name"], []).append((run["round"], run["tries"]))
        small, large = [(0, 1), (1, 1), (2, 1)], [(0, 1), (1, 1)]
        self.assertEqual(played, {"fill/multimap/10000": small, "steady/multimap/10000": small,
                                  "fill/multimap/100000": large, "steady/multimap/100000": large})

    def test_a_window_without_the_processor_is_measured_again_twice_at_most(self):
        # No window can be less than not at all without it: so all of them are.
        runs = self.runs("^fill/multimap/10000$", "2 2 2 2", TICKWHEEL_BENCH_AWAY="-1")
        self.assertEqual([(run["round"], run["tries"]) for run in runs], [(0, 3), (1, 3)])

    def test_what_is_slow_has_one_round_and_is_named(self):
        done, path = self.play("^fill/multimap/10000$", TICKWHEEL_BENCH_SLOW="0.000001")
        results = table.Results()
        results.read(path)
        self.assertEqual(results.once, {"fill/multimap/10000"})
        self.assertEqual([len(runs) for runs in results.runs.values()], [1])
        self.assertIn("Measured once, since slow: fill/multimap/10000", self.show(path).stdout)

    def test_a_second_filter_narrows_the_first(self):
        runs = self.runs("/multimap/10000$", "1 1 1 1", TICKWHEEL_BENCH_AND="^idle/")
        self.assertEqual([run["run_name"] for run in runs], ["idle/multimap/10000"])

    def test_a_wrong_one_voids_the_run_and_the_file_is_whole(self):
        done, path = self.play("^fill/forgetful/10000$", TICKWHEEL_BENCH_AWAY="1000")
        self.assertEqual(done.returncode, 1)
        labels = [run.get("label", "")[:5] for run in json.loads(path.read_text())["benchmarks"]]
        self.assertEqual(labels, ["WRONG", "", ""])

    def test_nothing_to_do_and_a_bad_number_are_told(self):
        done, _ = self.play("^nothing$")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no benchmark was run", done.stderr)
        done, _ = self.play("^fill/multimap/10000$", "3 3")
        self.assertIn("not four numbers: 3 3", done.stderr)

    def test_ratios_are_taken_within_rounds(self):
        done, path = self.play("^fill/(multimap|forgetful)/10000$", TICKWHEEL_BENCH_AWAY="1000")
        results = table.Results()
        results.read(path)
        ratio = results.ratio("fill", "start_ns", 10000, "forgetful", "multimap")
        self.assertGreater(ratio.value, 0)
        self.assertEqual(set(results.by_round("fill", "multimap", 10000)), {0, 1, 2})


class Schedules(Program):
    def test_a_second_program_goes_by_what_the_first_has_worked_out(self):
        schedules = self.folder / "schedules"
        for pattern in ("^churn/multimap/10000$", "^churn-latency/multimap/10000$"):
            self.results(SUITE, pattern, TICKWHEEL_BENCH_SCHEDULES=str(schedules))
        self.assertEqual(len(schedules.read_text().splitlines()), 1)
        # It is held against them, then: with another checksum all would be wrong.
        words = schedules.read_text().split()
        words[4] = str(int(words[4]) ^ 1)
        schedules.write_text(" ".join(words) + "\n")
        done, _ = self.run_suite(SUITE, "^churn/multimap/10000$",
                                 TICKWHEEL_BENCH_SCHEDULES=str(schedules))
        self.assertEqual(done.returncode, 1)


class Estimate(Program):
    def test_progress_says_how_much_time_is_left_until_the_last(self):
        ahead = self.folder / "ahead"
        ahead.write_text("fill/multimap/10000\nsteady/multimap/10000\n")
        done, _ = self.run_suite(WRONG, "^(fill|steady)/multimap/10000$", repetitions=3,
                                 TICKWHEEL_BENCH_AHEAD=str(ahead), TICKWHEEL_BENCH_TOTAL="6")
        lines = [line for line in done.stderr.splitlines() if line.startswith("[")]
        self.assertEqual(len(lines), 6)
        self.assertTrue(all(line.endswith(" left") for line in lines[:5]), lines)
        self.assertFalse(lines[5].endswith(" left"))


class Filter(Program):
    """bench/run looks for what --filter names wherever there are rows."""

    def bench_run(self, *arguments):
        environment = {**os.environ, "TICKWHEEL_BENCH_BUILD": BUILD, "TICKWHEEL_BENCH_IS_BUILT": "1"}
        return subprocess.run([f"{BENCH}/run", *arguments], capture_output=True, text=True,
                              env=environment)

    def test_rows_of_python_alone_are_run(self):
        done = self.bench_run("--filter", "^(idle|memory)/asyncio/10000$")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for name in ("idle/asyncio/10000", "memory/asyncio/10000"):
            self.assertRegex(done.stdout, rf"(?m)^\[./2\] {name}: ")
        self.assertIn("none of them was run", done.stdout)  # of the suite's workloads

    def test_a_size_of_the_full_pass_alone_is_taken_from_there(self):
        done = self.bench_run("--filter", "^idle/asyncio/100000$")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("is taken from the full one", done.stdout)
        self.assertIn("idle/asyncio/100000: ", done.stdout)

    def test_what_matches_nothing_anywhere_is_told(self):
        for more in ((), ("--full",), ("--runtimes",)):
            done = self.bench_run("--filter", "^nothing/of/this/kind$", *more)
            self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
            self.assertEqual(done.stderr, "No benchmark matches ^nothing/of/this/kind$\n")
            self.assertEqual(done.stdout, "")

    def test_lists_name_what_they_would_measure(self):
        rows = self.list_of("runtimes/asyncio_rows.py", "--filter", "^restart/", "--and", "/10000$")
        self.assertLessEqual({"restart/asyncio/10000", "restart/asyncio-on-tickwheel/10000"},
                             set(rows))
        self.assertEqual(len(self.list_of("runtimes/asyncio_rows.py", "--filter", "^steady/uvloop/")), 0)
        self.assertEqual(self.list_of("runtimes", "--filter", "/go/10000$"),
                         [f"{name}/go/10000" for name in ("fill", "churn", "idle", "request")])

    def test_the_parts_of_a_long_publication_are_the_whole(self):
        """Those that CONTRIBUTING.md names: each row is in one of them."""
        text = pathlib.Path(BENCH, "CONTRIBUTING.md").read_text(encoding="utf-8")
        parts = re.findall(r"^bench/run --full --publish --filter '(.*)'$", text, re.M)
        self.assertGreater(len(parts), 2)
        names = self.list_of("runtimes/asyncio_rows.py")
        for program in filter(None, (SUITE, JEMALLOC, f"{BUILD}/bench/realtime/bench_realtime")):
            listed = subprocess.run([program, "--benchmark_list_tests"], capture_output=True,
                                    text=True, check=True).stdout.splitlines()
            names += [re.sub(r"/repeats:.*", "", line) for line in listed if "/" in line]
        self.assertGreater(len(names), 100)
        self.assertEqual([name for name in names
                          if not any(re.search(part, name) for part in parts)], [])

    def list_of(self, script, *arguments):
        done = subprocess.run([sys.executable, "-B", f"{BENCH}/{script}", "--list", *arguments],
                              capture_output=True, text=True, check=True)
        return done.stdout.splitlines()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
