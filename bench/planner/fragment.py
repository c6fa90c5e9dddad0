# SPDX-License-Identifier: MIT
"""The planner as a piece of the HTML report: what some servers' timers cost on this
machine, at several sizes: fragment.html, filled in. The page itself reckons nothing."""

import pathlib

import calibration
import model
import plan as plans
import tables

HERE = pathlib.Path(__file__).resolve().parent
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


def server(name, asked, unit, data):
    def rows(scaled):
        return [(model.INTERFACE_NAMES[interface], row(model.answer(scaled, interface, data)))
                for interface in model.INTERFACES]

    scales = [asked.scaled(scale) for scale in SCALES]
    return {"name": name, "about": "; ".join(tables.about(each) for each in asked.classes),
            "sizes": [(f"{model.population(scaled):,.0f} {unit}", rows(scaled))
                      for scaled in scales]}


def write(data):
    """The fragment, for a calibration as calibration.read answers it."""
    import jinja2  # bench/plan does without it
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True,
                                   undefined=jinja2.StrictUndefined, trim_blocks=True)
    servers = [server(name, asked, unit, data) for name, (asked, unit) in SERVERS.items()]
    return templates.get_template("fragment.html").render(
        servers=servers, data=data, machine=tables.machine(data),
        trust=tables.trust(data["error"]))


def of_this_machine(own):
    """With the machine's own calibration if it has one that can be read, else with
    the shipped one; the note below the tables tells whose costs they are."""
    try:
        return write(calibration.read(own))
    except calibration.BadCalibration:
        return write(calibration.read(calibration.SHIPPED))
