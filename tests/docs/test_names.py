# SPDX-License-Identifier: MIT
"""The documents name only what there is: functions and headers of the public interface,
files, and headings that they link to.

    test_names.py TOP
"""
import re
import sys
import unittest
from pathlib import Path

TOP = Path(sys.argv.pop(1)).resolve()
FOLDERS = ["", "docs", "examples", "bench", "bench/replaying/traces", "python"]
SOURCE = {".c", ".h", ".cpp", ".hpp", ".py", ".sh", ".txt", ".cmake"}
# What is there only once it has been made, and a folder of the system's.
MADE = ("bench/results", "debian/tmp", "lib/x86_64-linux-gnu")
DOCUMENTS = [path for folder in FOLDERS for path in sorted((TOP / folder).glob("*.md"))]


def anchor(heading):
    """As the pages that show these documents make it."""
    text = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


class Names(unittest.TestCase):
    def test_functions_and_types_are_declared(self):
        declared = set()
        for pattern in ("include/*.h", "include/*.hpp", "lib/**/*.h", "cmake/*", "CMakeLists.txt"):
            for path in TOP.glob(pattern):
                declared |= set(re.findall(r"\b(?:tw|TW|TICKWHEEL)_\w+", path.read_text()))
        missing = set()
        for path in DOCUMENTS:
            if path.name == "CHANGELOG.md":
                continue # it also tells of what went
            for name in re.findall(r"\b(?:tw|TW)_\w*[A-Za-z0-9]\b(?!_?\*|\.\.\.|_\.\.\.)",
                                   path.read_text()):
                if name not in declared:
                    missing.add(f"{path.name}: {name}")
        self.assertEqual(sorted(missing), [])

    def test_the_design_names_what_is_in_lib(self):
        text = (TOP / "docs/DESIGN.md").read_text()
        files = {path.name: path.read_text() for path in (TOP / "lib").rglob("*.[ch]")}
        everything = "".join(files.values()) + (TOP / "include/tickwheel.h").read_text()
        missing = [name for name in re.findall(r"`([a-z]\w*(?:[._]\w+)+)(?:\(\))?`", text)
                   for part in name.split(".") if not re.search(rf"\b{part}\b", everything)]
        # `one`, `two` (file.c): each is defined there
        for names, file in re.findall(r"((?:`\w+`(?:,|\sor)?\s)+)\((\w+\.[ch])\)", text):
            missing += [f"{name} in {file}" for name in re.findall(r"`(\w+)`", names)
                        if not re.search(rf"^[a-zA-Z].*\b{name}\(", files.get(file, ""), re.M)]
        self.assertEqual(missing, [])

    def test_links_lead_somewhere(self):
        broken = []
        for path in DOCUMENTS:
            text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
            for target in re.findall(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"", text):
                target = "".join(target)
                if re.match(r"[a-z]+:", target):
                    continue
                file, _, heading = target.partition("#")
                to = (path.parent / file).resolve() if file else path
                if not to.exists():
                    broken.append(f"{path.relative_to(TOP)}: {target}")
                elif heading:
                    headings = re.findall(r"^#+ (.*)$", to.read_text(), re.M)
                    if heading not in {anchor(line) for line in headings}:
                        broken.append(f"{path.relative_to(TOP)}: {target}")
        self.assertEqual(broken, [])

    def test_paths_are_those_of_files(self):
        """In documents and in sources; a program by that of its source, NAME for any."""
        texts = [*DOCUMENTS, *(path for path in TOP.glob("*/**/*") if path.is_file()
                               and "build" not in path.parts and (path.suffix in SOURCE or
                               not path.suffix and path.read_bytes()[:2] == b"#!"))]
        self.assertGreater(len(texts), 300)
        broken = []
        for document in texts:
            if document.name == "CHANGELOG.md":
                continue
            for name, made in re.findall(
                    r"(?<![\w/.$}-])((?:bench|cmake|debian|docs|examples|lib|tests|tools)/[\w./*-]*\w)"
                    r"(\.?[%{])?", document.read_text()):
                if made:
                    continue # of parts
                if name.startswith("debian/") and not (TOP / "debian").exists():
                    continue # a distribution brings its own
                if not (name.startswith(MADE) or "NAME" in name or any(TOP.glob(name))
                        or any(TOP.glob(f"{name}{'*' if name.endswith('_') else '.c*'}"))):
                    broken.append(f"{document.relative_to(TOP)}: {name}")
        self.assertEqual(broken, [])


if __name__ == "__main__":
    unittest.main()
