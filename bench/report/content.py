# SPDX-License-Identifier: MIT
"""What the report says, apart from its form: tables and sentences, which page.py
writes as HTML and publish.py as Markdown."""

import dataclasses

from figures import (ADVANCE_WORKLOADS, MEMORY, is_orientation, is_ours, is_peer,
                     worst_first)
from table import FIGURES, number, share
import svg
from intervals import WIDE


@dataclasses.dataclass
class Table:
    """`groups` stands above `head`: (words, columns spanned). The first column names the row."""

    title: str
    head: list
    rows: list  # of (kind: limit, ours, theirs or plain; cells)
    groups: list | None = None
    notes: list = dataclasses.field(default_factory=list)


def kind_of(contender):
    return "limit" if contender == "limit" else "ours" if is_ours(contender) else "theirs"


def times(ratio):
    return "–" if ratio is None else f"{ratio:.2f}×" if ratio < 99.5 else f"{ratio:,.0f}×"


def percent(value):
    return "–" if value is None else f"{value:.0f} %"


def label(measured, contender, workload=None):
    """The row's name, with what the contender did wrong."""
    marks = measured.marks(contender, workload)
    name = f"{contender} *" if is_orientation(contender) else contender
    return f"{name} ({', '.join('fires ' + mark for mark in marks)})" if marks else name


# ------------------------------------------------------------------- the figures

def cost_table(measured, workload, counter, title):
    sizes = measured.results.sizes(workload)
    rows = []
    for name in measured.contenders():
        cells = [measured.cell(workload, counter, name, size) for size in sizes]
        if any(cells):
            rows.append((kind_of(name), [label(measured, name, workload),
                                         *(text for cell in cells for text in cost_cells(cell))]))
    groups = [("", 1), *((f"{size:,} timers", 4) for size in sizes)]
    head = ["contender", *(["ns", "min", "× limit", "× peer"] * len(sizes))]
    return Table(title, head, rows, groups, absences(measured, workload))


def cost_cells(cell):
    if cell is None:
        return ["–"] * 4
    return [number(cell.median), number(cell.minimum), times(cell.of_limit),
            of_peer(cell.of_peer)]


def of_peer(ratio):
    """A multiple and half of its interval: 0.87× ±2 %."""
    if ratio is None:
        return "–"
    if ratio.half_width is None:
        return times(ratio.value)
    width = 100 * ratio.half_width
    return f"{times(ratio.value)} ±{max(width, 1):.0f} %{' ~' if ratio.is_wide else ''}"


def absences(measured, workload):
    """Who does not take part in a workload, and why: "far/list-wheel: the reason"."""
    lines = [line.split("/", 1)[1] for line in sorted(measured.results.absent)
             if line.startswith(workload + "/")]
    return [f"Not run: {line}." for line in lines]


def glance_tables(measured):
    """The figures at the largest size and at the smallest. The multiples come first, where
    a phone shows them."""
    sizes = sorted({key[2] for key in measured.results.runs})
    picked = [sizes[-1]] if len(sizes) == 1 else [sizes[-1], sizes[0]]
    tables = [glance_table(measured, size) for size in picked]
    return [table for table in tables if table.rows]


def glance_table(measured, timers):
    ours = [name for name in measured.contenders() if is_ours(name)]
    rows = []
    for workload, counter, title in measured.figures():
        costs = [measured.median(workload, counter, name, timers) for name in ("limit", *ours)]
        peer = measured.best(workload, counter, timers, is_peer)
        if not any(costs):
            continue
        best = measured.best(workload, counter, timers, is_ours)
        of_limit = best[1] / costs[0] if best and costs[0] else None
        of_peer = best[1] / peer[1] if best and peer and peer[1] else None
        rows.append(("plain", [title, times(of_limit), times(of_peer), *map(dash, costs),
                               f"{number(peer[1])} {peer[0]}" if peer else "–"]))
    head = ["figure", "× limit", "× peer", "limit",
            *(name.replace("tickwheel-", "") for name in ours), "best peer"]
    notes = ["The multiples are those of the best tickwheel contender; the other columns are ns."]
    return Table(f"{timers:,} timers", head, rows, None, notes)


def dash(value):
    return "–" if value is None else number(value)


# ------------------------------------------------------------------ where it loses

def losses_sentence(measured):
    won, lost = measured.won_and_lost()
    if won + lost == 0:
        return "There is nothing to compare with: the run has no peer, or none of tickwheel's own."
    if lost == 0:
        return (f"In none of the {won} comparisons of cost is the best peer faster than the best "
                "tickwheel contender.")
    return (f"In {lost} of the {won + lost} comparisons of cost (a figure at one size), the best "
            "peer is faster than every tickwheel contender.")


