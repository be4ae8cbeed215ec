"""A camera is known by its serial or MAC: where DHCP moves it, the box finds it again by itself.

While a camera works, the box learns which device it is. When one is offline for a minute, the network
is asked; the same device under another address is followed there: its URLs get the new host, which
the audit log and an event tell. A device that is another one is never followed; where another one
answers at a camera's address, that is told, and the camera is looked for.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from appliance.alerts.record import record_of_box
from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.base.model import Camera, CameraStatus, Credentials
from appliance.daemon.devices.search import CameraSearch, Seen, at_host, host_of
from appliance.onvif.identity import Identity, same
from appliance.store import audit, camera_identities, cameras
from appliance.store.camera_identities import CameraIdentity
from appliance.store.database import Database

log = logging.getLogger(__name__)

PERIOD_S = 10.0
LOST_NS = 60 * SECOND_NS
LEARN_AGAIN_NS = 6 * 3600 * SECOND_NS  # a device that says nothing of itself is asked four times a day
ADOPT_NS = 3600 * SECOND_NS  # another device that stays so long has replaced the camera
SCAN_EVERY_NS = 600 * SECOND_NS  # a /24 is some thousand connections
LONGEST_PAUSE_S = 1800.0
_LOST = ("offline", "auth_failed")  # another device at the old address refuses our password
_WORKS = ("recording", "live")
_FIRST_PAUSE_S = 30.0


class Whereabouts:
    """``run_once`` for the supervisor. ``credentials`` blocks and is called in a thread; ``moved`` applies
    the new addresses; ``ring`` takes a journal position."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        search: CameraSearch,
        device_id: str,
        *,
        statuses: Callable[[], Mapping[str, CameraStatus]],
        credentials: Callable[[str], Credentials | None],
        moved: Callable[[], Awaitable[None]],
        ring: Callable[[int], None],
    ) -> None:
        self._db, self._clock, self._search, self._device_id = db, clock, search, device_id
        self._statuses, self._credentials = statuses, credentials
        self._moved, self._ring = moved, ring
        self._learnt_ns: dict[str, int] = {}  # camera -> when it was last asked who it is (monotonic)
        self._due: dict[str, tuple[int, float]] = {}  # camera -> (when it is looked for, the pause after)
        self._met: dict[str, int] = {}  # camera -> since when it records, as of the last check (UTC)
        self._strange_ns: dict[str, int] = {}  # camera -> since when another device answers (monotonic)
        self._scanned_ns: dict[str, int] = {}  # /24 -> when (monotonic)

    async def run_once(self) -> None:
        """One look at all cameras, then a pause."""
        await self.look()
        await self._clock.sleep(PERIOD_S)

    async def look(self) -> None:
        """Learn the devices that work, look for those that are lost. Raises ``ApplianceError`` where the
        database does not answer."""
        listed = [camera for camera in await self._db.read(cameras.list_cameras) if camera.enabled]
        known = await self._db.read(camera_identities.all_of)
        statuses = self._statuses()
        lost: list[tuple[Camera, CameraIdentity]] = []
        for camera in listed:
            status, host = statuses.get(camera.id), host_of(camera.rtsp_url)
            if status is None or host is None:
                continue
            identity = known.get(camera.id)
            is_of_here = identity is not None and identity.host == host and identity.is_known
            if identity is None or not is_of_here:
                if status.state in _WORKS:
                    await self._learn(camera, host)
            elif await self._is_missed(camera, identity, status):
                lost.append((camera, identity))
        if lost:
            await self._look_for(lost)

    async def _is_missed(self, camera: Camera, identity: CameraIdentity, status: CameraStatus) -> bool:
        """Whether this camera is to be looked for now: away for a minute, or another device is there."""
        if status.state in _LOST:
            self._met.pop(camera.id, None)
            return self._clock.now_ns() - status.since_ns >= LOST_NS and self._is_due(camera.id)
        if status.state not in _WORKS:
            return False
        if camera.id in self._strange_ns and not self._is_due(camera.id):
            return False
        return await self._is_another(camera, identity, status)

    # -- learning ------------------------------------------------------------------------------

    async def _learn(self, camera: Camera, host: str) -> None:
        now_ns = self._clock.monotonic_ns()
        last_ns = self._learnt_ns.get(f"{camera.id} {host}")
        if last_ns is not None and now_ns - last_ns < LEARN_AGAIN_NS:
            return
        self._learnt_ns[f"{camera.id} {host}"] = now_ns
        learnt = await self._ask(camera.id, host)
        if learnt.is_known:
            await self._db.write(lambda conn: camera_identities.put(conn, learnt))
            log.info("camera %s is known by its %s", camera.id, "serial" if learnt.serial else "MAC")

    async def _ask(self, camera_id: str, host: str) -> CameraIdentity:
        seen = await self._search.at(host)
        url = seen.onvif_url if seen is not None else await self._search.onvif_at(host)
        announced = seen.identity if seen is not None else Identity()
        told = Identity()
        if url is not None:
            credentials = await asyncio.to_thread(self._credentials, camera_id)
            try:
                told = await self._search.identity_at(url, credentials)
            except ApplianceError as error:
                log.info("camera %s does not say who it is: %s", camera_id, error.message)
        return CameraIdentity(
            camera_id,
            host,
            self._clock.now_ns(),
            serial=told.serial,
            mac=told.mac or announced.mac,
            endpoint=announced.endpoint,
            onvif_url=url,
        )

    # -- checking ------------------------------------------------------------------------------

    async def _is_another(self, camera: Camera, identity: CameraIdentity, status: CameraStatus) -> bool:
        """Whether the device that answers is not the one that we know: looked at whenever the camera
        begins to record, and again while it is so."""
        if self._met.get(camera.id) == status.since_ns and camera.id not in self._strange_ns:
            return False
        self._met[camera.id] = status.since_ns
        other = await self._ask(camera.id, identity.host)
        wanted, told = _of(identity), _of(other)
        # what says nothing of itself today contradicts nothing
        is_other = not same(wanted, told) and bool(
            (wanted.serial and told.serial) or (wanted.mac and told.mac)
        )
        if not is_other:
            self._strange_ns.pop(camera.id, None)
            self._due.pop(camera.id, None)
            return False
        now_ns = self._clock.monotonic_ns()
        if camera.id not in self._strange_ns:
            self._strange_ns[camera.id] = now_ns
            await self._tell_of_another(camera, identity)
        elif now_ns - self._strange_ns[camera.id] >= ADOPT_NS:
            self._strange_ns.pop(camera.id)
            await self._adopt(camera, other)
            return False
        return True

    async def _tell_of_another(self, camera: Camera, identity: CameraIdentity) -> None:
        now_ns = self._clock.now_ns()
        detail = f"another device answers at {identity.host}, where {camera.name} was"
        hint = "if the camera was replaced, nothing is to be done: in an hour the new one is taken for it"
        log.warning("%s", detail)
        self._ring(
            await self._db.write(
                lambda conn: record_of_box(
                    conn, "camera_replaced", {"detail": detail, "hint": hint}, now_ns, self._device_id,
                    severity="warning", camera_id=camera.id,
                )
            )
        )  # fmt: skip

    async def _adopt(self, camera: Camera, other: CameraIdentity) -> None:
        now_ns = self._clock.now_ns()

        def work(conn: sqlite3.Connection) -> None:
            camera_identities.put(conn, other)
            audit.add(conn, now_ns, None, "changed", f"camera/{camera.id}", {"replaced": other.host})

        await self._db.write(work)
        log.info("camera %s was replaced: the device at %s is taken for it", camera.id, other.host)

    # -- looking -------------------------------------------------------------------------------

    def _is_due(self, camera_id: str) -> bool:
        """Ever more rarely: a camera that is switched off is no reason to ask the network for ever."""
        now_ns = self._clock.monotonic_ns()
        due_ns, pause_s = self._due.get(camera_id, (now_ns, _FIRST_PAUSE_S))
        if now_ns < due_ns:
            return False
        next_ns = now_ns + round(pause_s * SECOND_NS)
        self._due[camera_id] = (next_ns, min(LONGEST_PAUSE_S, 2 * pause_s))
        return True

    async def _look_for(self, lost: Sequence[tuple[Camera, CameraIdentity]]) -> None:
        seen = await self._search.announced([identity.host for _, identity in lost])
        left = [pair for pair in lost if not await self._follow(*pair, seen)]
        for network in sorted({_network(identity.host) for _, identity in left}):
            now_ns = self._clock.monotonic_ns()
            last_ns = self._scanned_ns.get(network)
            if last_ns is not None and now_ns - last_ns < SCAN_EVERY_NS:
                continue
            self._scanned_ns[network] = now_ns
            here = [pair for pair in left if _network(pair[1].host) == network]
            seen = await self._search.scanned(here[0][1].host)
            for camera, identity in here:
                await self._follow(camera, identity, seen)

    async def _follow(self, camera: Camera, identity: CameraIdentity, seen: Sequence[Seen]) -> bool:
        """Whether it was found elsewhere, and followed."""
        wanted = _of(identity)
        candidates = [one for one in seen if one.address != identity.host and same(wanted, one.identity)]
        if not candidates:
            return False
        credentials = await asyncio.to_thread(self._credentials, camera.id)
        for one in candidates:
            try:
                if await self._search.confirmed(wanted, one, credentials):
                    return await self._move(camera, identity, one)
            except ApplianceError as error:
                log.warning("camera %s may be at %s: %s", camera.id, one.address, error.message)
        return False

    async def _move(self, camera: Camera, identity: CameraIdentity, seen: Seen) -> bool:
        now_ns = self._clock.now_ns()
        before, after = identity.host, seen.address

        def work(conn: sqlite3.Connection) -> int | None:
            current = cameras.get(conn, camera.id)
            if current is None or current.archived_ns is not None or host_of(current.rtsp_url) != before:
                return None  # a person was faster
            cameras.move(conn, _at(current, before, after))
            camera_identities.put(
                conn,
                msgspec.structs.replace(identity, host=after, onvif_url=seen.onvif_url, learnt_ns=now_ns),
            )
            audit.add(conn, now_ns, None, "changed", f"camera/{camera.id}", {"moved": [before, after]})
            detail = f"{current.name} has moved from {before} to {after}, and is followed there"
            metadata = {"detail": detail, "hint": _HINT, "from": before, "to": after}
            return record_of_box(
                conn, "camera_moved", metadata, now_ns, self._device_id, severity="info", camera_id=camera.id
            )

        position = await self._db.write(work)
        if position is None:
            return False
        log.info("camera %s has moved from %s to %s", camera.id, before, after)
        self._ring(position)
        self._strange_ns.pop(camera.id, None)
        self._due.pop(camera.id, None)
        await self._moved()
        return True


_HINT = "give the camera a fixed address, or reserve one for it in the DHCP server"


def _of(row: CameraIdentity) -> Identity:
    return Identity(row.serial, row.mac, row.endpoint)


def _at(camera: Camera, before: str, after: str) -> Camera:
    sub = camera.sub_url
    return msgspec.structs.replace(
        camera,
        rtsp_url=at_host(camera.rtsp_url, before, after),
        sub_url=at_host(sub, before, after) if sub is not None else None,
    )


def _network(host: str) -> str:
    return host.rpartition(".")[0]
