"""An endpoint that knows the protocol of box and hub, says yes to all of it, and does nothing for it."""

import asyncio
import json
from multiprocessing.connection import Connection

from aiohttp import web

from appliance.sync.protocol import PREFIX


async def _yes(pipe: Connection) -> None:
    """Says what a hub would say, and does nothing for it."""

    async def batch(request: web.Request) -> web.Response:
        said = json.loads(await request.read())
        return web.json_response({"acknowledged": [row["id"] for row in said["batch"]], "refused": []})

    async def heartbeat(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({"hub_time": "2026-01-20T14:30:00.000Z", "rows": 1 << 40})

    async def counts(_: web.Request) -> web.Response:
        return web.json_response({"buckets": []})

    async def orders(request: web.Request) -> web.Response:
        await asyncio.sleep(float(request.query.get("wait", "0")))
        return web.json_response({"commands": []})

    async def upload(request: web.Request) -> web.Response:
        size = json.loads(await request.read())["size_bytes"]
        state = {"id": request.match_info["id"], "state": "complete", "received_bytes": size}
        return web.json_response(state | {"size_bytes": size})

    app = web.Application(client_max_size=16_000_000)
    for method, path, handler in (
        ("POST", "/batch", batch), ("POST", "/heartbeat", heartbeat), ("GET", "/counts", counts),
        ("GET", "/commands", orders), ("PUT", "/uploads/{id}", upload),
    ):  # fmt: skip
        app.router.add_route(method, PREFIX + path, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    pipe.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def serve_yes(pipe: Connection) -> None:
    """For a process of its own; its port goes through ``pipe``."""
    asyncio.run(_yes(pipe))
