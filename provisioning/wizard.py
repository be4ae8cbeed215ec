"""The steps in their order, one of them at work at a time: what pages show and what they may ask for.

    look ─► plan (with its digest) ─► apply (only this plan) ─► progress ─► checks ─► done
                                                                   │
                                                                   └─ on trial ─► confirm ─► done

``apply`` goes on when the telephone sleeps: its lines and its outcome wait here.
"""

import asyncio
import hashlib
import importlib.util
import logging
from typing import Any

import msgspec

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.redaction import redact
from provisioning import steps
from provisioning.ground import Ground
from provisioning.record import Record, State
from provisioning.step import Check, Plan, Step
from provisioning.web.errors import error_json

log = logging.getLogger(__name__)

FIRST = "administrator"
MOST_LINES = 1_000
PROBE_S = 20.0  # a step answers in 5; a box that is busy may take longer


class Line(msgspec.Struct, frozen=True):
    """One step in the list. ``at``: when it was done or skipped, RFC 3339."""

    name: str
    title: str
    optional: bool
    state: State
    at: str | None
    findings: bool = False


class Running:
    """One ``apply``, while it works and after: what it said and how it ended."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.done = False
        self.error: dict[str, Any] | None = None
        self.checks: tuple[Check, ...] = ()
        self.address = ""
        self.trial_until_ns: int | None = None
        self.task: asyncio.Task[None] | None = None

    def say(self, text: str) -> None:
        if len(self.lines) < MOST_LINES:
            self.lines.append(redact(text))

    def json(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "done": self.done,
            "error": self.error,
            "checks": self.checks,
            "address": self.address,
        }


class Wizard:
    """Raises ``not_found`` for steps that this version does not have."""

    def __init__(self, ground: Ground, record: Record, names: tuple[str, ...] | None = None) -> None:
        self.ground = ground
        self.record = record
        self._steps: dict[str, Step[Any]] = {name: steps.load(name) for name in names or available()}
        self._running: dict[str, Running] = {}

    def lines(self) -> list[Line]:
        found = []
        for name, step in self._steps.items():
            mark = self.record.of(name)
            state: State = mark.state if mark else "todo"
            at, findings = (mark.at, mark.findings) if mark else (None, False)
            found.append(Line(name, step.title, step.optional, state, at, findings))
        return found

    @property
    def current(self) -> str | None:
        """The first that is neither done nor skipped; None: all are."""
        return next((line.name for line in self.lines() if line.state == "todo"), None)

    def step(self, name: str) -> Step[Any]:
        if name not in self._steps:
            raise not_found("step", name[:40])
        return self._steps[name]

    async def look(self, name: str) -> dict[str, Any]:
        """What its page begins with."""
        step = self._allowed(name)
        running = self._running.get(name)
        found = None if running and not running.done else await self._probed(step)
        line = next(line for line in self.lines() if line.name == name)
        trial = self._trial(running)
        return {
            "step": line,
            "found": found,
            "running": running.json() if running else None,
            "trial": trial,
        }

    async def plan(self, name: str, given: Any) -> dict[str, Any]:
        step = self._allowed(name)
        plan = await step.plan(self.ground, decode(step, given))
        return {"plan": plan, "digest": digest(plan)}

    async def apply(self, name: str, given: Any, wanted: str, typed: dict[str, str]) -> dict[str, Any]:
        """Begin it. ``typed``: by the text of a change, what a person typed for it. Raises ``conflict``
        where another step works, or where the plan is not the one that was shown."""
        step = self._allowed(name)
        answers = decode(step, given)
        plan = await step.plan(self.ground, answers)
        if digest(plan) != wanted:
            raise ApplianceError(
                "conflict", "things have changed since this plan was made", "look at the new plan"
            )
        check_typed(plan, typed)
        busy = next((other for other, one in self._running.items() if not one.done), None)
        if busy is not None:
            raise ApplianceError("conflict", f"the step {busy} is still at work", "wait until it is done")
        running = self._running[name] = Running()
        running.task = asyncio.create_task(self._carry_out(step, answers, running), name=f"step {name}")
        return {"running": running.json()}

    async def confirm(self, name: str) -> dict[str, Any]:
        """A person says that it holds, or that they go on with what the checks found."""
        step = self._allowed(name)
        running = self._running.get(name)
        self._trial(running)
        if running is None or not running.done or running.error is not None:
            raise ApplianceError("conflict", "there is nothing to confirm", "carry out the step first")
        if running.trial_until_ns is not None:
            await step.confirm(self.ground)
            running.trial_until_ns = None
        self.record.mark(name, "done", findings=not all(check.ok for check in running.checks))
        return {"current": self.current}

    async def skip(self, name: str) -> dict[str, Any]:
        if not self._allowed(name).optional:
            raise ApplianceError("conflict", "this step cannot be left out", "carry it out")
        self.record.mark(name, "skipped")
        return {"current": self.current}

    async def ask(self, name: str, what: str, body: dict[str, Any]) -> msgspec.Struct:
        return await self._allowed(name).ask(self.ground, what, body)

    def must_be_whole(self) -> None:
        """Raises ``conflict`` while a step is to be done, or at work."""
        left = [line.title for line in self.lines() if line.state == "todo"]
        if left:
            raise ApplianceError(
                "conflict", f"still to be done: {', '.join(left)}", "finish these steps first"
            )
        if any(not running.done for running in self._running.values()):
            raise ApplianceError("conflict", "a step is still at work", "wait until it is done")

    async def close(self) -> None:
        """What is at work is left as it is: every step can be carried out again."""
        tasks = [running.task for running in self._running.values() if running.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _allowed(self, name: str) -> Step[Any]:
        """Nothing can be asked of a box that is none yet."""
        step = self.step(name)
        if name != FIRST and not self.ground.daemon.is_box:
            raise ApplianceError("conflict", "this box has no administrator yet", "begin with the first step")
        return step

    async def _probed(self, step: Step[Any]) -> msgspec.Struct:
        try:
            async with asyncio.timeout(PROBE_S):
                return await step.probe(self.ground)
        except TimeoutError as error:
            raise ApplianceError(
                "unavailable", f"the box does not say how it is ({step.title})", "try again in a minute"
            ) from error

    async def _carry_out(self, step: Step[Any], given: Any, running: Running) -> None:
        try:
            applied = await step.apply(self.ground, given, running.say)
            running.address = applied.address
            if applied.confirm_within_s:
                now_ns = self.ground.clock.monotonic_ns()
                running.trial_until_ns = now_ns + round(applied.confirm_within_s * SECOND_NS)
            running.checks = await step.verify(self.ground, given)
            if running.trial_until_ns is None and all(check.ok for check in running.checks):
                self.record.mark(step.name, "done")
        except asyncio.CancelledError:
            raise
        except (
            Exception
        ) as error:  # a step is long and meets the whole machine: a person is told of all of it
            if not isinstance(error, ApplianceError):
                log.exception("the step %s failed", step.name)
            running.error = error_json(error)
        finally:
            running.done = True

    def _trial(self, running: Running | None) -> dict[str, float] | None:
        if running is None or running.trial_until_ns is None:
            return None
        left_ns = running.trial_until_ns - self.ground.clock.monotonic_ns()
        if left_ns <= 0:  # the step has undone it by itself
            running.trial_until_ns = None
            running.error = error_json(
                ApplianceError("conflict", "not confirmed in time: it was undone", "try it again")
            )
            return None
        return {"seconds_left": left_ns / SECOND_NS}


def available() -> tuple[str, ...]:
    """The steps that this version has, in their order."""
    return tuple(
        name
        for name, (module, _) in steps.ORDER.items()
        if importlib.util.find_spec(f"provisioning.steps.{module}") is not None
    )


def decode(step: Step[Any], given: Any) -> Any:
    """Raises ``invalid`` with the field."""
    try:
        return msgspec.convert(given, step.given)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        field = path.removesuffix("`").removeprefix(".")
        named = text.partition("field `")[2].partition("`")[0]
        field = ".".join(part for part in (field, named) if part)
        raise invalid(text[:300], "correct it and send it again", field=field or None) from error


def digest(plan: Plan) -> str:
    """Two plans with the same digest say the same to a person."""
    return hashlib.sha256(msgspec.json.encode(plan)).hexdigest()


def check_typed(plan: Plan, typed: dict[str, str]) -> None:
    """What cannot be undone needs its own name. Raises ``invalid``."""
    for change in plan.changes:
        if change.typed and typed.get(change.typed, "").strip() != change.typed:
            raise invalid(
                f"this cannot be undone: {change.text}",
                f"type {change.typed} to go on",
                field=f"typed.{change.typed}",
            )
