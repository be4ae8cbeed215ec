"""What a target is owed for an event: rows and files, as its policy wants them (D1, D4).

All of it is written in the transaction of what caused it. One row of a file has one id for all targets.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

from appliance.base.clock import SECOND_NS
from appliance.base.ids import uuid7
from appliance.base.model import Event, Severity
from appliance.store import outbox
from appliance.store.owed_files import OwedFile, owed_file
from appliance.store.targets import Target

AROUND_NS = 5 * SECOND_NS  # before and after
SMALL_CLIP_NS = 10 * SECOND_NS  # after the start
LONGEST_CLIP_NS = 300 * SECOND_NS
RECORDED_NS = 1 * SECOND_NS  # the ring's durability: what is older can be read


def owe(
    conn: sqlite3.Connection,
    owed_to: Sequence[Target],
    row_id: str,
    kind: str,
    body: bytes,
    now_ns: int,
    *,
    severity: Severity = "info",
    alarms: bool = False,
    due_ns: int = 0,
) -> None:
    """One row to each target that wants it, in the lane that it gives it."""
    for target in owed_to:
        lane = target.lane_of(kind, severity, alarms=alarms)
        if lane is not None:
            outbox.enqueue(conn, [target.id], row_id, kind, body, now_ns, lane=lane, due_ns=due_ns)


def owe_still(conn: sqlite3.Connection, event: Event, now_ns: int, owed_to: Sequence[Target]) -> None:
    file = owed_file(event.id, event.camera_id, event.start_ns, event.start_ns)
    _owe_file(conn, event, "still", file, now_ns, 0, owed_to)


def owe_small_clip(conn: sqlite3.Connection, event: Event, now_ns: int, owed_to: Sequence[Target]) -> None:
    """The beginning, from the stream that goes over thin links."""
    end_ns = event.start_ns + SMALL_CLIP_NS
    file = owed_file(event.id, event.camera_id, event.start_ns - AROUND_NS, end_ns, "sub")
    _owe_file(conn, event, "small_clip", file, now_ns, end_ns + RECORDED_NS, owed_to)


def owe_clip(conn: sqlite3.Connection, event: Event, now_ns: int, owed_to: Sequence[Target]) -> None:
    """All of an event that is over, at most ``LONGEST_CLIP_NS`` of it."""
    start_ns = event.start_ns - AROUND_NS
    end_ns = (event.start_ns if event.end_ns is None else event.end_ns) + AROUND_NS
    file = owed_file(event.id, event.camera_id, start_ns, min(end_ns, start_ns + LONGEST_CLIP_NS))
    _owe_file(conn, event, "clip", file, now_ns, file.end_ns + RECORDED_NS, owed_to)


def owe_sample(conn: sqlite3.Connection, event: Event, now_ns: int, owed_to: Sequence[Target]) -> None:
    """A person said whether this was what the box took it for: a picture worth learning from."""
    file = owed_file(event.id, event.camera_id, event.start_ns, event.start_ns)
    _owe_file(conn, event, "sample", file, now_ns, 0, owed_to)


def _owe_file(
    conn: sqlite3.Connection,
    event: Event,
    kind: str,
    file: OwedFile,
    now_ns: int,
    due_ns: int,
    owed_to: Sequence[Target],
) -> None:
    owe(
        conn, owed_to, uuid7(now_ns), kind, msgspec.json.encode(file), now_ns,
        severity=event.severity, due_ns=due_ns if due_ns > now_ns else 0,
    )  # fmt: skip
