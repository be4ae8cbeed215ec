"""Each fault as a client like the daemon's sees it."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.simulator.misbehaviour import CameraClock
from appliance.simulator.sample import NS, is_parameter_set
from appliance.simulator.server import Server
from appliance.simulator.steps import make_step

Add = Callable[[str], Awaitable[str]]
Watch = Callable[..., Awaitable[list[Any]]]
Connect = Callable[[str], Awaitable[Any]]
SMALL = "size=128x64&fps=30"


async def _playing(server: Server) -> None:
    while server.status("gate")["players"] == 0:
        await asyncio.sleep(0.01)


async def test_stall_is_silence_on_an_open_connection_until_healed(
    server: Server, add: Add, watch: Watch, connect: Connect
) -> None:
    url = await add(f"gate?{SMALL}&script=stall@0.3")
    packets = await watch(url, 1_000, timeout_s=1.0)
    assert packets[-1] == "ExitError"
    assert 5 <= len(packets) <= 20
    client = await connect(url)
    await client.play()
    assert (await client.ask("GET_PARAMETER"))[0] == 200  # it still answers
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.read(1), 0.2)
    await server.apply("gate", make_step("heal"))
    assert len(await client.read(5)) == 5


@pytest.mark.parametrize(
    ("do", "seen"), [("reset", ConnectionResetError), ("drop", asyncio.IncompleteReadError)]
)
async def test_reset_and_drop_end_the_connection_once(
    server: Server, add: Add, watch: Watch, connect: Connect, do: str, seen: type[Exception]
) -> None:
    url = await add(f"gate?{SMALL}")
    client = await connect(url)
    await client.play()
    await client.read(3)
    await server.apply("gate", make_step(do))
    with pytest.raises(seen):
        await client.read(1_000)
    assert len(await watch(url, 3)) == 3


async def test_a_changed_password_is_401_until_healed(server: Server, add: Add, watch: Watch) -> None:
    url = await add(f"gate?{SMALL}&user=admin&password=old")
    task = asyncio.create_task(watch(url, 1_000, credentials="admin:old"))
    await _playing(server)
    await server.apply("gate", make_step("password", "new"))
    assert isinstance((await task)[-1], str)
    assert await watch(url, 3, credentials="admin:old") == ["HTTPUnauthorizedError"]
    assert len(await watch(url, 3, credentials="admin:new")) == 3
    await server.apply("gate", make_step("heal"))
    assert len(await watch(url, 3, credentials="admin:old")) == 3


async def test_refuse_closes_the_port_and_heal_opens_the_same(server: Server, add: Add, watch: Watch) -> None:
    url = await add(f"gate?{SMALL}&port=0")
    task = asyncio.create_task(watch(url, 1_000))
    await _playing(server)
    await server.apply("gate", make_step("refuse"))
    assert isinstance((await task)[-1], str)
    assert await watch(url, 3) == ["ConnectionRefusedError"]
    await server.apply("gate", make_step("heal"))
    assert len(await watch(url, 3)) == 3


async def test_refuse_on_the_shared_port_spares_the_others(server: Server, add: Add, watch: Watch) -> None:
    url, other = await add(f"gate?{SMALL}&script=refuse"), await add(f"yard?{SMALL}")
    assert len(await watch(other, 3)) == 3
    (seen,) = await watch(url, 3)
    assert isinstance(seen, str)


async def test_asleep_answers_nothing(server: Server, add: Add, watch: Watch) -> None:
    url = await add(f"gate?{SMALL}")
    task = asyncio.create_task(watch(url, 1_000, timeout_s=0.7))
    await _playing(server)
    await server.apply("gate", make_step("asleep"))
    assert (await task)[-1] == "ExitError"
    # libav mistakes the time-out inside an answer for an answer that makes no sense
    assert (await watch(url, 3, timeout_s=0.7))[0] in ("ExitError", "InvalidDataError")
    await server.apply("gate", make_step("heal"))
    assert len(await watch(url, 3)) == 3


async def test_loss_leaves_gaps_in_the_sequence(add: Add, connect: Connect) -> None:
    client = await connect(await add("gate?size=640x360&fps=30&gop=5&script=loss:20"))
    await client.play()
    numbers = [int.from_bytes(packet[2:4], "big") for packet in await client.read(200)]
    span = (numbers[-1] - numbers[0]) % 65_536 + 1
    assert 0.1 < 1 - len(numbers) / span < 0.3


async def test_a_jump_moves_timestamps_once(server: Server, add: Add, connect: Connect) -> None:
    client = await connect(await add(f"gate?{SMALL}"))
    await client.play()
    before = [int.from_bytes(packet[4:8], "big") for packet in await client.read(5)]
    await server.apply("gate", make_step("jump", "60"))
    stamps = before + [int.from_bytes(packet[4:8], "big") for packet in await client.read(15)]
    steps = [(b - a) % 2**32 for a, b in itertools.pairwise(stamps) if b != a]
    assert sum(step != 3_000 for step in steps) == 1
    assert max(steps) == 60 * 90_000 + 3_000


async def test_skew_runs_the_clock_fast(server: Server, add: Add, watch: Watch) -> None:
    packets = await watch(await add(f"gate?{SMALL}&script=skew:100000"), 12)
    times = [packet.pts for packet in packets[1:]]
    assert {round((b - a) / 3_000, 2) for a, b in itertools.pairwise(times)} == {1.1}


async def test_a_wrong_clock_shows_in_date_and_reports(server: Server, add: Add, connect: Connect) -> None:
    client = await connect(await add(f"gate?{SMALL}&script=clock:-86400"))
    await client.play()
    await client.read(1)
    (report,) = [data for channel, data in client.packets if channel == 1]
    seconds = int.from_bytes(report[8:12], "big") - 2_208_988_800
    assert seconds - server.clock.now_ns() / NS == pytest.approx(-86_400, abs=2)


async def test_wrong_descriptions(add: Add, watch: Watch, connect: Connect) -> None:
    url = await add(f"sparse?{SMALL}&script=sdp:no_sprop")
    _, _, text = await (await connect(url)).ask("DESCRIBE")
    assert b"sprop" not in text
    assert len(await watch(url, 5, decode=True)) == 5  # in band they are still there
    (first, *_) = await watch(await add(f"wrong?{SMALL}&script=sdp:wrong_codec"), 3)
    assert first.stream.codec_context is None  # libav has no decoder for it
    (seen,) = await watch(await add(f"garbage?{SMALL}&script=sdp:garbage"), 3, timeout_s=1.0)
    assert isinstance(seen, str)


async def test_no_parameter_sets_in_band(add: Add, connect: Connect, watch: Watch, depacketiser: Any) -> None:
    url = await add(f"gate?{SMALL}&gop=3&script=no_parameter_sets")
    client = await connect(url)
    await client.play()
    back = depacketiser("h264")
    for packet in await client.read(20):
        back.put(packet)
    assert not any(is_parameter_set("h264", unit.data) for unit in back.units)
    assert len(await watch(url, 5, decode=True)) == 5  # the SDP has them


async def test_the_size_changes_in_mid_stream(server: Server, add: Add, watch: Watch) -> None:
    url = await add("gate?size=320x180&fps=30&script=size:160x90@0.5")
    frames = await watch(url, 40, decode=True)
    sizes = [(frame.width, frame.height) for frame in frames]
    assert sizes[0] == (320, 180)
    assert sizes[-1] == (160, 90)
    assert sizes == sorted(sizes, reverse=True)  # changed once


async def test_the_codec_changes_and_connections_end(server: Server, add: Add, watch: Watch) -> None:
    url = await add(f"gate?{SMALL}&script=codec:h265@0.4")
    packets = await watch(url, 1_000)
    assert packets[-1] == "end" or packets[-1].endswith("Error")
    (first, *_) = await watch(url, 2)
    assert first.stream.codec_context.name == "hevc"


async def test_the_codec_changes_behind_the_clients_back(
    server: Server, add: Add, connect: Connect, depacketiser: Any
) -> None:
    client = await connect(await add(f"gate?{SMALL}"))
    await client.play()
    await client.read(5)
    await server.apply("gate", make_step("codec_abrupt", "h265"))
    back = depacketiser("h265")
    for packet in (await client.read(30))[10:]:
        back.put(packet)
    assert {unit.data[0] >> 1 & 0x3F for unit in back.units} <= {0, 1, 19, 20, 32, 33, 34, 39}


async def test_corrupt_pictures_do_not_break_the_framing(add: Add, connect: Connect, watch: Watch) -> None:
    url = await add("gate?size=320x180&fps=30&gop=5&script=corrupt:100")
    client = await connect(url)
    await client.play()
    packets = await client.read(60)
    numbers = [int.from_bytes(packet[2:4], "big") for packet in packets]
    assert [(b - a) % 65_536 for a, b in itertools.pairwise(numbers)] == [1] * 59
    assert all(packet.size for packet in await watch(url, 10))


async def test_long_gops_and_b_frames(add: Add, watch: Watch) -> None:
    long = await watch(await add("long?size=128x64&fps=60&gop=600"), 70)
    assert [packet.is_keyframe for packet in long] == [True] + [False] * 69
    frames = await watch(await add("b?size=128x64&fps=60&bframes=2"), 60)
    times = [packet.pts for packet in frames[1:]]
    assert times != sorted(times)
    assert len(set(times)) == len(times)


async def test_a_file_cannot_change(server: Server, add: Add) -> None:
    await add("gate?file=/nowhere.mp4")
    with pytest.raises(ApplianceError, match="file"):
        await server.apply("gate", make_step("size", "128x64"))
    with pytest.raises(ApplianceError, match="no camera"):
        await server.apply("other", make_step("stall"))


@given(st.lists(st.tuples(st.sampled_from(["skew", "jump"]), st.integers(-400_000, 400_000)), max_size=6))
def test_a_cameras_clock_is_continuous_but_for_jumps(orders: list[tuple[str, int]]) -> None:
    clock, media_ns = CameraClock(), 0
    for do, value in orders:
        media_ns += NS
        before = clock.believed_ns(media_ns)
        if do == "skew":
            clock.skew(media_ns, value)
            assert clock.believed_ns(media_ns) == before
            rate = (clock.believed_ns(media_ns + NS) - before) / NS
            assert rate == pytest.approx(1 + value / 1e6)
        else:
            clock.jump(media_ns, value)
            assert clock.believed_ns(media_ns) == before + value * NS
