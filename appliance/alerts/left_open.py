"""Events that were open when the box went down: nobody is left who would end them.

Whoever caused them may be there still; that is in the picture, and is no new event (``presences``).
"""

import sqlite3
from collections.abc import Iterable, Mapping
from functools import partial

import msgspec

from appliance.alerts.record import end_event
from appliance.base.model import Event
from appliance.store import events, targets, tracks
from appliance.store.database import Database

AT_ONCE = 500  # per transaction: the writer is not held for longer than some milliseconds
WHY = "restart"  # in ``metadata`` under ``ended``


async def close_left_open(db: Database, tracks_db: Database, now_ns: int) -> int:
    """End each with what was last seen of its track; how many. To be called before anything new is
    told. Raises what the databases raise."""
    left = await db.read(events.left_open)
    if not left:
        return 0
    ids = {event.track_id for event in left if event.track_id is not None}
    seen_ns = await tracks_db.read(lambda conn: _last_seen(conn, ids))
    for number in range(0, len(left), AT_ONCE):
        some = left[number : number + AT_ONCE]
        await db.write(partial(_close, left=some, seen_ns=seen_ns, now_ns=now_ns))
    return len(left)


def _last_seen(conn: sqlite3.Connection, track_ids: Iterable[str]) -> dict[str, int]:
    seen_ns = {point.track_id: point.time_ns for point in tracks.presences(conn)}
    for track_id in track_ids:
        if (track := tracks.get(conn, track_id)) is not None:
            seen_ns[track_id] = max(track.end_ns, seen_ns.get(track_id, 0))
    return seen_ns


def _close(conn: sqlite3.Connection, left: Iterable[Event], seen_ns: Mapping[str, int], now_ns: int) -> None:
    owed_to = targets.enabled(conn)
    for event in left:
        marked = msgspec.structs.replace(event, metadata=event.metadata | {"ended": WHY})
        end_event(conn, marked, seen_ns.get(event.track_id or "", 0), now_ns, owed_to)
