"""Real peers, one per kind of target."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "peers"))

NEEDED = {"mqtt": "mosquitto", "redis": "redis-server"}


def _make(kind, folder, tls):
    if kind == "mqtt":
        from mosquitto import Mosquitto

        return Mosquitto(folder, tls)
    if kind == "redis":
        from redis_server import RedisServer

        return RedisServer(folder, tls)
    raise AssertionError(kind)


@pytest.fixture
async def start_peer(tmp_path, tls):
    """``await start_peer(kind)``: the real thing, running."""
    made = []

    async def start(kind: str):
        if kind in NEEDED and shutil.which(NEEDED[kind]) is None:
            pytest.skip(f"{NEEDED[kind]} is not installed")
        made.append(_make(kind, tmp_path, tls))
        await made[-1].start()
        return made[-1]

    yield start
    for peer in made:
        await peer.close()


KINDS = ["mqtt", "redis"]


@pytest.fixture(params=KINDS)
async def peer(request, start_peer):
    return await start_peer(request.param)
