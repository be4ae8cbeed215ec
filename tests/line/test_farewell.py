"""A real box at a real hub: what it tells of its names, and that it says goodbye when it is stopped, but not
when it dies."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from aiohttp.test_utils import TestServer

from appliance.base.clock import SECOND_NS, BoxClock
from appliance.base.model import Camera
from appliance.daemon.stores import open_appliance
from appliance.hub.app import make_app
from appliance.hub.box_api.enrol import code_hash
from appliance.hub.hub import Hub
from appliance.hub.running import Places, open_hub
from appliance.hub.store import codes
from appliance.hub.store.codes import Code
from appliance.hub.store.steps import every
from appliance.store import cameras

CODE = "aaaaa-bbbbb-ccccc-ddddd"


@pytest.fixture
async def hub(tmp_path) -> AsyncIterator[SimpleNamespace]:
    clock = BoxClock()
    async with open_hub(Places(tmp_path / "hub"), clock) as made:
        server = TestServer(make_app(made))
        await server.start_server(auto_decompress=False)
        until_ns = clock.now_ns() + 3_600 * SECOND_NS
        code = Code("c1", "", None, "", "test", clock.now_ns(), until_ns)
        await made.store.write(lambda: codes.add(code, code_hash(CODE)))
        yield SimpleNamespace(hub=made, url=str(server.make_url("")).rstrip("/"))
        await server.close()


async def row(hub: Hub) -> dict:
    rows = await hub.store.read(lambda: every("SELECT status, presence, directory FROM boxes"))
    return dict(rows[0])


async def names(hub: Hub) -> dict:
    rows = await hub.store.read(lambda: every("SELECT id, name FROM names WHERE what = 'camera'"))
    return {found["id"]: found["name"] for found in rows}


async def test_a_box_tells_its_names_and_says_goodbye_when_it_is_stopped(box, hub, tools, root) -> None:
    db = open_appliance(box.data)
    camera = Camera("gate", "North gate", "rtsp://127.0.0.1:1/none", enabled=False)
    db.write_now(lambda conn: cameras.insert(conn, camera, None))
    db.close()
    command = [sys.executable, "-m", "appliance", "enrol", hub.url, CODE, "--data", str(box.data)]
    done = await asyncio.to_thread(
        subprocess.run, command, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    await box.start()

    async def told() -> bool:
        return await names(hub.hub) == {"gate": "North gate"}

    await tools.until(told, 20)
    assert (await row(hub.hub))["status"] in ("ok", "degraded", "failing")
    code, _ = await box.stop()
    assert code == 0
    assert await row(hub.hub) | {"directory": ""} == {
        "status": "stopping",
        "presence": "online",
        "directory": "",
    }
    await box.start()

    async def back() -> bool:
        return (await row(hub.hub))["status"] != "stopping"

    await tools.until(back, 20)
    await box.kill()
    assert (await row(hub.hub))["status"] != "stopping"  # who dies says nothing
