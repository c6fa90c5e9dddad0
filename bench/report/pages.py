# SPDX-License-Identifier: MIT
"""docs/benchmarks: everything, a page a workload, from the figures of all machines."""

import content
import realtime_tables
from figures import description
from markdown import bullets, image, prose, table

GENERATED = ("Written by `bench/run --publish`, and not by hand. "
             "[BENCHMARKS.md](../../BENCHMARKS.md) is the summary, and says how to read it.")


def write(folder, machines, counts, pictures):
    """pictures: {name: title} of the plots there are, which lie in ../plots."""
    folder.mkdir(parents=True, exist_ok=True)
    leading = machines[0].measured
    pages = {workload: workload_page(workload, machines, counts, pictures)
             for workload in dict.fromkeys(figure[0] for figure in leading.figures())}
    pages["memory"] = tables_page("Memory", machines, content.memory_tables, pictures, "memory-")
    pages["losses"] = tables_page("Where tickwheel loses", machines, losses, pictures, "ratios")
    pages["behaviour"] = tables_page("Counters and behaviour", machines, content.behaviour_tables,
                                     pictures, None)
    pages["realtime"] = tables_page("On the real clock", machines, realtime_tables.tables,
                                    pictures, "lateness-")
    pages["replay"] = tables_page("Replays of recorded servers", machines, replay_tables,
                                  pictures, None)
    pages["counts"] = counts_page(counts)
    pages["machines"] = machines_page(machines)
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text.strip() + "\n", encoding="utf-8")


def page(title, *parts):
    return "\n\n".join([f"# {title}", GENERATED, *filter(None, parts)])


def heading(each, machines):
    older = "" if each.version == machines[0].version else f", tickwheel {each.version}"
    return f"## {each.facts.get('Processor', each.name)}{older}"


def workload_page(workload, machines, counts, pictures):
    shown = [image("../plots", name, title) for name, title in pictures.items()
             if name == f"cost-{workload}" or name.startswith(f"cost-{workload}-")
             and "latency" not in name.removeprefix(f"cost-{workload}") or
             name == f"advance-{workload}"]
    parts = [prose(description(workload)), f"`bench/run --filter '^{workload}/'`",
             "\n".join(shown)]
    counted = content.counts_table(counts, workload)
    if counted.rows:
        parts.append(table(counted))
    for each in machines:
        parts.append(heading(each, machines))
        measured = each.measured
        parts += [table(flat(content.cost_table(measured, *figure)))
                  for figure in measured.figures() if figure[0] == workload]
        parts += [table(data) for data in content.advance_tables(measured)
                  if data.title.startswith(f"{workload}:")]
    return page(workload, *parts)


def flat(data):
    """Sizes go from above the columns into them: Markdown has one line of heads."""
    if not data.groups:
        return data
    sizes = [words for words, span in data.groups for _ in range(span)]
    head = [f"{size.removesuffix(' timers')}: {words}" if words == "ns" else words
            for size, words in zip(sizes, data.head)]
    return content.Table(data.title, head, data.rows, None, data.notes)


def tables_page(title, machines, tables_of, pictures, prefix):
    parts = ["\n".join(image("../plots", name, words) for name, words in pictures.items()
                       if prefix and name.startswith(prefix))]
    for each in machines:
        tables = tables_of(each.measured)
        if tables:
            parts += [heading(each, machines), *(table(flat(data)) for data in tables)]
    return page(title, *parts)


def losses(measured):
    tables = [content.losses_table(measured, by_all) for by_all in (True, False)]
    return [data for data in tables if data.rows]


def replay_tables(measured):
    tables = []
    for workload in content.replays(measured):
        cost = content.cost_table(measured, workload, None, f"{workload}: ns per operation")
        tables += [cost, *content.advance_tables(measured, [workload])]
    return tables


def counts_page(counts):
    operations = content.operations_table(counts)
    built = [f"{name}: {value}" for name, value in counts.built_with.items()]
    return page("Instructions and cache lines", prose(
        "Counted by `bench/count`, and not timed: the same to the last digit on every machine with "
        "the same compiler and packages. A line counts when an operation has to fetch it: when none "
        "of the last 512 lines that were touched was this one (32 KiB, fully associative). The "
        "other workloads' counts stand on their pages. Built with:"), bullets(built),
        table(operations) if operations.rows else "")


def machines_page(machines):
    parts = []
    for each in machines:
        rows = [("plain", [name, value]) for name, value in each.facts.items()]
        parts += [heading(each, machines),
                  table(content.Table(f"`{each.name}`", ["", ""], rows)).replace("---: |",
                                                                                "--- |"),
                  bullets(content.warnings(each.measured) + content.missing(each.measured)),
                  *map(prose, content.noise_sentences(each.measured))]
    return page("The machines", *parts)
