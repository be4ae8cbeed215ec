"""What the page asks beside the tests: live figures, files to download, the signature that was drawn."""

from pathlib import Path
from typing import Annotated, Any

import msgspec

from appliance.base.errors import invalid
from provisioning.report.document import (
    MOST_POINTS,
    MOST_STROKES,
    CustomerSignature,
    Report,
    Result,
    State,
)
from provisioning.report.kept import JSON_NAME, PDF_NAME, Kept, Reports
from provisioning.steps.acceptance.given import Plain
from provisioning.steps.acceptance.subject import Subject

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Points = Annotated[tuple[tuple[Share, Share], ...], msgspec.Meta(min_length=1, max_length=MOST_POINTS)]
KINDS = {".pdf": "application/pdf", ".json": "application/json", ".jpg": "image/jpeg"}


class Live(msgspec.Struct, frozen=True):
    """Of one stream, as the daemon counts now."""

    name: str
    state: str
    codec: str | None
    fps: float | None
    bitrate_bps: int | None


class LiveFigures(msgspec.Struct, frozen=True):
    streams: dict[str, Live]


class ReportSummary(msgspec.Struct, frozen=True):
    """``damage``: why it cannot be read; ``signed_by`` empty: nobody has."""

    id: str
    made_at: str
    minutes: float
    state: State
    covers: str
    installer: str
    signed_by: str
    results: tuple[Result, ...]
    differences: tuple[str, ...] | None
    files: tuple[str, ...]
    damage: str = ""


class File(msgspec.Struct, frozen=True):
    """Sent as it is."""

    content_type: str
    body: bytes


class _Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    file: str


class _Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[Plain, msgspec.Meta(min_length=2)]
    strokes: Annotated[tuple[Points, ...], msgspec.Meta(min_length=1, max_length=MOST_STROKES)]


def live(subject: Subject) -> LiveFigures:
    return LiveFigures(
        {
            stream.key: Live(stream.name, stream.state, stream.codec, stream.fps, stream.bitrate_bps)
            for stream in subject.streams
        }
    )


def file(data_dir: Path, body: dict[str, Any]) -> File:
    """``{id, file}``: a report's PDF, JSON or picture. Raises ``not_found``."""
    wanted = _read(body, _Wanted)
    path = Reports(data_dir).file(wanted.id, wanted.file)
    return File(KINDS[path.suffix], path.read_bytes())


def signature(body: dict[str, Any], at: str) -> CustomerSignature:
    """``{name, strokes}``. Raises ``invalid`` where nothing was drawn, or no name given."""
    signed = _read(body, _Signed)
    points = [point for stroke in signed.strokes for point in stroke]
    if len(points) > MOST_POINTS or len(set(points)) < 3:
        raise invalid("this is no signature", "draw it in the field, with a finger", field="strokes")
    return CustomerSignature(signed.name.strip(), at, signed.strokes)


def summary(kept: Kept) -> ReportSummary:
    if kept.sealed is None:
        return ReportSummary(kept.id, "", 0, "failed", "", "", "", (), None, (), kept.damage)
    return summary_of(kept.sealed.report)


def summary_of(report: Report) -> ReportSummary:
    return ReportSummary(
        id=report.id,
        made_at=report.made_at,
        minutes=report.minutes,
        state=report.state,
        covers=report.covers,
        installer=report.installer,
        signed_by=report.signature.name if report.signature else "",
        results=report.results,
        differences=report.first.differences if report.first else None,
        files=(PDF_NAME, JSON_NAME),
    )


def _read(body: dict[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        field = path.removesuffix("`").removeprefix(".").split("[")[0] or None
        raise invalid(text[:300], "correct it and send it again", field=field) from error
