"""The cameras: found, looked at, set right, added, and recording.

Objective: all cameras of a site in a few taps, each with its main and sub stream beside each other and what
is wrong with them in words; the same from a file of answers.
Invariants: a camera that the box has is known by its identity or its address and never added twice; one that
refuses its password is a finding by name, and keeps no other from recording; a password goes to the camera
that it was given for and to the daemon, and is kept nowhere here.
Non-goals: what a camera answers (``appliance.onvif``), how it is recorded (the daemon).
Read next: ``given``, ``seen`` (what there is), ``wanted`` (what that changes), ``asking`` (the page's
questions).
"""

from typing import Any, ClassVar

import msgspec

from appliance.base.errors import ApplianceError
from appliance.onvif.makers import makers
from provisioning.ground import Ground
from provisioning.step import Applied, BaseStep, Change, Check, Plan, Say
from provisioning.steps.cameras import asking, seen, wanted
from provisioning.steps.cameras.given import CamerasGiven, check, networks, tries
from provisioning.steps.cameras.recording import check_of, wait_until_they_record
from provisioning.steps.cameras.seen import Looked, Memory
from provisioning.steps.cameras.wanted import Wanted


class Found(msgspec.Struct, frozen=True):
    """``networks``: those that the box is in, which are scanned. ``cameras``: those that it has, in the
    API's shape. ``makers``: without ONVIF, for a list to choose from: ``{name, channels, note}``."""

    networks: tuple[str, ...]
    cameras: tuple[dict[str, Any], ...]
    makers: tuple[dict[str, Any], ...]


class Cameras(BaseStep[CamerasGiven]):
    name: ClassVar[str] = "cameras"
    title: ClassVar[str] = "Cameras"
    given: type[CamerasGiven] = CamerasGiven

    def __init__(self) -> None:
        self._memory = Memory()
        self._refused: dict[str, ApplianceError] = {}  # of the last apply, by name
        self._locked: tuple[Looked, ...] = ()  # what the last look found and could not use

    async def probe(self, ground: Ground) -> Found:
        own = seen.own_networks(ground.programs)
        known = tuple({"name": one.name, "channels": one.channels, "note": one.note} for one in makers())
        return Found(tuple(str(one.network) for one in own), tuple(await existing(ground)), known)

    async def plan(self, ground: Ground, given: CamerasGiven) -> Plan:
        check(given)
        cameras, found = await existing(ground), await self._found(ground, given)
        changes: list[Change] = []
        for one in wanted.all_wanted(given, found, cameras):
            before = wanted.known(one, cameras)
            if before is None and given.set_right and (mends := _mendable(one.looked)):
                changes.append(Change(f"set right {one.name}: {', '.join(mends)}"))
            change = wanted.change(one, before)
            if change is not None:
                changes.append(change)
        return Plan(tuple(changes), _notes(given, found))

    async def apply(self, ground: Ground, given: CamerasGiven, say: Say) -> Applied:
        cameras, found = await existing(ground), await self._found(ground, given)
        self._refused = {}
        for one in wanted.all_wanted(given, found, cameras):
            try:
                await self._put(ground, given, one, wanted.known(one, cameras), say)
            except ApplianceError as error:  # the others are added all the same; this one is said by name
                self._refused[one.name] = error
                say(f"{one.name}: {error.message}")
        self._memory.forget()
        await wait_until_they_record(ground, say)
        return Applied()

    async def verify(self, ground: Ground, given: CamerasGiven | None) -> tuple[Check, ...]:
        cameras = await existing(ground)
        checks = [check_of(camera) for camera in cameras]
        checks += [Check(name, False, error.message, error.hint) for name, error in self._refused.items()]
        for left in given.left if given is not None else ():
            if all(camera["name"] != left.name for camera in cameras):
                checks.append(Check(left.name, left.by_choice, f"left out: {left.why}", left.hint))
        for looked in self._locked if given is not None and given.add_found else ():
            if not wanted.has(cameras, looked):
                why = seen.in_the_way(looked)
                checks.append(Check(looked.name, False, f"left out: {why.text}", why.hint))
        if not checks:
            checks.append(Check("cameras", False, "the box has no camera", "add one; it can be done later"))
        return tuple(checks)

    async def ask(self, ground: Ground, what: str, body: dict[str, Any]) -> msgspec.Struct:
        question = asking.QUESTIONS.get(what)
        return await (super().ask(ground, what, body) if question is None else question(ground, body))

    async def _found(self, ground: Ground, given: CamerasGiven) -> tuple[Looked, ...]:
        """What the network says, asked at most every minute or so."""
        if not given.asks_the_network:
            return ()
        key = (given.networks, given.credentials, tuple(camera.address for camera in given.camera))
        kept = self._memory.of(key, ground.clock.monotonic_ns())
        if kept is None:
            there = await seen.find(ground.programs, networks(given.networks))
            looked = await seen.look_at_all(there, tries(given.credentials), ground.clock)
            self._memory.keep(key, ground.clock.monotonic_ns(), there, looked)
            self._locked = tuple(one for one in looked if not one.usable)
            return looked
        return kept[1]

    async def _put(
        self, ground: Ground, given: CamerasGiven, one: Wanted, before: dict[str, Any] | None, say: Say
    ) -> None:
        if before is None and given.set_right and one.credentials is not None and _mendable(one.looked):
            one = await _set_right(ground, given, one, say)
        if wanted.change(one, before) is None:
            return
        body = wanted.body(one, before)
        if before is None:
            say(f"adding {one.name}")
            await ground.daemon.ask("POST", "/cameras", body)
        else:
            say(f"changing {before['name']}")
            await ground.daemon.ask("PUT", f"/cameras/{before['id']}", body)


async def existing(ground: Ground) -> list[dict[str, Any]]:
    """In the API's shape, each with the ``identity`` that the daemon has learnt, or None."""
    found: list[dict[str, Any]] = (await ground.daemon.ask("GET", "/cameras"))["cameras"]
    learnt = (await ground.daemon.ask("GET", "/camera-identities"))["identities"]
    by_camera = {one["camera_id"]: one for one in learnt}
    return [camera | {"identity": by_camera.get(camera["id"])} for camera in found]


async def _set_right(ground: Ground, given: CamerasGiven, one: Wanted, say: Say) -> Wanted:
    """``one`` with the streams that it has then. What cannot be set stays a finding: it records all the
    same."""
    assert one.looked is not None and one.credentials is not None
    which = seen.Seen(one.looked.address, one.looked.url, one.name, one.looked.maker, one.looked.model,
                      one.mac, one.endpoint, "announced")  # fmt: skip
    try:
        done, all_after = await seen.set_right(which, one.credentials, ground.clock, given.ntp_server)
    except ApplianceError as error:
        say(f"{one.name} is not set right: {error.message}")
        return one
    for mended in done:
        say(f"{one.name}: {mended.text}")
    after = next((each for each in all_after if each.channel == one.looked.channel), None)
    if after is None or not after.usable:
        return one
    sub = after.streams[1].rtsp_url if len(after.streams) > 1 else ""
    return msgspec.structs.replace(one, rtsp_url=after.streams[0].rtsp_url, sub_url=sub, looked=after)


def _mendable(looked: Looked | None) -> list[str]:
    return [finding.text for finding in looked.findings if finding.mendable] if looked is not None else []


def _notes(given: CamerasGiven, found: tuple[Looked, ...]) -> tuple[str, ...]:
    notes = [f"{left.name} is left out: {left.why}" for left in given.left]
    for one in found:
        for finding in one.findings:
            notes.append(f"{one.name} ({one.address}): {finding.text}")
    return tuple(notes)
