"""A file to the hub, in chunks: it goes on from where it stopped, whatever stopped it.

All that is known of an upload is at the hub, and the material is the same bytes each time: so there is
nothing to remember here, and a reboot is a cut like any other. A chunk is as large as goes out in some
seconds: a cut at any byte costs at most that one.
"""

import asyncio
import hashlib
from typing import Literal, Protocol, get_args, runtime_checkable

import msgspec

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError
from appliance.store.outbox import OutboxRow
from appliance.sync.answer import Verdict
from appliance.sync.protocol.batch import FileBody
from appliance.sync.protocol.upload import CHUNK_HASH, LARGEST_FILE_BYTES, Manifest, UploadState
from appliance.sync.targets import Material, Pace
from appliance.sync.targets.hub.flow import Ready
from appliance.sync.targets.hub.link import Link, Reply, Silence

FileKind = Literal["still", "small_clip", "clip", "sample"]
Mime = Literal["image/jpeg", "video/mp4"]

SMALLEST_CHUNK_BYTES = 16 << 10
LARGEST_CHUNK_BYTES = 4 << 20
WANTED_S = 3.0  # of a chunk
MOST_GROWTH = 4.0  # from one chunk to the next
IN_VAIN = 3  # chunks one after the other that brought nothing
LARGEST_STATE_BYTES = 65_536
HASHED_IN_THREAD_BYTES = 262_144

_state = msgspec.json.Decoder(UploadState)


class _Elsewhere(msgspec.Struct):
    """The body of a 409 that says where the upload really is."""

    upload: UploadState


@runtime_checkable
class Filmed(Protocol):
    """A material that knows of which stream it is: where sub was not recorded, it is main."""

    stream: str


