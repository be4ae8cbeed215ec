"""Control, wired together: which orders this box can obey, and with what."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec

from appliance.base.clock import Clock
from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.base.redaction import redact
from appliance.daemon.stores import Stores
from appliance.daemon.update import StartUpdate
from appliance.media.play.archive import Archive
from appliance.sync.control import document
from appliance.sync.control.acknowledge_alert import AcknowledgeAlert
from appliance.sync.control.applier import Inside, Outcome, Outside, body_of
from appliance.sync.control.control import Control
from appliance.sync.control.fetch_clip import FetchClip
from appliance.sync.control.open_screen import Screens
from appliance.sync.control.patch_settings import PatchSettings
from appliance.sync.control.ping import Ping
from appliance.sync.control.rotate_tunnel import RotateTunnel
from appliance.sync.protocol.command import Command
from appliance.system.update.inbox import Inbox

INSTALL_S = 3_600.0
LONGEST_WORDS = 300


def make_control(
    config: Config,
    stores: Stores,
    clock: Clock,
    archive: Archive,
    updates: Inbox,
    *,
    changed: Callable[[str], Awaitable[None]],
    ring: Callable[[int], None],
    on_owed: Callable[[], None],
    screens: Screens,
) -> Control:
    """Every kind of order has its applier."""
    db = stores.appliance
    appliers: dict[str, Inside | Outside] = {
        "ping": Ping(),
        "fetch_clip": FetchClip(db, clock, Footage(archive)),
        "acknowledge_alert": AcknowledgeAlert(),
        "patch_settings": PatchSettings(),
        "rotate_tunnel": RotateTunnel(stores.sealer),
        "install_model": InstallModel(config),
        "update": StartUpdate(updates),
        "open_screen": screens,
    }
    return Control(db, stores.sealer, clock, appliers, changed=changed, ring=ring, on_owed=on_owed)


def settings_version(conn: sqlite3.Connection) -> int:
    """What a heartbeat says, so that the hub knows what a patch would be based on."""
    return document.version(document.read(conn))


class Footage:
    """The ring, as far as ``fetch_clip`` asks it."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def held_bytes(self, camera_id: str, stream: str, start_ns: int, end_ns: int) -> int | None:
        found = await self._archive.recordings(camera_id, stream, start_ns, end_ns)
        return found.bytes_ if any(span.state == "recorded" for span in found.spans) else None


class _Model(msgspec.Struct):
    """``url`` None: a known pack, or one on a stick in the box."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$(?!\n)")]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    url: Annotated[str, msgspec.Meta(pattern=r"^https://[!-~]{1,2000}$(?!\n)")] | None = None


class InstallModel:
    """The box's own command, as a child: what it fetches and unpacks cannot stall or crash the daemon, and
    its rules hold (SHA-256 enforced, a licence that asks for consent gets none from afar). A pack is put in
    its place whole or not at all, so that a child that was killed has done nothing."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def apply(self, command: Command) -> Outcome:
        body = body_of(command, _Model)
        places = {"APPLIANCE_MODELS_PATH": str(self._config.models_path)}
        if self._config.assets_path:
            places["APPLIANCE_ASSETS_PATH"] = ":".join(map(str, self._config.assets_path))
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "appliance", "models", "install", body.url or body.name,
            "--sha256", body.sha256, "--data", str(self._config.data_dir),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ | places,
        )  # fmt: skip
        try:
            async with asyncio.timeout(INSTALL_S):
                said, _ = await child.communicate()
        except TimeoutError:
            raise ApplianceError("unavailable", "it took longer than an hour", "try a faster link") from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        words = redact(said.decode(errors="replace").strip())[-LONGEST_WORDS:]
        return Outcome("done" if child.returncode == 0 else "failed", words)

    async def recall(self, command: Command) -> Outcome | None:
        return None
