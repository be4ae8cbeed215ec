"""Alerts as they stand now, put together from the rows that told of them; the newest word wins."""

import msgspec

from appliance.hub.store.steps import Steps, run


class AlertFacts(msgspec.Struct, frozen=True):
    """``id``: the alert's own, of which an update's row id is another. ``created_ns``: the alert's."""

    id: str
    event_id: str
    camera_id: str
    severity: str
    status: str
    created_ns: int


def follow(box_id: str, row_id: str, said_ns: int, body: str, facts: AlertFacts, now_ns: int) -> Steps[None]:
    """Rows may come in any order: what was said later (by the box's clock; at one moment: by the greater
    row id, which grows with time) stands."""
    yield from run(
        "INSERT INTO alerts (box_id, id, event_id, camera_id, severity, status, created_ns, updated_ns,"
        " updated_by, arrived_ns, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        " ON CONFLICT (box_id, id) DO UPDATE SET severity = excluded.severity, status = excluded.status,"
        " updated_ns = excluded.updated_ns, updated_by = excluded.updated_by, body = excluded.body"
        " WHERE excluded.updated_ns > alerts.updated_ns"
        " OR (excluded.updated_ns = alerts.updated_ns AND excluded.updated_by > alerts.updated_by)",
        box_id, facts.id, facts.event_id, facts.camera_id, facts.severity, facts.status, facts.created_ns,
        said_ns, row_id, now_ns, body,
    )  # fmt: skip
