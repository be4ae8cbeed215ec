"""``fetch_clip``: a span of the ring, as a row that owes its file, to the hub that asked and no other."""

import sqlite3
from typing import Literal, Protocol

import msgspec

from appliance.base.clock import SECOND_NS, Clock, parse_rfc3339, rfc3339
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.ids import uuid7
from appliance.store import cameras, outbox
from appliance.store.database import Database
from appliance.sync.control.applier import Outcome, Work, body_of
from appliance.sync.control.order import Order
from appliance.sync.protocol.batch import FileBody

LONGEST_NS = 3_600 * SECOND_NS
AHEAD_NS = 60 * SECOND_NS  # what is being recorded now is waited for


class Footage(Protocol):
    """Given by the daemon."""

    async def has(self, camera_id: str, stream: str, start_ns: int, end_ns: int) -> bool:
        """Whether anything of it is in the ring. Raises ``not_found``: no such stream."""


class _Body(msgspec.Struct):
    camera_id: str
    start_time: str
    end_time: str
    stream: Literal["main", "sub"] = "main"


class FetchClip:
    def __init__(self, db: Database, clock: Clock, footage: Footage) -> None:
        self._db, self._clock, self._footage = db, clock, footage

    async def prepare(self, order: Order) -> Work:
        """Refuses an unknown camera, a span without footage, of the future or longer than an hour."""
        body = body_of(order.command, _Body)
        start_ns = parse_rfc3339(body.start_time, "start_time")
        end_ns = parse_rfc3339(body.end_time, "end_time")
        if not 0 <= start_ns < end_ns or end_ns - start_ns > LONGEST_NS:
            raise invalid(
                "a clip lasts more than nothing and at most an hour", "ask for several", field="end_time"
            )
        if end_ns > self._clock.now_ns() + AHEAD_NS:
            raise invalid("that is not recorded yet", "ask again later", field="end_time")
        known = await self._db.read(lambda conn: cameras.get(conn, body.camera_id))
        if known is None:
            raise not_found("camera", body.camera_id[:64])
        if not await self._footage.has(body.camera_id, body.stream, start_ns, end_ns):
            raise ApplianceError(
                "not_found", f"nothing of {body.camera_id} is recorded in that span (any more)"
            )
        return _owing(order, body, start_ns, end_ns)


def _owing(order: Order, body: _Body, start_ns: int, end_ns: int) -> Work:
    def work(conn: sqlite3.Connection, now_ns: int) -> Outcome:
        row_id = uuid7(now_ns)
        kind = "clip" if body.stream == "main" else "small_clip"
        file = FileBody(order.command.id, body.camera_id, rfc3339(start_ns), rfc3339(end_ns), body.stream)
        # Its footage is pinned with it (D4).
        outbox.enqueue(conn, [order.link.target_id], row_id, kind, msgspec.json.encode(file), now_ns)
        wanted: dict[str, object] = {
            "camera": body.camera_id,
            "from": file.start_time,
            "to": file.end_time,
            "stream": body.stream,
        }
        return Outcome(message="it is on its way", result={"row_id": row_id, "kind": kind}, detail=wanted)

    return work
