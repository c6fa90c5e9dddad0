# SPDX-License-Identifier: MIT
"""The machines whose figures are published: one file each in docs/benchmarks/data.

A run that is published becomes the file of its machine. Parts are added up: what an
earlier run of the same commit measured and this one did not stays. Of another commit
it goes, so that no file mixes two.
"""

import dataclasses
import json
import pathlib

import archive
import figures
import machine
from result_file import BadInput
from table import FIGURES


@dataclasses.dataclass
class Machine:
    name: str  # of its file
    measured: figures.Measured
    facts: dict

    @property
    def commit(self):
        return self.facts.get("tickwheel", "")

    @property
    def version(self):
        return self.facts.get("Version", "?")


def check(measured):
    """Publishes no run that is void or leaves a workload out."""
    wrong = measured.results.wrong | measured.results.realtime.wrong
    if wrong:
        raise BadInput("a void run is not published: " + "; ".join(sorted(wrong)))
    complete = {figure[0] for figure in measured.figures()}
    left_out = sorted({workload for workload, _ in FIGURES} - complete)
    if left_out:
        raise BadInput("only a run of every workload is published, at one size or more; this one "
                       f"lacks {', '.join(left_out)}")


def commit_of(data):
    return data["context"].get("machine", {}).get("tickwheel")


def add(folder, measured, command):
    """Writes what was measured into its machine's file, and answers the file's name. Refuses
    what is void, and what lacks a workload even with what was there before."""
    data = {"context": dict(measured.results.all["context"]),
            "benchmarks": measured.results.all["benchmarks"]}
    data["context"]["command"] = command or ""
    path = folder / f"{archive.name_of(data['context'])}.json"
    if path.exists():
        before = load(path)
        if commit_of(before) == commit_of(data):
            new = {run["run_name"] for run in data["benchmarks"]}
            data["benchmarks"] += [run for run in before["benchmarks"]
                                   if run["run_name"] not in new]
            commands = [before["context"].get("command", ""), data["context"]["command"]]
            data["context"]["command"] = "; ".join(dict.fromkeys(filter(None, commands)))
    whole = figures.Measured()
    whole.take(data, path)
    check(whole)
    archive.write(path, data)
    return path.stem


def load(path):
    try:
        packed = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    return archive.unpack(packed, path)


def read_all(folder, first=None):
    """All machines: `first`, or the one measured last, leads; then the others by date."""
    found = []
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        measured = figures.Measured()
        measured.take(load(path), path)
        found.append(Machine(path.stem, measured, machine.from_context(measured.contexts[0])))
    if not found:
        raise BadInput(f"{folder} has no machine's figures yet")
    found.sort(key=lambda each: each.facts.get("Date", ""), reverse=True)
    found.sort(key=lambda each: each.name != first)
    return found
