# SPDX-License-Identifier: MIT
"""The programs in the manual and in the documents compile as they stand, without a
warning, and print what they say that they print.

    test_programs.py TOP LIBRARY CC CXX [FLAG...]

A program is a block of C or C++ with a main: in a document between ``` lines, in the
header indented in its opening comment. One that ends in a comment `// prints ...`, or
`/* prints ... */`, prints that, line for line, commas standing for the ends of lines.
"""
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOP, LIBRARY, CC, CXX, *FLAGS = sys.argv[1:]
del sys.argv[1:]
TOP = Path(TOP)


def in_document(path):
    for language, text in re.findall(r"^```(c|cpp)\n(.*?)^```$", path.read_text(), re.M | re.S):
        if re.search(r"^int main\(", text, re.M):
            yield language, text


def in_header(path):
    """The indented blocks of the opening comment."""
    comment = re.search(r"^/\*\n.*?\*/", path.read_text(), re.M | re.S).group()
    lines = [line[3:] for line in comment.split("\n")]
    for block in re.findall(r"(?:^    .*\n|^\n)+", "\n".join(lines) + "\n", re.M):
        text = "\n".join(line[4:] for line in block.split("\n")).strip("\n") + "\n"
        if re.search(r"^int main\(", text, re.M):
            yield "c", text


def programs():
    yield from ((TOP / "include/tickwheel.h", *found) for found in
                in_header(TOP / "include/tickwheel.h"))
    for path in sorted([TOP / "README.md", *(TOP / "docs").glob("*.md")]):
        yield from ((path, *found) for found in in_document(path))


class Programs(unittest.TestCase):
    def test_the_documents_have_programs(self):
        files = {path.name for path, _, _ in programs()}
        self.assertLessEqual({"tickwheel.h", "README.md"}, files)

    def test_they_compile_and_print_what_they_say(self):
        for number, (path, language, text) in enumerate(programs()):
            with self.subTest(file=path.name, number=number):
                with tempfile.TemporaryDirectory() as folder:
                    self.run_program(Path(folder), language, text)

    def run_program(self, folder, language, text):
        source, program = folder / f"program.{language}", folder / "program"
        source.write_text(text)
        compiler = [CC, "-std=c11"] if language == "c" else [CXX, "-std=c++11"]
        built = subprocess.run([*compiler, *FLAGS, "-Wall", "-Wextra", "-Werror",
                                "-I", TOP / "include", source, LIBRARY, "-pthread", "-o", program],
                               capture_output=True, text=True)
        self.assertEqual(built.returncode, 0, built.stderr + text)
        ran = subprocess.run([program], capture_output=True, text=True, timeout=60)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        said = re.search(r"(?://|/\*) prints (.*?)(?: \*/)?$", text, re.M)
        if said:
            self.assertEqual(ran.stdout.split("\n")[:-1], said.group(1).split(", "))


if __name__ == "__main__":
    unittest.main()