def losses_table(measured, by_all, costs_only=False):
    """by_all: where no tickwheel contender is best; else where only some are behind.
    costs_only: what an operation costs, without the longest advances and memory.
    A row is a figure (and a contender), a column a size, a cell the multiple of the best peer."""
    titles = {title for _, _, title in measured.figures()}
    losses = [loss for loss in measured.losses() if loss.is_best_of_ours == by_all
              and (loss.what in titles or not costs_only)]
    if by_all:
        losses = best_of_ours(losses)
    sizes = sorted({loss.timers for loss in losses})
    cells = {}
    for loss in losses:
        row = cells.setdefault((loss.what, loss.ours) if not by_all else (loss.what,), {})
        row[loss.timers] = loss_words(loss)
    rows = [("plain", [*names, *(row.get(size, "") for size in sizes)])
            for names, row in cells.items()]
    title = ("Figures in which no tickwheel contender is best" if by_all
             else "One tickwheel contender behind a peer, where another is ahead of it")
    return Table(title, ["figure", *([] if by_all else ["contender"]),
                         *(f"{size:,} timers" for size in sizes)], rows, None, LOSS_NOTES)


LOSS_NOTES = ["A cell is the multiple of the best peer's figure, with the peer's name; an empty "
              "one is not lost. What is beyond noise comes first: ~ marks what may be noise, since "
              "the 95 % interval reaches 1 or there are fewer than three rounds."]


def best_of_ours(losses):
    """Of losses of the same figure at the same size, the one that is least behind."""
    least = {}
    for loss in losses:
        same = (loss.what, loss.timers)
        if same not in least or loss.multiple < least[same].multiple:
            least[same] = loss
    return worst_first(least.values())


def loss_words(loss):
    return f"{times(loss.multiple)} {loss.peer}{'' if loss.is_clear else ' ~'}"


# ---------------------------------------------------------- counts, and replays

def part_of(counter):
    """".start" of start_ns: how bench/count calls it."""
    return "." + counter.removesuffix("_ns") if counter else ""


def counts_of(counts, workload, counter, timers):
    """{contender: its Count} of a figure."""
    found = {}
    for name, count in counts.counts.items():
        what, *rest = name.split("/")
        if what == workload + part_of(counter) and rest[1:] == [str(timers)]:
            found[rest[0]] = count
    return found


def counts_table(counts, workload):
    """Instructions and cache lines an operation, of each contender at each size."""
    figures = [figure for figure in FIGURES if figure[0] == workload]
    columns = [(counter, timers) for _, counter in figures for timers in (10000, 100000)
               if counts_of(counts, workload, counter, timers)]
    names = sorted({name for counter, timers in columns
                    for name in counts_of(counts, workload, counter, timers)},
                   key=lambda name: (name != "limit", not is_ours(name), name))
    rows = []
    for name in names:
        cells = []
        for counter, timers in columns:
            count = counts_of(counts, workload, counter, timers).get(name)
            cells.append("{:,.1f}, {:.2f}".format(*count.per_operation()) if count else "–")
        rows.append((kind_of(name), [name, *cells]))
    head = ["contender", *(f"{part_of(counter)[1:] + ', ' if counter else ''}{timers:,}"
                           for counter, timers in columns)]
    return Table("Instructions and cache lines an operation, counted", head, rows)


def operations_table(counts):
    rows = []
    for name, count in counts.counts.items():
        if name.startswith("operation/"):
            instructions, lines = count.per_operation()
            rows.append(("plain", [name.removeprefix("operation/"), f"{instructions:,.1f}",
                                   f"{lines:.2f}"]))
    return Table("tickwheel's single operations (bench/counts/operations.c), 20,000 timers",
                 ["operation", "instructions", "cache lines"], rows)


def replays(measured):
    """The workloads that are replays of a trace."""
    return sorted({key[0] for key in measured.results.runs if key[0].startswith("replay of ")})


# --------------------------------------------------------- beyond cost per operation

def advance_tables(measured, workloads=ADVANCE_WORKLOADS):
    tables = []
    for workload in workloads:
        timers, found = measured.advances(workload)
        if found:
            rows = [(kind_of(name), [label(measured, name, workload), *map(svg.duration, took)])
                    for name, took in found.items()]
            tables.append(Table(f"{workload}: one advance at {timers:,} timers",
                                ["contender", "median", "99 %", "99.9 %", "longest"], rows))
    return tables


