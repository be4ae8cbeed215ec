"""Outgoing commands: what boxes are ordered, and what they answered.

The room of control makes and signs them and calls ``add``; the box pulls them (``waiting``), and its
answer arrives as a row of kind ``command_result`` in a batch (``answer``, in that batch's transaction).
"""

import msgspec

from appliance.hub.store.steps import Found, Steps, every, lock, one, run
from appliance.sync.protocol.command import MOST_WAITING, Command, CommandResult, Signed


class OutgoingCommand(msgspec.Struct, frozen=True):
    """``payload``: the very text that was signed."""

    id: str
    box_id: str
    seq: int
    kind: str
    payload: str
    signature: str
    key_id: str
    issued_ns: int
    expires_ns: int
    issued_by: str


def next_seq(box_id: str, now_s: int) -> Steps[int]:
    """To be asked in the transaction that ``add``s: nobody else is given this number meanwhile. Never below
    the seconds of the clock: a hub restored from yesterday's backup must not count again what the box has
    seen, and would ignore."""
    yield from lock(f"commands {box_id}")
    row = yield from one(
        "SELECT CAST(coalesce(max(seq), 0) AS BIGINT) AS last FROM commands WHERE box_id = $1", box_id
    )
    return max(now_s, 1 if row is None else int(row["last"]) + 1)


def add(command: OutgoingCommand) -> Steps[None]:
    yield from run(
        "INSERT INTO commands (id, box_id, seq, kind, payload, signature, key_id, issued_ns, expires_ns,"
        " issued_by, state, message, result)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'waiting', '', '{}')",
        *msgspec.structs.astuple(command),
    )


def waiting(box_id: str, now_ns: int, after: int = 0) -> Steps[list[Signed]]:
    """Those whose ``seq`` is higher than ``after``, oldest first, at most ``MOST_WAITING``; expired ones are
    not told any more."""
    rows = yield from every(
        "SELECT payload, signature, key_id FROM commands"
        " WHERE box_id = $1 AND state = 'waiting' AND expires_ns > $2 AND seq > $3"
        f" ORDER BY seq LIMIT {MOST_WAITING}",
        box_id, now_ns, after,
    )  # fmt: skip
    return [Signed(**row) for row in rows]


def count_waiting(box_id: str, now_ns: int) -> Steps[int]:
    row = yield from one(
        "SELECT count(*) AS waiting FROM commands"
        " WHERE box_id = $1 AND state = 'waiting' AND expires_ns > $2",
        box_id, now_ns,
    )  # fmt: skip
    return 0 if row is None else int(row["waiting"])


def boxes_waited_for(now_ns: int) -> Steps[dict[str, int]]:
    """All boxes that have something to pull, and the newest ``seq`` of each: one question per instance and
    second serves all long polls."""
    rows = yield from every(
        "SELECT box_id, CAST(max(seq) AS BIGINT) AS newest FROM commands"
        " WHERE state = 'waiting' AND expires_ns > $1 GROUP BY box_id",
        now_ns,
    )
    return {row["box_id"]: int(row["newest"]) for row in rows}


def answer(box_id: str, result: CommandResult, now_ns: int) -> Steps[None]:
    """Another box's command is not touched; nor is one that was answered for good."""
    yield from run(
        "UPDATE commands SET state = $3, message = $4, result = $5, answered_ns = $6"
        " WHERE id = $1 AND box_id = $2 AND state IN ('waiting', 'pending')",
        result.command_id, box_id, result.state, result.message,
        msgspec.json.encode(result.result).decode(), now_ns,
    )  # fmt: skip


def get(box_id: str, command_id: str) -> Steps[OutgoingCommand | None]:
    """None: there is none of this box."""
    row = yield from one(
        "SELECT id, box_id, seq, kind, payload, signature, key_id, issued_ns, expires_ns, issued_by"
        " FROM commands WHERE id = $1 AND box_id = $2",
        command_id, box_id,
    )  # fmt: skip
    return None if row is None else OutgoingCommand(**row)


def waits(box_id: str, kind: str, now_ns: int) -> Steps[bool]:
    """An order of this kind is still to be fetched."""
    row = yield from one(
        "SELECT 1 AS there FROM commands"
        " WHERE box_id = $1 AND kind = $2 AND state = 'waiting' AND expires_ns > $3 LIMIT 1",
        box_id, kind, now_ns,
    )  # fmt: skip
    return row is not None


def body_of(command: OutgoingCommand) -> dict[str, object]:
    """What was ordered."""
    body = msgspec.json.decode(command.payload, type=Command).body
    return msgspec.json.decode(body, type=dict[str, object])


def listed_of(box_id: str, limit: int) -> Steps[list[Found]]:
    """Newest first, with their answers."""
    rows = yield from every(
        "SELECT id, box_id, seq, kind, issued_ns, expires_ns, issued_by, state, answered_ns, message, result,"
        " payload FROM commands WHERE box_id = $1 ORDER BY seq DESC LIMIT $2",
        box_id, limit,
    )  # fmt: skip
    return list(rows)
