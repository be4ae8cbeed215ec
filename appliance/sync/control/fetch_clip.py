"""``fetch_clip``: a span of the ring, as a row that owes its file, to the hub that asked and no other."""

import sqlite3
from typing import Literal, Protocol

import msgspec

from appliance.base.clock import SECOND_NS, Clock, parse_rfc3339, rfc3339
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.ids import uuid7
from appliance.store import cameras, fetched, outbox, outbox_counts, targets
from appliance.store.database import Database
from appliance.store.fetched import FETCHED
from appliance.store.owed_files import OwedFile, owed_file
from appliance.store.policy import LANE_OF, Policy
from appliance.sync.control.applier import Outcome, Work, body_of
from appliance.sync.control.order import Order

LONGEST_NS = 3_600 * SECOND_NS
AHEAD_NS = 60 * SECOND_NS  # what is being recorded now is waited for
SHARE = 4  # of the target's quota one part in so many may be fetched clips


class Footage(Protocol):
    """Given by the daemon."""

    async def held_bytes(self, camera_id: str, stream: str, start_ns: int, end_ns: int) -> int | None:
        """Bytes of what the ring has of it; None: nothing of it is recorded. Raises ``not_found``: no such
        stream."""


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
        held_bytes = await self._footage.held_bytes(body.camera_id, body.stream, start_ns, end_ns)
        if held_bytes is None:
            raise ApplianceError(
                "not_found", f"nothing of {body.camera_id} is recorded in that span (any more)"
            )
        file = owed_file(order.command.id, body.camera_id, start_ns, end_ns, body.stream)
        ahead_ns = max(0, end_ns - max(start_ns, self._clock.now_ns()))
        ahead = msgspec.structs.replace(file, start_time=rfc3339(end_ns - ahead_ns))
        # An hour of which the ring has a minute must not be counted as an hour.
        most_bytes = held_bytes + (ahead.guess_bytes if ahead_ns else 0)
        return _owing(order, body, file, min(file.guess_bytes, most_bytes))


def _owing(order: Order, body: _Body, file: OwedFile, file_bytes: int) -> Work:
    def work(conn: sqlite3.Connection, now_ns: int) -> Outcome:
        target_id = order.link.target_id
        _must_have_room(conn, target_id, file_bytes)
        row_id, kind = uuid7(now_ns), "clip" if body.stream == "main" else "small_clip"
        # Whatever the target's policy says of clips in general: of this one somebody has asked for it.
        outbox.enqueue(
            conn, [target_id], row_id, kind, msgspec.json.encode(file), now_ns, lane=LANE_OF["clip"],
            file_bytes=file_bytes, pinned_for=FETCHED,
        )  # fmt: skip
        wanted: dict[str, object] = {
            "camera": body.camera_id,
            "from": file.start_time,
            "to": file.end_time,
            "stream": body.stream,
        }
        return Outcome(message="it is on its way", result={"row_id": row_id, "kind": kind}, detail=wanted)

    return work


def _must_have_room(conn: sqlite3.Connection, target_id: str, file_bytes: int) -> None:
    """Raises ``exhausted``: what is fetched may not push out what events owe."""
    target = targets.get(conn, target_id)
    quota_bytes = Policy().quota_bytes if target is None else target.policy.quota_bytes
    fetched_bytes = fetched.waiting_bytes(conn, target_id)
    if (fetched_bytes + file_bytes) * SHARE > quota_bytes:
        raise ApplianceError(
            "exhausted",
            f"clips that were fetched fill their share of what may wait for the hub: {fetched_bytes} bytes"
            f" wait, {file_bytes} more would be over a quarter of {quota_bytes}",
            "wait until they have arrived, or ask for less",
        )
    if outbox_counts.waiting_bytes(conn, target_id) + file_bytes > quota_bytes:
        raise ApplianceError(
            "exhausted",
            "what waits for the hub leaves no room for this clip",
            "wait until the link is better, or ask for less",
        )
