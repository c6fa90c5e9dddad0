# SPDX-License-Identifier: MIT
"""The plots of the report: cost against N, single advances, memory, all comparisons."""

import statistics

import svg
from figures import ADVANCE_WORKLOADS, MEMORY, is_ours, is_orientation

WIDTH = 400
TITLE_Y, SUBTITLE_Y, TOP = 20, 38, 54
LABEL_GAP = 13.5

# Known contenders look the same in every plot of every run; others take what is left.
LOOKS = {
    "limit": ("c-limit", "bar"),
    "tickwheel-embedded": ("c-a", "circle"),
    "tickwheel-park": ("c-b", "square"),
    "tickwheel-handles": ("c-c", "diamond"),
    "tickwheel-jemalloc": ("c-d", "up"),
    "list-wheel": ("c-e", "circle"),
    "libev": ("c-f", "up"),
    "libevent": ("c-g", "square"),
    "libuv": ("c-h", "diamond"),
    "asio": ("c-i", "down"),
    "priority-queue": ("c-j", "cross"),
    "multimap": ("c-k", "plus"),
    "libevent-common": ("c-l", "pentagon"),
    "asyncio": ("c-m", "left"),
    "uvloop": ("c-n", "right"),
    "tickwheel-bare": ("c-a", "square"),
    "tickwheel-inline": ("c-b", "circle"),
    "tickwheel-later": ("c-c", "up"),
    "tickwheel-cached": ("c-d", "circle"),
    "ace-wheel": ("c-f", "circle"),
    "ace-heap": ("c-g", "cross"),
    "ace-hash": ("c-h", "square"),
    "sd-event": ("c-k", "star"),
}
SPARE_COLOURS = ("c-n", "c-m", "c-i", "c-h", "c-e", "c-g")
SPARE_MARKERS = ("star", "hexagon", "left", "right", "pentagon", "cross", "plus")


def looks_of(contenders):
    """{contender: (class of its colour, marker)}"""
    strangers = [name for name in contenders if name not in LOOKS]
    spare = {name: (SPARE_COLOURS[i % len(SPARE_COLOURS)], SPARE_MARKERS[i % len(SPARE_MARKERS)])
             for i, name in enumerate(strangers)}
    return {name: LOOKS.get(name) or spare[name] for name in contenders}


def series_class(contender, looks):
    kind = "limit" if contender == "limit" else "ours" if is_ours(contender) else "theirs"
    return f"series {kind} {looks[contender][0]}"


def heading(title, subtitle):
    return [svg.text(14, TITLE_Y, title, class_="title"),
            svg.text(14, SUBTITLE_Y, subtitle, class_="muted")]


# ------------------------------------------------------------- cost against N

def cost_plot(measured, workload, counter, title, identity, style=None):
    """ns per operation against N, both logarithmic: a line for each contender."""
    sizes = measured.results.sizes(workload)
    lines = {name: [(size, measured.median(workload, counter, name, size)) for size in sizes]
             for name in measured.contenders()}
    lines = {name: [point for point in points if point[1]] for name, points in lines.items()}
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return None
    bottom = TOP + max(230, LABEL_GAP * len(lines))
    costs = [cost for points in lines.values() for _, cost in points]
    x = svg.Scale(min(sizes), max(sizes), 62, WIDTH - 144)
    y = svg.Scale(min(costs) / 1.15, max(costs) * 1.15, bottom, TOP)
    body = heading(*(title.split(": ", 1) if ": " in title else (title, "ns per operation")))
    body += cost_axes(x, y, sizes)
    body += cost_lines(lines, x, y, looks_of(measured.contenders()))
    words = "; ".join(f"{name} {cost_words(points)}" for name, points in lines.items())
    return svg.document(WIDTH, int(bottom + 44), title,
                        f"Line plot of ns per operation against the number of timers. {words}.",
                        body, identity, style)


def cost_words(points):
    (first, cost), (last, last_cost) = points[0], points[-1]
    if first == last:
        return f"{cost:.3g} ns at {first:,}"
    return f"{cost:.3g} ns at {first:,} to {last_cost:.3g} ns at {last:,}"


