# SPDX-License-Identifier: MIT
"""What the report says of the real-time rows: the same figures as bench/run's table."""

from content import Table, kind_of
from realtime_rows import COLUMNS, KINDS, POSTS, cell, histogram, load_range, share

MARKS = ("Medians of the repetitions, in µs. A figure of tickwheel's is marked where it is worse "
         "than the best of the others: ~ if some repetitions were not, ! if all were.")


def tables(measured):
    rows = measured.results.realtime
    if not rows.runs:
        return []
    posts = [post_table(rows, kind, size) for kind in POSTS
             for size in rows.sizes(kind)]
    late = [made(rows, rate) for rate in rows.sizes("lateness")
            for made in (lateness_table, histogram_table)]
    return posts + late


def post_table(rows, kind, size):
    body = []
    for name in rows.contenders(kind, size):
        figures = [cell(rows, kind, name, size, counter).strip()
                   for counter in ("call_ns", "p50_ns", "p99_ns", "loop_ns")]
        body.append((kind_of(name), [name, *figures,
                                     f"{rows.calls_per_post(kind, name, size):.3g}"]))
    head = ["contender", "sender pays", "median", "99 %", "loop pays", "calls a post"]
    return Table(f"{kind}: {KINDS[kind]}", head, body, None, [MARKS])


def lateness_table(rows, rate):
    body = []
    for name in rows.contenders("lateness", rate):
        figures = [cell(rows, "lateness", name, rate, counter).strip()
                   for counter in ("p50_ns", "p99_ns", "p999_ns", "max_ns")]
        body.append((kind_of(name), [
            name, *figures, f"{rows.early_percent(name, rate):.3g} %",
            f"{rows.mean('lateness', name, rate, 'sleeps_per_s'):,.0f}",
            f"{rows.mean('lateness', name, rate, 'cpu_percent'):.0f} %"]))
    head = ["contender", "median", "99 %", "99.9 %", "max", "early", "sleeps/s", "CPU"]
    return Table(f"{KINDS['lateness']}: {rate:,} a second", head, body, None,
                 [MARKS, load_range(rows)])


def histogram_table(rows, rate):
    body = [(kind_of(name), [name, *map(share, histogram(rows, name, rate))])
            for name in rows.contenders("lateness", rate)]
    head = ["contender", "early", *(f"< {edge}" if edge != "more" else edge for edge, _ in COLUMNS)]
    return Table(f"How late, in percent of the calls: {rate:,} a second", head, body)
