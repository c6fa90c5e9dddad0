# SPDX-License-Identifier: MIT
"""The planner's answers as text, and the tables that are published."""

import math
import re
import statistics
import textwrap

import model
from model import INTERFACE_NAMES

WIDTH = 99
TOLD = 4   # a share is told if it is known better than between once and so many times


class BadPage(Exception):
    """A page that cannot be rewritten; the message says why."""


def digits(value):
    """Three, and no exponent."""
    if value == 0:
        return "0"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def size(value):
    for unit in ("B", "KiB", "MiB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:,.3g} GiB" if value < 1000 else f"{value:,.0f} GiB"


def time(value):
    for unit in ("ns", "µs", "ms"):
        if value < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} s"


def span(seconds):
    """A time as it is written in a class."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1), ("ms", 1e-3)):
        if seconds >= length:
            return f"{seconds / length:.4g} {unit}"
    return f"{seconds * 1e6:.4g} us" if seconds else "0 s"


def share(value):
    return f"{100 * value:,.0f} %" if value >= 10 else f"{digits(100 * value)} %"


def count(value, more=False):
    """Two digits are more than the model knows."""
    whole_digits = max(0, len(str(int(value))) - 2)
    shown = f"{int(value) // 10**whole_digits * 10**whole_digits:,}"
    return f"more than {shown}" if more else shown


def whole(value):
    return f"{math.ceil(value):,}"


# ----------------------------------------------------------------------- the question

def about(each):
    """A class, in words."""
    words = f"{each.count:,.0f} {each.name}" if each.count else f"{each.rate:,.6g} {each.name} a second"
    timeout = span(each.least) if each.least == each.most else f"{span(each.least)} to {span(each.most)}"
    words += f": every {timeout}" if each.periodic else f": timeout {timeout}"
    if each.on:
        words += f", on {each.on}"
    if each.pushed:
        words += f", pushed every {span(each.pushed)}"
    if each.closer:
        words += f" ({share(each.closer)} of it closer, to {span(each.to)})"
    if each.cancelled:
        words += f", {share(each.cancelled)} cancelled after {span(each.after)}"
    return words


def question(asked):
    loops = "one loop" if asked.loops == 1 else f"{asked.loops} loops, a core each"
    clock = "at each start" if asked.clock == "start" else "once a turn"
    return [*(about(each) for each in asked.classes),
            f"{loops}; {asked.wakeups:g} turns a second each; a tick of {time(asked.tick * 1e9)}; "
            f"the clock read {clock}"]


# ------------------------------------------------------------------------- the answer

def between(low, high, shown):
    return f"{shown(low)} to {shown(high)}"


def own_share(answer):
    """The timers' own part, if it can be told."""
    low, high = answer["timers_low"], answer["timers_high"]
    if low <= 0 or high > TOLD * low:
        return f"< {share(high)}", ""
    return share(answer["timers_share"]), between(low, high, share)


def rows_of(asked, answers, memory_gib, core, with_burst):
    """[(what, [a cell for each interface])]"""
    each = answers.values()
    largest = model.largest_class(asked)
    unit = largest.name if largest.count else f"{largest.name} a second"
    rows = [("memory held by the loop" + "s" * (asked.loops > 1), [size(a["loop_bytes"]) for a in each]),
            ("  and in your own structs", [size(a["caller_bytes"]) for a in each]),
            ("  to reserve, in each loop", [whole(a["cells"]) for a in each]),
            ("  by", [a["reserve"] for a in each]),
            ("share of a core" if asked.loops == 1 else "cores, in all",
             [share(a["core_share"]) for a in each]),
            ("  between", [between(a["core_low"], a["core_high"], share) for a in each]),
            ("  of that the timers alone", [own_share(a)[0] for a in each]),
            ("  between", [own_share(a)[1] for a in each]),
            ("timers wait for each other", [time(a["expected_ns"]) for a in each]),
            ("  longest turn, at most", [time(a["longest_ns"]) for a in each])]
    if with_burst and any(a["burst"] for a in each):
        rows += [("all at once: they begin within", [time(a["burst"]["starts_ns"]) for a in each]),
                 ("  and are due within one turn of", [time(a["burst"]["due_ns"]) for a in each])]
    return rows + [(f"{unit}: {core:g} core carries",
                    [count(a["per_core"], a["per_core_more"]) for a in each]),
                   (f"{unit}: {memory_gib:g} GiB carry",
                    [count(a["per_memory"], a["per_memory_more"]) for a in each])]


def aligned(head, rows):
    """rows: [(what, cells)]; the cells to the right."""
    cells = [cells for _, cells in rows] + [head]
    first = max(len(what) for what, _ in rows)
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
    return [f"{what:{first}}" + "".join(f"   {cell:>{width}}" for cell, width in zip(line, widths))
            for what, line in (("", head), *rows)]


def machine(fitted):
    facts = fitted["machine"]
    return ", ".join(str(facts[name]) for name in ("Processor", "Compiler", "System", "Date")
                     if name in facts)


def trust(error):
    if not error["plans"]:
        return ("These costs have not been held against plans that were played through: "
                "bench/plan --verify does.")
    return (f"Of {error['plans']} plans that were played through, nine in ten predictions were "
            f"between; the median was off by {share(error['cpu_median'])}, the timers alone by "
            f"{share(error['timers_median'])}.")


