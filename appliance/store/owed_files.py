"""Rows that owe a file: which footage that is, and the pin that keeps it until the row leaves (D4)."""

import sqlite3
from collections.abc import Iterable
from typing import Final

import msgspec

from appliance.base.clock import SECOND_NS, parse_rfc3339, rfc3339
from appliance.base.errors import invalid
from appliance.base.ids import uuid7
from appliance.base.model import Lock
from appliance.store import locks

OWNER: Final = "outbox"
STILL_BYTES = 100_000
BYTES_PER_S = {"main": 500_000, "sub": 64_000}  # 4 Mbit/s, 0.5 Mbit/s: a guess that errs on the large side


class OwedFile(msgspec.Struct, frozen=True):
    """The body of such a row, as ``sync.protocol.batch.FileBody`` reads it."""

    event_id: str
    camera_id: str
    start_time: str
    end_time: str
    stream: str = "main"

    @property
    def start_ns(self) -> int:
        return parse_rfc3339(self.start_time)

    @property
    def end_ns(self) -> int:
        return parse_rfc3339(self.end_time)

    @property
    def guess_bytes(self) -> int:
        """What it will weigh, before anybody has made it."""
        seconds = (self.end_ns - self.start_ns) // SECOND_NS
        return STILL_BYTES if seconds <= 0 else seconds * BYTES_PER_S.get(self.stream, BYTES_PER_S["main"])


def owed_file(event_id: str, camera_id: str, start_ns: int, end_ns: int, stream: str = "main") -> OwedFile:
    return OwedFile(event_id, camera_id, rfc3339(start_ns), rfc3339(end_ns), stream)


def read(body: bytes) -> OwedFile:
    """Raises ``invalid`` where it does not say what is owed."""
    try:
        return msgspec.json.decode(body, type=OwedFile)
    except msgspec.MsgspecError as error:
        raise invalid(
            f"this is no file that could be owed: {error}", "name the event and the footage"
        ) from error


def pin(conn: sqlite3.Connection, row_id: str, reason: str, body: bytes, now_ns: int) -> None:
    """Keep what the row owes; once, to however many targets it is owed."""
    found = conn.execute("SELECT 1 FROM locks WHERE owner_id = ? AND owner = ?", (row_id, OWNER)).fetchone()
    if found is not None:
        return
    file = read(body)
    lock = Lock(
        id=uuid7(now_ns),
        camera_id=file.camera_id,
        start_ns=file.start_ns,
        end_ns=max(file.end_ns, file.start_ns + SECOND_NS),  # of a still: the frame and what it is made of
        reason=reason,
        owner=OWNER,
        owner_id=row_id,
        created_ns=now_ns,
    )
    locks.insert(conn, lock)


def release(conn: sqlite3.Connection, row_ids: Iterable[str]) -> None:
    """Let go of what no target is owed any more."""
    conn.executemany(
        "DELETE FROM locks WHERE owner = ? AND owner_id = ?"
        " AND NOT EXISTS (SELECT 1 FROM outbox WHERE id = ? AND is_file = 1)",
        [(OWNER, row_id, row_id) for row_id in row_ids],
    )
