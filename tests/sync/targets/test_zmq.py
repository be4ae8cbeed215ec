"""What is ZeroMQ's own: the small protocol of acknowledgement, with the plainest peer there is."""

import asyncio

import pytest
import zmq
import zmq.asyncio

from appliance.store.outbox import OutboxRow
from appliance.store.targets import Target
from appliance.sync.targets import registry
from appliance.sync.targets.given import Given

ROWS = [OutboxRow(f"r{n}", "event", b"{}", 1_768_919_400_123_000_000, 0, False) for n in range(4)]


@pytest.fixture
async def plain(clock, tmp_path):
    """A REP socket; it answers with what ``says`` makes of an id. And a target that speaks to it."""
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.REP)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    says = {}

    async def serve():
        while True:
            version, id_, _ = await socket.recv_multipart()
            assert version == b"aries1"
            await socket.send_multipart(says.get(id_.decode(), [version, id_, b"held"]))

    task = asyncio.create_task(serve())
    given = Given(
        Target("out", f"tcp://127.0.0.1:{port}", "zmq"), None, None, "box-1", clock, None, tmp_path, 1.0
    )
    target = registry.make(given)
    yield target, says
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await target.close()
    context.destroy(0)


async def test_a_plain_rep_socket_is_peer_enough(plain):
    target, _ = plain
    assert (await target.put(ROWS)).acknowledged == ("r0", "r1", "r2", "r3")
    assert (await target.probe()).ok


async def test_each_row_has_its_own_answer(plain):
    target, says = plain
    says |= {
        "r1": [b"aries1", b"r1", b"rejected", b"not in my house"],
        "r2": [b"aries1", b"r2", b"later", b"full"],
    }
    verdict = await target.put(ROWS)
    assert verdict.acknowledged == ("r0", "r3") and verdict.error == "full"
    assert verdict.rejected == (("r1", "not in my house"),)


@pytest.mark.parametrize(
    "answer",
    [[b"x"], [b"aries2", b"r0", b"held"], [b"aries1", b"another", b"held"], [b"aries1", b"r0"],
     [b"aries1", b"r0", b"HELD"], [b"x" * 20_000]],
)  # fmt: skip
async def test_what_is_no_acknowledgement_acknowledges_nothing(plain, answer):
    target, says = plain
    says["r0"] = answer
    verdict = await target.put(ROWS[:1])
    assert verdict.kind == "later" and verdict.acknowledged == ()
    says.clear()
    assert (await target.put(ROWS[:1])).acknowledged == ("r0",)


async def test_a_server_that_is_another_is_refused(start_peer):
    peer = await start_peer("zmq")
    target = registry.make(peer.given(options={"server_key": zmq.curve_keypair()[0].decode()}))
    verdict = await target.put(ROWS)
    await target.close()
    assert not verdict.acknowledged and verdict.kind in ("refused", "later")
    assert await peer.held() == []
