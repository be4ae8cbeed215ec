"""An instance: its store, its files, and the five things it does unasked.

``watch`` tells of boxes that fell silent, ``look`` wakes long polls, ``sweep`` deletes garbage and makes next
month's partition, ``retain`` lets go what is old, ``check`` asks again for files that are
missing. Each is right whichever instance does it, and if all of
them do.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError, invalid
from appliance.base.supervision import supervise
from appliance.hub import settings
from appliance.hub.checking import Checker
from appliance.hub.files import Files
from appliance.hub.files.folder import Folder
from appliance.hub.hub import Hub
from appliance.hub.keys import command_key
from appliance.hub.retaining import before_of, retain_once
from appliance.hub.store import Store, commands, presence, sessions, sqlite, uploads
from appliance.store.sealing import Sealer
from appliance.sync.protocol.heartbeat import EVERY_S, MISSED

SILENT_S = MISSED * EVERY_S
WATCH_S = 10.0
LOOK_S = 1.0
SWEEP_S = 60.0
RETAIN_S = 3_600.0
CHECK_S = 60.0
GARBAGE_REST_S = 600.0  # somebody may still be watching these chunks


class Places(msgspec.Struct, frozen=True):
    """``database`` None: SQLite in ``data_dir``. ``files`` None: a folder there."""

    data_dir: Path
    database: str | None = None
    files: str | None = None


async def open_store(places: Places, now_ns: int) -> Store:
    """Raises ``invalid`` for an address that is none, ``unavailable`` where nothing answers."""
    if places.database is None:
        return await asyncio.to_thread(sqlite.open_store, places.data_dir, now_ns)
    from appliance.hub.store.postgres import open_store as open_postgres

    return await open_postgres(places.database, now_ns)


def open_files(places: Places) -> Files:
    if places.files is None or "://" not in places.files:
        return Folder(Path(places.files) if places.files else places.data_dir / "files")
    if urlsplit(places.files).scheme != "s3":
        raise invalid("files lie in a folder or at s3://BUCKET/PREFIX", "write --files DIR", field="files")
    from appliance.hub.files.s3 import open_bucket

    return open_bucket(places.files)


@contextlib.asynccontextmanager
async def open_hub(places: Places, clock: Clock) -> AsyncIterator[Hub]:
    """A hub that can answer; nothing runs by itself yet."""
    places.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    said = settings.load(places.data_dir)
    sealer = Sealer.from_dir(places.data_dir / "secrets")
    store = await open_store(places, clock.now_ns())
    try:
        files = open_files(places)
        key = await command_key(store, sealer)
        yield Hub(store, files, clock, said, sealer, key)
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def running(hub: Hub) -> AsyncIterator[None]:
    """With everything that it does unasked, until the block ends."""
    parts = (("watch", watch), ("look", look), ("sweep", sweep), ("retain", retain), ("check", check))
    tasks = [
        asyncio.create_task(supervise(f"hub {name}", partial(part, hub), hub.clock), name=name)
        for name, part in parts
    ]
    try:
        yield
    finally:
        for task in (*tasks, *hub.finishing.values()):
            task.cancel()
        await asyncio.gather(*tasks, *hub.finishing.values(), return_exceptions=True)


class Watcher:
    """Three heartbeats missed: offline. Only silence that this instance has listened to counts: after a
    pause of its own (it was down, or its database was) every box gets its time anew."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._listening_ns = self._looked_ns = hub.clock.monotonic_ns()

    async def look(self) -> list[str]:
        """The boxes that are offline from now on. To be called every ``WATCH_S``."""
        hub, mono_ns, now_ns = self._hub, self._hub.clock.monotonic_ns(), self._hub.clock.now_ns()
        if mono_ns - self._looked_ns > 3 * WATCH_S * SECOND_NS:
            self._listening_ns = mono_ns
        found: list[str] = []
        if mono_ns - self._listening_ns >= SILENT_S * SECOND_NS:
            before_ns = now_ns - round(SILENT_S * SECOND_NS)
            found = await hub.store.write(lambda: presence.missed(before_ns, now_ns))
        else:
            await hub.store.read(lambda: commands.boxes_waited_for(now_ns))  # is it there? else: anew
        self._looked_ns = mono_ns
        return found


async def watch(hub: Hub) -> None:
    watcher = Watcher(hub)
    while True:
        await hub.clock.sleep(WATCH_S)
        await watcher.look()


async def look(hub: Hub) -> None:
    """Which boxes have something to pull: one question a second for all that wait."""
    while True:
        await hub.clock.sleep(LOOK_S)
        hub.ordered = await hub.store.read(lambda: commands.boxes_waited_for(hub.clock.now_ns()))
        if hub.ordered:
            bell, hub.bell = hub.bell, asyncio.Event()
            bell.set()


async def sweep(hub: Hub) -> None:
    while True:
        await hub.clock.sleep(SWEEP_S)
        await sweep_once(hub)


async def retain(hub: Hub) -> None:
    while True:
        await hub.clock.sleep(RETAIN_S)
        await retain_once(hub)


async def check(hub: Hub) -> None:
    checker = Checker(hub)
    while True:
        await hub.clock.sleep(CHECK_S)
        await checker.once()


async def sweep_once(hub: Hub) -> None:
    """Next month's partition, old sign-ins, and what nobody needs in the store of files."""
    now_ns = hub.clock.now_ns()
    await hub.store.tend(now_ns, before_of(hub.settings.retention, now_ns).rows_ns)
    await hub.store.write(lambda: sessions.prune(now_ns))
    before_ns = now_ns - round(GARBAGE_REST_S * SECOND_NS)
    for prefix in await hub.store.read(lambda: uploads.garbage(before_ns)):
        with contextlib.suppress(ApplianceError):  # the service is away: the next sweep tries again
            await hub.files.delete(prefix)
            await hub.store.write(partial(uploads.garbage_is_gone, prefix))
