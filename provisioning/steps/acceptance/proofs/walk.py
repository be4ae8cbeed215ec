"""The walk test: somebody walks past the cameras, and hears which of them saw a person and which zone fired.

While it lasts each camera has a zone over its whole picture and one rule on all of them, of severity info:
it makes events and rings nobody. Both go when the test ends; what a test that was cut short left behind goes
when the next one begins.
"""

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError
from provisioning.ground import Ground
from provisioning.record import write_whole
from provisioning.report.document import Figure, Line, Picture, Result, State
from provisioning.report.kept import Reports
from provisioning.steps.acceptance.subject import Subject

NAME, TITLE = "walk", "Walk test"
RULE = "Walk test (goes by itself)"
PERSON, MOTION = "person", "motion"
WHOLE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
MOST_EVENTS = 1000
FILE = "walk.json"


class Walk(msgspec.Struct, frozen=True):
    """One that lasts. ``rule_id`` empty: no camera looks, so there is none."""

    started_at: str
    rule_id: str


class Sighting(msgspec.Struct, frozen=True):
    """``zone``: name of the site's own zone that fired; empty: the camera just saw it."""

    id: str
    camera_id: str
    camera: str
    class_name: str
    zone: str
    at: str


class Walked(msgspec.Struct, frozen=True):
    """``seen``: newest last. ``anything``: this box has no model that knows a person; what moves counts."""

    lasts: bool
    started_at: str
    anything: bool
    cameras: dict[str, str]
    seen: tuple[Sighting, ...]


async def begin(ground: Ground, subject: Subject) -> Walk:
    """Raises ``conflict`` where no camera looks for anything."""
    await clear(ground)
    looking = [camera_id for camera_id in subject.cameras if camera_id in subject.looks]
    if not looking:
        raise ApplianceError(
            "conflict", "no camera of this box looks for anything", "switch detection on in the step Cameras"
        )
    zones = [await _zone(ground, camera_id) for camera_id in looking]
    body = {"name": RULE, "kind": "zone_enter", "zone_ids": zones, "severity": "info", "cooldown_s": 0}
    rule = (await ground.daemon.ask("POST", "/rules", body))["rule"]
    walk = Walk(rfc3339(ground.clock.now_ns()), rule["id"])
    write_whole(Reports(ground.data_dir).make_root() / FILE, msgspec.json.encode(walk))
    return walk


def lasting(ground: Ground) -> Walk | None:
    try:
        return msgspec.json.decode((Reports(ground.data_dir).root / FILE).read_bytes(), type=Walk)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


async def look(ground: Ground, subject: Subject) -> Walked:
    """What was seen so far."""
    walk, anything = lasting(ground), subject.detector == MOTION
    if walk is None:
        return Walked(False, "", anything, subject.cameras, ())
    query = urlencode({"start_time": walk.started_at, "limit": MOST_EVENTS})
    events = (await ground.daemon.ask("GET", f"/events?{query}"))["events"]
    zones = {zone["id"]: zone for zone in (await ground.daemon.ask("GET", "/zones"))["zones"]}
    seen = [
        _sighting(event, walk, subject, zones)
        for event in reversed(events)
        if event["camera_id"] in subject.cameras and (anything or event["class_name"] == PERSON)
    ]
    return Walked(True, walk.started_at, anything, subject.cameras, tuple(seen))


async def finish(ground: Ground, subject: Subject, report_id: str) -> Result:
    """The result, with a picture of each camera's first sighting; the rule and its zones are taken back."""
    walked = await look(ground, subject)
    pictures = [
        picture
        for camera_id in subject.cameras
        if (picture := await _picture(ground, walked.seen, camera_id, report_id)) is not None
    ]
    await clear(ground)
    lines = tuple(_line(camera_id, name, subject, walked) for camera_id, name in subject.cameras.items())
    saw = sum(line.state == "passed" for line in lines)
    state: State = "passed" if saw == len(lines) else "attention" if saw else "failed"
    what = "something that moved" if walked.anything else "a person"
    text = f"{saw} of {len(lines)} cameras saw {what} walk by."
    if walked.anything:
        text += " This box has no model that tells people from other things."
    hint = (
        ""
        if state == "passed"
        else "Walk past those that saw nobody, near enough to fill a tenth of the picture."
    )
    at = walked.started_at or rfc3339(ground.clock.now_ns())
    return Result(NAME, TITLE, state, text, hint, at, lines=lines, pictures=tuple(pictures))


async def clear(ground: Ground) -> None:
    """Take back the rule and the zones, also those of a test that was cut short."""
    zones: set[str] = set()
    for rule in (await ground.daemon.ask("GET", "/rules"))["rules"]:
        if rule["name"] == RULE:
            await ground.daemon.ask("DELETE", f"/rules/{rule['id']}")
    for zone in (await ground.daemon.ask("GET", "/zones"))["zones"]:
        if zone["name"] == RULE:
            zones.add(zone["id"])
    for zone_id in zones:
        await ground.daemon.ask("DELETE", f"/zones/{zone_id}")
    (Reports(ground.data_dir).root / FILE).unlink(missing_ok=True)


async def _zone(ground: Ground, camera_id: str) -> str:
    body = {"camera_id": camera_id, "name": RULE, "kind": "polygon", "points": WHOLE}
    return str((await ground.daemon.ask("POST", "/zones", body))["zone"]["id"])


def _sighting(event: dict[str, Any], walk: Walk, subject: Subject, zones: dict[str, Any]) -> Sighting:
    zone = zones.get(event["zone_id"])
    named = "" if zone is None or event["rule_id"] == walk.rule_id else str(zone["name"])
    camera_id = event["camera_id"]
    return Sighting(
        event["id"], camera_id, subject.cameras[camera_id], event["class_name"], named, event["start_time"]
    )


def _line(camera_id: str, name: str, subject: Subject, walked: Walked) -> Line:
    mine = [sighting for sighting in walked.seen if sighting.camera_id == camera_id]
    times = sum(not sighting.zone for sighting in mine)
    zones = sorted({sighting.zone for sighting in mine if sighting.zone})
    figures = (Figure("seen", times, "times"),)
    if camera_id not in subject.looks:
        return Line(camera_id, name, "attention", "it records only: detection is off", figures)
    if not mine:
        return Line(camera_id, name, "attention", "it saw nobody", figures)
    text = f"fired: {', '.join(zones)}" if zones else "saw it; no zone of the site fired"
    return Line(camera_id, name, "passed", text, figures)


async def _picture(
    ground: Ground, seen: Sequence[Sighting], camera_id: str, report_id: str
) -> Picture | None:
    """None where nothing was seen, or its still is not to be had: the line says what was seen."""
    first = next((sighting for sighting in seen if sighting.camera_id == camera_id), None)
    if first is None:
        return None
    try:
        _, jpeg = await ground.daemon.fetch(f"/events/{first.id}/snapshot.jpg")
    except ApplianceError:
        return None
    file = f"{camera_id}-walk.jpg"
    write_whole(Reports(ground.data_dir).folder(report_id) / file, jpeg)
    return Picture(camera_id, first.camera, "walk", first.at, file, hashlib.sha256(jpeg).hexdigest())
