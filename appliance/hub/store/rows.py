"""Ingest: a batch's rows, all in one transaction, each once (``(box, id)`` is unique in ``received``)."""

from collections.abc import Sequence

import msgspec

from appliance.hub.store import alerts, commands, received, uploads
from appliance.hub.store.received import Receipt
from appliance.hub.store.steps import Steps, insert, lock, one, run
from appliance.sync.protocol.command import CommandResult

_COLUMNS = {
    "box_id": "text",
    "id": "text",
    "kind": "text",
    "created_ns": "bigint",
    "arrived_ns": "bigint",
    "clock_offset_ns": "bigint",
    "clock_off": "bigint",
    "shown_ns": "bigint",
    "by_hub": "bigint",
    "body": "text",
    "camera_id": "text",
    "type": "text",
    "severity": "text",
    "start_ns": "bigint",
}


class EventFacts(msgspec.Struct, frozen=True):
    """What events are looked for by. ``id``: the event's own, of which an update's row id is another."""

    id: str
    camera_id: str
    type: str
    severity: str
    start_ns: int


class NewRow(msgspec.Struct, frozen=True):
    """One row, checked: nothing in it can make the transaction fail. One of ``event``, ``alert`` and
    ``result`` says what it is about, where it is about something."""

    id: str
    kind: str
    created_ns: int
    body: str
    clock_off: bool = False
    event: EventFacts | None = None
    alert: alerts.AlertFacts | None = None
    result: CommandResult | None = None


def take(box_id: str, batch: Sequence[NewRow], clock_offset_ns: int, now_ns: int) -> Steps[int]:
    """Write what is new of ``batch`` (ids are unique in it), and what follows from it; how many were new.
    When this is committed, all of them are held."""
    yield from lock(f"box {box_id}")  # what follows from rows must not cross with another batch of the box
    new = yield from received.add(box_id, [Receipt(r.id, r.kind, r.created_ns) for r in batch])
    known = [row for row in batch if row.id not in new and row.kind != "tombstone"]
    if known and (risen := (yield from received.rise(box_id, [row.id for row in known]))):
        again = [Receipt(r.id, r.kind, r.created_ns) for r in known if r.id in risen]
        new |= yield from received.add(box_id, again)
    fresh = [row for row in batch if row.id in new]
    if things := [row.id for row in fresh if row.kind != "tombstone"]:
        yield from uploads.give_way(box_id, ids=things, now_ns=now_ns)  # an id is one thing
    values = [_values(box_id, row, clock_offset_ns, now_ns) for row in fresh]
    yield from insert("rows", _COLUMNS, values)
    yield from _early_updates(box_id, fresh)
    if dead := [row.id for row in fresh if row.kind == "tombstone"]:
        yield from uploads.bury(box_id, dead)
    for row in fresh:
        if row.kind == "event_update" and row.event is not None:
            yield from _update_event(box_id, row, row.event)
        elif row.alert is not None:
            yield from alerts.follow(
                box_id, row.id, row.created_ns, row.clock_off, row.body, row.alert, now_ns
            )
        elif row.result is not None:
            yield from commands.answer(box_id, row.result, now_ns)
    if any(row.alert is not None for row in fresh):
        yield from alerts.recount(box_id)
    return len(fresh)


def _values(box_id: str, row: NewRow, clock_offset_ns: int, now_ns: int) -> tuple[str | int, ...]:
    facts = row.event if row.kind == "event" and row.event is not None else EventFacts("", "", "", "", 0)
    shown_ns = now_ns if row.clock_off else row.created_ns
    return (
        box_id, row.id, row.kind, row.created_ns, now_ns, clock_offset_ns, int(row.clock_off), shown_ns, 0,
        row.body, facts.camera_id, facts.type, facts.severity, facts.start_ns,
    )  # fmt: skip


class _Word(msgspec.Struct, frozen=True):
    """What an update says of an event. ``said_ns``: by the box's clock, not to be believed where ``off``."""

    body: str
    said_ns: int
    row_id: str
    off: int


def _update_event(box_id: str, row: NewRow, facts: EventFacts) -> Steps[None]:
    """The event is shown in its newest form; one that has not come yet will be."""
    event = yield from one(
        "SELECT created_ns FROM received WHERE box_id = $1 AND id = $2 AND kind = 'event'", box_id, facts.id
    )
    word = _Word(row.body, row.created_ns, row.id, int(row.clock_off))
    if event is not None:
        yield from _set_body(box_id, facts.id, event["created_ns"], word)
        return
    yield from run(
        "INSERT INTO early (box_id, event_id, created_ns, updated_by, updated_off, body)"
        " VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (box_id, event_id) DO UPDATE SET created_ns = excluded.created_ns,"
        " updated_by = excluded.updated_by, updated_off = excluded.updated_off, body = excluded.body"
        " WHERE excluded.updated_off = 1 OR early.updated_off = 1 OR excluded.created_ns > early.created_ns"
        " OR (excluded.created_ns = early.created_ns AND excluded.updated_by > early.updated_by)",
        box_id, facts.id, word.said_ns, word.row_id, word.off, word.body,
    )  # fmt: skip


def _early_updates(box_id: str, fresh: Sequence[NewRow]) -> Steps[None]:
    events = {row.id: row for row in fresh if row.kind == "event"}
    if not events:
        return
    rows = yield from _forget_early(box_id, list(events))
    for event_id, word in rows:
        yield from _set_body(box_id, event_id, events[event_id].created_ns, word)


def _forget_early(box_id: str, event_ids: list[str]) -> Steps[list[tuple[str, _Word]]]:
    found = []
    any_ = yield from one("SELECT 1 AS there FROM early WHERE box_id = $1 LIMIT 1", box_id)
    if any_ is None:
        return []
    for event_id in event_ids:
        row = yield from one(
            "DELETE FROM early WHERE box_id = $1 AND event_id = $2"
            " RETURNING body, created_ns, updated_by, updated_off",
            box_id, event_id,
        )  # fmt: skip
        if row is not None:
            word = _Word(row["body"], row["created_ns"], row["updated_by"], row["updated_off"])
            found.append((event_id, word))
    return found


def _set_body(box_id: str, event_id: str, created_ns: int, word: _Word) -> Steps[None]:
    """Unless a newer word stands there: as of alerts (``alerts.follow``)."""
    yield from run(
        "UPDATE rows SET body = $4, updated_ns = $5, updated_by = $6, updated_off = $7"
        " WHERE box_id = $1 AND id = $2 AND created_ns = $3"
        " AND (CAST($7 AS BIGINT) = 1 OR updated_off = 1 OR $5 > updated_ns"
        " OR ($5 = updated_ns AND $6 > updated_by))",
        box_id, event_id, created_ns, word.body, word.said_ns, word.row_id, word.off,
    )  # fmt: skip
