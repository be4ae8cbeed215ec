"""64 kbit/s, and a clip under way: what is urgent overtakes it. Through a real queue (tc tbf) into a network
namespace, with a modem's shallow buffer and with a deep one."""

import asyncio
import random
import time

import pytest
from aiohttp import web

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

CLIP_BYTES = 300_000


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
    await bench.hung_up(runner)
    took.sort()
    used = CLIP_BYTES / clip_s / 8_000
    print(f"\n{len(took)} alerts: median {took[len(took) // 2]:.2f} s, longest {took[-1]:.2f} s;"
          f" clip at {used:.0%} of the link, {len(hub.chunks)} chunks of {min(hub.chunks)} to"
          f" {max(hub.chunks)} bytes")  # fmt: skip
    assert took[-1] <= 3.0
    assert used > 0.5
