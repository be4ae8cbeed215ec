"""What the targets that carry messages have in common: rows are written as messages (``envelope``), each
peer is only asked to hold them.

A peer's own file says how it is reached and what counts as held; here stands what follows from it for
the batch. A still may travel inside its message where ``stills`` = inline; longer files do not go there.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Annotated, Literal, Protocol

import msgspec

from appliance.base.errors import ApplianceError
from appliance.store.outbox import OutboxRow
from appliance.sync.answer import Verdict
from appliance.sync.envelope.message import Still
from appliance.sync.envelope.told import told
from appliance.sync.envelope.writing import inline, write
from appliance.sync.targets import Material, Pace, Probed
from appliance.sync.targets.checks import told as told_of
from appliance.sync.targets.checks import words
from appliance.sync.targets.given import Given

REFUSING = ("denied", "not_found", "invalid", "conflict")  # asking again changes nothing
CLOSING_S = 5.0
SLOWEST_BYTES_S = 4_000  # half of a 64 kbit/s link: slower than that is no link


class MessageOptions(msgspec.Struct, frozen=True, kw_only=True):
    """``schema``: of the messages. ``stills``: whether pictures travel inside messages. ``longest_bytes``:
    of one message; a row that is longer is rejected."""

    schema: Literal[1, 2] = 2
    stills: Literal["none", "inline"] = "none"
    longest_bytes: Annotated[int, msgspec.Meta(ge=1_000, le=64_000_000)] = 1_000_000


class Outgoing(msgspec.Struct, frozen=True):
    """One row, written. ``camera_id`` empty: of the box itself."""

    id: str
    kind: str
    camera_id: str
    payload: bytes


class Sent(msgspec.Struct, frozen=True):
    """``held``: the peer said it has these. ``rejected``: (id, reason), it will never take these.
    ``error``: why the others are still open."""

    held: tuple[str, ...] = ()
    rejected: tuple[tuple[str, str], ...] = ()
    error: str = ""


class Peer(Protocol):
    """One kind of broker, reached when it is first needed and again after it was lost."""

    async def send(self, messages: Sequence[Outgoing]) -> Sent:
        """Returns what is known of each, also when the peer was lost half-way. Raises ``denied``,
        ``not_found``, ``invalid`` where a person must mend something; any other error: later."""

    async def probe(self) -> str:
        """What a person is told, e.g. ``topic events: 3 partitions``. Raises as ``send`` does."""

    async def close(self) -> None: ...


def patience_s(given: Given, length_bytes: int) -> float:
    """How long so many bytes may take on a thin link, and the answer to them."""
    return given.timeout_s + length_bytes / SLOWEST_BYTES_S


class MessageTarget:
    """A ``SyncTarget`` over one peer, which is asked for one thing at a time: rows may overtake a file
    that waits for its pace."""

    def __init__(self, given: Given, options: MessageOptions, peer: Peer, most_rows: int = 500) -> None:
        self.takes_files = options.stills == "inline"
        self.most_rows = most_rows
        self._given = given
        self._options = options
        self._peer = peer
        self._turn = asyncio.Lock()

    async def put(self, rows: Sequence[OutboxRow]) -> Verdict:
        return await self._send([(row, None) for row in rows])

    async def put_file(self, row: OutboxRow, material: Material, pace: Pace) -> Verdict:
        longest = self._options.longest_bytes * 3 // 4
        if material.mime != "image/jpeg" or material.size_bytes > longest:
            why = f"{material.mime} of {material.size_bytes} bytes does not fit into a message"
            return Verdict("delivered", rejected=((row.id, why),), error=why)
        try:
            data = await _whole(material, pace)
        except ApplianceError as error:
            return Verdict("later", error=words(error))
        return await self._send([(row, inline(material.mime, data))])

    async def probe(self) -> Probed:
        try:
            async with self._turn, asyncio.timeout(self._given.timeout_s + CLOSING_S):
                return Probed(True, await self._peer.probe())
        except Exception as error:  # whatever a library raises is the answer to "does it work?"
            return Probed.failed(told_of(error, self._given.secret))

    async def close(self) -> None:
        try:
            async with asyncio.timeout(CLOSING_S):
                await self._peer.close()
        except Exception:  # a peer that cannot say goodbye is gone as well
            return

    async def _send(self, rows: Sequence[tuple[OutboxRow, Still | None]]) -> Verdict:
        messages, too_long = self._written(rows)
        try:
            # A peer keeps to its time itself and then still knows what was held; this is for one that hangs.
            longest_s = patience_s(self._given, sum(len(m.payload) for m in messages)) + CLOSING_S
            async with self._turn, asyncio.timeout(longest_s):
                sent = await self._peer.send(messages) if messages else Sent()
        except ApplianceError as error:
            is_refused = error.kind in REFUSING
            return Verdict(
                "refused" if is_refused else "later", error=self._words(error), answered=is_refused
            )
        except Exception as error:  # libraries have no common root of errors; unknown: not held (D3)
            return Verdict("later", error=self._words(error))
        rejected = (*too_long, *((id_, self._words(why)) for id_, why in sent.rejected))
        if sent.error and not sent.held and not rejected:
            return Verdict("later", error=self._words(sent.error), answered=True)
        why = sent.error or (rejected[0][1] if rejected else "")
        return Verdict("delivered", sent.held, rejected, self._words(why))

    def _written(
        self, rows: Sequence[tuple[OutboxRow, Still | None]]
    ) -> tuple[list[Outgoing], list[tuple[str, str]]]:
        messages: list[Outgoing] = []
        too_long: list[tuple[str, str]] = []
        longest = self._options.longest_bytes
        for row, still in rows:
            payload = write(self._given.device_id, row, self._options.schema, still)
            if len(payload) > longest:
                too_long.append((row.id, f"too long: {len(payload)} bytes, {longest} fit"))
            else:
                kind = "tombstone" if row.is_tombstone else row.kind
                messages.append(Outgoing(row.id, kind, told("box", "", row.body).source.camera_id, payload))
        return messages, too_long

    def _words(self, error: BaseException | str) -> str:
        return words(error, self._given.secret)


async def _whole(material: Material, pace: Pace) -> bytes:
    """Raises ``data_loss`` where it is not what it should be."""
    data = bytearray()
    await pace.ready(material.size_bytes)
    async for piece in material.read(0, material.size_bytes):
        data += piece
    if len(data) != material.size_bytes or hashlib.sha256(data).hexdigest() != material.sha256:
        raise ApplianceError("data_loss", "the file changed while it was read", "it is made again")
    return bytes(data)
