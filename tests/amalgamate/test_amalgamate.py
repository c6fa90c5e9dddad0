# SPDX-License-Identifier: MIT
"""tools/amalgamate: what it writes compiles everywhere without a warning, exports the
public functions alone, keeps its inner names to itself, and refuses names used twice.

    test_amalgamate.py TOP
"""
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOP = Path(sys.argv.pop(1)).resolve()
COMPILERS = [compiler for compiler in ("gcc", "clang") if shutil.which(compiler)]
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
NO_RUNNER, STATIC = "-DTICKWHEEL_NO_RUNNER", "-DTICKWHEEL_STATIC"


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)


class Amalgamation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.here = Path(folder.name)
        cls.tool(TOP, cls.here)
        cls.text = (cls.here / "tickwheel.c").read_text()

    @staticmethod
    def tool(top, folder, expected=0):
        done = run(top / "tools/amalgamate", folder)
        if done.returncode != expected:
            raise AssertionError(f"tools/amalgamate: {done.returncode}\n{done.stderr}")
        return done.stderr

    def compile(self, compiler, *flags, source="tickwheel.c", output="out.o"):
        done = run(compiler, *flags, "-c", source, "-o", output, cwd=self.here)
        self.assertEqual((done.returncode, done.stderr), (0, ""), f"{compiler} {flags}")
        return self.here / output

    def symbols(self, thing, *kinds):
        lines = run("nm", thing).stdout.splitlines()
        return {line.split()[-1] for line in lines if line.split()[-2] in kinds}

    def public(self):
        return set(re.findall(r"^TW_API[^;(]*?(\w+)\(", (TOP / "include/tickwheel.h").read_text(),
                              re.MULTILINE))

    def test_calls_that_only_ask_for_cache_lines_are_kept(self):
        """gcc leaves them out where it sees both ends, and takes them to be without effect."""
        asking = {name for file in (TOP / "lib").glob("*/*.c")
                  for name in re.findall(r"^void (\w*prefetch\w*)\(", file.read_text(), re.MULTILINE)}
        self.assertEqual(asking, {"ready_prefetch", "wheel_prefetch_next"})
        for compiler in COMPILERS:
            for level in ("-O2", "-O3"):
                with self.subTest(compiler=compiler, level=level):
                    # What is not inlined has a symbol, if it is called.
                    compiled = self.compile(compiler, level, "-fno-inline")
                    kept = {name.removeprefix("tw_in_").split(".")[0]
                            for name in self.symbols(compiled, "t")}
                    self.assertEqual(asking - kept, set())

    def test_compiles_without_a_warning(self):
        for compiler in COMPILERS:
            for flags in [["-O2"], [NO_RUNNER], [STATIC], ["-O2", STATIC, NO_RUNNER],
                          ["-U__linux__"], ["-DTW_CHECKED=2"]]:
                with self.subTest(compiler=compiler, flags=flags):
                    self.compile(compiler, *STRICT, *flags)

    def test_exports_the_public_functions_and_nothing_else(self):
        seen = self.symbols(self.compile(COMPILERS[0], "-std=c11"), *"TDBRC")
        self.assertEqual(seen, self.public())
        seen = self.symbols(self.compile(COMPILERS[0], "-std=c11", NO_RUNNER), *"TDBRC")
        self.assertLess(seen, self.public())
        self.assertNotIn("tw_run_forever", seen)

    def test_static_exports_nothing(self):
        seen = self.symbols(self.compile(COMPILERS[0], "-std=c11", STATIC), *"TDBRC")
        self.assertEqual(seen, set())

    def test_without_the_runner_no_thread_and_no_descriptor_is_touched(self):
        wanted = self.symbols(self.compile(COMPILERS[0], "-std=c11", NO_RUNNER), "U")
        self.assertEqual({name for name in wanted
                          if re.search("pthread|epoll|eventfd|timerfd|poll|pipe|write$", name)}, set())

    def test_its_inner_names_are_free_for_the_including_file(self):
        inner = re.findall(r"^#define (\w+) tw_in_\1$", self.text, re.MULTILINE)
        self.assertGreater(len(inner), 100)
        macros = {name for name in re.findall(r"^ *# *define (\w+)", self.text, re.MULTILINE)
                  if not name.startswith("_")}
        lines = ['#define TICKWHEEL_STATIC', '#include "tickwheel.c"']
        lines += [f"int {name}_(int {name}); int {name}_(int {name}) {{ return {name}; }}\n"
                  f"static int {name}; int *{name}__(void); int *{name}__(void) {{ return &{name}; }}"
                  for name in inner]
        lines += [f"#ifdef {name}\n#error {name} is left over\n#endif" for name in sorted(macros)]
        (self.here / "user.c").write_text("\n".join(lines) + "\n")
        self.compile(COMPILERS[0], "-std=c11", "-Wall", "-Wextra", "-Werror", source="user.c")

    def test_asks_for_the_features_it_needs(self):
        (self.here / "late.c").write_text('#include <stdio.h>\n#define TICKWHEEL_STATIC\n'
                                          '#include "tickwheel.c"\n')
        done = run(COMPILERS[0], "-std=c11", "-c", "late.c", "-o", "late.o", cwd=self.here)
        self.assertIn("before the system's headers, or define _DEFAULT_SOURCE", done.stderr)
        self.compile(COMPILERS[0], "-std=gnu11", source="late.c")

    def test_links_into_a_cplusplus_program(self):
        self.compile("gcc", "-std=c11", output="tickwheel.o")
        done = run("g++", "-std=c++11", "-I.", TOP / "tests/header/cplusplus.cpp", "tickwheel.o",
                   "-pthread", "-o", "program", cwd=self.here)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(run("./program", cwd=self.here).returncode, 0)

    def test_says_its_licence_once_at_the_top(self):
        self.assertTrue(self.text.startswith("/* SPDX-License-Identifier: MIT */\n"))
        self.assertEqual(self.text.count("SPDX-"), 1)

    def parts(self):
        """The files that it is made of, as paths in lib/."""
        return re.findall(r"^/\* =+ lib/(\S+) \*/$", self.text, re.MULTILINE)

    def test_is_made_of_every_source(self):
        parts = self.parts()
        self.assertEqual(len(parts), len(set(parts)), "each once")
        cmake = (TOP / "CMakeLists.txt").read_text()
        listed = re.search(r"set\(TICKWHEEL_SOURCES([^)]*)\)", cmake).group(1)
        sources = re.findall(r"lib/([\w/]+\.c)", listed)
        self.assertGreater(len(sources), 30)
        for source in sources:
            self.assertIn(source, parts)

    def test_an_included_header_is_written_before_its_users(self):
        before = []
        for part in self.parts():
            for header in re.findall(r'^#include "(.*)"', (TOP / "lib" / part).read_text(),
                                     re.MULTILINE):
                self.assertIn(header, before, f"{part} needs {header}")
            before.append(Path(part).name)


