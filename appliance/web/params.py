"""What comes in a query or a body, checked: times, intervals, limits, text without tricks."""

import asyncio
import re
from typing import Annotated, Any, TypeVar

import msgspec
from aiohttp import web
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from appliance.base import wording
from appliance.base.clock import parse_rfc3339
from appliance.base.errors import ApplianceError, invalid
from appliance.base.http_errors import HttpError

T = TypeVar("T")
Word = TypeVar("Word", bound=str)

LARGEST_BODY_BYTES = 1 << 20
PATIENCE_S = 30.0  # for a body of at most 1 MB
DEFAULT_LIMIT = 100
LARGEST_LIMIT = 1000
LATEST_NS = 1 << 62  # in 2116; twice that is the end of SQLite's integers

PLAIN = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$(?!\n)"  # on one line, nothing that moves a cursor
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=PLAIN)]
Text = Annotated[str, msgspec.Meta(max_length=2000, pattern=PLAIN)]
Note = Annotated[str, msgspec.Meta(max_length=2000)]  # may have lines
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=PLAIN)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Time = Annotated[str, msgspec.Meta(max_length=40, pattern=PLAIN)]

_AT = re.compile(r"^(?P<text>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_NAMED_FIELD = re.compile(r"field `([^`]*)`")


async def read_body(request: web.Request, kind: type[T]) -> T:
    """The body as ``kind``, decoded strictly.

    Raises ``invalid`` (naming the field), 413 over 1 MB (without reading further), 415 if not JSON,
    408 where it does not come.
    """
    if request.content_type != "application/json":
        raise HttpError(
            415, "invalid", "the body must be JSON", "send Content-Type: application/json, and a JSON object"
        )
    if (request.content_length or 0) > LARGEST_BODY_BYTES:
        raise HTTPRequestEntityTooLarge(LARGEST_BODY_BYTES, request.content_length or 0)
    try:
        async with asyncio.timeout(PATIENCE_S):
            raw = await request.read()
    except TimeoutError:
        # A stranger at the sign-in could else hold as many sockets as there are, a byte at a time.
        raise HttpError(408, "invalid", "the body did not come in time", "send it in one go") from None
    except web.RequestPayloadError:
        raise invalid("the body cannot be read", "send it as it is, not compressed") from None
    return decode(raw, kind)


def decode(raw: bytes, kind: type[T]) -> T:
    """JSON -> ``kind``; raises ``invalid`` with the path of the offending field."""
    try:
        value = msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid(f"the body is not JSON: {error}", "send one JSON object, in UTF-8") from None
    except RecursionError:
        raise invalid("the body is nested too deeply", "send a flatter one") from None
    _refuse_control_characters(value, "")
    return value


def _explained(text: str) -> ApplianceError:
    match = _AT.match(text)
    path = (match["path"] or "") if match else ""
    message = match["text"] if match else text
    field = path.removeprefix("$").removeprefix(".")
    named = _NAMED_FIELD.search(message)
    if named:
        field = f"{field}.{named[1]}" if field else named[1]
    if "matching regex" in message:
        message = "this text has characters that are not allowed here"
    hint = "see the schema of this request in /api/v1/openapi.json"
    return invalid(wording.of_people(message) or message[:300], hint, field=field or None)


def _refuse_control_characters(value: Any, path: str) -> None:
    # Patterns guard the fields that have one; free-form parts (params, actions, notes) come here.
    if isinstance(value, str):
        if any((char < " " and char not in "\n\r\t") or char == "\x7f" for char in value):
            raise invalid(
                "this text holds control characters", "take them out", field=path.removeprefix(".") or None
            )
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_control_characters(key, f"{path}.{str(key)[:40]!r}")
            _refuse_control_characters(item, f"{path}.{str(key)[:40]}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _refuse_control_characters(item, f"{path}.{number}")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _refuse_control_characters(getattr(value, name), f"{path}.{name}")


def limit_of(request: web.Request) -> int:
    text = request.query.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= LARGEST_LIMIT:
        raise invalid("limit is out of range", f"1 to {LARGEST_LIMIT}", field="limit")
    return int(text)


def cursor_of(request: web.Request) -> str | None:
    """Opaque here; the noun that made it reads it."""
    cursor = request.query.get("cursor")
    if cursor is not None and (len(cursor) > 200 or not cursor.isascii() or not cursor.isprintable()):
        raise invalid("this cursor is not one of ours", "begin again without it", field="cursor")
    return cursor or None


def time_from(text: str, field: str) -> int:
    """RFC 3339 -> ns; a ``+`` that a query turned into a space is taken for what it was."""
    if len(text) > 40:
        raise invalid("this is not a time", "write it as 2026-01-20T14:30:00.000Z", field=field)
    time_ns = parse_rfc3339(re.sub(r" (\d\d:\d\d)$", r"+\1", text), field)
    if not 0 <= time_ns < LATEST_NS:
        raise invalid("this time is out of range", "use a year from 1970 to 2115", field=field)
    return time_ns


def time_of(request: web.Request, field: str) -> int | None:
    text = request.query.get(field)
    return None if text is None else time_from(text, field)


def interval_of(request: web.Request, *, longest_ns: int | None = None) -> tuple[int, int]:
    """``start_time`` and ``end_time``, half-open; both must be there."""
    found = []
    for field in ("start_time", "end_time"):
        text = request.query.get(field)
        if text is None:
            raise invalid(f"{field} is missing", "add it as 2026-01-20T14:30:00.000Z", field=field)
        found.append(time_from(text, field))
    return checked_interval(found[0], found[1], longest_ns=longest_ns)


def checked_interval(start_ns: int, end_ns: int, *, longest_ns: int | None = None) -> tuple[int, int]:
    if end_ns <= start_ns:
        raise invalid("end_time is not after start_time", "exchange them", field="end_time")
    if longest_ns is not None and end_ns - start_ns > longest_ns:
        hours = longest_ns / 3_600_000_000_000
        raise invalid("this interval is too long", f"ask for at most {hours:g} h at a time", field="end_time")
    return start_ns, end_ns


def number_of(request: web.Request, field: str, low: float, high: float) -> float | None:
    text = request.query.get(field)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise invalid(f"{field} is out of range", f"a number from {low:g} to {high:g}", field=field)
    return value


def flag_of(request: web.Request, field: str, default: bool) -> bool:
    text = request.query.get(field)
    if text is None:
        return default
    if text not in ("0", "1"):
        raise invalid(f"{field} is a switch", "0 or 1", field=field)
    return text == "1"


def choices_of(request: web.Request, field: str) -> tuple[str, ...]:
    """A filter that may repeat; () where it is absent."""
    values = tuple(request.query.getall(field, []))
    for value in values:
        if len(values) > 100 or len(value) > 100 or not value.isprintable():
            raise invalid(f"{field} is too long", "name fewer", field=field)
    return values


def one_of(request: web.Request, field: str, allowed: tuple[Word, ...]) -> tuple[Word, ...]:
    """Such a filter where only these words make sense."""
    known: dict[str, Word] = {word: word for word in allowed}
    values = choices_of(request, field)
    for value in values:
        if value not in known:
            raise invalid(f"{value[:40]!r} is no {field}", f"one of {', '.join(allowed)}", field=field)
    return tuple(known[value] for value in values)


def stream_of(request: web.Request) -> str:
    stream = request.query.get("stream", "main")
    if stream not in ("main", "sub"):
        raise invalid(f"{stream[:40]!r} is no stream", "main or sub", field="stream")
    return stream
