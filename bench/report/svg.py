# SPDX-License-Identifier: MIT
"""Drawing with SVG: elements, log and linear scales, markers, labels that do
not overlap. Colours are left to style sheets: a series has a class, whose
`color` its strokes and fills take (plot.css).

Not matplotlib: it writes colours into each element, so that a plot could not follow the
reader's dark mode, has no text alternative, and takes several times these 10 KB."""

import math
from xml.sax.saxutils import escape, quoteattr

SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def element(name, *children, **attributes):
    """One element. An attribute's underscores are hyphens; `class_` is class.
    Children are markup: pass text through text() or escape()."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}={quoteattr(_number(value))}"
        for key, value in attributes.items() if value is not None)
    inner = "".join(children)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def _number(value):
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def text(x, y, content, **attributes):
    return element("text", escape(content), x=float(x), y=float(y), **attributes)


def line(x1, y1, x2, y2, **attributes):
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), **attributes)


def polyline(points, **attributes):
    return element("polyline", points=" ".join(f"{x:.2f},{y:.2f}" for x, y in points),
                   **attributes)


def document(width, height, title, description, body, identity, style=None):
    """A whole picture, with its text alternative. With `style` it stands alone."""
    head = [element("title", escape(title), id=f"{identity}-title"),
            element("desc", escape(description), id=f"{identity}-desc")]
    if style:
        head.append(element("style", escape(style)))
    head.append(element("rect", class_="surface", width=width, height=height, rx=6))
    size = {"width": width, "height": height} if style else {}
    return element("svg", *head, *body, xmlns="http://www.w3.org/2000/svg", class_="plot",
                   viewBox=f"0 0 {width} {height}", role="img",
                   aria_labelledby=f"{identity}-title {identity}-desc", **size)


class Scale:
    """From values to a coordinate, logarithmic or linear."""

    def __init__(self, low, high, first, last, log=True):
        self.low, self.high, self.first, self.last, self.log = low, high, first, last, log

    def __call__(self, value):
        low, high = self._position(self.low), self._position(self.high)
        share = (self._position(value) - low) / (high - low) if high > low else 0.5
        return self.first + share * (self.last - self.first)

    def _position(self, value):
        return math.log10(value) if self.log else value


def log_ticks(low, high, most=7):
    """Ticks of 1, 2, 5 in each decade; where those are too many, of decades or fewer."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]


def linear_ticks(high, most=6):
    """Round steps from 0 up to at least `high`."""
    magnitude = 10.0 ** math.floor(math.log10(high))
    step = next(step for factor in (0.1, 0.2, 0.5, 1, 2, 5)
                if high / (step := factor * magnitude) <= most)
    return [step * i for i in range(math.ceil(high / step) + 1)]


def power_of_ten(value):
    """10⁶ for a power of ten, otherwise with thousands' separators."""
    exponent = math.log10(value)
    if value >= 10000 and exponent == int(exponent):
        return "10" + str(int(exponent)).translate(SUPERSCRIPTS)
    return f"{value:,.0f}"


def duration(ns, digits=2):
    """With the unit that fits: 250 ns, 4.1 ms."""
    for unit, factor in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= factor * 0.9995:
            return f"{_significant(ns / factor, digits)} {unit}"
    return f"{_significant(ns, digits)} ns"


def _significant(value, digits):
    return f"{value:.0f}" if value >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def spread_labels(wanted, gap, low, high):
    """Moves labels apart: positions in the order of `wanted`, at least `gap`
    from each other and within low to high as far as they fit."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed, floor = {}, low
    for i in order:
        placed[i] = max(wanted[i], floor)
        floor = placed[i] + gap
    ceiling = high
    for i in reversed(order):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - gap
    return [placed[i] for i in range(len(wanted))]


def _polygon(points):
    return "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in points) + "Z"


def _regular(corners, turn, x, y, radius):
    angles = [math.tau * i / corners + turn for i in range(corners)]
    return _polygon([(x + radius * math.sin(a), y - radius * math.cos(a)) for a in angles])


def _star(x, y, radius):
    points = [(radius if i % 2 == 0 else radius * 0.45, math.tau * i / 10) for i in range(10)]
    return _polygon([(x + r * math.sin(a), y - r * math.cos(a)) for r, a in points])


def _circle(x, y, radius):
    return (f"M{x - radius:.2f} {y:.2f}a{radius:.2f} {radius:.2f} 0 1 0 {2 * radius:.2f} 0"
            f"a{radius:.2f} {radius:.2f} 0 1 0 {-2 * radius:.2f} 0Z")


MARKERS = {
    "circle": lambda x, y, r: _circle(x, y, r * 0.92),
    "square": lambda x, y, r: _regular(4, math.pi / 4, x, y, r * 1.18),
    "diamond": lambda x, y, r: _regular(4, 0, x, y, r * 1.25),
    "up": lambda x, y, r: _regular(3, 0, x, y + r * 0.2, r * 1.2),
    "down": lambda x, y, r: _regular(3, math.pi, x, y - r * 0.2, r * 1.2),
    "left": lambda x, y, r: _regular(3, -math.pi / 2, x + r * 0.2, y, r * 1.2),
    "right": lambda x, y, r: _regular(3, math.pi / 2, x - r * 0.2, y, r * 1.2),
    "pentagon": lambda x, y, r: _regular(5, 0, x, y, r * 1.1),
    "hexagon": lambda x, y, r: _regular(6, 0, x, y, r * 1.1),
    "star": lambda x, y, r: _star(x, y, r * 1.35),
    "plus": lambda x, y, r: f"M{x - r:.2f} {y:.2f}H{x + r:.2f}M{x:.2f} {y - r:.2f}V{y + r:.2f}",
    "cross": lambda x, y, r: (f"M{x - r * .8:.2f} {y - r * .8:.2f}L{x + r * .8:.2f} "
                              f"{y + r * .8:.2f}M{x - r * .8:.2f} {y + r * .8:.2f}"
                              f"L{x + r * .8:.2f} {y - r * .8:.2f}"),
    "bar": lambda x, y, r: f"M{x:.2f} {y - r:.2f}V{y + r:.2f}",
}


def marker(kind, x, y, radius=4.0, **attributes):
    return element("path", d=MARKERS[kind](x, y, radius), **attributes)
