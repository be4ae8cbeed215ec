"""What is old goes, once an hour, in steps that hold nobody up; and the audit log says how much."""

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import Literal

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.hub.hub import Hub
from appliance.hub.settings import Retention
from appliance.hub.store import audit, retention
from appliance.hub.store.retention import Before

AT_ONCE = 500  # per transaction
DAY_NS = 86_400 * SECOND_NS


@dataclass
class Gone:
    rows: int = 0
    alerts: int = 0
    files: int = 0
    file_bytes: int = 0
    months: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rows or self.alerts or self.files)  # an empty month is nothing


def before_of(said: Retention, now_ns: int) -> Before:
    """0 days: for ever."""

    def ago(days: float) -> int:
        return 0 if days == 0 else now_ns - round(days * DAY_NS)

    return Before(ago(said.rows_days), ago(said.files_days), ago(said.alerts_days))


async def retain_once(hub: Hub) -> Gone:
    """Instances may do this at the same time: each thing goes once. What cannot go now (a reader is on
    that month) goes the next time."""
    now_ns, said, gone = hub.clock.now_ns(), hub.settings.retention, Gone()
    before = before_of(said, now_ns)
    with contextlib.suppress(ApplianceError):  # a month that is being read for long
        gone.months, gone.rows = await hub.store.drop_months(before)
    table: Literal["rows", "rows_rest"] = "rows_rest" if hub.store.kind == "postgres" else "rows"
    while count := await hub.store.write(lambda: retention.expire_rows(before, table, AT_ONCE)):
        gone.rows += count
    while count := await hub.store.write(lambda: retention.expire_alerts(before, AT_ONCE)):
        gone.alerts += count
    while True:
        count, size_bytes = await hub.store.write(lambda: retention.expire_files(before, AT_ONCE, now_ns))
        _add(gone, count, size_bytes)
        if not count:
            break
    await _keep_to_bytes(hub, "box", said.files_bytes_per_box, before, gone)
    await _keep_to_bytes(hub, "site", said.files_bytes_per_site, before, gone)
    if gone:
        detail = {
            "rows": gone.rows, "alerts": gone.alerts, "files": gone.files, "bytes": gone.file_bytes,
            "months": list(gone.months), "rows_days": said.rows_days, "files_days": said.files_days,
            "alerts_days": said.alerts_days,
        }  # fmt: skip
        await hub.store.write(lambda: audit.add(now_ns, None, None, "expired", "hub", detail))
    return gone


async def _keep_to_bytes(
    hub: Hub, what: Literal["box", "site"], most_bytes: int, before: Before, gone: Gone
) -> None:
    if not most_bytes:
        return
    now_ns, stuck = hub.clock.now_ns(), set[str]()
    while over := [
        each
        for each in await hub.store.read(lambda: retention.over(what, most_bytes))
        if each.id not in stuck
    ]:
        for one in over:
            count, size_bytes = await hub.store.write(
                partial(retention.expire_over, what, one, before, AT_ONCE, now_ns)
            )
            _add(gone, count, size_bytes)
            if not count:  # all that is left belongs to alerts that wait for a person
                stuck.add(one.id)


def _add(gone: Gone, count: int, size_bytes: int) -> None:
    gone.files += count
    gone.file_bytes += size_bytes
