"""The steps from a file of answers: each planned, shown, carried out, looked at, confirmed."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec

from appliance import __version__
from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.system import instance
from appliance.system.programs import Programs
from provisioning.answers import Answers
from provisioning.daemon import BoxDaemon
from provisioning.ground import Ground
from provisioning.record import Record, alone
from provisioning.step import Check, Plan, Step
from provisioning.wizard import Wizard, check_typed

Tell = Callable[[str, Any], None]  # (what it is, it); see ``cli``


class Task(msgspec.Struct, frozen=True):
    """``yes_format``: serials of disks that may be formatted: they are what a person would type.
    ``root``, ``run``: as in ``Ground``."""

    data_dir: Path
    answers: Answers
    dry_run: bool = False
    yes_format: tuple[str, ...] = ()
    root: Path = Path("/")
    run: Path = Path("/run/aries")
    programs: Programs = Programs()


class Outcome(msgspec.Struct, frozen=True):
    """``changed``: how many things were done, or would be. ``failed``: names of checks."""

    changed: int
    failed: tuple[str, ...]


async def carry_out(task: Task, clock: Clock, tell: Tell) -> Outcome:
    """Raises what a step refuses; the steps before it stay done, and a second run finds them so."""
    with contextlib.nullcontext() if task.dry_run else alone(task.data_dir):
        record = Record(task.data_dir, clock)
        async with _ground(task, clock) as ground:
            wizard = Wizard(ground, record)
            changed, failed = 0, []
            for name, given in task.answers.given.items():
                step = wizard.step(name)
                tell("step", step.title)
                plan = await _planned(step, ground, given, tell, dry_run=task.dry_run)
                changed += 0 if plan is None else len(plan.changes)
                if plan is None or task.dry_run:
                    continue
                bad = await _done(task, step, ground, given, plan, tell)
                failed += [check.name for check in bad]
                if bad and not task.answers.go_on:
                    raise ApplianceError(
                        "conflict",
                        f"{step.title}: {bad[0].name}: {bad[0].text}",
                        bad[0].hint or "mend it and run it again; with go_on = true it goes on regardless",
                    )
                before = record.of(name)
                if before is None or before.state != "done" or plan.changes:
                    record.mark(name, "done", findings=bool(bad))
        if not task.dry_run:
            changed += _finish(wizard, record, task, tell)
        return Outcome(changed, tuple(failed))


async def _planned(step: Step[Any], ground: Ground, given: Any, tell: Tell, *, dry_run: bool) -> Plan | None:
    """None: it cannot be known before the box is made, and only a look was asked for."""
    if dry_run and not ground.daemon.is_box and step.name != "administrator":
        tell("note", "what this changes is known when the box is made")
        return None
    try:
        plan = await step.plan(ground, given)
    except ApplianceError as error:
        if error.field:
            error.field = f"{step.name}.{error.field}"
        raise
    for change in plan.changes:
        tell("change", change)
    for note in plan.notes:
        tell("note", note)
    if not plan.changes:
        tell("same", "nothing changes")
    return plan


async def _done(
    task: Task, step: Step[Any], ground: Ground, given: Any, plan: Plan, tell: Tell
) -> list[Check]:
    """The checks that failed. With an empty plan nothing is applied."""
    if plan.changes:
        check_typed(plan, {serial: serial for serial in task.yes_format})
        applied = await step.apply(ground, given, lambda text: tell("line", text))
    checks = await step.verify(ground, given)
    for check in checks:
        tell("check", check)
    bad = [check for check in checks if not check.ok]
    if plan.changes and applied.confirm_within_s and not bad:
        await step.confirm(ground)  # else it undoes itself
    return bad


def _finish(wizard: Wizard, record: Record, task: Task, tell: Tell) -> int:
    left = [line for line in wizard.lines() if line.state == "todo"]
    for line in left:
        if line.optional:
            record.mark(line.name, "skipped")
    must = [line.title for line in left if not line.optional]
    if must:
        tell("note", f"still to be done, in the wizard or with more answers: {', '.join(must)}")
    elif not record.is_provisioned:
        record.finish(__version__)
        tell("line", f"this box is provisioned: start it with `appliance run --data {task.data_dir}`")
        return 1
    return 0


@contextlib.asynccontextmanager
async def _ground(task: Task, clock: Clock) -> AsyncIterator[Ground]:
    daemon = BoxDaemon(task.data_dir, clock, attach=instance.running(task.data_dir))
    try:
        yield Ground(task.data_dir, clock, task.programs, daemon, task.root, task.run)
    finally:
        await daemon.close()
