# SPDX-License-Identifier: MIT
"""What the sources owe: each opens with its licence, in C with what it is; in lib/ and include/
no line is too long; and in lib/ none includes a file that stands above it, or calls a function
of one, in the order that docs/DESIGN.md gives.

    test_sources.py TOP
"""
import itertools
import os
import re
import sys
import unittest
from pathlib import Path

TOP = Path(sys.argv.pop(1)).resolve()
FOLDERS = [".ci", "bench", "cmake", "debian", "examples", "include", "lib", "python", "tests", "tools"]
MADE = {"__pycache__", "build", "dist", "results", "target"}   # what tools leave in them
SOURCE = {".c", ".h", ".cpp", ".hpp", ".css", ".html", ".py", ".pyi", ".sh", ".cmake", ".in", ".pml",
          ".lua", ".go", ".java", ".rs", ".erl", ".toml"}


def sources():
    """The files of source: by their suffix, or by a first line that names an interpreter."""
    yield TOP / "CMakeLists.txt"
    for folder in FOLDERS:
        for here, folders, files in os.walk(TOP / folder):
            folders[:] = [name for name in folders if name not in MADE
                          and not name.endswith(".egg-info")]
            for path in sorted(Path(here) / name for name in files):
                if path.suffix in SOURCE or path.name == "CMakeLists.txt":
                    yield path
                elif not path.suffix and path.read_bytes()[:2] == b"#!":
                    yield path


class Licence(unittest.TestCase):
    def test_every_source_names_it_in_its_first_lines(self):
        found = list(sources())
        self.assertGreater(len(found), 300)
        without = [str(path.relative_to(TOP)) for path in found
                   if "SPDX-License-Identifier: MIT" not in
                   "".join(path.read_text(encoding="utf-8").splitlines(True)[:3])]
        self.assertEqual(without, [])

    def test_each_source_in_c_says_then_what_it_is(self):
        silent = [str(path.relative_to(TOP)) for path in sources()
                  if path.suffix in (".c", ".h", ".cpp", ".hpp")
                  and not path.read_text(encoding="utf-8").splitlines()[1].startswith(("/*", "//"))]
        self.assertEqual(silent, [])


    def test_each_of_the_library_begins_with_its_name(self):
        nameless = [str(path.relative_to(TOP)) for path in sorted((TOP / "lib").rglob("*.[ch]"))
                    if not re.match(rf"/\*(?: \*)? {path.stem}\b", "".join(
                        path.read_text(encoding="utf-8").splitlines()[1:3]))]
        self.assertEqual(nameless, [])


class Lines(unittest.TestCase):
    LONGEST = 100
    TABLE = re.compile(r"^\s*(?:/?\*|//)?\s*\|.*\|\s*(?:\*/)?$")  # a row of one
    URL = re.compile(r"https?://\S+")

    def test_none_of_the_library_is_too_long_to_read(self):
        found = [path for folder in ("lib", "include") for path in sorted((TOP / folder).rglob("*.*"))
                 if path.suffix in (".c", ".h", ".hpp")]
        self.assertGreater(len(found), 80)
        long = {}
        for path in found:
            name = path.relative_to(TOP).as_posix()
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if len(line) > self.LONGEST and not self.TABLE.match(line) and not self.URL.search(line):
                    long.setdefault(name, []).append(number)
        self.assertEqual(long, {})


class Layers(unittest.TestCase):
    """The order is that of the names in the first column of the table under "The files"."""

    @classmethod
    def setUpClass(cls):
        text = (TOP / "docs/DESIGN.md").read_text(encoding="utf-8")
        table = re.search(r"^\| lib/ \| file \|.*\n\| ---.*\n((?:\|.*\n)+)", text, re.M).group(1)
        rows = [[cell.strip() for cell in row.split("|")] for row in table.splitlines()]
        cls.folders = {name: row[1] for row in rows for name in re.findall(r"`(\w+)`", row[2])}
        cls.order = list(cls.folders)
        cls.files = sorted((TOP / "lib").glob("**/*.[ch]"))

    def test_every_file_has_one_place(self):
        self.assertEqual(sorted(self.order), sorted({path.stem for path in self.files}))

    def test_every_folder_is_a_layer(self):
        self.assertEqual(self.folders,
                         {path.stem: str(path.parent.relative_to(TOP / "lib")).strip(".")
                          for path in self.files})
        self.assertEqual([name for name, _ in itertools.groupby(self.folders.values())],
                         ["wheel", "threads", "loop", ""])

    def above(self, name, other):
        return self.order.index(other) > self.order.index(name)

    def test_none_includes_what_stands_above_it(self):
        up = set()
        for path in self.files:
            for header in re.findall(r'^\s*#\s*include "(?:.*/)?(\w+)\.h"', path.read_text(), re.M):
                if header in self.order and self.above(path.stem, header):
                    up.add((path.name, header + ".h"))
        self.assertEqual(up, set())

    # Two have functions that other files have elsewhere: on Windows, and in a single file
    # without threads.
    INSTEAD = {"runner_windows", "runner_none", "port_windows"}

    def test_none_calls_what_stands_above_it(self):
        code = {path: re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\])*"', "", path.read_text(), flags=re.S)
                for path in self.files if path.stem not in self.INSTEAD}
        place = {}
        for path, text in code.items():
            for name in re.findall(r"^(?!static|TW_INLINE)\w[\w *]*?\b(\w+)\([^;{}]*\)\n\{",
                                   text, re.M):
                place.setdefault(name, path.stem)
        self.assertGreater(len(place), 200)
        up = {(path.name, name, place[name]) for path, text in code.items()
              for name in re.findall(r"\b(\w+)\(", "".join(re.findall(r"^[ \t].*", text, re.M)))
              if name in place and self.above(path.stem, place[name])}
        self.assertEqual(up, set())


if __name__ == "__main__":
    unittest.main()
