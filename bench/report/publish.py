# SPDX-License-Identifier: MIT
"""BENCHMARKS.md, the page that is read in five minutes: its generated parts, each
between two marks, from the figures of all machines.

    <!-- generated: cost -->
    ...
    <!-- end: cost -->

What stands outside the marks is written by hand and stays. pages.py writes the rest.
"""

import re

import content
import realtime_tables
from content import of_peer
from figures import BadInput, is_ours, is_peer
from markdown import bullets, image, prose, table
from table import number
import svg

MARK = re.compile(r"<!-- generated: ([\w-]+) -->\n.*?<!-- end: \1 -->", re.DOTALL)
NOTHING = "Not measured yet."
# In a small table; the page of the workload has them all.
PEERS_SHOWN = 3
LOSSES_SHOWN = 8
OURS_SHOWN = {"tickwheel-embedded", "tickwheel-park", "tickwheel-bare", "tickwheel-inline",
              "tickwheel-handles"}


def rewrite(path, machines, counts, plots):
    """Replaces the part between each pair of marks. machines: the first leads; plots: the
    folder that the pictures are in, as the page names it."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    parts = sections(machines, counts, plots)
    names = [found[1] for found in MARK.finditer(text)]
    if sorted(names) != sorted(parts):
        raise BadInput(f"{path} must have each of these marks once: {', '.join(parts)}")
    path.write_text(MARK.sub(
        lambda found: f"<!-- generated: {found[1]} -->\n{parts[found[1]].strip() or NOTHING}\n"
                      f"<!-- end: {found[1]} -->", text), encoding="utf-8")


def sections(machines, counts, plots):
    leading = machines[0].measured
    return {
        "machines": machines_part(machines),
        "cost": cost_part(machines, counts, plots),
        "advance": advance_part(leading, plots),
        "memory": memory_part(leading, plots),
        "realtime": realtime_part(leading, plots),
        "losses": losses_part(machines, plots),
        "python": python_part(leading, plots),
        "replay": replay_part(leading),
        "noise": prose(" ".join(content.noise_sentences(leading))),
        "missing": bullets(content.warnings(leading) or ["Every contender took part."]),
    }


def machines_part(machines):
    rows = []
    for each in machines:
        mark = "" if each.version == machines[0].version else " †"
        sizes = sorted({key[2] for key in each.measured.results.runs if key[1] == "limit"
                        and not key[0].startswith("replay")})
        rows.append(("plain", [
            each.facts.get("Processor", "?") + mark, each.facts.get("Caches", "?").split(", ")[-1],
            f"{each.version}, {each.facts.get('tickwheel', '?').removeprefix('commit ')}",
            each.facts.get("Date", "?")[:10], f"{number_of_ten(sizes)}",
            f"`{each.facts.get('Command', 'bench/run')}`"]))
    data = content.Table("Measured on", ["machine", "last cache", "tickwheel", "date", "timers",
                                         "by"], rows)
    older = any(each.version != machines[0].version for each in machines)
    note = ("† Of another version: shown in docs/benchmarks, and not counted below." if older
            else "")
    return f"{table(data).replace('---: |', '--- |')}\n\n{note}"


def number_of_ten(sizes):
    return ", ".join(svg.power_of_ten(size) for size in sizes)


# ------------------------------------------------------------------------- cost

def cost_part(machines, counts, plots):
    leading = machines[0].measured
    sizes = sorted({size for _, _, _, size, *_ in leading.comparisons()})
    rows = []
    for workload, counter, title in leading.figures():
        if workload.endswith("-latency"):
            continue
        if not any(leading.best(workload, counter, size, is_ours) for size in sizes):
            continue  # of other languages' loops only
        cells = [title_cell(workload, title)]
        for size in sizes:
            found = leading.compared(workload, counter, size)
            ours = leading.best(workload, counter, size, is_ours)
            cells += ([number(ours[1]), spread(machines, workload, counter, size, found[2])]
                      if found else ["–", "–"])
        cells.append(counted(counts, workload, counter))
        rows.append(("plain", cells))
    head = ["an operation", *(words for size in sizes
                              for words in (f"{svg.power_of_ten(size)}: ns", "× peer")),
            "instructions, lines"]
    data = content.Table("The best tickwheel contender, and its multiple of the best peer", head,
                         rows)
    return f"{image(plots, 'cost-steady', 'steady: ns per fire and restart')}\n\n{table(data)}"


def title_cell(workload, title):
    return f"[{title}](docs/benchmarks/{workload}.md)"


def spread(machines, workload, counter, size, ratio):
    """The multiple with half of its interval and, with more than one machine of this version,
    the range over them."""
    values = [ratio.value]
    for each in machines[1:]:
        found = each.version == machines[0].version and each.measured.compared(workload, counter,
                                                                               size)
        values += [found[2].value] if found else []
    words = of_peer(ratio)
    return words if len(values) == 1 else f"{words} ({min(values):.2f}–{max(values):.2f})"


def counted(counts, workload, counter):
    """Instructions and cache lines at 10,000 timers: the best of ours and the best peer."""
    found = content.counts_of(counts, workload, counter, 10000)
    words = []
    for eligible in (is_ours, is_peer):
        of_kind = [count for name, count in found.items() if eligible(name)]
        if not of_kind:
            return "–"
        instructions, lines = min(count.per_operation() for count in of_kind)
        words.append(f"{instructions:,.0f}, {lines:.1f}")
    return f"{words[0]} : {words[1]}"


# ------------------------------------------------------- turns, memory, lateness

def shortest(names, value):
    """The limit, tickwheel's own, and the best few of the others."""
    theirs = sorted(filter(is_peer, names), key=value)[:PEERS_SHOWN]
    return [name for name in names if name == "limit" or name in OURS_SHOWN or name in theirs]