def notes(answers, fitted, with_burst):
    error = fitted["error"]
    told = ["Reserve by the call that is named: tw_reserve takes 72 bytes a timer, of any kind."]
    told.append("The share of a core counts the server's own touch of its record at each event, "
                "which it pays without timers, too.")
    if any(not own_share(answer)[1] for answer in answers.values()):
        told.append("Where the timers alone are '<', they are less than can be told from it.")
    if any(a["cache_high"] > 1.3 * a["cache_low"] for a in answers.values()):
        told.append("The records straddle the size of a cache: what that costs depends on who "
                    "else uses it.")
    told.append(trust(error))
    told.append("The longest turn holds for deadlines independent of each other, and a process "
                "that is not put aside." if not with_burst or not any(
                    answer["burst"] for answer in answers.values()) else
                "A turn of all at once is cut to any length by tw_run_max or tw_run_for_ns.")
    if any(a["per_core_more"] or a["per_memory_more"] for a in answers.values()):
        told.append("'More than': what is beyond was too far from what was measured.")
    return [textwrap.fill(each, WIDTH) for each in told]


def plan(asked, answers, fitted, memory_gib, core, with_burst=False):
    head = [INTERFACE_NAMES[name] for name in answers]
    told = [fitted["machine"].get(name, "unknown") for name in ("Processor", "Date")]
    lines = question(asked) + [f"tickwheel {fitted['tickwheel']}; costs of: {', '.join(told)}", ""]
    rows = rows_of(asked, answers, memory_gib, core, with_burst)
    return "\n".join(lines + aligned(head, rows) + [""] + notes(answers, fitted, with_burst))


# ----------------------------------------------------------------------- the accuracy

def off(predicted, measured):
    return f"{100 * (predicted / measured - 1):+.0f} %" if measured > 0 else "–"


HEAD = ["plan", "interface", "core", "measured", "error", "timers alone", "measured", "error",
        "memory", "longest turn", "at most"]


def cells_of(row):
    name, interface, predicted, measured = row
    longest = "longest_ns" in measured
    return [name, INTERFACE_NAMES[interface],
            share(predicted["core_share"]), share(measured["cpu_share"]),
            off(predicted["core_share"], measured["cpu_share"]),
            share(predicted["timers_share"]), share(max(0, measured["timers_share"])),
            off(predicted["timers_share"], measured["timers_share"]),
            off(predicted["loop_bytes"], measured["bytes"]) if longest else "",
            time(measured["longest_ns"]) if longest else "",
            time(predicted["longest_ns"]) if longest else ""]


def beyond(rows):
    """Runs of the loop that did more, or took longer, than the bound given."""
    return [(name, interface) for name, interface, predicted, measured in rows
            if measured.get("longest_ns", 0) > predicted["longest_ns"]
            or measured.get("due_max", 0) > predicted["due_max"]
            or measured.get("moved_max", 0) > predicted["cells_max"]]


def summary(rows, fitted):
    cpu = [p["core_share"] / m["cpu_share"] - 1 for _, _, p, m in rows]
    inside = sum(p["core_low"] <= m["cpu_share"] <= p["core_high"] for _, _, p, m in rows)
    error, bad = fitted["error"], beyond(rows)
    low = sum(each < 0 for each in cpu)
    return (f"{len({name for name, *_ in rows})} plans and traces, {len(rows)} predictions. "
            f"Processor time is off by {share(statistics.median(map(abs, cpu)))} at the median and "
            f"{share(max(map(abs, cpu)))} at worst; {low} are too low and {len(cpu) - low} too "
            f"high, by {100 * statistics.median(cpu):+.1f} % at the median; {inside} are within "
            f"their bars. The timers alone are off by {share(error['timers_median'])} at the "
            f"median. Memory is off by {share(error['memory_worst'])} at worst. "
            + (f"The longest turn was above its bound in {len(bad)}: "
               f"{', '.join(' '.join(each) for each in bad)}." if bad else
               "No turn was longer than its bound."))


def verification(rows, fitted):
    lines = [HEAD, *map(cells_of, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    text = ["  ".join(cell.ljust(width) if i < 2 else cell.rjust(width)
                      for i, (cell, width) in enumerate(zip(line, widths))).rstrip()
            for line in lines]
    return "\n".join([*text, "", textwrap.fill(summary(rows, fitted), WIDTH)])


# ------------------------------------------------------------------------- publishing

def fill(path, name, body):
    """Puts the body between the marks of that name, of which the page must have one
    pair."""
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    text = path.read_text(encoding="utf-8")
    if len(marks.findall(text)) != 1:
        raise BadPage(f"{path} must have the marks of '{name}' once")
    path.write_text(marks.sub(lambda found: f"{found[1]}\n{body}\n\n{found[2]}", text),
                    encoding="utf-8")


def markdown(lines):
    shown = ["| " + " | ".join(line) + " |" for line in lines]
    shown.insert(1, "| --- | --- |" + " ---: |" * (len(lines[0]) - 2))
    return "\n".join(shown)


def accuracy(rows, fitted):
    return "\n\n".join([
        textwrap.fill(f"tickwheel {fitted['tickwheel']}, calibrated on: {machine(fitted)}.", WIDTH),
        textwrap.fill(summary(rows, fitted), WIDTH), markdown([HEAD, *map(cells_of, rows)])])


def accuracy_in_short(rows, fitted):
    return textwrap.fill(f"Calibrated on: {machine(fitted)}. {summary(rows, fitted)} "
                         "[docs/CAPACITY.md](docs/CAPACITY.md#how-far-to-trust-it) has each.", WIDTH)
