"""What a report says, as immutable structs, and the one spelling that is signed.

Schema ``aries-acceptance/1``: a field that is added later gets a default and keeps the number, one that
changes its meaning raises it.
"""

from typing import Literal, TypeVar

import msgspec

SCHEMA = "aries-acceptance/1"
MOST_STROKES = 400
MOST_POINTS = 8_000

State = Literal["passed", "failed", "attention", "not_done"]
PictureKind = Literal["day", "night", "walk"]
Stroke = tuple[tuple[float, float], ...]
Form = TypeVar("Form")


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``value`` in ``unit``; None: it could not be measured, and the result's text says why."""

    name: str
    value: float | None
    unit: str


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that was looked at inside a proof: a camera's stream, a channel, a disk. ``of``: its id."""

    of: str
    name: str
    state: State
    text: str
    figures: tuple[Figure, ...] = ()

    def figure(self, name: str) -> float | None:
        return next((figure.value for figure in self.figures if figure.name == name), None)


class Picture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``file`` lies beside the report; ``sha256`` is of its bytes."""

    camera_id: str
    camera_name: str
    kind: PictureKind
    taken_at: str
    file: str
    sha256: str


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one proof found. ``hint``: the next step where it did not pass. ``at``: RFC 3339."""

    name: str
    title: str
    state: State
    text: str
    hint: str = ""
    at: str = ""
    figures: tuple[Figure, ...] = ()
    lines: tuple[Line, ...] = ()
    pictures: tuple[Picture, ...] = ()


class CustomerSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Drawn on the phone: ``strokes`` are points in 0..1 of a field three times as wide as high."""

    name: str
    at: str
    strokes: tuple[Stroke, ...]


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who was measured. ``fingerprint``: SHA-256 (hex) of the key that signs."""

    name: str
    time_zone: str
    device_id: str
    version: str
    fingerprint: str


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """With the first report of this box: ``differences`` in words, one sentence each."""

    report_id: str
    made_at: str
    sha256: str
    differences: tuple[str, ...]


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``covers``: SHA-256 of what was there to be measured (cameras and volumes)."""

    id: str
    made_at: str
    minutes: float
    site: Site
    covers: str
    installer: str
    results: tuple[Result, ...]
    first: Comparison | None = None
    signature: CustomerSignature | None = None
    schema: str = SCHEMA

    def result(self, name: str) -> Result | None:
        return next((result for result in self.results if result.name == name), None)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        return tuple(picture for result in self.results for picture in result.pictures)

    @property
    def state(self) -> State:
        """The worst of all that was done; what a site has not (a UPS, a hub) is no fault of it."""
        states = {result.state for result in self.results}
        order: tuple[State, ...] = ("failed", "attention", "passed")
        return next((state for state in order if state in states), "not_done")


def canonical(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no white space: of equal values the same bytes."""
    return msgspec.json.encode(value, order="sorted")


def settled(report: Report) -> Report:
    """``report`` as it is read again: 2 becomes 2.0 where a field is a float, so that it has one spelling."""
    return msgspec.json.decode(msgspec.json.encode(report), type=Report)


def read_canonical(data: bytes, form: type[Form]) -> Form:
    """Raises ``msgspec.MsgspecError`` where ``data`` is not the one spelling of a ``form``."""
    found = msgspec.json.decode(data, type=form)
    if canonical(found) != data:
        raise msgspec.ValidationError("not the one spelling of it")
    return found
