"""The vision worker: what a camera with nothing moving costs, and how long nobody watches after a
crash. (What it sees beside the bare model: bench_sight.) Needs the footage and the model."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from film import FOOTAGE, Film, Run, assets, say


async def idle(folder: Path, seconds: float) -> tuple[float, float]:
    """CPU per camera (share of a core, %) and the worker's memory: 4 cameras at 5 fps of an empty
    room, 768x432 at 10 fps."""
    film = Film(folder / FOOTAGE, 0.0, 5.0)
    async with Run(folder, 4, 5.0) as run:
        film.play(run.taps(), 1.0)
        await asyncio.sleep(6)
        before_s, began_s = run.cpu_s(), time.perf_counter()
        await asyncio.sleep(seconds)
        share = (run.cpu_s() - before_s) / (time.perf_counter() - began_s) / 4
        memory_mb = run.rss_mb()
        film.stop.set()
    return share * 100, memory_mb


async def crash(folder: Path) -> tuple[float, float, float]:
    """Milliseconds from the first start, and from a kill -9, to the first track; and from a frame's
    time to its points in the daemon (two frames of reordering at 10 fps are in it)."""
    film = Film(folder / FOOTAGE, 8.0, 17.0)
    run = Run(folder, 1, 5.0)
    heard = asyncio.Event()
    run.on_points = lambda _: heard.set()
    await run.host.apply(run.cameras)
    film.play(run.taps(), 1.0)
    await asyncio.sleep(2.5)
    began_s = time.perf_counter()
    async with run:
        await heard.wait()
        first_ms = (time.perf_counter() - began_s) * 1000
        await asyncio.sleep(3)
        latency_ms = run.host.figures()["c0"].latency_ms
        pid = run.host.worker_pid
        assert pid is not None
        killed_s = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.1)  # what it had sent before is heard by then
        heard.clear()
        await heard.wait()
        again_ms = (time.perf_counter() - killed_s) * 1000
        film.stop.set()
    return first_ms, again_ms, latency_ms


def main() -> int:
    folder = assets()
    share, memory_mb = asyncio.run(idle(folder, 10))
    say("vision_idle_cpu_per_camera_5fps", share, "% of a core")
    say("vision_worker_rss_4_cameras", memory_mb, "MB")
    first_ms, again_ms, latency_ms = asyncio.run(crash(folder))
    say("vision_start_to_first_track", first_ms, "ms")
    say("vision_kill_to_next_track", again_ms, "ms")
    say("vision_frame_to_points", latency_ms, "ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
