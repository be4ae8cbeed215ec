"""What the contract test wants of each peer."""

import ssl
from pathlib import Path
from typing import Any

from link import Link

from appliance.base.clock import ManualClock
from appliance.store.database import Database
from appliance.store.targets import Target
from appliance.sync.targets.given import Given

SECRET = "the-Secret-of-the-test"


class Peer:
    """``held``: the ids that the peer holds, each as often as it does. ``wrong``: options and secret that
    it refuses; None: it refuses nobody (said why in the class)."""

    kind = ""
    secret: str | None = SECRET
    wrong: dict[str, Any] | None = None
    options: dict[str, str] = {}
    takes_files = False
    overwrites = False  # a second delivery is no second thing
    too_long_bytes = 2_000_000  # longer than the peer takes

    def __init__(self, folder: Path, tls: tuple[Path, str]) -> None:
        self.folder, self.tls = folder, tls
        self.link: Link | None = None
        self.db: Database | None = None

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    @property
    def url(self) -> str: ...

    async def held(self) -> list[str]: ...

    def given(self, *, options: dict[str, str] | None = None, **changes: Any) -> Given:
        target = Target(
            id="out", url=self.url, kind=self.kind, ca=self.tls[1], options=self.options | (options or {})
        )
        if self.db is None:
            self.db = Database.open(self.folder / "appliance.db", "appliance", synchronous="NORMAL")
        fields = {
            "target": target,
            "secret": self.secret,
            "tls": ssl.create_default_context(cadata=self.tls[1]),
            "device_id": "box-1",
            "clock": ManualClock(),
            "db": self.db,
            "state_folder": self.folder / "state",
            "timeout_s": 5.0,
        }
        return Given(**(fields | changes))

    async def close(self) -> None:
        await self.stop()
        if self.link is not None:
            await self.link.close()
        if self.db is not None:
            self.db.close()