class Refusals(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.top = Path(folder.name) / "top"
        for part in ("lib", "include", "tools"):
            shutil.copytree(TOP / part, self.top / part)
        shutil.copy(TOP / "CMakeLists.txt", self.top)

    def refused(self):
        out = self.top / "out"
        message = Amalgamation.tool(self.top, out, expected=1)
        self.assertFalse(out.exists(), "nothing is written")
        return message

    def file(self, name):
        return next((self.top / "lib").rglob(name))

    def add(self, name, text):
        with self.file(name).open("a") as file:
            file.write(text)

    def test_names_used_twice_are_told_with_their_files(self):
        cases = {
            "static void twice_made(int *a)\n{\n    *a = 1;\n}\n": "twice_made",
            "static const struct { int b; } twice_made[] = {{1}, {2}};\n": "twice_made",
            "struct twice_made {\n    int a;\n};\n": "twice_made",
            "enum { FIRST = 1, TWICE_MADE = (2) };\n": "TWICE_MADE",
            "typedef int twice_made;\n": "twice_made",
            "#define TWICE_MADE 1\n": "TWICE_MADE",
            "static _Thread_local unsigned char twice_made[2];\n": "twice_made",
        }
        kept = {name: self.file(name).read_text() for name in ("pool.c", "run.c")}
        for text, name in cases.items():
            with self.subTest(text):
                for file, before in kept.items():
                    self.file(file).write_text(before + text)
                self.assertRegex(self.refused(), rf"{name}: pool\.c, run\.c")

    def test_the_two_back_ends_may_use_the_same_name(self):
        for name in ("runner_linux.c", "runner_poll.c"):
            self.add(name, "static int only_here(void)\n{\n    return 1;\n}\n")
        Amalgamation.tool(self.top, self.top / "out")

    def test_a_static_name_may_be_that_of_another_files_local_variable(self):
        self.add("pool.c", "static int a_count(void)\n{\n    return 1;\n}\n")
        self.add("run.c", "static int other(void)\n{\n    int a_count = 1;\n    return a_count;\n}\n")
        Amalgamation.tool(self.top, self.top / "out")

    def test_a_missing_header_is_told(self):
        self.add("pool.c", '#include "nowhere.h"\n')
        self.assertIn('"nowhere.h" is not in lib/', self.refused())

    def test_arguments(self):
        self.assertEqual(run(self.top / "tools/amalgamate").returncode, 2)
        self.assertEqual(run(self.top / "tools/amalgamate", "--help").returncode, 0)
        self.assertEqual(run(self.top / "tools/amalgamate", "/dev/null/x").returncode, 1)


if __name__ == "__main__":
    unittest.main()
