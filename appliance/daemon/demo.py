"""The demo: a throw-away box that watches simulated cameras, with rules that will fire.

One or two cameras show real footage where there is any, the others synthetic scenes; the real
detector is used where its model can be had. What is missing is fetched in the background and used
from the next time on (the model: at once).
"""

import asyncio
import contextlib
import logging
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from appliance.base.clock import Clock
from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.base.ids import uuid7
from appliance.base.model import Camera, DetectSettings, Rule, Severity, Zone
from appliance.daemon import first_boot
from appliance.daemon.assets import FOOTAGE, MODEL, Assets, bar
from appliance.daemon.box import Box
from appliance.daemon.stores import Stores
from appliance.store import cameras, rules, users, zones
from appliance.system.instance import running

log = logging.getLogger(__name__)

PREFIX = "demo-"
SCENES = ("Gate", "Loading bay", "Entrance", "Car park", "Corridor", "Till", "Fence", "Ramp")
WATCHED = ("person", "bicycle", "car", "motorcycle", "bus", "truck", "dog", "cat")
# The floor before the table in the footage: where feet stand when somebody has stepped up to it.
TABLE_ZONE = ((0.44, 0.70), (0.72, 0.70), (0.76, 0.97), (0.42, 0.97))
MIDDLE_LINE = ((0.5, 0.05), (0.5, 1.0))


def workshop() -> Path:
    """Where the demo keeps its things: in the checkout, or in the system's place for them."""
    checkout = Path(__file__).parents[2]
    if (checkout / "pyproject.toml").is_file() and os.access(checkout, os.W_OK):
        return checkout / ".demo"
    return Path(tempfile.gettempdir()) / "aries-edge-demo"


@contextlib.contextmanager
def throw_away() -> Iterator[Path]:
    """A data directory that goes when the demo ends; those of killed demos go at the next start."""
    root = workshop()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in root.glob(f"{PREFIX}*"):
        if not running(old):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            root.rmdir()


@dataclass(frozen=True)
class Found:
    """What the demo has to show. ``line`` says it in one line where something is missing."""

    model: Path | None
    footage: Path | None

    @property
    def line(self) -> str | None:
        lacking = [
            name for name, path in (("detector", self.model), ("footage", self.footage)) if path is None
        ]
        if not lacking:
            return None
        instead = {"detector": "the motion detector", "footage": "synthetic scenes"}
        shown = " and ".join(instead[name] for name in lacking)
        missing = " and no ".join(lacking)
        return f"no {missing} at hand: showing {shown}; APPLIANCE_ASSETS_PATH may name folders with them"


def look(assets: Assets) -> Found:
    return Found(assets.find(MODEL), assets.find(FOOTAGE))


def prepare(
    config: Config, clock: Clock, hash_password: Callable[[str], str], count: int, found: Found
) -> str:
    """Make or reuse the box in ``config.data_dir`` with ``count`` cameras; the one-time password."""
    password = first_boot.claim_code()
    if not first_boot.is_box(config.data_dir):
        first_boot.initialise(config, clock, hash_password, password)
    hashed = hash_password(password)

    def fill(conn: sqlite3.Connection) -> None:
        admin = users.by_name(conn, first_boot.ADMIN)
        if admin is not None:
            users.set_password(conn, admin.id, hashed)
        present = {camera.id for camera in cameras.list_cameras(conn)}
        for number in range(count):
            _add_camera(conn, clock.now_ns(), number, found, present)

    with Stores.open(config) as stores:
        stores.appliance.write_now(fill)
    return password


def _add_camera(conn: sqlite3.Connection, now_ns: int, number: int, found: Found, present: set[str]) -> None:
    camera_id = f"demo-{number + 1}"
    if camera_id in present:
        return
    classes = WATCHED if found.model is not None else ()
    real = number == 0 and found.footage is not None
    if real:
        url = f"sim://{camera_id}?file={quote(str(found.footage), safe='/')}"
        name = "Table"
        zone = Zone(uuid7(now_ns), camera_id, "At the table", "polygon", TABLE_ZONE)
        rule = _rule(now_ns, "Somebody steps up to the table", "zone_enter", zone, "warning")
    else:
        url = f"sim://{camera_id}?fps=15&size=640x360&gop=15&seed={number}"
        name = SCENES[number % len(SCENES)] + (
            f" {number // len(SCENES) + 1}" if number >= len(SCENES) else ""
        )
        zone = Zone(uuid7(now_ns), camera_id, "Middle", "line", MIDDLE_LINE)
        severity: Severity = "critical" if number == 1 else "warning"
        rule = _rule(now_ns, f"{name}: crossing the middle", "line_cross", zone, severity)
    detect = DetectSettings(fps=5.0 if real else 3.0, classes=classes)
    cameras.insert(conn, Camera(camera_id, name, url, detect=detect, created_ns=now_ns), None)
    zones.insert(conn, zone)
    rules.insert(conn, rule)


def _rule(now_ns: int, name: str, kind: str, zone: Zone, severity: Severity) -> Rule:
    return Rule(
        uuid7(now_ns), name, "zone_enter" if kind == "zone_enter" else "line_cross",
        camera_ids=(zone.camera_id,), zone_ids=(zone.id,), severity=severity, cooldown_s=20.0,
    )  # fmt: skip


def fetching(
    assets: Assets, found: Found, *, show: bool
) -> Callable[[Box], "contextlib.AbstractAsyncContextManager[None]"]:
    """Fetch what is missing while the box runs; a model that arrives is used at once."""

    @contextlib.asynccontextmanager
    async def around(box: Box) -> AsyncIterator[None]:
        task = asyncio.create_task(_fetch(assets, found, box, show))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return around


async def _fetch(assets: Assets, found: Found, box: Box, show: bool) -> None:
    for asset, path in ((MODEL, found.model), (FOOTAGE, found.footage)):
        if path is not None or assets.failure(asset) is not None:
            continue
        try:
            await assets.fetch(asset, bar(asset.name) if show else None)
        except ApplianceError as error:
            log.info("%s could not be fetched: %s", asset.name, error.message)
            continue
        if asset is MODEL:
            await box.analysis.vision.use("auto")
