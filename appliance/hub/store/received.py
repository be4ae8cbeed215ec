"""The acknowledgement journal: what each box was told that we hold, and its sums by kind and day."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.hub.store.steps import Steps, every, insert, listed, one, run
from appliance.sync.protocol.counts import Bucket, digest

_COLUMNS = {
    "box_id": "text",
    "id": "text",
    "kind": "text",
    "day": "text",
    "created_ns": "bigint",
    "digest": "bigint",
}


DAY_NS = 86_400 * SECOND_NS


@lru_cache(maxsize=1_000)
def _day(number: int) -> str:
    return rfc3339(number * DAY_NS)[:10]


class Receipt(msgspec.Struct, frozen=True):
    """``created_ns``: by the box's clock."""

    id: str
    kind: str
    created_ns: int

    @property
    def day(self) -> str:
        return _day(self.created_ns // DAY_NS)


def add(box_id: str, receipts: Sequence[Receipt]) -> Steps[set[str]]:
    """The ids that were new; the others were there already and are not counted twice. Ids sorted: two
    transactions that write the same ones wait for each other in one order."""
    ordered = sorted(receipts, key=lambda receipt: receipt.id)
    values = [(box_id, r.id, r.kind, r.day, r.created_ns, digest(r.id)) for r in ordered]
    new = set((yield from insert("received", _COLUMNS, values, "id")))
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for _, id_, kind, day, _, number in values:
        if id_ in new:
            both = sums[kind, day]
            both[0] += 1
            both[1] += number
    for (kind, day), (count, total) in sorted(sums.items()):
        yield from run(
            "INSERT INTO tallies (box_id, kind, day, count, digest) VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (box_id, kind, day) DO UPDATE SET count = tallies.count + excluded.count,"
            " digest = tallies.digest + excluded.digest",
            box_id, kind, day, count, total,
        )  # fmt: skip
    return new


def forget(box_id: str, kind: str, ids: Sequence[str]) -> Steps[set[str]]:
    """Those of ``ids`` that were held as ``kind``: not held any more. The box finds out by the sums."""
    gone = yield from every(
        "DELETE FROM received WHERE box_id = $1 AND kind = $2 AND id IN EACH($3) RETURNING id, day, digest",
        box_id, kind, listed(sorted(ids)),
    )  # fmt: skip
    for row in sorted(gone, key=lambda row: str(row["day"])):
        yield from run(
            "UPDATE tallies SET count = count - 1, digest = digest - $4"
            " WHERE box_id = $1 AND kind = $2 AND day = $3",
            box_id, kind, row["day"], row["digest"],
        )  # fmt: skip
    if gone:
        yield from run("DELETE FROM tallies WHERE box_id = $1 AND count = 0", box_id)
    return {row["id"] for row in gone}


def rise(box_id: str, ids: Sequence[str]) -> Steps[set[str]]:
    """Those of ``ids`` that are held as tombstones alone, forgotten as such: the real thing has come after
    all, over another way (a stick, say) than the one on which it was dropped."""
    gone = yield from forget(box_id, "tombstone", ids)
    if gone:
        names = listed(sorted(gone))
        yield from run(
            "DELETE FROM rows WHERE box_id = $1 AND kind = 'tombstone' AND id IN EACH($2)", box_id, names
        )
    return gone


def buckets(box_id: str) -> Steps[list[Bucket]]:
    rows = yield from every(
        "SELECT kind, day, count, digest FROM tallies WHERE box_id = $1 ORDER BY day, kind", box_id
    )
    return [Bucket(**row) for row in rows]


def recounted(box_id: str) -> Steps[list[Bucket]]:
    """``buckets`` from the journal itself: slow, and what the sums must say."""
    rows = yield from every(
        "SELECT kind, day, count(*) AS count, CAST(sum(digest) AS BIGINT) AS digest FROM received"
        " WHERE box_id = $1 GROUP BY kind, day ORDER BY day, kind",
        box_id,
    )
    return [Bucket(**row) for row in rows]


def count(box_id: str) -> Steps[int]:
    """How many of the box's rows and files are held."""
    row = yield from one(
        "SELECT CAST(coalesce(sum(count), 0) AS BIGINT) AS held FROM tallies WHERE box_id = $1", box_id
    )
    return 0 if row is None else int(row["held"])


def held(box_id: str, ids: Sequence[str]) -> Steps[dict[str, Receipt]]:
    """Those of ``ids`` that are in the journal."""
    rows = yield from every(
        "SELECT id, kind, created_ns FROM received WHERE box_id = $1 AND id IN EACH($2)", box_id, listed(ids)
    )
    return {row["id"]: Receipt(**row) for row in rows}


def figures(box_id: str) -> Steps[dict[str, int]]:
    """Held, by kind."""
    rows = yield from every(
        "SELECT kind, CAST(sum(count) AS BIGINT) AS held FROM tallies WHERE box_id = $1 GROUP BY kind", box_id
    )
    return {row["kind"]: int(row["held"]) for row in rows}