def memory_tables(measured):
    tables = []
    for (workload, counter), how in MEMORY.items():
        sizes = measured.results.sizes(workload)
        rows = []
        for name in measured.contenders():
            held = [measured.median(workload, counter, name, size) for size in sizes]
            if any(held):
                rows.append((kind_of(name), [name, *(f"{value:.1f}" if value else "–"
                                                     for value in held)]))
        if rows:
            tables.append(Table(f"Bytes a timer, {how}, what the caller embeds included",
                                ["contender", *(f"{size:,}" for size in sizes)], rows))
    return tables


def sleeper_table(measured):
    rows = []
    for timers in measured.results.sizes("sleeper"):
        for name in measured.contenders():
            wakes = measured.median("sleeper", "wakes", name, timers)
            longest = measured.median("sleeper", "max_ns", name, timers)
            if wakes is not None and longest is not None and name != "limit":
                late = measured.lateness_ns("sleeper", name, timers)
                rows.append((kind_of(name), [name, f"{timers:,}", f"{wakes:,.0f}",
                                             svg.duration(longest),
                                             svg.duration(late) if late else "0"]))
    return Table("sleeper: wake-ups, the longest of them, and the worst lateness",
                 ["contender", "timers", "wake-ups", "longest", "latest"], rows)


def order_table(measured):
    """The share of one burst's timers that fired in the order in which they were started."""
    rows = []
    for timers in measured.results.sizes("herd")[-1:]:
        for name in measured.contenders():
            share = measured.median("herd", "in_order", name, timers)
            if share is not None and name != "limit":
                rows.append((kind_of(name), [name, f"{timers:,}", f"{100 * share:.4g} %"]))
    return Table("herd: timers of one deadline that fired right after the one started before",
                 ["contender", "timers", "in order"], rows)


def moves_table(measured):
    rows = []
    for workload in ("fill", "steady"):
        for name in filter(is_ours, measured.contenders()):
            for timers in measured.results.sizes(workload):
                counts = [measured.median(workload, counter, name, timers)
                          for counter in ("moved_max", "due_max", "even_share")]
                if None not in counts:
                    rows.append(("ours", [name, workload, f"{timers:,}",
                                          *(f"{count:,.0f}" for count in counts)]))
    return Table("Most timers moved in one tick, beside the most due in one step and the even "
                 "share", ["contender", "workload", "timers", "moved", "due", "even share"], rows)


def threads_table(measured):
    """The loss per core with one loop on each of several threads."""
    rows = []
    for workload, name, timers, threads in sorted(measured.results.runs):
        together = measured.results.median(workload, name, timers, "operation_ns", threads=threads)
        alone = measured.median(workload, "operation_ns", name, timers)
        if threads > 1 and together and alone:
            rows.append((kind_of(name), [name, workload, f"{timers:,}", str(threads),
                                         number(alone), number(together),
                                         percent(100 * (together / alone - 1))]))
    return Table("One loop per thread: ns per operation on each core",
                 ["contender", "workload", "timers", "threads", "alone", "together", "loss"], rows)


def allocations_table(measured):
    """Calls of malloc and its like while it was measured, at each workload's largest size."""
    sizes = {workload: max(measured.results.sizes(workload))
             for workload in measured.results.allocating()}
    rows = []
    for name in measured.contenders():
        counts = [measured.median(workload, "allocations", name, timers)
                  for workload, timers in sizes.items()]
        if any(count is not None for count in counts):
            rows.append((kind_of(name), [name, *("–" if count is None else share(count)
                                                 for count in counts)]))
    notes = [f"At {words} timers." for words in
             sorted({f"{timers:,}" for timers in sizes.values()})]
    if len(notes) > 1:
        notes = ["Each at the most timers at which it was measured."]
    return Table("Allocations per operation: calls of malloc and its like in the measured part",
                 ["contender", *sizes], rows, None, notes)


def growth_table(measured):
    """By how much the cost of an operation grows from the smallest to the largest size."""
    rows, sizes = [], sorted({key[2] for key in measured.results.runs})
    for workload, counter, title in measured.figures():
        cells = []
        for name in ("limit", *filter(is_ours, measured.contenders())):
            ends = [measured.median(workload, counter, name, size) for size in
                    (sizes[0], sizes[-1])]
            cells.append(times(ends[1] / ends[0]) if all(ends) else "–")
        if any(cell != "–" for cell in cells):
            rows.append(("plain", [title, *cells]))
    head = ["figure", "limit", *filter(is_ours, measured.contenders())]
    title = f"Growth of the cost from {sizes[0]:,} to {sizes[-1]:,} timers"
    return Table(title, head, rows if len(sizes) > 1 else [])


