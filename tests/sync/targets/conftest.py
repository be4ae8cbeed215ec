"""Real peers, one per kind of target."""

import hashlib
import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parent / "peers"))

# kind -> module and class of its peer, and the program that it needs
PEERS = {
    "mqtt": ("mosquitto", "Mosquitto", "mosquitto"),
    "redis": ("redis_server", "RedisServer", "redis-server"),
    "sqs": ("moto_servers", "Sqs", None),
    "sqs.fifo": ("moto_servers", "SqsFifo", None),
    "s3": ("moto_servers", "S3", None),
    "zmq": ("zmq_peer", "Zmq", None),
    "kafka": ("kafka_broker", "KafkaBroker", None),
    "pulsar": ("pulsar_broker", "PulsarBroker", None),
    "directory": ("stick", "Stick", "mount"),
}
FILES = ("s3", "directory")
FEW = ("sqs.fifo",)  # has tests of its own: most would be those of sqs again


@pytest.fixture(scope="session")
def moto_program(tmp_path_factory):
    from link import Program, free_port
    from moto_servers import moto

    if moto() is None:
        pytest.skip("moto_server is not installed")
    port = free_port()
    program = Program([moto(), "-H", "127.0.0.1", "-p", str(port)], port, tmp_path_factory.mktemp("moto"))
    program.start_now()
    yield program
    program.kill()


@pytest.fixture
async def start_peer(request, tmp_path, tls):
    """``await start_peer(kind)``: the real thing, running."""
    made = []

    async def start(kind: str):
        module, name, needed = PEERS[kind]
        if needed and shutil.which(needed) is None:
            pytest.skip(f"{needed} is not installed")
        peer = getattr(importlib.import_module(module), name)(tmp_path, tls)
        if module == "moto_servers":
            peer.program = request.getfixturevalue("moto_program")
        try:
            await peer.start()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"{needed} is refused here: {error}")
        made.append(peer)
        return peer

    yield start
    for peer in made:
        await peer.close()


@pytest.fixture(params=[kind for kind in PEERS if kind not in FEW])
async def peer(request, start_peer):
    return await start_peer(request.param)


@pytest.fixture(params=FILES)
async def file_peer(request, start_peer):
    return await start_peer(request.param)


@pytest.fixture(params=[kind for kind in PEERS if kind not in (*FEW, *FILES)])
async def message_peer(request, start_peer):
    return await start_peer(request.param)


class Film:
    """A ``Material`` of any bytes; ``read_bytes`` counts what was asked of it."""

    def __init__(self, data: bytes, mime: str = "video/mp4") -> None:
        self.data, self.mime = data, mime
        self.size_bytes, self.sha256 = len(data), hashlib.sha256(data).hexdigest()
        self.read_bytes = 0

    async def read(self, offset: int, length_bytes: int):
        for start in range(offset, min(offset + length_bytes, len(self.data)), 65_536):
            piece = self.data[start : min(start + 65_536, offset + length_bytes)]
            self.read_bytes += len(piece)
            yield piece


class FreePace:
    """Lets all pass, and counts it."""

    def __init__(self) -> None:
        self.sent_bytes = 0

    async def ready(self, length_bytes: int) -> None:
        self.sent_bytes += length_bytes


@pytest.fixture
def film():
    return Film


@pytest.fixture
def pace():
    return FreePace()


@pytest.fixture
async def scripted():
    """``await scripted(status, body)``: the address of a server that always says that."""
    runners = []

    async def start(status: int, body: str) -> str:
        async def say(_request: web.Request) -> web.Response:
            return web.Response(status=status, text=body, content_type="application/xml")

        app = web.Application(client_max_size=100_000_000)
        app.router.add_route("*", "/{path:.*}", say)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()