def cost_axes(x, y, sizes):
    left, right, bottom = 52, WIDTH - 132, y.first
    body = []
    for tick in svg.log_ticks(y.low, y.high):
        body.append(svg.line(left, y(tick), right, y(tick), class_="grid"))
        words = f"{tick:,.3g}" if tick < 1000 else f"{tick:,.0f}"
        body.append(svg.text(left - 6, y(tick) + 4, words, class_="tick", text_anchor="end"))
    body.append(svg.line(left, bottom, right, bottom, class_="axis"))
    for size in sizes:
        body.append(svg.line(x(size), bottom, x(size), bottom + 4, class_="axis"))
        body.append(svg.text(x(size), bottom + 18, svg.power_of_ten(size), class_="tick",
                             text_anchor="middle"))
    body.append(svg.text((left + right) / 2, bottom + 35, "timers", class_="muted",
                         text_anchor="middle"))
    return body


def cost_lines(lines, x, y, looks):
    """Ours are drawn last, over the others. Each line is labelled at its end."""
    names = sorted(lines, key=lambda name: (is_ours(name), name == "limit"))
    ends = svg.spread_labels([y(lines[name][-1][1]) for name in names], LABEL_GAP,
                             y.last + 2, y.first - 2)
    body = []
    for name, label_y in zip(names, ends):
        points = [(x(size), y(cost)) for size, cost in lines[name]]
        kind = looks[name][1]
        drawn = [svg.line(points[-1][0] + 5, points[-1][1], WIDTH - 129, label_y,
                          class_="leader")]
        if len(points) > 1:
            drawn.append(svg.polyline(points))
        radius = 4.2 if is_ours(name) else 3.6
        if name != "limit":
            drawn += [svg.marker(kind, *point, radius) for point in points]
            drawn.append(svg.marker(kind, WIDTH - 122, label_y, radius))
        drawn.append(svg.text(WIDTH - 113, label_y + 4, short(name)))
        body.append(svg.element("g", *drawn, class_=series_class(name, looks)))
    return body


def short(name):
    """A label that fits: what is for orientation has a star."""
    label = name.replace("tickwheel-", "tw ") + (" *" if is_orientation(name) else "")
    return label if len(label) <= 16 else label[:15] + "…"


# --------------------------------------------------------- one advance, memory

LEFT, ROW = 124, 21


def advance_plot(measured, workload, identity, style=None):
    """The quantiles of what single advances took, on a logarithmic axis of time."""
    timers, found = measured.advances(workload)
    if not found:
        return None
    names = sorted(found, key=lambda name: (name != "limit", found[name][-1]))
    shown = [value for took in found.values() for value in took if value > 0]
    x = svg.Scale(min(shown) / 1.3, max(shown) * 1.3, LEFT, WIDTH - 62)
    bottom = TOP + 24 + ROW * len(names)
    title = f"{workload}: one advance"
    wake = "one wake-up" if workload == "sleeper" else "1 ms of virtual time"
    body = heading(title, f"{wake}, {svg.power_of_ten(timers)} timers") + quantile_key()
    for tick in svg.log_ticks(x.low, x.high, 4):
        body.append(svg.line(x(tick), TOP + 22, x(tick), bottom, class_="grid"))
        body.append(svg.text(x(tick), bottom + 16, svg.duration(tick), class_="tick",
                             text_anchor="middle"))
    body += rows(names, TOP + 24, looks_of(measured.contenders()),
                 lambda name, y: advance_row(found[name], x, y))
    words = "; ".join(f"{name}: " + ", ".join(svg.duration(value) for value in found[name])
                      for name in names)
    return svg.document(WIDTH, bottom + 28, title,
                        f"Median, 99 %, 99.9 % and longest at {timers:,} timers. {words}.",
                        body, identity, style)


