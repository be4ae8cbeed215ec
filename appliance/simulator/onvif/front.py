"""One camera's HTTP port: SOAP at its services' paths, the still, faults of behaviour."""

import asyncio
import logging
import random
from collections.abc import Awaitable

from aiohttp import web

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.simulator.onvif.device import Device
from appliance.simulator.onvif.proof import Proof
from appliance.simulator.onvif.services import ANSWERS, OPEN, OPEN_MOSTLY
from appliance.simulator.onvif.services.asked import Refused
from appliance.simulator.onvif.soap import (
    MOST_REQUEST_BYTES,
    BadSoap,
    Node,
    Request,
    envelope,
    fault,
    read,
    write,
)

log = logging.getLogger(__name__)

_SOAP = "application/soap+xml; charset=utf-8"
_CLOSE_S = 0.2


class Front:
    """``open`` and ``close``; a camera that moves is closed and opened at its new address."""

    def __init__(self, device: Device, clock: Clock) -> None:
        self._device = device
        self._clock = clock
        self._proof = Proof(device)
        self._server = web.Server(self._answer, access_log=None)
        self._listener: asyncio.Server | None = None

    async def open(self) -> None:
        """Raises ``unavailable`` where the port is taken or may not be had."""
        device = self._device
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                self._server, device.address, device.http_port, reuse_address=True
            )
        except OSError as error:
            hint = "take another network, or high ports"
            where = f"{device.address}:{device.http_port}"
            raise ApplianceError("unavailable", f"cannot listen on {where}: {error}", hint) from None

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._server.shutdown(_CLOSE_S)
        self._server = web.Server(self._answer, access_log=None)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        device = self._device
        if "silent" in device.faults:
            await asyncio.Event().wait()  # until the other side has had enough
        if "garbage" in device.faults:
            return web.Response(body=random.Random(device.name).randbytes(700), content_type="text/xml")
        if device.answer_after_s:
            await self._clock.sleep(device.answer_after_s)
        if request.method == "GET":
            return await self._still(request)
        if request.path.partition("/Subscription/")[0] not in device.maker.services.values():
            return web.Response(status=404, text="not found")
        if (request.content_length or 0) > MOST_REQUEST_BYTES:
            return web.Response(status=413)
        return await self._soap(request)

    async def _soap(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            asked = read(await request.read())
        except BadSoap:
            return self._reply(400, fault("Sender", "ter:WellFormed", "this is no request"))
        if not self._is_allowed(request, asked):
            return self._denied()
        answer = ANSWERS.get((asked.service, asked.name))
        if answer is None:
            reason = f"{asked.name[:40]} is not implemented"
            return self._reply(500, fault("Receiver", "ter:ActionNotSupported", reason))
        try:
            told = answer(self._device, asked.body, request.path)
            node = told if isinstance(told, Node) else await _awaited(told)
        except Refused as refused:
            return self._reply(400, fault("Sender", refused.subcode, refused.reason))
        return self._reply(200, node)

    def _is_allowed(self, request: web.BaseRequest, asked: Request) -> bool:
        if asked.service == "tds" and asked.name in OPEN:
            return True
        if self._device.maker.open_calls and asked.service == "tds" and asked.name in OPEN_MOSTLY:
            return True
        return self._proof.accepts("POST", asked.header, request.headers.get("Authorization"))

    def _denied(self) -> web.Response:
        refusal = fault("Sender", "ter:NotAuthorized", "the sender is not authorised")
        if "digest" in self._device.maker.proofs:
            return self._reply(401, refusal, {"WWW-Authenticate": self._proof.challenge})
        return self._reply(400, refusal)

    async def _still(self, request: web.BaseRequest) -> web.StreamResponse:
        path = self._device.maker.snapshot_path
        if not path or request.path_qs != path:
            return web.Response(status=404, text="not found")
        if not self._proof.accepts_http("GET", request.headers.get("Authorization")):
            return web.Response(status=401, headers={"WWW-Authenticate": self._proof.challenge})
        return web.Response(body=await self._device.snapshot(), content_type="image/jpeg")

    def _reply(self, status: int, body: Node, headers: dict[str, str] | None = None) -> web.Response:
        data = write(envelope(body), self._device.maker.style)
        return web.Response(status=status, body=data, headers={"Content-Type": _SOAP} | (headers or {}))


async def _awaited(told: Awaitable[Node]) -> Node:
    return await told
