"""What people decide about alerts: new -> acknowledged -> resolved, never back."""

import sqlite3
from collections.abc import Callable
from typing import Literal

import msgspec

from appliance.alerts.bell import JournalBell
from appliance.alerts.owing import owe_sample
from appliance.alerts.record import publish_alert
from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.base.model import Alert, User
from appliance.store import alerts, events, targets
from appliance.store.database import Database

Resolution = Literal["true_alarm", "false_alarm", "test"]

LONGEST_NOTE = 2_000  # characters
MOST_NOTES = 100


class Decided(msgspec.Struct, frozen=True):
    """``newest``: a journal position; 0: nothing was changed."""

    before: Alert
    after: Alert
    newest: int


class Desk:
    """``observe_ack_s`` is told how long each alert waited for a person, in seconds."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        bell: JournalBell,
        *,
        on_owed: Callable[[], None] = lambda: None,
        observe_ack_s: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._bell = bell
        self._on_owed = on_owed
        self._observe_ack_s = observe_ack_s

    async def acknowledge(self, alert_id: str, user: User, note: str | None = None) -> Alert:
        """``user`` has seen it. Raises ``not_found``; ``conflict`` where somebody had before."""

        def decide(alert: Alert, now_ns: int) -> Alert:
            if alert.status != "new":
                raise _already(alert)
            return _acknowledged(alert, user, now_ns)

        return await self._change(alert_id, user, note, decide)

    async def resolve(
        self, alert_id: str, user: User, resolution: Resolution, note: str | None = None
    ) -> Alert:
        """``user`` has dealt with it, and with that seen it. Raises ``not_found``, ``conflict``."""

        def decide(alert: Alert, now_ns: int) -> Alert:
            if alert.status == "resolved":
                raise _already(alert)
            if alert.status == "new":
                alert = _acknowledged(alert, user, now_ns)
            return msgspec.structs.replace(
                alert,
                status="resolved",
                resolved_by=user.username,
                resolved_ns=now_ns,
                resolution=resolution,
            )

        return await self._change(alert_id, user, note, decide)

    async def _change(
        self, alert_id: str, user: User, note: str | None, decide: Callable[[Alert, int], Alert]
    ) -> Alert:
        now_ns = self._clock.now_ns()
        done = await self._db.write(lambda conn: _change_in(conn, alert_id, user, note, decide, now_ns))
        if done.before.status == "new":
            self._observe_ack_s(max(0, now_ns - done.before.created_ns) / SECOND_NS)
        self._bell.ring(done.newest)
        self._on_owed()
        return done.after


def acknowledge_in(
    conn: sqlite3.Connection, alert_id: str, user: User, note: str | None, now_ns: int
) -> Decided:
    """For who has a transaction of their own, and rings the bell afterwards. An alert that is not new
    any more is left as it is."""

    def decide(alert: Alert, now_ns: int) -> Alert:
        return _acknowledged(alert, user, now_ns) if alert.status == "new" else alert

    return _change_in(conn, alert_id, user, note, decide, now_ns)


def _change_in(
    conn: sqlite3.Connection,
    alert_id: str,
    user: User,
    note: str | None,
    decide: Callable[[Alert, int], Alert],
    now_ns: int,
) -> Decided:
    if note is not None and len(note) > LONGEST_NOTE:
        raise invalid(f"a note has at most {LONGEST_NOTE} characters", "write it shorter", field="note")
    before = alerts.get(conn, alert_id)
    if before is None or (user.camera_ids is not None and before.camera_id not in user.camera_ids):
        raise not_found("alert", alert_id)
    after = decide(before, now_ns)
    if after == before:
        return Decided(before, before, 0)
    if note and note.strip() and len(after.notes) < MOST_NOTES:
        after = msgspec.structs.replace(after, notes=(*after.notes, note.strip()))
    alerts.update(conn, after)
    owed_to = targets.enabled(conn)
    newest = publish_alert(conn, after, now_ns, owed_to, is_new=False)
    if after.resolution in ("true_alarm", "false_alarm") and after.event_id:
        event = events.get(conn, after.event_id)
        if event is not None and event.camera_id is not None:
            owe_sample(conn, event, now_ns, owed_to)
    return Decided(before, after, newest)


def _acknowledged(alert: Alert, user: User, now_ns: int) -> Alert:
    return msgspec.structs.replace(
        alert, status="acknowledged", acknowledged_by=user.username, acknowledged_ns=now_ns
    )


def _already(alert: Alert) -> ApplianceError:
    who = alert.resolved_by or alert.acknowledged_by
    return ApplianceError(
        "conflict", f"the alert is already {alert.status}, by {who}", "reload to see what was decided"
    )