def lateness_plot(measured, rate, identity, style=None):
    """How late a loop that drives itself calls, on the real clock."""
    rows_ = measured.results.realtime
    found = {}
    for name in rows_.contenders("lateness", rate):
        values = [rows_.values("lateness", name, rate, counter)
                  for counter in ("p50_ns", "p99_ns", "p999_ns", "max_ns")]
        if all(values):
            found[name] = [statistics.median(of_counter) for of_counter in values]
    if not found:
        return None
    names = sorted(found, key=lambda name: found[name][0])
    shown = [value for took in found.values() for value in took if value > 0]
    x = svg.Scale(min(shown) / 1.3, max(shown) * 1.3, LEFT, WIDTH - 62)
    bottom = TOP + 24 + ROW * len(names)
    title = "How late callbacks run"
    body = heading(title, f"{rate:,} timers a second, on the real clock") + quantile_key()
    for tick in svg.log_ticks(x.low, x.high, 4):
        body.append(svg.line(x(tick), TOP + 22, x(tick), bottom, class_="grid"))
        body.append(svg.text(x(tick), bottom + 16, svg.duration(tick), class_="tick",
                             text_anchor="middle"))
    body += rows(names, TOP + 24, looks_of(names), lambda name, y: advance_row(found[name], x, y))
    words = "; ".join(f"{name}: " + ", ".join(svg.duration(value) for value in found[name])
                      for name in names)
    return svg.document(WIDTH, bottom + 28, title,
                        f"Median, 99 %, 99.9 % and latest. {words}.", body, identity, style)


def quantile_key():
    y, body = SUBTITLE_Y + 20, []
    for x, kind, radius, words in ((18, "circle", 3.5, "median"), (86, "bar", 5, "99 %"),
                                   (142, "diamond", 3.6, "99.9 %"), (212, "up", 4, "longest")):
        body.append(svg.marker(kind, x, y - 4, radius, class_="filled"))
        body.append(svg.text(x + 9, y, words, class_="muted"))
    return [svg.element("g", *body, class_="key")]


def advance_row(took, x, y):
    at = [x(max(value, x.low)) for value in took]
    drawn = [svg.line(at[0], y, at[-1], y, class_="span")]
    drawn += [svg.marker(kind, place, y, radius) for kind, place, radius in
              zip(("circle", "bar", "diamond", "up"), at, (3.5, 5.5, 3.6, 4))]
    drawn.append(svg.text(WIDTH - 10, y + 4, svg.duration(took[-1]), class_="value",
                          text_anchor="end"))
    return drawn


def memory_plot(measured, workload, counter, how, identity, style=None):
    """Bytes a timer, the caller's part included: a bar for each contender."""
    timers, held = measured.memory(workload, counter)
    if not held:
        return None
    names = sorted(held, key=lambda name: (name != "limit", held[name]))
    ticks = svg.linear_ticks(max(held.values()), 5)
    x = svg.Scale(0, ticks[-1], LEFT, WIDTH - 52, log=False)
    bottom = TOP + ROW * len(names)
    title = f"Bytes a timer, {how}"
    body = heading(title, f"what the caller embeds included, {svg.power_of_ten(timers)} timers")
    for tick in ticks:
        body.append(svg.line(x(tick), TOP - 2, x(tick), bottom, class_="grid"))
        body.append(svg.text(x(tick), bottom + 16, f"{tick:.0f}", class_="tick",
                             text_anchor="middle"))
    looks = looks_of(measured.contenders())
    body += rows(names, TOP, looks, lambda name, y: memory_row(held[name], x, y))
    if "limit" in held:
        reference = svg.line(x(held["limit"]), TOP - 2, x(held["limit"]), bottom,
                             class_="reference")
        body.append(svg.element("g", reference, class_=series_class("limit", looks)))
    words = "; ".join(f"{name} {held[name]:.0f}" for name in names)
    return svg.document(WIDTH, bottom + 28, title, f"Bar chart at {timers:,} timers: {words}.",
                        body, identity, style)


def memory_row(value, x, y):
    bar = svg.element("rect", x=x.first, y=y - 6.0, height=12, rx=2, class_="bar",
                      width=float(x(value) - x.first))
    return [bar, svg.text(x(value) + 6, y + 4, f"{value:.0f}", class_="value")]


