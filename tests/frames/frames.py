# SPDX-License-Identifier: MIT
"""The stack frames of the library's functions, as gcc's -fstack-usage tells them:
none may be larger than a limit, or of a size that is only known at run time.

    frames.py gcc --limit 4096 --flags=-Iinclude ... --sources lib/wheel/chunk.c ...
"""
import argparse
import os
import subprocess
import sys
import tempfile


def frames(compiler, flags, source, level, folder):
    """(function, bytes, kind) of each function that stays one at this level."""
    base = os.path.join(folder, os.path.basename(source))
    subprocess.run([compiler, *flags, level, "-fstack-usage", "-c", source, "-o", base + ".o"],
                   check=True)
    with open(base + ".su", encoding="utf-8") as file:
        for line in file:
            where, size, kind = line.rstrip("\n").split("\t")
            yield where, int(size), kind


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("compiler")
    parser.add_argument("--limit", type=int, required=True)
    parser.add_argument("--flags", action="append", default=[])
    parser.add_argument("--except", action="append", default=[], dest="excepted",
                        help="a function that is known to take more, and to be mended")
    parser.add_argument("--sources", nargs="+", required=True)
    arguments = parser.parse_args()
    flags = [flag for word in arguments.flags for flag in word.split()]
    seen, largest, bad = 0, ("", 0), []
    with tempfile.TemporaryDirectory() as folder:
        for level in ("-O0", "-O3"):
            for source in arguments.sources:
                for where, size, kind in frames(arguments.compiler, flags, source, level, folder):
                    seen += 1
                    largest = max(largest, (where, size), key=lambda frame: frame[1])
                    if where.split(":")[-1] in arguments.excepted:
                        continue
                    if size > arguments.limit or kind == "dynamic":
                        bad.append(f"{where}: {size} bytes, {kind}, at {level}")
    print(f"{seen} frames, the largest {largest[1]} bytes: {largest[0]}")
    for line in bad:
        print("too large:", line)
    return 1 if bad or seen < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
