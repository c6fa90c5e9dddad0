# SPDX-License-Identifier: MIT
"""The published figures of one machine, in one compact file of the repository.

A result file of Google Benchmark's has forty lines a run. Here a figure is a list of
values, four digits each, one for each round; read back, they are runs again:

    {"format": ..., "context": {...},
     "runs": {"idle/libuv/10000": {"round": [0, 1], "cpu_time": [31.2, 30.9], ...}, ...}}
"""

import json
import re

from result_file import BadInput

FORMAT = "tickwheel benchmarks 1"
# What no page asks for: the harness's own.
LEFT_OUT = {"name", "run_name", "run_type", "family_index", "per_family_instance_index",
            "repetitions", "repetition_index", "iterations", "time_unit", "real_time",
            "run_seconds", "moved", "visited", "relocated"}
KEPT_CONTEXT = ("date", "num_cpus", "mhz_per_cpu", "caches", "load_avg", "missing", "absent",
                "machine", "command")


def pack(data):
    """What a result file says, in short."""
    runs = {}
    for run in data["benchmarks"]:
        if run.get("run_type") == "iteration":
            runs.setdefault(run["run_name"], []).append(run)
    packed = {}
    for name, of_name in sorted(runs.items()):
        columns = {column for run in of_name for column in run} - LEFT_OUT
        packed[name] = {column: [shortened(run.get(column)) for run in of_name]
                        for column in sorted(columns)}
    context = {name: data["context"][name] for name in KEPT_CONTEXT if name in data["context"]}
    return {"format": FORMAT, "context": context, "runs": packed}


def shortened(value):
    if not isinstance(value, float):
        return value
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() else short


def unpack(packed, path):
    """The same as a result file has it."""
    try:
        if packed["format"] != FORMAT:
            raise BadInput(f"{path} has another format: {packed['format']}")
        benchmarks = []
        for name, columns in packed["runs"].items():
            for values in zip(*columns.values(), strict=True):
                run = {column: value for column, value in zip(columns, values)
                       if value is not None}
                benchmarks.append({"name": name, "run_name": name, "run_type": "iteration", **run})
        return {"context": packed["context"], "benchmarks": benchmarks}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{path} is no published machine: {error!r}") from error


def write(path, data):
    """One line for each benchmark, so that a change shows as one."""
    packed = pack(data)
    lines = [f"  {json.dumps(name)}: {json.dumps(columns, separators=(',', ':'))}"
             for name, columns in packed["runs"].items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"format": ' + json.dumps(FORMAT) + ',\n"context": '
                    + json.dumps(packed["context"], ensure_ascii=False)
                    + ',\n"runs": {\n' + ",\n".join(lines) + "\n}}\n", encoding="utf-8")


def name_of(context):
    """A file's name for the machine: its processor and its largest cache."""
    processor = context.get("machine", {}).get("Processor", "unknown")
    words = re.findall(r"[a-z0-9]+", processor.split(", in a")[0].lower())
    words = [word for word in words if word not in ("r", "tm", "processor", "cpu")]
    largest = max((cache["size"] for cache in context.get("caches", [])), default=0)
    return "-".join(words + ([f"{largest >> 20}mib"] if largest >> 20 else []))