def rows(names, top, looks, draw):
    body = []
    for i, name in enumerate(names):
        y = top + ROW * (i + 0.5)
        label = svg.text(LEFT - 10, y + 4, short(name), text_anchor="end")
        body.append(svg.element("g", label, *draw(name, y), class_=series_class(name, looks)))
    return body


# ------------------------------------------- every comparison with the best peer

RATIO_WIDTH, RATIO_LEFT = 720, 250


def ratios_plot(measured, identity, style=None):
    """A row a figure, a marker a size: the multiple of the best peer, with its interval."""
    compared = measured.comparisons()
    if not compared:
        return None
    titles = list(dict.fromkeys(title for _, _, title, *_ in compared))
    sizes = sorted({timers for _, _, _, timers, *_ in compared})
    kinds = dict(zip(sizes, ("circle", "square", "diamond", "up", "star")))
    shown = [ratio.value for *_, ratio in compared]
    x = svg.Scale(min(0.5, *shown) / 1.15, max(2, *shown) * 1.15, RATIO_LEFT, RATIO_WIDTH - 20)
    bottom = TOP + 24 + ROW * len(titles)
    body = heading("The best tickwheel contender as a multiple of the best peer",
                   "left of 1: no peer is as fast; the bar is the 95 % interval")
    for i, size in enumerate(sizes):
        body += [svg.marker(kinds[size], RATIO_LEFT + 70 * i, SUBTITLE_Y + 20, 4),
                 svg.text(RATIO_LEFT + 70 * i + 9, SUBTITLE_Y + 24, svg.power_of_ten(size),
                          class_="muted")]
    for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10):
        if x.low < tick < x.high:
            kind = "axis" if tick == 1 else "grid"
            body += [svg.line(x(tick), TOP + 22, x(tick), bottom, class_=kind),
                     svg.text(x(tick), bottom + 16, f"{tick}×", class_="tick",
                              text_anchor="middle")]
    for i, title in enumerate(titles):
        y = TOP + 24 + ROW * (i + 0.5)
        drawn = [svg.text(RATIO_LEFT - 10, y + 4, title, text_anchor="end")]
        for _, _, of_title, timers, _, _, ratio in compared:
            if of_title == title:
                drawn += ratio_marker(ratio, x, y, kinds[timers])
        body.append(svg.element("g", *drawn, class_="series ours c-a"))
    words = "; ".join(f"{title} at {timers:,}: {ratio.value:.2f}"
                      for _, _, title, timers, _, _, ratio in compared)
    return svg.document(RATIO_WIDTH, bottom + 28, "Multiples of the best peer",
                        f"Dot plot. {words}.", body, identity, style)


def ratio_marker(ratio, x, y, kind):
    drawn = [svg.marker(kind, x(ratio.value), y, 4)]
    if ratio.low is not None:
        drawn.insert(0, svg.line(x(max(ratio.low, x.low)), y, x(min(ratio.high, x.high)), y,
                                 class_="span"))
    return drawn


# ------------------------------------------------------------------ all of them

def all_plots(measured, style=None):
    """(section, file name, what it shows, SVG) of every plot there is something for."""
    plots = []
    for workload, counter, title in measured.figures():
        identity = "-".join(filter(None, ("cost", workload, (counter or "").removesuffix("_ns"))))
        plots.append(("cost", identity, title,
                      cost_plot(measured, workload, counter, title, identity, style)))
    for workload in ADVANCE_WORKLOADS:
        identity = f"advance-{workload}"
        plots.append(("advance", identity, f"{workload}: one advance",
                      advance_plot(measured, workload, identity, style)))
    for (workload, counter), how in MEMORY.items():
        identity = f"memory-{workload}"
        plots.append(("memory", identity, f"bytes a timer, {how}",
                      memory_plot(measured, workload, counter, how, identity, style)))
    for rate in measured.results.realtime.sizes("lateness"):
        plots.append(("realtime", f"lateness-{rate}", f"lateness, {rate:,} timers a second",
                      lateness_plot(measured, rate, f"lateness-{rate}", style)))
    plots.append(("losses", "ratios", "every comparison of cost",
                  ratios_plot(measured, "ratios", style)))
    return [plot for plot in plots if plot[3] is not None]
