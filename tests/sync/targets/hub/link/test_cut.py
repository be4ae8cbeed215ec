"""A link that is cut at any byte: the file arrives bit for bit, and no cut costs more than a chunk."""

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

REQUEST_BYTES = 1_500  # heads and a manifest


@settings(max_examples=40)
@given(
    size=st.integers(1, 150_000),
    cuts=st.lists(st.integers(1, 60_000), max_size=8),
    seed=st.integers(0, 2**16),
)
def test_a_link_that_is_cut_at_any_byte(bench, proxied, size: int, cuts: list[int], seed: int) -> None:
    data = random.Random(seed).randbytes(size)

    async def attempt() -> None:
        async with bench.served(bench.Hub()) as hub, proxied(hub.url, list(cuts)) as proxy:
            for _ in range(len(cuts) + 1):
                # Each time as after a reboot: whatever the box knew is gone.
                target = bench.target(proxy.url)
                verdict = await target.put_file(bench.file_row(), bench.Held(data), bench.NoPace())
                await target.close()
                if verdict.kind == "delivered":
                    break
                assert verdict.kind == "later"
            assert verdict.acknowledged == ("clip-1",)
            assert bytes(hub.uploads["clip-1"].data) == data
            assert sum(hub.chunks) == size  # nothing was taken twice
            requests = len(hub.seen) + 2 * proxy.done + 2
            lengths = zip(hub.seen, hub.headers, strict=True)
            largest = max(int(headers["Content-Length"]) for name, headers in lengths if name == "chunk")
            assert proxy.sent_bytes <= size + proxy.done * largest + requests * REQUEST_BYTES

    asyncio.run(attempt())
