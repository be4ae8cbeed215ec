"""A picture of each camera by day and by night: a night picture is taken when it is night, and not before.

Which is which says the site's own night (settings: from, to). A picture of the other half of the day that an
earlier run of the same test took is kept; while one is missing the report says so.
"""

import hashlib
import zoneinfo
from datetime import UTC, datetime, time

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import ApplianceError
from appliance.base.settings import Settings
from provisioning.ground import Ground
from provisioning.record import write_whole
from provisioning.report.document import Line, Picture, PictureKind, Result, State
from provisioning.step import Say
from provisioning.steps.acceptance.proofs import Asked
from provisioning.steps.acceptance.subject import Subject

NAME, TITLE = "pictures", "Pictures"
LARGEST_BYTES = 4 << 20
JPEG = b"\xff\xd8"


async def run(ground: Ground, subject: Subject, asked: Asked, say: Say) -> Result:
    now_ns = ground.clock.now_ns()
    kind: PictureKind = "night" if is_night(now_ns, subject.settings) else "day"
    before = asked.before.get(NAME)
    kept = [p for p in before.pictures if p.kind != kind and p.camera_id in subject.cameras] if before else []
    lines, taken = [], []
    say(f"Taking {len(subject.cameras)} pictures")
    for camera_id, name in subject.cameras.items():
        try:
            picture = await _take(ground, asked, camera_id, name, kind)
        except ApplianceError as error:
            lines.append(Line(camera_id, name, "failed", error.message))
            continue
        taken.append(picture)
        lines.append(_line(picture, kept))
    failed = [line for line in lines if line.state == "failed"]
    missing = [line for line in lines if line.state == "attention"]
    state: State = "failed" if failed or not lines else "attention" if missing else "passed"
    return Result(
        NAME,
        TITLE,
        state,
        _text(len(taken), len(lines), kind, bool(missing)),
        _hint(subject.settings, kind) if missing or failed else "",
        rfc3339(now_ns),
        lines=tuple(lines),
        pictures=tuple(p for id_ in subject.cameras for p in _in_order([*taken, *kept], id_)),
    )


async def _take(ground: Ground, asked: Asked, camera_id: str, name: str, kind: PictureKind) -> Picture:
    _, jpeg = await ground.daemon.fetch(f"/cameras/{camera_id}/snapshot.jpg")
    if not jpeg.startswith(JPEG) or len(jpeg) > LARGEST_BYTES:
        raise ApplianceError("unavailable", "what came is no picture", "look at the camera's page")
    file = f"{camera_id}-{kind}.jpg"
    write_whole(asked.folder / file, jpeg)
    digest = hashlib.sha256(jpeg).hexdigest()
    return Picture(camera_id, name, kind, rfc3339(ground.clock.now_ns()), file, digest)


def _in_order(pictures: list[Picture], camera_id: str) -> list[Picture]:
    return sorted((p for p in pictures if p.camera_id == camera_id), key=lambda p: p.kind)


def _line(picture: Picture, kept: list[Picture]) -> Line:
    other = "day" if picture.kind == "night" else "night"
    if any(old.camera_id == picture.camera_id for old in kept):
        return Line(picture.camera_id, picture.camera_name, "passed", "taken by day and by night")
    text = f"taken by {picture.kind}; by {other}: not yet"
    return Line(picture.camera_id, picture.camera_name, "attention", text)


def _text(taken: int, of: int, kind: PictureKind, lacks_other: bool) -> str:
    other = "day" if kind == "night" else "night"
    text = f"{taken} of {of} cameras gave a picture by {kind}."
    return f"{text} By {other}: not yet." if lacks_other else text


def _hint(settings: Settings, kind: PictureKind) -> str:
    if kind == "day":
        return f"Run the test again tonight, after {settings.night.start}, before it is signed."
    return f"Run the test again by day, after {settings.night.end}."


def is_night(now_ns: int, settings: Settings) -> bool:
    """By the site's clock and its own night, which may reach over midnight."""
    zone = zoneinfo.ZoneInfo(settings.site.time_zone)
    now = datetime.fromtimestamp(now_ns / SECOND_NS, UTC).astimezone(zone).time()
    start, end = (time.fromisoformat(text) for text in (settings.night.start, settings.night.end))
    return start <= now < end if start <= end else now >= start or now < end
