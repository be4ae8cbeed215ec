"""Finding 32 cameras and knowing all about them: how long, and what it costs in memory.

The cameras are simulated ones of six makers, in a process of their own on this machine; the client is a
process of its own too, and its whole memory is told: interpreter, libraries and all. Beside it: the same
process after its imports, before it asked anything. Words: a number of cameras.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
CAMERAS = next((int(word) for word in sys.argv[1:] if word.isdigit()), 32)
ROUNDS = 3


def main() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    network = f"127.{60 + os.getpid() % 190}.250.0/24"
    command = [sys.executable, "-m", "appliance.simulator", "fleet", "--with-parent", f"--cameras={CAMERAS}"]
    command += [f"--network={network}", f"--group-port={port}", "--http-port=8080", "--rtsp-port=8554"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as fleet:
        assert fleet.stdin is not None and fleet.stdout is not None
        ready = json.loads(fleet.stdout.readline())
        try:
            asked = json.dumps({key: ready[key] for key in ("group", "user", "password")})
            client = [sys.executable, __file__, "--client", str(CAMERAS)]
            done = subprocess.run(
                client, input=asked, env=environment, capture_output=True, text=True, check=False
            )
            sys.stderr.write(done.stderr)
            done.check_returncode()
            sys.stdout.write(done.stdout)
        finally:
            fleet.stdin.close()
            fleet.wait(10)


async def client(ready: dict[str, Any]) -> None:
    import aiohttp

    from appliance.base.clock import BoxClock
    from appliance.base.model import Credentials
    from appliance.onvif.details import details
    from appliance.onvif.discovery import discover

    bare_mb = rss_mb()
    tries = [Credentials("admin", "a first guess"), Credentials(ready["user"], ready["password"])]
    clock = BoxClock()
    worst = {"discovery": 0.0, "details": 0.0}
    for _ in range(ROUNDS):
        began = time.monotonic()
        found = await discover(["127.0.0.1"], group=tuple(ready["group"]))
        worst["discovery"] = max(worst["discovery"], time.monotonic() - began)
        began = time.monotonic()
        async with aiohttp.ClientSession() as session:
            told = await asyncio.gather(
                *(details(camera.urls[0], tries, session=session, clock=clock) for camera in found)
            )
        worst["details"] = max(worst["details"], time.monotonic() - began)
        if len(found) != CAMERAS or any(one.credentials_index != 1 or len(one.streams) < 2 for one in told):
            raise SystemExit(f"only {len(found)} cameras were found, or not all told everything")
    say(f"onvif_discovery_of_{CAMERAS}_s", worst["discovery"], "s")
    say(f"onvif_details_of_{CAMERAS}_s", worst["details"], "s")
    say(
        "onvif_rss_mb",
        peak_mb(),
        "MB",
        peer="the same process after its imports",
        peer_value=round(bare_mb, 1),
    )


def say(name: str, value: float, unit: str, **peer: object) -> None:
    print(json.dumps({"name": name, "value": round(value, 2), "unit": unit} | peer), flush=True)


def rss_mb() -> float:
    return _status("VmRSS")


def peak_mb() -> float:
    return _status("VmHWM")


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024 / 1e6


if __name__ == "__main__":
    if "--client" in sys.argv:
        asyncio.run(client(json.loads(sys.stdin.read())))
    else:
        main()
