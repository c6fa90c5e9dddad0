"""The planner's answers as text, and the table of errors in BENCHMARKS.md."""

import math
import re
import statistics
import textwrap

from model import INTERFACE_NAMES

MARK = re.compile(r"(<!-- capacity: errors -->\n).*?(<!-- end of capacity: errors -->)", re.DOTALL)


class BadPage(Exception):
    """BENCHMARKS.md cannot be rewritten; the message says why."""


def size(value):
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:,.3g} GiB" if value < 1000 else f"{value:,.0f} GiB"


def time(value):
    for unit in ("ns", "µs", "ms"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} s"


def share(value):
    return f"{100 * value:.3g} %" if value < 10 else f"{100 * value:,.0f} %"


def count(value):
    """Two digits are more than the model knows. At the model's limit, so told."""
    if value >= 1e8:
        return "over 100,000,000"
    digits = max(0, len(str(int(value))) - 2)
    return f"{int(value) // 10**digits * 10**digits:,}"


def whole(value):
    return f"{math.ceil(value):,}"


def bars(error):
    return f"± {100 * error:.0f} %"


def plan(asked, answers, fitted, memory_gib, core):
    cpu, held = fitted["error"]["cpu_bar"], fitted["error"]["memory_worst"]
    rows = [("memory held by the loop", size, "loop_bytes", held),
            ("  and in your own structs", size, "caller_bytes", 0),
            ("  room to reserve, timers", whole, "cells", 0),
            ("share of a core", share, "core_share", cpu),
            ("  of that the timers alone", share, "timers_share", None),
            ("lateness by other timers, expected", time, "expected_ns", cpu),
            ("  and worst", time, "worst_ns", None),
            (f"connections that {core:g} core carries", count, "per_core", cpu),
            (f"connections that {memory_gib:g} GiB carry", count, "per_memory", held)]
    lines = [f"{'':38}" + "".join(f"{INTERFACE_NAMES[name]:>18}" for name in answers)]
    for words, shown, field, error in rows:
        told = "" if not error else "  " + bars(error)
        lines.append(f"{words:38}" + "".join(f"{shown(answer[field]):>18}"
                                             for answer in answers.values()) + told)
    error, largest = fitted["error"], fitted["sizes"][-1]
    if any(max(answer["per_core"], answer["per_memory"]) > largest for answer in answers.values()):
        lines.append(f"Beyond {largest:,} connections nothing was measured: there it extrapolates.")
    lines.append("Error bars: of the plans that were played through, four in five were within; "
                 f"the median was {100 * error['cpu_median']:.0f} %,\n"
                 f"the worst {100 * error['cpu_worst']:.0f} %. The timers alone, a small "
                 "difference of large times, and the worst lateness, a bound, have none.\n"
                 "The worst holds for deadlines independent of each other, "
                 "and for a process that is not put aside.\n"
                 f"Costs: {', '.join(fitted['machine'].values())}")
    return "\n".join(lines)


def off(predicted, measured):
    return f"{100 * (predicted / measured - 1):+.0f} %" if measured > 0 else "–"


def cells(rows):
    for name, interface, predicted, measured in rows:
        yield [name, INTERFACE_NAMES[interface],
               share(predicted["core_share"]), share(measured["cpu_share"]),
               off(predicted["core_share"], measured["cpu_share"]),
               share(predicted["timers_share"]), share(max(0, measured["timers_share"])),
               size(predicted["loop_bytes"]), size(measured["bytes"]),
               off(predicted["loop_bytes"], measured["bytes"]),
               f"{measured['moved_max']:.0f} of {predicted['cells_max']:.0f}",
               f"{measured['due_max']:.0f} of {predicted['due_max']:.0f}"]


HEAD = ["plan", "interface", "core", "measured", "error", "timers alone", "measured",
        "memory", "measured", "error", "moved at most", "due at most"]
COST_COLUMNS = 7   # the first of them; the others are counts and memory


def summary(rows, fitted):
    cpu = sorted(abs(predicted["core_share"] / measured["cpu_share"] - 1)
                 for _, _, predicted, measured in rows)
    within = sum(error <= 0.2 for error in cpu)
    alone = [abs(predicted["timers_share"] / measured["timers_share"] - 1)
             for _, _, predicted, measured in rows if measured["timers_share"] > 0]
    return (f"Processor time is off by {100 * statistics.median(cpu):.0f} % at the median and "
            f"{100 * cpu[-1]:.0f} % at worst; {within} of {len(cpu)} predictions are within 20 %, "
            f"four in five within {100 * fitted['error']['cpu_bar']:.0f} %. "
            f"The timers' own part, a difference of two measurements, is off by "
            f"{100 * statistics.median(alone):.0f} % at the median. Memory is off by "
            f"{100 * fitted['error']['memory_worst']:.0f} % at worst.")


def verification(rows, fitted):
    lines = [HEAD, *cells(rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    text = ["  ".join(cell.ljust(width) if i < 2 else cell.rjust(width)
                      for i, (cell, width) in enumerate(zip(line, widths))) for line in lines]
    return "\n".join([*text, "", summary(rows, fitted)])


def markdown(lines, columns):
    """Some columns of a table, so that each fits a page."""
    shown = ["| " + " | ".join(line[i] for i in columns) + " |" for line in lines]
    shown.insert(1, "| --- | --- |" + " ---: |" * (len(columns) - 2))
    return "\n".join(shown)


def publish(path, rows, fitted):
    text = path.read_text(encoding="utf-8")
    if len(MARK.findall(text)) != 1:
        raise BadPage(f"{path} must have the marks of the capacity section once")
    machine = ", ".join(fitted["machine"].values())
    body = "\n\n".join([textwrap.fill(f"Calibrated on: {machine}.", 99),
                        textwrap.fill(summary(rows, fitted), 99),
                        markdown([HEAD, *cells(rows)], range(0, COST_COLUMNS)),
                        markdown([HEAD, *cells(rows)], [0, 1, *range(COST_COLUMNS, len(HEAD))])])
    path.write_text(MARK.sub(lambda found: f"{found[1]}\n{body}\n\n{found[2]}", text),
                    encoding="utf-8")
