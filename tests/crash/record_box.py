"""A recording box in a process of its own, to be killed: cameras are files played in a loop.

    record_box.py DATA SECONDS CAMERAS FILE [--segment S] [--step SECONDS_AT STEP_S] [--retention AFTER_S]

It says on stdout, one JSON object per line, unbuffered: ``ready``; ``frame`` for every fragment as
it arrives, before it is written (camera, time_ns, digest of the sample); ``durable`` (path, bytes)
after each sync; ``recovered``.
"""

import argparse
import asyncio
import hashlib
import json
import logging
import os
import sys
import time
from pathlib import Path

from appliance.base.clock import BoxClock, boot_id
from appliance.base.errors import ApplianceError
from appliance.base.model import Camera
from appliance.base.settings import RetentionSettings, Settings
from appliance.media.check.check import open_archive
from appliance.media.fragment import Fragment
from appliance.media.record.live import LiveHub
from appliance.media.record.recorder import Recorder, RecorderPorts
from appliance.media.record.recording import Recording
from appliance.media.ring import recovery
from appliance.media.ring.index import Index
from appliance.media.ring.retention import Retention
from appliance.media.ring.volume import Volume
from appliance.media.ring.volumes import open_volumes
from appliance.store import cameras, settings
from appliance.store.database import Database


def say(**what) -> None:
    # One write per line: lines of threads must not mix, and a kill must not tear one.
    os.write(1, (json.dumps(what) + "\n").encode())


class SteppedClock(BoxClock):
    """The system clock is not ours to step: this one is."""

    extra_ns = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.extra_ns


def listen() -> None:
    """Say what is received before it is recorded, and what is durable."""
    put, sync = Recording.put, Volume._sync

    def heard(self, fragment: Fragment, duration_90k: int) -> None:
        if fragment.track == 1:
            digest = hashlib.md5(fragment.body, usedforsecurity=False).hexdigest()
            run_id = self._run.run_id if self._run else None
            say(frame=digest, camera=self._camera_id, run=run_id, mono_ns=time.monotonic_ns())
        put(self, fragment, duration_90k)

    def synced(self, writer) -> None:
        before = writer.durable
        sync(self, writer)
        if writer.durable != before:
            say(durable=str(writer.relative), bytes=writer.durable[0])

    Recording.put, Volume._sync = heard, synced


async def main(args: argparse.Namespace) -> None:
    data, clock = Path(args.data), SteppedClock()
    data.mkdir(exist_ok=True)
    db = Database.open(data / "appliance.db", "appliance", synchronous="FULL")
    device_id = db.write_now(lambda conn: settings.ensure_device_id(conn, clock.now_ns()))
    wanted = RetentionSettings(reserve_bytes=args.reserve, reserve_percent=0)
    db.write_now(lambda conn: settings.save(conn, Settings(retention=wanted)))
    root = Path(args.volume or data / "recordings")
    archive, rebuilt = open_archive(data / "archive.db", db, [root])
    index = Index(archive)
    volumes = open_volumes([root], db, device_id, clock, 1.0, index.closed, index.dropped)
    began = time.monotonic()
    found = recovery.recover(db, archive, volumes)
    say(
        recovered=len(found.mended),
        lost=found.lost_files,
        rebuilt=rebuilt,
        ms=(time.monotonic() - began) * 1e3,
    )
    volumes.start()

    async def resolve(url: str) -> str:
        return url

    live = LiveHub(asyncio.get_running_loop())
    ports = RecorderPorts(
        clock, boot_id(), db, archive, volumes, index, live, args.segment, lambda camera_id: None, resolve
    )
    recorder = Recorder(ports)
    recorder.on_change(lambda c, s, st: say(of=c, state=st.state, error=st.last_error))
    cams = [
        Camera(
            id=f"cam{n}",
            name=f"cam{n}",
            rtsp_url=f"file://{args.file}?loop=1" if ":" not in args.file else args.file,
        )
        for n in range(args.cameras)
    ]
    for camera in cams:
        if db.read_now(lambda conn, camera=camera: cameras.get(conn, camera.id)) is None:
            db.write_now(lambda conn, camera=camera: cameras.insert(conn, camera, None))
    await recorder.apply(cams)
    retention = Retention(db, archive, volumes, clock, on_state=lambda state: say(level=state.level))
    keeper: asyncio.Task[None] | None = None
    db.write_now(lambda conn: recovery.note_alive(conn, clock.now_ns(), boot_id()))
    say(ready=True)
    until = time.monotonic() + args.seconds
    step_at = time.monotonic() + args.step[0] if args.step else float("inf")
    keep_at = time.monotonic() + args.retention if args.retention is not None else float("inf")
    while time.monotonic() < until:
        await asyncio.sleep(0.2)
        if time.monotonic() > keep_at:
            keep_at = float("inf")
            keeper = asyncio.create_task(retention.run())
        if time.monotonic() > step_at:
            step_at = float("inf")
            clock.extra_ns += int(args.step[1] * 1e9)
            recorder.clock_stepped(int(args.step[1] * 1e9))
            say(stepped=args.step[1])
        try:
            await db.write(lambda conn: recovery.note_alive(conn, clock.now_ns(), boot_id()))
        except ApplianceError as error:
            say(no_note=str(error))
        index.flush()
        say(alive=True)
    if keeper is not None:
        retention.stop()
        keeper.cancel()
    await recorder.close()
    archive.close()
    db.close()
    say(closed=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    sys.setswitchinterval(0.001)
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("seconds", type=float)
    parser.add_argument("cameras", type=int)
    parser.add_argument("file")
    parser.add_argument("--segment", type=float, default=3.0)
    parser.add_argument("--step", type=float, nargs=2)
    parser.add_argument("--retention", type=float)
    parser.add_argument("--reserve", type=int, default=2_000_000)
    parser.add_argument("--volume")
    listen()
    asyncio.run(main(parser.parse_args()))
