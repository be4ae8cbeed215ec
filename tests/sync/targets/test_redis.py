"""What is Redis' own: rights by key, a key that holds something else, the stream's length."""

import pytest
import redis.asyncio
from base import SECRET

from appliance.store.outbox import OutboxRow
from appliance.sync.targets import registry

NOW_NS = 1_768_919_400_123_000_000


def rows(count: int) -> list[OutboxRow]:
    return [OutboxRow(f"r{n}", "event", b"{}", NOW_NS, 0, False) for n in range(count)]


@pytest.fixture
async def server(start_peer):
    return await start_peer("redis")


async def verdict_of(server, options, some=1):
    target = registry.make(server.given(options=options))
    try:
        return await target.put(rows(some)), await target.probe()
    finally:
        await target.close()


async def test_a_key_that_is_not_ours_is_refused(server):
    verdict, probed = await verdict_of(server, {"stream": "others"})
    assert verdict.kind == "refused" and "ACL" in verdict.error and not probed.ok


async def test_a_key_that_holds_something_else_is_refused(server):
    client = redis.asyncio.Redis(
        port=server.program.port, password=SECRET, ssl=True, ssl_ca_data=server.tls[1]
    )
    await client.set("aries-x", "hello")
    await client.aclose()
    verdict, probed = await verdict_of(server, {"stream": "aries-x"})
    assert verdict.kind == "refused" and "another stream" in verdict.error
    assert not probed.ok and "string" in probed.detail


async def test_the_stream_is_cut_to_about_its_length(server):
    verdict, probed = await verdict_of(server, {"maxlen": "100"}, 500)
    assert len(verdict.acknowledged) == 500
    assert 100 <= len(await server.held()) < 400
    assert probed.ok and "kept on disk" in probed.detail
