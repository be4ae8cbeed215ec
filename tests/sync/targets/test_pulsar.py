"""The knock at Pulsar's door: whatever answers, it says ``denied`` or nothing."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.sync.targets.checks import Place
from appliance.sync.targets.pulsar_door import knock

REFUSED = bytes([8, 14, 114, 4, 8, 1, 16, 3])  # type ERROR; its request 1, AuthenticationError


async def ask(answer: bytes) -> None:
    async def say(reader, writer):
        await reader.readexactly(4)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        await knock(Place("pulsar", (("127.0.0.1", port),), "", False), None, "token", 2.0)
    finally:
        server.close()


def framed(command: bytes) -> bytes:
    return (len(command) + 4).to_bytes(4) + len(command).to_bytes(4) + command


async def test_a_refusal_is_denied():
    with pytest.raises(ApplianceError) as caught:
        await ask(framed(REFUSED))
    assert caught.value.kind == "denied" and "token" in caught.value.hint


@pytest.mark.parametrize(
    "answer",
    [b"", b"\xff" * 100, framed(b""), framed(b"\x08" + b"\xff" * 80), framed(REFUSED[:-1] + b"\x01"),
     framed(bytes([8, 3, 26, 2, 10, 0])), b"HTTP/1.1 400 Bad Request\r\n\r\n"],
)  # fmt: skip
async def test_anything_else_is_nothing(answer):
    await ask(answer)


async def test_nobody_is_nothing():
    await knock(Place("pulsar", (("127.0.0.1", 1),), "", False), None, None, 2.0)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40))
def test_noise_is_nothing_or_a_refusal(noise):
    try:
        asyncio.run(ask(framed(noise)))
    except ApplianceError as error:
        assert error.kind == "denied"
