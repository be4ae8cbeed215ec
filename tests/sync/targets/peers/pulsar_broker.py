"""A broker that speaks as much of Pulsar's binary protocol (pulsar.apache.org/docs, "binary protocol") as a
producer needs, written from its description: connect with a token, partitions, lookup, producer, send,
ping. One topic, nothing replicated: it is no Pulsar.
"""

import asyncio
import contextlib
import ssl

from base import SECRET, Peer
from link import Link

from appliance.sync.envelope.reading import read

CONNECT, CONNECTED, PRODUCER, SEND, RECEIPT, SUCCESS, ERROR, CLOSE_PRODUCER = 2, 3, 5, 6, 7, 13, 14, 15
PRODUCER_SUCCESS, PING, PONG, PARTITIONS, PARTITIONS_ANSWER, LOOKUP, LOOKUP_ANSWER = (
    17,
    18,
    19,
    21,
    22,
    23,
    24,
)
WRONG_TOKEN = 3
MOST_BYTES = 100_000


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(fields: dict[int, int | str | bytes]) -> bytes:
    """Protocol Buffers: numbers as varints, the rest with its length in front."""
    out = b""
    for number, value in fields.items():
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(raw)) + raw
    return out


def fields(data: bytes) -> dict[int, list[int | bytes]]:
    found: dict[int, list[int | bytes]] = {}
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            found.setdefault(tag >> 3, []).append(number())
        else:
            assert tag & 7 == 2
            length = number()
            found.setdefault(tag >> 3, []).append(data[at : at + length])
            at += length
    return found


class PulsarBroker(Peer):
    kind = "pulsar"
    wrong = {"secret": "the-Wrong-token"}
    too_long_bytes = 150_000

    def given(self, **changes):
        return super().given(**({"timeout_s": 1.0} | changes))

    async def start(self) -> None:
        if self.link is None:
            self.log: list[tuple[str, str, bytes]] = []  # as if on a disk
            self.port = 0
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.tls[0])
        self.writers: set[asyncio.StreamWriter] = set()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=context)
        self.port = self.server.sockets[0].getsockname()[1]
        if self.link is None:
            self.link = Link(self.port)
            await self.link.mend()

    async def stop(self) -> None:
        self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()
        await asyncio.sleep(0.01)

    @property
    def url(self) -> str:
        return f"pulsar+ssl://127.0.0.1:{self.link.port}"

    async def held(self) -> list[str]:
        for key, id_, payload in self.log:
            assert key == "box-1" and read(payload).id == id_
        return [id_ for _, id_, _ in self.log]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                frame = await reader.readexactly(int.from_bytes(await reader.readexactly(4)))
                length = int.from_bytes(frame[:4])
                command = fields(frame[4 : 4 + length])
                kind = command[1][0]
                said = fields(command.get(kind, [b""])[0])
                answer, answered = self._answer(kind, said, frame[4 + length :])
                body = message({1: answer, answer: message(answered)})
                writer.write((len(body) + 4).to_bytes(4) + len(body).to_bytes(4) + body)
                await writer.drain()
                if answer == ERROR:
                    break
        self.writers.discard(writer)
        writer.close()

    def _answer(self, kind: int, said: dict, rest: bytes) -> tuple[int, dict]:
        if kind == CONNECT:
            if said[3][0] != SECRET.encode():
                return ERROR, {1: 2**64 - 1, 2: WRONG_TOKEN, 3: "wrong token"}
            return CONNECTED, {1: "scripted", 2: said[4][0], 3: MOST_BYTES}
        if kind == PARTITIONS:
            return PARTITIONS_ANSWER, {1: 0, 2: said[2][0], 3: 0}
        if kind == LOOKUP:
            return LOOKUP_ANSWER, {2: self.url, 3: 1, 4: said[2][0], 5: 1}
        if kind == PRODUCER:
            return PRODUCER_SUCCESS, {1: said[3][0], 2: "box", 3: 2**64 - 1, 4: b""}
        if kind == SEND:
            self._append(rest)
            return RECEIPT, {1: said[1][0], 2: said[2][0], 3: message({1: 7, 2: len(self.log)})}
        if kind == CLOSE_PRODUCER:
            return SUCCESS, {1: said[2][0]}
        assert kind in (PING, PONG), kind
        return PONG, {}

    def _append(self, rest: bytes) -> None:
        assert rest[:2] == b"\x0e\x01"  # behind it a CRC-32C of what follows
        length = int.from_bytes(rest[6:10])
        metadata, payload = fields(rest[10 : 10 + length]), rest[10 + length :]
        properties = {fields(each)[1][0]: fields(each)[2][0] for each in metadata[4]}
        self.log.append((metadata[6][0].decode(), properties[b"id"].decode(), payload))
