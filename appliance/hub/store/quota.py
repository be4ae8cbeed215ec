"""How much of the store of files one box may take, promised bytes included."""

from appliance.base.clock import SECOND_NS
from appliance.hub.store import received, uploads
from appliance.hub.store.steps import Steps, lock, one

STALE_NS = 86_400 * SECOND_NS  # a partial upload that nobody went on with makes room for another


def check(
    box_id: str, upload_id: str, size_bytes: int, most_bytes: int, most_partial: int, now_ns: int
) -> Steps[str]:
    """Before an upload begins, in its transaction: why there is no room for it; empty: there is. Complete
    ones count with their size, others with what their manifests promise. 0: without a bound."""
    yield from lock(f"files of {box_id}")  # many manifests at once
    known = (yield from received.held(box_id, [upload_id])).get(upload_id)
    if known is not None and known.kind != "tombstone":  # nothing of it will be written
        return ""
    old = yield from uploads.get(box_id, upload_id)
    row = yield from one(
        "SELECT CAST(coalesce(sum(size_bytes), 0) AS BIGINT) AS held FROM uploads WHERE box_id = $1", box_id
    )
    held = (0 if row is None else int(row["held"])) - (0 if old is None else old.size_bytes)
    if most_bytes and held + size_bytes > most_bytes:
        return f"this hub keeps at most {most_bytes} bytes of files of a box"
    if not most_partial or old is not None or (yield from _partial(box_id)) < most_partial:
        return ""
    yield from uploads.give_way(box_id, before_ns=now_ns - STALE_NS, now_ns=now_ns)
    if (yield from _partial(box_id)) < most_partial:
        return ""
    return f"this box has {most_partial} files on their way already"


def _partial(box_id: str) -> Steps[int]:
    row = yield from one(
        "SELECT count(*) AS open FROM uploads"
        " WHERE box_id = $1 AND state IN ('partial', 'broken') AND lost = 0",
        box_id,
    )
    return 0 if row is None else int(row["open"])
