# SPDX-License-Identifier: MIT
"""What every source of this project owes: it opens with its licence.

    test_sources.py TOP
"""
import os
import sys
import unittest
from pathlib import Path

TOP = Path(sys.argv.pop(1)).resolve()
FOLDERS = [".ci", "bench", "cmake", "debian", "examples", "include", "lib", "python", "tests", "tools"]
MADE = {"__pycache__", "build", "dist", "target"}   # what tools leave in them
SOURCE = {".c", ".h", ".cpp", ".hpp", ".css", ".py", ".pyi", ".sh", ".cmake", ".in", ".pml", ".lua",
          ".go", ".java", ".rs", ".erl", ".toml"}


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


if __name__ == "__main__":
    unittest.main()
