# SPDX-License-Identifier: MIT
"""The file that counts are kept in, and how two of them compare.

A line each: what was counted, how many operations, instructions and cache lines
in all, with a tab between; before them, what the programs were built with, as
`# name: value`.
"""

import pathlib

from callgrind import Count

GROWTH = 1.02          # what is tolerated
INSTRUCTIONS = 0.5     # and what is beneath notice
LINES = 0.02

HEADER = "what\toperations\tinstructions\tlines"


class BadFile(Exception):
    """The file is not what bench/count writes."""


def write(path, built_with, counts):
    lines = [f"# {name}: {value}" for name, value in built_with.items()] + [HEADER]
    lines += [f"{name}\t{count.operations}\t{count.instructions}\t{count.lines}"
              for name, count in sorted(counts.items())]
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(path):
    """(what they were built with, {name: Count})"""
    built_with, counts = {}, {}
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("# "):
            name, _, value = line[2:].partition(": ")
            built_with[name] = value
        elif line != HEADER:
            try:
                name, *numbers = line.split("\t")
                counts[name] = Count(*(int(word) for word in numbers))
                counts[name].per_operation()
            except (ValueError, TypeError, ZeroDivisionError):
                raise BadFile(f"{path}, line {number}: not a name and three numbers") from None
    return built_with, counts


class Counts:
    """What a file holds; nothing if there is none."""

    def __init__(self, path):
        self.built_with, self.counts = read(path) if pathlib.Path(path).exists() else ({}, {})


def grown(before, now):
    """What of `now` is more than `before` by more than is tolerated, a sentence each."""
    for name, count in sorted(now.items()):
        if name not in before:
            continue
        pairs = zip(before[name].per_operation(), count.per_operation(), (INSTRUCTIONS, LINES),
                    ("instructions", "cache lines"))
        for old, new, unnoticed, what in pairs:
            if new > old * GROWTH and new > old + unnoticed:
                yield f"{name}: {new:.2f} {what} an operation, {old:.2f} before"
