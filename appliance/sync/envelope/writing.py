"""A row -> a message."""

import base64
import hashlib

import msgspec

from appliance.base.clock import rfc3339
from appliance.store.outbox import OutboxRow
from appliance.sync.envelope.message import Message, Plain, Still
from appliance.sync.envelope.told import told


def write(device_id: str, row: OutboxRow, schema: int, still: Still | None = None) -> bytes:
    """One line of JSON. A tombstone's kind says so; what it was stands in its body (D5). ``still``:
    instead of the one that the body refers to; schema 1 has no place for it."""
    kind, created_at = "tombstone" if row.is_tombstone else row.kind, rfc3339(row.created_ns)
    body = msgspec.Raw(_one_line(row.body))
    if schema == 1:
        return msgspec.json.encode(Plain(device_id, row.id, kind, created_at, body))
    known = told(device_id, created_at, row.body)
    message = Message(
        device_id=device_id,
        id=row.id,
        kind=kind,
        created_at=created_at,
        source=known.source,
        frame=known.frame,
        detections=known.detections,
        still=still or known.still,
        body=body,
    )
    return msgspec.json.encode(message)


def inline(mime: str, data: bytes) -> Still:
    """A picture inside its message: a third larger than it is."""
    return Still(mime, None, base64.b64encode(data).decode(), len(data), hashlib.sha256(data).hexdigest())


def _one_line(body: bytes) -> bytes:
    """JSON needs no line feeds, and JSON lines must hold none."""
    return msgspec.json.format(body, indent=-1) if b"\n" in body or b"\r" in body else body
