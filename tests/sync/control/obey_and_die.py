"""Children that obey one order and die (SIGKILL) at their N-th step, for every N; then others that are
offered the same order again. A step: each statement of the writer, each callback, before and after an effect
outside.

    obey_and_die.py FOLDER     with furnished.db, order.json; one JSON line per N
"""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import sys
from pathlib import Path

import msgspec

from appliance.base.clock import ManualClock
from appliance.store.database import Database
from appliance.store.sealing import Sealer
from appliance.sync.control.acknowledge_alert import AcknowledgeAlert
from appliance.sync.control.applier import Outcome
from appliance.sync.control.control import Control
from appliance.sync.control.fetch_clip import FetchClip
from appliance.sync.control.patch_settings import PatchSettings


class Steps:
    left = 0  # 0: none is deadly

    def step(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Footage:
    async def held_bytes(self, *_: object) -> int:
        return 1_000_000


class Outside:
    """Its effect is a line in a file."""

    def __init__(self, path: Path, steps: Steps) -> None:
        self._path, self._steps = path, steps

    async def apply(self, command) -> Outcome:
        self._steps.step()
        with self._path.open("a") as file:
            file.write(command.id + "\n")
        self._steps.step()
        return Outcome()

    async def recall(self, command) -> Outcome | None:
        return None


async def live(folder: Path, order: bytes, deadly: int) -> None:
    steps = Steps()
    connect = Database._connect

    def traced(self: Database, read_only: bool = False) -> sqlite3.Connection:
        made = connect(self, read_only)
        if not read_only:
            made.set_trace_callback(steps.step)
        return made

    Database._connect = traced  # type: ignore[method-assign]
    db = Database.open(folder / "appliance.db", "appliance", synchronous="NORMAL")
    db.write_now(lambda conn: None)  # the writer has connected
    steps.left = deadly
    clock = ManualClock()

    async def changed(noun: str) -> None:
        steps.step()

    appliers = {
        "fetch_clip": FetchClip(db, clock, Footage()),
        "acknowledge_alert": AcknowledgeAlert(),
        "patch_settings": PatchSettings(),
        "install_model": Outside(folder / "effects", steps),
    }
    control = Control(
        db, Sealer(b"k" * 32), clock, appliers, changed=changed, ring=steps.step, on_owed=steps.step
    )
    await control._obeying.recover()
    await control.take(msgspec.Raw(order))
    db.close()


def in_a_child(folder: Path, order: bytes, deadly: int) -> int:
    child = os.fork()
    if child == 0:
        asyncio.run(live(folder, order, deadly))
        os._exit(0)
    return os.waitpid(child, 0)[1]


def main(folder: Path) -> None:
    order = (folder / "order.json").read_bytes()
    for deadly in range(1, 1_000):
        run = folder / f"run-{deadly}"
        run.mkdir()
        shutil.copy(folder / "furnished.db", run / "appliance.db")
        died = in_a_child(run, order, deadly) != 0
        for _ in range(1 if died else 2):  # offered again by the hub, until it has the answer
            assert in_a_child(run, order, 0) == 0
        print(json.dumps({"run": str(run), "died": died}), flush=True)
        if not died:
            return


main(Path(sys.argv[1]))
