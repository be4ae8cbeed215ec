"""Updates as the daemon has them: the inbox, what health says of the last one, the hub's order of one."""

import logging
from collections.abc import AsyncIterator
from typing import Annotated

import aiohttp
import msgspec

from appliance.base.clock import Clock
from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.daemon.health import Finding
from appliance.sync.control.applier import Outcome, body_of
from appliance.sync.protocol.command import Command
from appliance.system.update import release
from appliance.system.update.inbox import CHUNK_BYTES, Inbox, Offered
from appliance.system.update.rauc import Rauc
from appliance.system.update.record import Places

log = logging.getLogger(__name__)

FETCH_S = 4 * 3_600.0
SILENT_S = 60.0


def make_inbox(config: Config, clock: Clock) -> Inbox:
    return Inbox(Places(config.data_dir), Rauc(), release.read(), clock)


def update_findings(inbox: Inbox) -> list[Finding]:
    """Nothing where never anything was updated. No cameras' names: strangers read ``/health/ready``."""
    try:
        record = inbox.record
    except ApplianceError as error:
        return [("update", "degraded", error.message)]
    match record.phase:
        case "none" | "refused":
            return []
        case "good":
            return [("update", "ok", f"{record.to_version} has proved itself")]
        case "back":
            text = f"{record.to_version} failed, {record.from_version} runs again: see Settings, Update"
            return [("update", "degraded", text)]
        case "failed":
            return [("update", "degraded", f"to {record.to_version}: {record.reason}")]
        case "trial" | "switching":
            return [("update", "ok", f"{record.to_version} has to prove itself first")]
        case "writing":
            return [("update", "ok", f"{record.to_version} is being written: {record.percent} %")]
    return [("update", "degraded", f"going back to {record.from_version}")]


class _Body(msgspec.Struct):
    """``url`` None: what waits here already, or lies on a stick."""

    version: Annotated[str, msgspec.Meta(pattern=r"^[0-9][0-9.]{0,39}$(?!\n)")]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    url: Annotated[str, msgspec.Meta(pattern=r"^https://[!-~]{1,2000}$(?!\n)")] | None = None


class StartUpdate:
    """``update``: fetch, look at it as at any other, and give the word. Older versions are a person's to
    allow, at the box. The answer says that it began; how it ends is in the box's health, which the hub is
    told."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def apply(self, command: Command) -> Outcome:
        body = body_of(command, _Body)
        found = self._inbox.offered()
        if found is None or found.sha256 != body.sha256:
            found = await (self._from_stick() if body.url is None else self._fetch(body.url))
        if found is None or found.sha256 != body.sha256 or found.version != body.version:
            self._inbox.clear()  # nobody here asked for that one
            return Outcome(
                "refused", "what was found is not the bundle that was ordered: nothing was changed"
            )
        try:
            self._inbox.install(f"hub: {command.by}")
        except ApplianceError as error:
            return Outcome("refused", str(error))
        return Outcome(message=f"version {found.version} is being installed")

    async def recall(self, command: Command) -> Outcome | None:
        return None

    async def _from_stick(self) -> Offered | None:
        for each in self._inbox.sticks():
            return await self._inbox.take(each.name, each.folder)
        return None

    async def _fetch(self, url: str) -> Offered:
        limits = aiohttp.ClientTimeout(total=FETCH_S, sock_read=SILENT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=limits) as session,
                session.get(url, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise ApplianceError("unavailable", f"the bundle's place answers {response.status}", "")
                return await self._inbox.receive(
                    _chunks(response), response.content_length, "ordered.raucb", "hub"
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApplianceError("unavailable", f"it could not be fetched: {type(error).__name__}") from error


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        yield chunk
