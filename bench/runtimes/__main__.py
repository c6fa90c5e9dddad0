# SPDX-License-Identifier: MIT
"""Rows for orientation: python3 bench/runtimes OUT.json [--filter RE] [--repetitions N]
                                              --list [--filter RE]

Other runtimes' timers, each in a process of its own and on its own clock, which
cannot be moved: so nothing expires, and starts, stops and moves are measured, by the
processor time of the whole process. What is not installed is named and left out.
--list prints the names of the rows, of what is not installed as well, and measures none.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
NETTY = [f"/usr/share/java/{name}.jar" for name in ("netty-common", "netty-all")]
CRATES = "/usr/share/cargo/registry"  # where Debian puts them
WORKLOADS = ("fill", "churn", "idle", "request")
SIZES = (10_000, 100_000, 1_000_000)


def go(folder):
    build(["go", "build", "-o", folder / "go", HERE / "timers.go"],
          GOCACHE=str(folder / "cache"), GOPATH=str(folder / "path"), GO111MODULE="off")
    return [folder / "go"]


def tokio(folder):
    shutil.copytree(HERE / "tokio", folder / "tokio")
    (folder / "tokio" / ".cargo").mkdir()
    (folder / "tokio" / ".cargo" / "config.toml").write_text(
        '[source.crates-io]\nreplace-with = "debian"\n'
        f'[source.debian]\ndirectory = "{CRATES}"\n')
    build(["cargo", "build", "--release", "--offline", "-q"], cwd=folder / "tokio",
          CARGO_HOME=str(folder / "cargo"))
    return [folder / "tokio" / "target" / "release" / "timers"]


def erlang(folder):
    build(["erlc", "-o", folder, HERE / "timers.erl"])
    return ["erl", "-noshell", "+P", "134217727", "-pa", folder, "-run", "timers", "main"]


def netty(folder):
    jars = ":".join(jar for jar in NETTY if pathlib.Path(jar).exists())
    build(["javac", "-cp", jars, "-d", folder, HERE / "Timers.java"])
    return ["java", "-cp", f"{jars}:{folder}", "Timers"]


RUNTIMES = {"go": go, "tokio": tokio, "netty": netty, "erlang": erlang}


class Missing(Exception):
    """A runtime is not here, or does not build."""


def build(command, cwd=None, **environment):
    try:
        subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True,
                       env={**os.environ, **environment})
    except OSError as error:
        raise Missing(f"{command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        raise Missing((error.stderr.strip().splitlines() or ["it does not build"])[-1]) from error


def measure(command, workload, contender, timers):
    done = subprocess.run([*command, workload, str(timers)], capture_output=True, text=True,
                          check=True)
    operations, ns = map(int, done.stdout.split()[-2:])
    name, cost = f"{workload}/{contender}/{timers}", ns / operations
    counters = {"start_ns": cost} if workload == "fill" else {}
    return {"name": name, "run_name": name, "run_type": "iteration", "threads": 1,
            "iterations": operations, "real_time": cost, "cpu_time": cost, "time_unit": "ns",
            **counters}


def wanted_of(contender, pattern):
    """(workload, timers) of each of its rows whose name matches."""
    return [(workload, timers) for timers in SIZES for workload in WORKLOADS
            if re.search(pattern, f"{workload}/{contender}/{timers}")]


def rows_of(contender, pattern, repetitions):
    """Answers its rows, or raises Missing."""
    wanted = wanted_of(contender, pattern)
    if not wanted:
        return []
    with tempfile.TemporaryDirectory() as folder:
        command = RUNTIMES[contender](pathlib.Path(folder))
        rows = []
        for workload, timers in wanted * repetitions:
            rows.append(measure(command, workload, contender, timers))
            print(f"{rows[-1]['name']}: {rows[-1]['cpu_time']:.3g} ns", flush=True)
        return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--filter", default="")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    if options.list:
        for contender in RUNTIMES:
            for workload, timers in wanted_of(contender, options.filter):
                print(f"{workload}/{contender}/{timers}")
        return
    if not options.out:
        parser.error("where are the rows to go?")
    rows, missing = [], []
    for contender in RUNTIMES:
        try:
            rows += rows_of(contender, options.filter, options.repetitions)
        except (Missing, subprocess.CalledProcessError, ValueError) as error:
            print(f"{contender} is left out: {error}", file=sys.stderr)
            missing.append(contender)
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump({"context": {"missing": ", ".join(missing)}, "benchmarks": rows}, file)


if __name__ == "__main__":
    main()
