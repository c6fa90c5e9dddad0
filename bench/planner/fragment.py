# SPDX-License-Identifier: MIT
"""The planner as a piece of the HTML report: what some servers' timers cost on this
machine, at several sizes, reckoned here. The page itself reckons nothing."""

from html import escape

import calibration
import model
import plan as plans
import tables

# The same servers as in docs/CAPACITY.md. name: (plan, its size in words)
SERVERS = {
    "A proxy": (plans.Plan(plans.short_form(100000, 20000, 40000, 75, 10, 0.08, 0.99)),
                "connections"),
    "A chat server": (plans.Plan((
        plans.read_class("idle: count=100000 timeout=5m pushed=20s"),
        plans.read_class("typing: rate=2000 on=idle timeout=20s cancelled=0.99 after=2s"))),
        "connections"),
    "Websockets with a ping every 30 s": (
        plans.Plan((plans.read_class("ping: count=100000 every=30s"),)), "connections"),
    "A gateway with three timeouts a request": (plans.Plan((
        plans.read_class("connect: rate=10000 timeout=2s cancelled=0.999 after=3ms"),
        plans.read_class("answer: rate=10000 timeout=10s cancelled=0.99 after=80ms"),
        plans.read_class("total: rate=10000 timeout=60s cancelled=0.995 after=120ms"))),
        "requests a second"),
    "A scheduler with deadlines up to 30 days": (
        plans.Plan((plans.read_class("job: count=100000 timeout=0..30d"),)), "jobs"),
}
SCALES = (0.1, 1, 10)

STYLE = """
#capacity-planner { display: grid; gap: 16px; align-items: start; }
#capacity-planner > * { min-width: 0; }
#capacity-planner table { font-variant-numeric: tabular-nums; }
#capacity-planner .bars { font-size: 0.8em; opacity: 0.75; }
"""

HEAD = ("interface", "memory", "to reserve", "share of a core", "of it the timers",
        "longest turn, at most")


def row(answer):
    own, bars = tables.own_share(answer)
    return [
        (tables.size(answer["loop_bytes"]), f"and {tables.size(answer['caller_bytes'])} of yours"),
        (tables.whole(answer["cells"]), ""),
        (tables.share(answer["core_share"]),
         tables.between(answer["core_low"], answer["core_high"], tables.share)),
        (own, bars),
        (tables.time(answer["longest_ns"]), ""),
    ]


def cell(value, bars):
    return f"<td>{escape(value)}" + (f'<br><span class="bars">{escape(bars)}</span>' if bars else "")


def server(name, asked, unit, data):
    body = ""
    for scale in SCALES:
        scaled = asked.scaled(scale)
        size = f"{model.population(scaled):,.0f} {unit}"
        for i, interface in enumerate(model.INTERFACES):
            cells = "".join(cell(*each) + "</td>"
                            for each in row(model.answer(scaled, interface, data)))
            group = (f'<th scope="rowgroup" rowspan="{len(model.INTERFACES)}">{escape(size)}</th>'
                     if i == 0 else "")
            body += (f'<tr>{group}<th scope="row">{escape(model.INTERFACE_NAMES[interface])}</th>'
                     f"{cells}</tr>")
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in ("size", *HEAD))
    about = "; ".join(tables.about(each) for each in asked.classes)
    return (f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(name)}">'
            f"<table><caption>{escape(name)}: {escape(about)}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")


def write(data):
    """The fragment, for a calibration as calibration.read answers it."""
    shown = "".join(server(name, asked, unit, data) for name, (asked, unit) in SERVERS.items())
    return (
        f"<style>{STYLE}</style>"
        "<p>What the timers of some servers would cost, reckoned from costs measured one by one. "
        "Small, below a figure: what it lies between. <code>bench/plan --class ...</code> answers "
        "for yours, and <code>bench/plan --trace</code> for one that was recorded.</p>"
        f'<div id="capacity-planner">{shown}</div>'
        f'<p class="note">tickwheel {escape(data["tickwheel"])}; costs of: '
        f"{escape(tables.machine(data))}. {escape(tables.trust(data['error']))} The share of a core "
        "counts the server's own touch of its record at each event. The longest turn holds for deadlines "
        "independent of each other.</p>")


def of_this_machine(own):
    """With the machine's own calibration if it has one that can be read, else with
    the shipped one; the note below the tables tells whose costs they are."""
    try:
        return write(calibration.read(own))
    except calibration.BadCalibration:
        return write(calibration.read(calibration.SHIPPED))