def advance_part(measured, plots):
    timers, found = measured.advances("steady")
    if not found:
        return ""
    rows = [(content.kind_of(name), [name, *map(svg.duration, found[name])])
            for name in shortest(found, lambda name: found[name][2])]
    data = content.Table(f"steady, {timers:,} timers: one advance of 1 ms",
                         ["contender", "median", "99 %", "99.9 %", "longest"], rows)
    return f"{image(plots, 'advance-steady', 'steady: one advance')}\n\n{table(data)}"


def memory_part(measured, plots):
    sizes = measured.results.sizes("fill")
    held = {name: [measured.median("fill", "bytes_per_timer", name, size) for size in sizes]
            for name in measured.contenders()}
    held = {name: values for name, values in held.items() if any(values)}
    rows = [(content.kind_of(name),
             [name, *(f"{value:.1f}" if value else "–" for value in held[name])])
            for name in shortest(held, lambda name: held[name][-1] or held[name][0] or 0)]
    data = content.Table("Bytes a timer by the allocator's count, what the caller embeds included",
                         ["contender", *(f"{size:,}" for size in sizes)], rows)
    return f"{image(plots, 'memory-fill', 'bytes a timer')}\n\n{table(data)}"


def realtime_part(measured, plots):
    rows = measured.results.realtime
    rates = rows.sizes("lateness")
    if not rates:
        return ""
    rate = 10000 if 10000 in rates else rates[-1]
    data = realtime_tables.lateness_table(rows, rate)
    data.notes = ["In µs, never before the deadline but for the share in *early*."]
    return f"{image(plots, f'lateness-{rate}', 'how late callbacks run')}\n\n{table(data)}"


# ------------------------------------------------------------------------ losses

def losses_part(machines, plots):
    measured = machines[0].measured
    data = content.losses_table(measured, by_all=True, costs_only=True)
    parts = [prose(content.losses_sentence(measured)),
             image(plots, "ratios", "every comparison of cost, as a multiple of the best peer")]
    if data.rows:
        more = len(data.rows) - LOSSES_SHOWN
        data.rows = data.rows[:LOSSES_SHOWN]
        data.notes = [f"The worst first; {more} more in docs/benchmarks/losses.md."] * (more > 0)
        parts.append(table(data))
    return "\n\n".join(parts)


def python_part(measured, plots):
    """What an operation costs under CPython, beside the library alone."""
    names = [name for name in measured.contenders()
             if name in ("asyncio", "uvloop", "asyncio-on-tickwheel")]
    if not names:
        return ""
    rows = []
    for workload, counter, title in measured.figures():
        sizes = [size for size in measured.results.sizes(workload)
                 if any(measured.median(workload, counter, name, size) for name in names)]
        for size in sizes[-1:]:
            ours = measured.best(workload, counter, size, is_ours)
            rows.append(("plain", [title, svg.power_of_ten(size),
                                   *(content.dash(measured.median(workload, counter, name, size))
                                     for name in names), number(ours[1]) if ours else "–"]))
    data = content.Table("ns an operation, the library's own cost in C beside it",
                         ["an operation", "timers", *names, "tickwheel in C"], rows)
    return table(data)


def replay_part(measured):
    traces = content.replays(measured)
    if not traces:
        return ""
    costs = {}
    for name in measured.contenders():
        found = [(measured.median(workload, None, name, size),
                  measured.median(workload, "max_ns", name, size))
                 for workload in traces for size in measured.results.sizes(workload)[:1]]
        if all(None not in pair for pair in found):
            costs[name] = found
    rows = [(content.kind_of(name), [name, *(f"{number(cost)}, {svg.duration(longest)}"
                                             for cost, longest in costs[name])])
            for name in shortest(costs, lambda name: sum(cost for cost, _ in costs[name]))]
    return table(content.Table(
        "ns an operation, and the longest advance", ["contender", *(
            workload.removeprefix("replay of ") for workload in traces)], rows))
