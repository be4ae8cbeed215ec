"""One row of a batch: checked so far that nothing in it can spoil the transaction of the others."""

import json
from typing import Annotated

import msgspec

from appliance.base.clock import parse_rfc3339
from appliance.base.errors import ApplianceError, invalid
from appliance.hub.box_api.body import reason
from appliance.hub.store.alerts import AlertFacts
from appliance.hub.store.rows import EventFacts, NewRow
from appliance.sync.protocol.batch import LONGEST_BODY_BYTES, Refusal, Row, RowId
from appliance.sync.protocol.command import CommandResult
from appliance.web.params import LATEST_NS, PLAIN

FILE_KINDS = ("still", "small_clip", "clip", "sample")
OFF_NS = 300_000_000_000  # a clock that is further off is not believed: rows are marked

Text = Annotated[str, msgspec.Meta(max_length=200, pattern=PLAIN)]


class _Event(msgspec.Struct):
    id: RowId
    type: Text
    severity: Text
    start_time: Text
    camera_id: Text | None = ""


class _Alert(msgspec.Struct):
    id: RowId
    severity: Text
    status: Text
    created_at: Text
    event_id: Text | None = ""
    camera_id: Text | None = ""


class _Tombstone(msgspec.Struct):
    kind: Text
    reason: str = ""


_rows = msgspec.json.Decoder(Row)
_events = msgspec.json.Decoder(_Event)
_alerts = msgspec.json.Decoder(_Alert)
_results = msgspec.json.Decoder(CommandResult)
_tombstones = msgspec.json.Decoder(_Tombstone)


class _Named(msgspec.Struct):
    id: RowId = ""


_named = msgspec.json.Decoder(_Named)


def read_row(raw: msgspec.Raw, index: int, now_ns: int, clock_offset_ns: int) -> NewRow | Refusal:
    """The row, or why it will never be taken."""
    try:
        return _read(raw, now_ns, clock_offset_ns)
    except (
        msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, ApplianceError,
    ) as error:  # fmt: skip
        return Refusal(_id_of(raw), index, reason(error))


def _read(raw: msgspec.Raw, now_ns: int, clock_offset_ns: int) -> NewRow:
    row = _rows.decode(raw)
    body = bytes(row.body)
    if len(body) > LONGEST_BODY_BYTES:
        raise invalid(f"its body is longer than {LONGEST_BODY_BYTES} bytes")
    if row.kind in FILE_KINDS:
        raise invalid(f"a {row.kind} is a file and comes as an upload")
    created_ns = _time(row.created_at, "created_at")
    event, alert, result = None, None, None
    if row.kind in ("event", "event_update"):
        event = _event(body, row)
    elif row.kind in ("alert", "alert_update"):
        alert = _alert(body, row)
    elif row.kind == "command_result":
        result = _results.decode(body)
        result = msgspec.structs.replace(result, message=result.message.replace("\x00", ""))
        _refuse_nul(result.command_id)
    elif row.kind == "tombstone":
        _tombstones.decode(body)
    else:
        msgspec.json.decode(body)  # what we know nothing of is at least JSON, all of it
    off = created_ns > now_ns + OFF_NS or abs(clock_offset_ns) > OFF_NS
    return NewRow(row.id, row.kind, created_ns, body.decode(), off, event, alert, result)


def _event(body: bytes, row: Row) -> EventFacts:
    found = _events.decode(body)
    if row.kind == "event" and found.id != row.id:
        raise invalid("its body's id is another one")
    start_ns = _time(found.start_time, "start_time")
    return EventFacts(found.id, found.camera_id or "", found.type, found.severity, start_ns)


def _alert(body: bytes, row: Row) -> AlertFacts:
    found = _alerts.decode(body)
    if row.kind == "alert" and found.id != row.id:
        raise invalid("its body's id is another one")
    return AlertFacts(
        found.id, found.event_id or "", found.camera_id or "", found.severity, found.status,
        _time(found.created_at, "created_at"),
    )  # fmt: skip


def _time(text: str, field: str) -> int:
    time_ns = parse_rfc3339(text, field)
    if not 0 <= time_ns < LATEST_NS:
        raise invalid(f"{field} is out of range")
    return time_ns


def _refuse_nul(text: str) -> None:
    if "\x00" in text:  # PostgreSQL's text has none
        raise invalid("it holds a character that is no text")


def _id_of(raw: msgspec.Raw) -> str:
    """Empty where none can be read. What is no JSON for us may be for Python (``apart``)."""
    try:
        return _named.decode(raw).id
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        found = json.loads(bytes(raw))
        return msgspec.convert(found.get("id", ""), RowId) if isinstance(found, dict) else ""
    except (ValueError, RecursionError):
        return ""
