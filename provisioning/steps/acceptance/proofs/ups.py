"""A UPS that Network UPS Tools speaks to: there, on mains, its battery charged (``upsc``, NUT manual)."""

import asyncio

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError
from provisioning.ground import Ground
from provisioning.report.document import Figure, Line, Result, State
from provisioning.step import Say
from provisioning.steps.acceptance.proofs import Asked
from provisioning.steps.acceptance.subject import Subject

NAME, TITLE = "ups", "UPS"
LOW_PERCENT = 80.0
STATUSES = {"OL": "on mains", "OB": "on battery", "LB": "battery low", "RB": "battery to be replaced"}


async def run(ground: Ground, subject: Subject, asked: Asked, say: Say) -> Result:
    at = rfc3339(ground.clock.now_ns())
    names = await _list(ground)
    if not names:
        return Result(
            NAME,
            TITLE,
            "not_done",
            "No UPS is connected, or none that this box speaks to.",
            "A power cut ends recording at once: connect a UPS by USB and set it up in NUT, if needed.",
            at,
        )
    lines = [await _look(ground, name) for name in names]
    found = {line.state for line in lines}
    state: State = "failed" if "failed" in found else "attention" if "attention" in found else "passed"
    text = "; ".join(f"{line.name}: {line.text}" for line in lines)
    hint = "" if state == "passed" else "Look at the UPS: mains, battery, cable."
    return Result(NAME, TITLE, state, text, hint, at, lines=tuple(lines))


async def _list(ground: Ground) -> list[str]:
    if not ground.programs.has("upsc"):
        return []
    try:
        done = await asyncio.to_thread(ground.programs.ask, "upsc", "-l")
    except ApplianceError:
        return []
    return [line.strip() for line in done.text.splitlines() if line.strip()] if done.status == 0 else []


async def _look(ground: Ground, name: str) -> Line:
    try:
        done = await asyncio.to_thread(ground.programs.ask, "upsc", name)
    except ApplianceError as error:
        return Line(name, name, "failed", error.message)
    if done.status:
        return Line(name, name, "failed", "it does not answer")
    return judge(name, done.text)


def judge(name: str, text: str) -> Line:
    """``text``: lines ``key: value`` of upsc."""
    facts = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    flags = facts.get("ups.status", "").split()
    charge, runtime_s = _number(facts, "battery.charge"), _number(facts, "battery.runtime")
    is_bad = "OL" not in flags or bool({"LB", "RB"} & set(flags))
    is_low = charge is not None and charge < LOW_PERCENT
    state: State = "failed" if is_bad else "attention" if is_low else "passed"
    said = ", ".join(STATUSES[flag] for flag in flags if flag in STATUSES) or "it does not say how it is"
    figures = (
        Figure("battery", charge, "%"),
        Figure("runs for", None if runtime_s is None else round(runtime_s / 60, 1), "min"),
    )
    return Line(name, name, state, said, figures)


def _number(facts: dict[str, str], key: str) -> float | None:
    try:
        return float(facts[key])
    except (KeyError, ValueError):
        return None
