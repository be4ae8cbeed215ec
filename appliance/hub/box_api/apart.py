"""A batch that is no JSON as a whole, because of what stands in one of its rows: that row alone is refused.

Boxes of old wrote NaN, and half a character (RFC 8259, section 8.2) where a camera's name was cut. Python's
reader takes both; each row is written again and read by itself, and fails there.
"""

import json

import msgspec

from appliance.base.errors import ApplianceError
from appliance.hub.box_api.body import decode
from appliance.sync.protocol.batch import MOST_ROWS, Batch


def read_batch(raw: bytes) -> Batch:
    """Raises ``invalid`` where it is no batch however it is read."""
    try:
        return decode(raw, Batch)
    except ApplianceError as error:
        found = _leniently(raw)
        if found is None:
            raise error from None
        return found


def _leniently(raw: bytes) -> Batch | None:
    try:
        found = json.loads(raw)
        if not isinstance(found, dict) or not isinstance(found.get("batch"), list):
            return None
        rows = [msgspec.Raw(json.dumps(row, separators=(",", ":")).encode()) for row in found["batch"]]
        batch = msgspec.convert({**found, "batch": []}, Batch)
        return msgspec.structs.replace(batch, batch=rows) if len(rows) <= MOST_ROWS else None
    except (ValueError, RecursionError):  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        return None
