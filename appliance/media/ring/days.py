"""How long the ring is: the days of footage that the disks hold besides what is locked."""

import os
import sqlite3

from appliance.base.clock import SECOND_NS
from appliance.base.model import Lock
from appliance.media.ring.volumes import Volumes
from appliance.store import segments

DAY_NS = 86_400 * SECOND_NS
RESERVE_SHARE = 0.05  # the contract's reserve: max(5 %, 2 GB)
RESERVE_BYTES = 2_000_000_000


def days(conn: sqlite3.Connection, volumes: Volumes, locks: list[Lock], now_ns: int) -> float:
    """Capacity less locked bytes, over the bytes that the last day brought (or the time since the
    first footage, where that is less). Infinite where nothing has been recorded; never negative."""
    oldest_ns = segments.oldest_start_ns(conn)
    if oldest_ns is None:
        return float("inf")
    span_ns = max(SECOND_NS, min(DAY_NS, now_ns - oldest_ns))
    per_day = segments.bytes_between(conn, None, now_ns - span_ns, now_ns) * DAY_NS / span_ns
    if per_day <= 0:
        return float("inf")
    capacity = segments.total_bytes(conn) + sum(_room(os.fspath(volume.root)) for volume in volumes.all)
    held = sum(segments.bytes_between(conn, *span) for span in merged(locks))
    return max(0.0, (capacity - held) / per_day)


def merged(locks: list[Lock]) -> list[tuple[str, int, int]]:
    """(camera, start, end) without overlap; ``locks`` by camera and start."""
    out: list[tuple[str, int, int]] = []
    for lock in locks:
        if out and out[-1][0] == lock.camera_id and lock.start_ns <= out[-1][2]:
            out[-1] = (lock.camera_id, out[-1][1], max(out[-1][2], lock.end_ns))
        else:
            out.append((lock.camera_id, lock.start_ns, lock.end_ns))
    return out


def _room(root: str) -> int:
    try:
        found = os.statvfs(root)
    except OSError:
        return 0
    reserve = max(RESERVE_SHARE * found.f_blocks * found.f_frsize, RESERVE_BYTES)
    return max(0, int(found.f_bavail * found.f_frsize - reserve))
