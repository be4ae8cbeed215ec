"""A box that does nothing but drain its outbox, as a process of its own that can be killed."""

import asyncio
import sys
from pathlib import Path

from appliance.base.clock import BoxClock
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.sync.sync import Sync


async def main(path: Path) -> None:
    db = Database.open(path, "appliance", synchronous="FULL")
    await Sync(db, Sealer(b"k" * 32), BoxClock(), "box-1").run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
