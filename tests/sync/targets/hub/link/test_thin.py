"""64 kbit/s, and a clip under way: what is urgent overtakes it. Through a real queue (tc tbf) into a network
namespace, with a modem's shallow buffer and with a deep one."""

import asyncio
import contextlib
import ctypes
import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

RATE_KBIT = 64
CLIP_BYTES = 300_000
CLONE_NEWNET = 0x40000000


def sh(*command: str, check: bool = True) -> None:
    subprocess.run(command, check=check, capture_output=True)


def listen_inside(space: str, address: str) -> socket.socket:
    """A socket belongs to the namespace of the thread that made it; only that thread goes there."""
    made: list[socket.socket] = []

    def work() -> None:
        with Path(f"/var/run/netns/{space}").open("rb") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
                return
        listening = socket.socket()
        listening.bind((address, 0))
        listening.listen(16)
        made.append(listening)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return made[0]


@pytest.fixture(params=["latency 400ms", "limit 64kb"], ids=["shallow", "deep"])
def far(request) -> Iterator[socket.socket]:
    """A listening socket at the other end of a thin link."""
    pid = os.getpid()
    space, near, number = f"thin{pid}", f"thin{pid % 100_000}", pid % 250
    with contextlib.ExitStack() as stack:
        try:
            sh("ip", "netns", "add", space)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("no network namespace can be made here (ip netns, root)")
        stack.callback(sh, "ip", "netns", "del", space, check=False)
        sh("ip", "link", "add", near, "type", "veth", "peer", "name", "far0", "netns", space)
        stack.callback(sh, "ip", "link", "del", near, check=False)
        sh("ip", "addr", "add", f"10.65.{number}.1/30", "dev", near)
        sh("ip", "link", "set", near, "up")
        sh("ip", "-n", space, "addr", "add", f"10.65.{number}.2/30", "dev", "far0")
        sh("ip", "-n", space, "link", "set", "far0", "up")
        narrow = f"root tbf rate {RATE_KBIT}kbit burst 4kb {request.param}".split()
        sh("tc", "qdisc", "add", "dev", near, *narrow)
        sh("ip", "netns", "exec", space, "tc", "qdisc", "add", "dev", "far0", *narrow)
        with listen_inside(space, f"10.65.{number}.2") as listening:
            yield listening


class Yielding:
    """The sender's pace, as far as it matters here: pieces wait while a row is on its way."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()

    async def ready(self, length_bytes: int) -> None:
        await self.free.wait()


@pytest.mark.parametrize(("yields", "safe"), [(True, False), (False, True)], ids=["yielding", "not, but TLS"])
async def test_a_critical_alert_overtakes_a_clip(far, bench, tls, yields: bool, safe: bool) -> None:
    hub = bench.Hub()
    runner = web.AppRunner(hub.app(), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.SockSite(runner, far, ssl_context=bench.server_tls(tls[0]) if safe else None).start()
    trust = bench.client_tls(tls[1])
    trust.check_hostname = False  # the certificate is one for loopback
    url = f"http{'s' if safe else ''}://{far.getsockname()[0]}:{far.getsockname()[1]}"
    target = bench.target(url, timeout_s=30.0, tls=trust)
    await target.heart.beat()  # the rows' connection is warm, as it always is
    pace, took = Yielding(), []
    data = random.Random(5).randbytes(CLIP_BYTES)
    began_s = time.monotonic()
    clip = asyncio.create_task(target.put_file(bench.file_row(), bench.Held(data), pace))
    body = b'{"id":"a","severity":"critical","note":"%s"}' % (b"x" * 600)
    while not clip.done():
        await asyncio.wait([clip], timeout=random.uniform(0.5, 3.0))
        if clip.done():
            break
        if yields:
            pace.free.clear()
        at_s = time.monotonic()
        verdict = await target.put([bench.row(f"alert-{len(took)}", "alert", body, lane=0)])
        took.append(time.monotonic() - at_s)
        pace.free.set()
        assert verdict.kind == "delivered"
    clip_s = time.monotonic() - began_s
    assert (await clip).kind == "delivered"
    assert bytes(hub.uploads["clip-1"].data) == data
    await target.close()
    await runner.cleanup()
    took.sort()
    used = CLIP_BYTES / clip_s / (RATE_KBIT * 125)
    print(f"\n{len(took)} alerts: median {took[len(took) // 2]:.2f} s, longest {took[-1]:.2f} s;"
          f" clip at {used:.0%} of the link, {len(hub.chunks)} chunks of {min(hub.chunks)} to"
          f" {max(hub.chunks)} bytes")  # fmt: skip
    assert took[-1] <= 3.0
    assert used > 0.5
