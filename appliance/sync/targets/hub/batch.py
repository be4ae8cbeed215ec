"""Rows to the hub: batches of schema 2, each row taken or refused for itself."""

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from appliance.base.clock import rfc3339
from appliance.store.outbox import OutboxRow
from appliance.sync import faults
from appliance.sync.answer import Verdict
from appliance.sync.faults import HUB
from appliance.sync.protocol import SCHEMA
from appliance.sync.protocol.batch import LONGEST_BATCH_BYTES, Answer, Batch, Row
from appliance.sync.targets.hub.link import Link, Reply, Silence

ENVELOPE_BYTES = 200  # of a batch, around its rows

_decoder = msgspec.json.Decoder(Answer)


async def put(link: Link, device_id: str, rows: Sequence[OutboxRow]) -> Verdict:
    """Deliver rows; what does not fit one request's bound goes in the next one. Where a later request
    fails, what the earlier ones said stands, and the rest goes again."""
    acknowledged: list[str] = []
    rejected: list[tuple[str, str]] = []
    sent_bytes: int | None = 0
    for some, encoded in _requests(rows):
        verdict = await _put(link, device_id, some, encoded)
        if sent_bytes is not None:
            sent_bytes = None if verdict.sent_bytes is None else sent_bytes + verdict.sent_bytes
        if verdict.kind != "delivered":
            if not acknowledged and not rejected:
                return msgspec.structs.replace(verdict, sent_bytes=sent_bytes)
            break
        acknowledged += verdict.acknowledged
        rejected += verdict.rejected
    return Verdict("delivered", tuple(acknowledged), tuple(rejected), sent_bytes=sent_bytes)


def idempotency_key(ids: Sequence[str]) -> str:
    """SHA-256, hex, of the ids joined by newlines, as the https target has it."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


def encode(row: OutboxRow) -> bytes:
    """A tombstone's kind says so; what it was stands in its body (D5)."""
    kind = "tombstone" if row.is_tombstone else row.kind
    return msgspec.json.encode(Row(row.id, kind, rfc3339(row.created_ns), msgspec.Raw(row.body), row.lane))


def read_answer(rows: Sequence[OutboxRow], body: bytes | None) -> Verdict:
    """What a success says of ``rows``. An id that was not asked for says nothing; a row that is both
    acknowledged and refused is refused, which loses nothing."""
    if body is None:
        return Verdict("later", error=str(faults.unreadable(None, HUB)), answered=True)
    try:
        answer = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # It may have them or not. Sending again is harmless, believing is not (D3).
        return Verdict("later", error=str(faults.unreadable(body, HUB)), answered=True)
    ids = [row.id for row in rows]
    asked = set(ids)
    reasons: dict[str, str] = {}
    for refusal in answer.refused:
        if refusal.id in asked:
            reasons[refusal.id] = refusal.reason
        elif not refusal.id and 0 <= refusal.index < len(ids):
            reasons[ids[refusal.index]] = refusal.reason
    said = set(answer.acknowledged) - reasons.keys()
    return Verdict(
        "delivered",
        tuple(id_ for id_ in ids if id_ in said),
        tuple((id_, reasons[id_]) for id_ in ids if id_ in reasons),
    )


def _requests(rows: Sequence[OutboxRow]) -> Iterator[tuple[list[OutboxRow], list[bytes]]]:
    some: list[OutboxRow] = []
    encoded: list[bytes] = []
    size = ENVELOPE_BYTES
    for row in rows:
        data = encode(row)
        if some and size + len(data) + 1 > LONGEST_BATCH_BYTES:
            yield some, encoded
            some, encoded, size = [], [], ENVELOPE_BYTES
        some.append(row)
        encoded.append(data)
        size += len(data) + 1
    yield some, encoded


async def _put(link: Link, device_id: str, rows: list[OutboxRow], encoded: list[bytes]) -> Verdict:
    ids = [row.id for row in rows]
    body = msgspec.json.encode(Batch(device_id, [msgspec.Raw(data) for data in encoded], SCHEMA))
    # How urgent the first row is, and with it the batch (RFC 9218): a hub that is busy takes it first.
    headers = {"Idempotency-Key": idempotency_key(ids), "Priority": f"u={min(7, rows[0].lane)}"}
    try:
        reply: Reply = await link.ask("POST", "/batch", body, headers)
    except Silence as silence:
        return Verdict("later", error=str(silence), answered=silence.answered, sent_bytes=silence.sent_bytes)
    verdict = read_answer(rows, reply.body) if 200 <= reply.status < 300 else link.verdict(reply, ids)
    return msgspec.structs.replace(verdict, sent_bytes=reply.sent_bytes)