def behaviour_tables(measured):
    tables = [sleeper_table(measured), order_table(measured), moves_table(measured),
              allocations_table(measured), growth_table(measured), threads_table(measured)]
    return [table for table in tables if table.rows]


# --------------------------------------------------------------- warnings and notes

def warnings(measured):
    """What a reader must know before any figure."""
    found = [f"VOID: {line}" for line in sorted(measured.results.wrong)]
    for mark in ("early", "late"):
        guilty = [f"{name} ({misfires(measured, name, mark)})"
                  for name in measured.contenders() if mark in measured.marks(name)]
        if guilty:
            found.append(f"Firing {mark}: {'; '.join(guilty)}.")
    if measured.results.missing:
        found.append("Not installed, so not in this run: "
                     f"{', '.join(sorted(measured.results.missing))}.")
    busy = measured.busy()
    if busy:
        found.append(f"In the minute before the run the load was {busy[0]:.1f} on {busy[1]} cores.")
    if measured.fewest_repeated() < 3:
        found.append("Some figures come from fewer than three rounds: no interval can be given "
                     "for them.")
    return found


def misfires(measured, contender, mark):
    """Where, and the worst of it."""
    worst = {}
    for (workload, name, timers, _), runs in measured.results.runs.items():
        if name == contender:
            much = (max(run.get("early", 0) for run in runs) if mark == "early"
                    else measured.lateness_ns(workload, name, timers))
            worst[workload] = max(worst.get(workload, 0), much)
    return ", ".join(f"{workload}: {much:,.0f} timers" if mark == "early"
                     else f"{workload}: by up to {svg.duration(much)}"
                     for workload, much in sorted(worst.items()) if much)


def missing(measured):
    """Contenders that are not in the run at all, with the reason."""
    found = [f"{name}: not installed" for name in sorted(measured.results.missing)]
    workloads_of = {}
    for line in sorted(measured.results.absent):
        where, reason = line.split(": ", 1)
        workload, contender = where.split("/", 1)
        workloads_of.setdefault((contender, reason), []).append(workload)
    return found + [f"{contender}, in {', '.join(workloads)}: {reason}"
                    for (contender, reason), workloads in sorted(workloads_of.items())]


def noise_sentences(measured):
    fewest, most = measured.repetitions()
    count = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    sentences = [f"Each figure is the median of {count} round{'s' if most > 1 else ''}."]
    if measured.results.once:
        once = len(measured.results.once)
        sentences.append(f"{once} benchmark{'s were' if once > 1 else ' was'} measured once, since "
                         "a run, its set-up included, takes long there: without an interval.")
    disturbed, windows = measured.disturbed()
    if windows:
        sentences.append(f"In {disturbed} of {windows} windows the system had the processor for "
                         "other work even at the third try.")
    widths = measured.widths()
    if not widths:
        return sentences + ["With fewer than three rounds there is no interval to judge noise by."]
    narrow = sum(width <= 100 * WIDE for width, *_ in widths)
    worst, title, ours, peer, timers = widths[-1]
    sentences.append(
        f"Of the {len(widths)} ratios of the best tickwheel contender to the best peer, "
        f"{100 * narrow / len(widths):.0f} % have a 95 % interval of at most ±{100 * WIDE:.0f} %; "
        f"half of them ±{widths[len(widths) // 2][0]:.1f} %. The widest is {title} at {timers:,} "
        f"timers ({ours}, {peer}) with ±{worst:.0f} %. A wider one than ±{100 * WIDE:.0f} % is "
        "marked ~.")
    sentences.append(
        "From run to run, absolute figures move with whatever else shares the machine: compare "
        "multiples.")
    return sentences


READING = [
    "An operation's cost is processor time in nanoseconds, the caller's own 64-byte connection "
    "record included, which every operation touches as a server's does. Less is better.",
    "The limit is what no facility that stores anything can beat: for starts, stops and re-arms "
    "it writes the timer's own record and keeps no order; for expiry it visits the due records in "
    "an order worked out beforehand and calls their callbacks. “× limit” is the multiple of it.",
    "“× peer” is the multiple of the best peer: the fastest contender that is neither tickwheel's "
    "own nor the limit. Below 1, no peer is as fast.",
    "Time is virtual: all contenders live through the same milliseconds, and a checksum over "
    "which timer fired at which time must be equal for all, or the run is void.",
]
ORIENTATION_NOTE = ("* For orientation only: in a process of its own, most on a clock of its own; no "
                    "peer in the multiples.")
