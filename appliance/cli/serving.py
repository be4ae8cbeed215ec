"""What ``run`` and ``demo`` share: start the box, say where it is, wait for a signal, stop cleanly."""

import asyncio
import contextlib
import difflib
import faulthandler
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from appliance.base import log
from appliance.base.config import Config
from appliance.base.errors import invalid
from appliance.cli.box import print_json
from appliance.daemon.box import Box
from appliance.daemon.liveness import ask_for_time
from appliance.vision.packs import catalogue, installed

Around = Callable[[Box], contextlib.AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Announcement:
    """How readiness is told. ``password`` is the demo's; a claim code goes to people, not to JSON."""

    json: bool
    claim_code: str | None = None
    password: str | None = None
    note: str | None = None


@contextlib.asynccontextmanager
async def nothing_around(_: Box) -> AsyncIterator[None]:
    yield


def must_be_known(detector: str, config: Config) -> None:
    """Raises ``invalid`` for a name that is no detector's: the box would look with ``motion`` instead,
    and say so only in its health. One that is known and not installed yet is none of that."""
    packs = (*catalogue.KNOWN, *installed.installed((config.models_path, *config.assets_path)))
    known = sorted({"auto", "motion", *(pack.name for pack in packs)})
    if detector not in known:
        near = difflib.get_close_matches(detector, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known ones: {', '.join(known)}"
        raise invalid(f"there is no detector {detector!r}", hint, field="detector")


def run_box(
    config: Config,
    announcement: Announcement,
    *,
    detector: str = "auto",
    seconds: float | None = None,
    around: Around = nothing_around,
) -> int:
    """Run until SIGTERM, SIGINT or for ``seconds``; the exit status."""
    # As the unit has it: footage on a disk of its own lies in no folder that would hide it.
    os.umask(0o077)
    # A watchdog that ends us with SIGABRT leaves in the journal where every thread stood.
    faulthandler.enable(file=2)
    handler = log.set_up(config.log_level)
    try:
        with asyncio.Runner() as runner:
            runner.run(_serve(config, announcement, detector, seconds, around))
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
    return 0


async def _serve(
    config: Config, announcement: Announcement, detector: str, seconds: float | None, around: Around
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    box = Box(config, detector=detector)
    asking = asyncio.create_task(ask_for_time(box.clock, box.notifier), name="asking for time")

    def end() -> None:
        asking.cancel()  # else the manager would wait for a start that somebody wants to end
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    if announcement.claim_code is not None:
        _say_claim_code(announcement)
    async with box, around(box):
        ready = asyncio.create_task(box.wait_ready())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({ready, stopping}, return_when=asyncio.FIRST_COMPLETED)
        asking.cancel()
        if ready.done():
            ready.result()
            box.notifier.ready()
            _announce(box, announcement)
        ready.cancel()
        await asyncio.wait({stopping}, timeout=seconds)
        stopping.cancel()


def _say_claim_code(announcement: Announcement) -> None:
    if announcement.json:
        print_json({"claim_code": announcement.claim_code, "username": "admin"})
        return
    print(f"claim code: {announcement.claim_code}")
    print("  (sign in once as admin with it, then choose a password; it is not shown again)", flush=True)


def _announce(box: Box, announcement: Announcement) -> None:
    facts: dict[str, Any] = {"ready": True, "url": box.served.url, "username": "admin"}
    if announcement.password is not None:
        facts["password"] = announcement.password
    facts |= {
        "detector": box.analysis.vision.state().detector,
        "data": str(box.config.data_dir),
        "fingerprint": box.served.fingerprint,
    }
    if announcement.json:
        print_json(facts)
        return
    print(f"ready: {facts['url']}")
    if announcement.password is not None:
        print(f"  sign in as admin with the one-time password {announcement.password}")
    if box.served.fingerprint:
        print(f"  certificate SHA-256 {box.served.fingerprint}")
    print(f"  detector: {facts['detector']}; data: {facts['data']}")
    if announcement.note:
        print(f"  {announcement.note}")
    print("  Ctrl-C stops it", flush=True)
