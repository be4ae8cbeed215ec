"""The step: one tap for the proofs, questions for those that a person takes part in, and the signature."""

import asyncio
from typing import Any, ClassVar

import msgspec

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError
from provisioning.ground import Ground
from provisioning.report.document import Report, Result
from provisioning.report.kept import Draft, Reports
from provisioning.report.making import About, make
from provisioning.step import Applied, BaseStep, Change, Check, Plan, Say
from provisioning.steps.acceptance import questions
from provisioning.steps.acceptance.given import Given
from provisioning.steps.acceptance.proofs import ORDER, Asked, load, power_cut, walk
from provisioning.steps.acceptance.proofs.cameras import NAME as CAMERAS
from provisioning.steps.acceptance.questions import ReportSummary, summary
from provisioning.steps.acceptance.subject import Subject, read_subject


class Found(msgspec.Struct, frozen=True):
    """For the page. ``report``: the newest; ``is_stale``: cameras or disks are others since. ``walking``: a
    walk test lasts."""

    cameras: dict[str, str]
    report: ReportSummary | None
    is_stale: bool
    earlier: tuple[ReportSummary, ...]
    walking: bool
    power_cut: power_cut.PowerCut


class Acceptance(BaseStep[Given]):
    name: ClassVar[str] = "acceptance"
    title: ClassVar[str] = "Acceptance"
    given = Given

    def __init__(self) -> None:
        self._pulse: asyncio.Task[None] | None = None

    async def probe(self, ground: Ground) -> Found:
        subject = await read_subject(ground)
        kept = await asyncio.to_thread(Reports(ground.data_dir).all)
        known = [summary(one) for one in reversed(kept)]
        newest = known[0] if known else None
        return Found(
            cameras=subject.cameras,
            report=newest,
            is_stale=newest is not None and newest.covers != subject.covers,
            earlier=tuple(known[1:]),
            walking=walk.lasting(ground) is not None,
            power_cut=power_cut.state_of(ground, subject.durability_s),
        )

    async def plan(self, ground: Ground, given: Given) -> Plan:
        subject = await read_subject(ground)
        done = None if given.again else _whole(ground, subject)
        if done is not None:
            signed = f"signed by {done.signature.name}" if done.signature else "not signed by a customer yet"
            return Plan(notes=(f"Tested at {done.made_at[:16].replace('T', ' ')} UTC, {signed}.",))
        streams, cameras = len(subject.streams), len(subject.cameras)
        what = [
            f"Measure {streams} streams of {cameras} cameras for {given.minutes:g} min",
            "Take a picture of each camera",
            f"Write to {_disks(len(subject.volumes))} for some seconds, beside the recording",
            "Look at UPS, remote link and update key",
        ]
        if given.channels:
            what.append("Send a test alert on each channel")
        what.append("Write a report as PDF and JSON, signed with this box's key")
        return Plan(tuple(map(Change, what)))

    async def apply(self, ground: Ground, given: Given, say: Say) -> Applied:
        subject = await read_subject(ground)
        if not given.again and _whole(ground, subject) is not None:
            return Applied()
        reports = Reports(ground.data_dir)
        draft = reports.begin(rfc3339(ground.clock.now_ns()))
        draft = reports.note(
            draft, minutes=given.minutes, installer=given.installer or draft.installer, covers=subject.covers
        )
        for name in ORDER:
            asked = Asked(given.minutes, reports.folder(draft.id), draft.results, given.channels)
            result = await _run(name, ground, subject, asked, say)
            # Read again: a walk test may have ended meanwhile.
            draft = reports.note(reports.draft() or draft, result)
            say(f"{result.title}: {result.text}")
        await write_report(ground, subject, draft)
        return Applied()

    async def verify(self, ground: Ground, given: Given | None) -> tuple[Check, ...]:
        newest = Reports(ground.data_dir).newest()
        if newest is None:
            return (Check("report", False, "There is no report yet.", "Start the tests."),)
        report = newest.report
        checks = [
            Check(
                result.title,
                result.state != "failed",
                result.text,
                result.hint if result.state == "failed" else "",
            )
            for result in report.results
        ]
        if given is not None and given.by_hand:
            signed = report.signature is not None
            text = (
                f"Signed by {report.signature.name}." if report.signature else "The customer has not signed."
            )
            checks.append(
                Check("Signature", signed, text, "" if signed else "Let the customer sign on this page.")
            )
        return tuple(checks)

    async def ask(self, ground: Ground, what: str, body: dict[str, Any]) -> msgspec.Struct:
        subject = await read_subject(ground)
        if what == "live":
            return questions.live(subject)
        if what == "file":
            return await asyncio.to_thread(questions.file, ground.data_dir, body)
        if what in ("walk_begin", "walk", "walk_end"):
            return await self._walk(ground, subject, what)
        if what in ("cut_begin", "cut", "cut_off", "cut_examine"):
            return await self._cut(ground, subject, what)
        if what == "sign":
            signature = questions.signature(body, rfc3339(ground.clock.now_ns()))
            reports = Reports(ground.data_dir)
            draft = reports.draft()
            if draft is None or CAMERAS not in draft.results:
                raise ApplianceError("conflict", "there is no open report to sign", "start the tests first")
            report = await asyncio.to_thread(
                make, ground.data_dir, ground.clock, draft, about(subject), signature
            )
            return questions.summary_of(report)
        return await super().ask(ground, what, body)

    async def _walk(self, ground: Ground, subject: Subject, what: str) -> msgspec.Struct:
        if what == "walk_begin":
            await walk.begin(ground, subject)
        if what == "walk_end":
            draft = Reports(ground.data_dir).begin(rfc3339(ground.clock.now_ns()))
            return await self._note(ground, subject, draft, await walk.finish(ground, subject, draft.id))
        return await walk.look(ground, subject)

    async def _cut(self, ground: Ground, subject: Subject, what: str) -> msgspec.Struct:
        if what == "cut_examine":
            draft = Reports(ground.data_dir).begin(rfc3339(ground.clock.now_ns()))
            return await self._note(ground, subject, draft, await power_cut.examine(ground, subject))
        if what == "cut_begin":
            power_cut.begin(ground)
            if self._pulse is None or self._pulse.done():
                self._pulse = asyncio.create_task(power_cut.pulse(ground), name="pulse before a power cut")
        if what == "cut_off":
            power_cut.give_up(ground)
        return power_cut.state_of(ground, subject.durability_s)

    async def _note(self, ground: Ground, subject: Subject, draft: Draft, result: Result) -> Result:
        """Into the open report; sealed anew where the cameras were measured already."""
        reports = Reports(ground.data_dir)
        draft = reports.note(reports.draft() or draft, result)
        if CAMERAS in draft.results:
            await write_report(ground, subject, draft)
        return result


async def write_report(ground: Ground, subject: Subject, draft: Draft) -> Report:
    return await asyncio.to_thread(make, ground.data_dir, ground.clock, draft, about(subject))


def about(subject: Subject) -> About:
    site = subject.settings.site
    return About(site.name, site.time_zone, subject.device_id, subject.version)


def _whole(ground: Ground, subject: Subject) -> Report | None:
    """The newest report, if it is of these cameras and disks and nobody broke off."""
    newest = Reports(ground.data_dir).newest()
    if newest is None or newest.report.covers != subject.covers or newest.report.result(CAMERAS) is None:
        return None
    return newest.report


async def _run(name: str, ground: Ground, subject: Subject, asked: Asked, say: Say) -> Result:
    """A proof that cannot be carried out has failed, and says why; the others go on."""
    proof = load(name)
    try:
        return await proof.run(ground, subject, asked, say)
    except ApplianceError as error:
        at = rfc3339(ground.clock.now_ns())
        return Result(
            proof.NAME, proof.TITLE, "failed", f"It could not be tested: {error.message}", error.hint, at
        )


def _disks(count: int) -> str:
    return "the disk" if count == 1 else f"each of {count} disks"
