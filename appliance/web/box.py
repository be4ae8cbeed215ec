"""Everything that the web was given: one value, made by the daemon, in tests by hand."""

from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from appliance.base.clock import Clock
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.system.update.inbox import Inbox
from appliance.web.care_port import Care
from appliance.web.metrics import Metrics
from appliance.web.people.passwords import Passwords
from appliance.web.ports import (
    Archive,
    Bell,
    Changed,
    Control,
    Desk,
    Devices,
    Health,
    Models,
    Notifying,
    Probe,
    Recorder,
    Senders,
    StillOfEvent,
    Support,
    Vision,
)


async def _nobody(noun: str) -> None:
    return None


@dataclass(slots=True)
class Box:
    """The parts that answer. A part that is None is not there: its routes say ``unavailable``."""

    db: Database
    clock: Clock
    sealer: Sealer
    device_id: str
    version: str
    data_path: Path
    health: Health
    recorder: Recorder | None = None
    archive: Archive | None = None
    vision: Vision | None = None
    desk: Desk | None = None
    bell: Bell | None = None
    probe: Probe | None = None
    still_of_event: StillOfEvent | None = None
    changed: Changed = _nobody
    volume_paths: tuple[Path, ...] = ()
    allow_file_sources: bool = False
    models: Models | None = None
    control: Control | None = None
    senders: Senders | None = None
    updates: Inbox | None = None
    devices: Devices | None = None
    notifying: Notifying | None = None
    support: Support | None = None
    care: Care | None = None
    passwords: Passwords = field(default_factory=Passwords)
    metrics: Metrics = field(default_factory=Metrics)


BOX: web.AppKey[Box] = web.AppKey("box", Box)
