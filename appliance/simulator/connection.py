"""One client's connection: requests in, answers and media out (RFC 2326 over TCP)."""

import asyncio
import re
import secrets
import socket
import struct
from collections.abc import Callable
from email.utils import formatdate
from typing import Protocol

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.simulator.auth import Authenticator
from appliance.simulator.camera import Camera, Delivery, Ending
from appliance.simulator.protocol import METHODS, BadRequest, Interleaved, Parser, Request, response
from appliance.simulator.sample import AUDIO, VIDEO, Track

MOST_WAITING_BYTES = 4_000_000  # per client; then it skips to a key frame
MOST_REQUESTS = 64  # not yet answered; more is no client
_CHANNELS = re.compile(r"interleaved=(\d{1,3})(?:-(\d{1,3}))?")


class Host(Protocol):
    """What a connection needs of its server."""

    clock: Clock
    session_timeout_s: float

    def find(self, url: str) -> tuple[Camera | None, str | None]:
        """The camera that ``url`` names, and the track where it names one."""

    def played(self, camera: Camera) -> None:
        """Somebody plays it: its script may begin."""


class Connection(asyncio.Protocol):
    """RTSP state is per connection: a session ends with it, as interleaved sessions must."""

    transport: asyncio.Transport

    def __init__(self, host: Host, on_end: Callable[["Connection"], None]) -> None:
        self._host = host
        self._on_end = on_end
        self._parser = Parser()
        self._authenticator = Authenticator()
        self._requests: asyncio.Queue[Request] = asyncio.Queue(MOST_REQUESTS)
        self._worker: asyncio.Task[None] | None = None
        self._camera: Camera | None = None
        self._session = ""
        self._channels: dict[Track, int] = {}
        self._playing = False
        self._needs_key = True
        self.heard_ns = host.clock.monotonic_ns()
        self.skipped = 0  # pictures this client was too slow for

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._worker = asyncio.create_task(self._answer_all())

    def data_received(self, data: bytes) -> None:
        self.heard_ns = self._host.clock.monotonic_ns()
        try:
            for message in self._parser.feed(data):
                if isinstance(message, Interleaved):
                    continue  # receiver reports: a sign of life, no more
                self._requests.put_nowait(message)
        except BadRequest as error:
            self.transport.write(response(error.status, "0"))
            self.transport.close()
        except asyncio.QueueFull:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        if self._worker is not None:
            self._worker.cancel()
        self._on_end(self)

    # -- camera.Player

    def deliver(self, delivery: Delivery) -> None:
        channel = self._channels.get(delivery.track)
        waiting = self.transport.get_write_buffer_size()
        if delivery.track == VIDEO and not self._may_go_on(delivery.is_key, waiting):
            self.skipped += 1
        elif (
            channel is not None
            and waiting <= MOST_WAITING_BYTES
            and (not self._needs_key or VIDEO not in self._channels)
        ):
            self.transport.write(delivery.framed(channel))

    def report(self, track: Track, data: bytes) -> None:
        channel = self._channels.get(track)
        if channel is not None and not self._needs_key:
            self.transport.write(struct.pack(">cBH", b"$", channel + 1, len(data)) + data)

    def restart(self) -> None:
        self._needs_key = True

    def end(self, how: Ending) -> None:
        self._playing = False
        if how == "close":
            self.transport.close()
            return
        plug = self.transport.get_extra_info("socket")
        if plug is not None:  # linger 0: close sends RST
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def uses(self, camera: Camera) -> bool:
        return self._camera is camera

    def check_timeout(self) -> None:
        silent_s = (self._host.clock.monotonic_ns() - self.heard_ns) / SECOND_NS
        if silent_s > self._host.session_timeout_s:
            self.end("close")

    # -- inside

    def _may_go_on(self, is_key: bool, waiting_bytes: int) -> bool:
        if waiting_bytes > MOST_WAITING_BYTES:
            self._needs_key = True
        elif self._needs_key and is_key and waiting_bytes < MOST_WAITING_BYTES // 2:
            self._needs_key = False
            # before the first packet: then no client has to guess how its tracks belong together
            for track, data in (self._camera.reports() if self._camera else {}).items():
                self.report(track, data)
        return not self._needs_key

    def _stop(self) -> None:
        self._playing = False
        if self._camera is not None:
            self._camera.leave(self)

    async def _answer_all(self) -> None:
        while True:
            request = await self._requests.get()
            try:
                answer = await self._answer(request)
            except ApplianceError as error:  # a file that cannot be read
                answer = response(503, request.cseq, {"X-Reason": error.message})
            if answer is not None and not self.transport.is_closing():
                self.transport.write(answer)
                if request.method == "TEARDOWN":
                    self.transport.close()

    async def _answer(self, request: Request) -> bytes | None:
        camera, track = self._host.find(request.url)
        if camera is not None and (camera.faults.asleep or camera.faults.refusing):
            if camera.faults.refusing:
                self.end("reset")
            self._camera = self._camera or camera
            return None
        if request.method == "OPTIONS":
            return self._reply(request, camera, {"Public": ", ".join(METHODS)})
        if request.method not in METHODS:
            return self._reply(request, camera, status=501)
        if camera is None:
            return self._reply(request, camera, status=404)
        spec = camera.spec
        if spec.user is not None and spec.password is not None:
            proof = request.headers.get("authorization")
            if not self._authenticator.accepts(spec.auth, spec.user, spec.password, request.method, proof):
                challenge = {"WWW-Authenticate": self._authenticator.challenge(spec.auth)}
                return self._reply(request, camera, challenge, status=401)
        return await self._serve(request, camera, track)

    async def _serve(self, request: Request, camera: Camera, track: str | None) -> bytes:
        match request.method:
            case "DESCRIBE":
                base = request.url if request.url.endswith("/") else request.url + "/"
                headers = {"Content-Base": base, "Content-Type": "application/sdp"}
                return self._reply(request, camera, headers, body=await camera.sdp())
            case "SETUP":
                return await self._setup(request, camera, track)
        if not self._session or self._camera is not camera or self._foreign(request):
            return self._reply(request, camera, status=454)
        match request.method:
            case "PLAY":
                return await self._play(request, camera)
            case "PAUSE":
                camera.leave(self)
                self._playing = False
            case "TEARDOWN":
                self._stop()
        return self._reply(request, camera, self._session_header())

    async def _setup(self, request: Request, camera: Camera, track: str | None) -> bytes:
        transport = request.headers.get("transport", "")
        if "RTP/AVP/TCP" not in transport.upper():
            return self._reply(request, camera, status=461)
        if self._playing or (self._camera is not None and self._camera is not camera):
            return self._reply(request, camera, status=455)
        number: Track = AUDIO if track == "1" else VIDEO
        if track not in (None, "0", "1") or number not in await camera.tracks():
            return self._reply(request, camera, status=404)
        asked = _CHANNELS.search(transport)
        channel = int(asked[1]) if asked else 2 * number
        if channel > 254:
            return self._reply(request, camera, status=461)
        self._camera = camera
        self._channels[number] = channel
        self._session = self._session or secrets.token_hex(8)
        headers = {"Transport": f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"}
        return self._reply(request, camera, headers | self._session_header())

    async def _play(self, request: Request, camera: Camera) -> bytes:
        headers = self._session_header() | {"Range": "npt=now-"}
        if not self._playing:
            self._playing, self._needs_key = True, True
            first = await camera.join(self)
            if self.transport.is_closing():  # it left while we waited
                camera.leave(self)
            self._host.played(camera)
            base = request.url.rstrip("/")
            known = [
                f"url={base}/trackID={track};seq={sequence};rtptime={timestamp}"
                for track, (sequence, timestamp) in first.items()
                if track in self._channels
            ]
            if known:
                headers["RTP-Info"] = ",".join(known)
        return self._reply(request, camera, headers)

    def _foreign(self, request: Request) -> bool:
        given = request.headers.get("session")
        return given is not None and given.partition(";")[0].strip() != self._session

    def _session_header(self) -> dict[str, str]:
        return {"Session": f"{self._session};timeout={self._host.session_timeout_s:.0f}"}

    def _reply(
        self,
        request: Request,
        camera: Camera | None,
        headers: dict[str, str] | None = None,
        *,
        status: int = 200,
        body: bytes = b"",
    ) -> bytes:
        ahead_s = camera.faults.clock_ahead_s if camera is not None else 0.0
        date = formatdate(self._host.clock.now_ns() / SECOND_NS + ahead_s, usegmt=True)
        return response(status, request.cseq, {"Date": date} | (headers or {}), body)