class ChunkSize:
    """Bytes of the next chunk, by how long the one before took. Shared by all files of a target."""

    def __init__(self) -> None:
        self.bytes_ = SMALLEST_CHUNK_BYTES

    def took(self, sent_bytes: int, seconds: float) -> None:
        if sent_bytes < min(self.bytes_, SMALLEST_CHUNK_BYTES):
            return  # the end of a file says more of the round trip than of the rate
        wanted = sent_bytes * min(MOST_GROWTH, WANTED_S / max(0.001, seconds))
        self.bytes_ = round(min(LARGEST_CHUNK_BYTES, max(SMALLEST_CHUNK_BYTES, wanted)))

    def cut(self) -> None:
        """The link did not hold for one chunk: half of it is more likely to arrive."""
        self.bytes_ = max(SMALLEST_CHUNK_BYTES, self.bytes_ // 2)


async def put_file(link: Link, row: OutboxRow, material: Material, pace: Pace, chunk: ChunkSize) -> Verdict:
    """Deliver one file. Raises nothing but cancellation, and leaves no half-sent connection then."""
    try:
        manifest = _manifest(row, material)
    except (msgspec.MsgspecError, ValueError) as error:
        return Verdict("poisoned", error=f"this row owes no file that a hub takes: {error}")
    try:
        return await _Upload(link, row.id, manifest, material, pace, chunk).run()
    except ApplianceError as error:  # the ring: what was there is gone, or its disk is
        return Verdict("later", error=error.message)


def _manifest(row: OutboxRow, material: Material) -> Manifest:
    body = msgspec.json.decode(row.body, type=FileBody)
    if isinstance(material, Filmed):
        body = msgspec.structs.replace(body, stream=material.stream)
    if row.kind not in get_args(FileKind) or not 1 <= material.size_bytes <= LARGEST_FILE_BYTES:
        raise ValueError(f"{row.kind} of {material.size_bytes} bytes")
    return msgspec.convert(
        {
            "kind": row.kind,
            "created_at": rfc3339(row.created_ns),
            "file": body,
            "size_bytes": material.size_bytes,
            "sha256": material.sha256,
            "mime": material.mime,
        },
        type=Manifest,
    )


class _Upload:
    """One attempt. ``_reached``: the most that the hub said it has; whoever brings it further has not
    tried in vain."""

    def __init__(
        self, link: Link, row_id: str, manifest: Manifest, material: Material, pace: Pace, chunk: ChunkSize
    ) -> None:
        self._link, self._id, self._manifest = link, row_id, manifest
        self._material, self._pace, self._chunk = material, pace, chunk
        self._path = f"/uploads/{row_id}"
        self._reached = -1
        self._vain = 0
        self._broken = 0
        self._error = ""

    async def run(self) -> Verdict:
        state: UploadState | None = None
        while self._vain <= IN_VAIN:
            is_sent = state is not None
            said = await (self._announce() if state is None else self._send(state))
            if isinstance(said, Verdict):
                return said
            done = None if said is None else self._look_at(said, is_sent)
            if done is not None:
                return done
            goes_on = said is not None and said.state == "partial" and said.received_bytes < said.size_bytes
            state = said if goes_on else None
        return Verdict("later", error=self._error or "the upload does not get on")

    def _look_at(self, state: UploadState, is_sent: bool) -> Verdict | None:
        """What a state means, after a chunk or before one; None: go on from there."""
        if state.state == "complete":
            return Verdict("delivered", (self._id,))
        if state.state == "broken":
            self._broken += 1
            self._reached = -1
            self._error = "the hub says that the file's hash does not fit"
            return Verdict("later", error=self._error) if self._broken > 1 else None
        size_bytes = self._manifest.size_bytes
        if state.size_bytes != size_bytes or not 0 <= state.received_bytes <= size_bytes:
            return Verdict("later", error="what the hub says of the upload makes no sense")
        if state.received_bytes == size_bytes:
            self._failed("the hub is still putting the file together")
            return None
        if state.received_bytes > self._reached:
            self._reached, self._vain = state.received_bytes, 0
        elif is_sent:
            self._vain += 1
        return None

    async def _announce(self) -> UploadState | Verdict:
        """Say what comes; the hub says how much of exactly that it has."""
        body = msgspec.json.encode(self._manifest)
        await self._pace.ready(len(body) + self._link.head_bytes)
        reply = await self._ask("PUT", body)
        if isinstance(reply, Verdict):
            return reply
        if reply.status == 409:
            return await self._conflict(reply)
        return self._understood(reply)

    async def _conflict(self, reply: Reply) -> UploadState | Verdict:
        """The upload is complete with other bytes: the footage was cut otherwise since, or the answer to
        the last chunk got lost before that. The hub has what it acknowledged, and that is enough."""
        elsewhere = _elsewhere(reply)
        if elsewhere is None:
            asked = await self._ask("GET", None)
            if isinstance(asked, Verdict):
                return asked
            if asked.status == 404:  # it holds a row of another kind under this id
                return self._link.verdict(reply)
            elsewhere = self._state_of(asked)
        if elsewhere is not None and elsewhere.state == "complete":
            return elsewhere
        return Verdict("later", error="the hub holds another file under this id, and not all of it")

    async def _send(self, state: UploadState) -> UploadState | Verdict | None:
        """One chunk from where the hub is; None: ask the hub again how far it is."""
        at = state.received_bytes
        length = min(self._chunk.bytes_, self._manifest.size_bytes - at)
        data = await self._read(at, length)
        headers = {CHUNK_HASH: await _sha256(data)}
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            reply = await self._link.send(f"{self._path}/chunks/{at}", data, headers, self._ready())
        except Silence as silence:
            self._chunk.cut()
            self._failed(str(silence))
            return None
        if 200 <= reply.status < 300:
            self._chunk.took(length, loop.time() - began_s)
            return self._understood(reply)
        return self._refused(reply)

    def _ready(self) -> Ready:
        """The pace, told of the chunk's head with its first piece: it goes out, too."""
        head_bytes = self._link.head_bytes

        async def ready(length_bytes: int) -> None:
            nonlocal head_bytes
            length_bytes, head_bytes = length_bytes + head_bytes, 0
            await self._pace.ready(length_bytes)

        return ready

    def _refused(self, reply: Reply) -> UploadState | Verdict | None:
        elsewhere = _elsewhere(reply) if reply.status == 409 else None
        if elsewhere is not None:
            return elsewhere
        verdict = self._link.verdict(reply)
        if reply.status == 413:
            self._chunk.cut()
        if reply.status in (400, 404, 409, 413, 416, 422):
            # The hash did not fit, or the hub does not know the upload (any more): that is of this chunk.
            self._failed(verdict.error)
            return None
        return verdict

    def _failed(self, error: str) -> None:
        self._vain += 1
        self._error = error

    def _understood(self, reply: Reply) -> UploadState | Verdict:
        if not 200 <= reply.status < 300:
            return self._link.verdict(reply)
        state = self._state_of(reply)
        return state or Verdict("later", error="the hub does not say how much of the file it has")

    def _state_of(self, reply: Reply) -> UploadState | None:
        try:
            return _state.decode(reply.body or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    async def _ask(self, method: str, body: bytes | None) -> Reply | Verdict:
        try:
            return await self._link.ask(method, self._path, body, most_bytes=LARGEST_STATE_BYTES, file=True)
        except Silence as silence:
            return Verdict("later", error=str(silence), answered=silence.answered)

    async def _read(self, at: int, length: int) -> bytes:
        """Raises ``data_loss`` where the ring has not what it promised."""
        data = bytearray()
        async for piece in self._material.read(at, length):
            data += piece
        if len(data) != length:
            raise ApplianceError("data_loss", f"{len(data)} of {length} bytes could be read of {self._id}")
        return bytes(data)


def _elsewhere(reply: Reply) -> UploadState | None:
    try:
        return msgspec.json.decode(reply.body or b"", type=_Elsewhere).upload
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


async def _sha256(data: bytes) -> str:
    if len(data) < HASHED_IN_THREAD_BYTES:
        return hashlib.sha256(data).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
