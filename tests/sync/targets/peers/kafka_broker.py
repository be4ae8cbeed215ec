"""A broker that speaks as much of Kafka's protocol (kafka.apache.org/protocol) as an idempotent producer
needs, written with ``struct`` from its description: ApiVersions, SaslHandshake, SaslAuthenticate (PLAIN),
Metadata, InitProducerId, Produce. One node, one partition per topic. It is no Kafka: replicas, leaders that
change and transactions are not played.
"""

import asyncio
import contextlib
import ssl
import struct

from base import SECRET, Peer
from link import Link

from appliance.sync.envelope.reading import read

PRODUCE, METADATA, SASL_HANDSHAKE, API_VERSIONS, INIT_PRODUCER_ID, SASL_AUTHENTICATE = 0, 3, 17, 18, 22, 36
SPOKEN = {PRODUCE: (3, 3), METADATA: (1, 1), SASL_HANDSHAKE: (1, 1), API_VERSIONS: (0, 0),
          INIT_PRODUCER_ID: (0, 0), SASL_AUTHENTICATE: (0, 0)}  # fmt: skip
UNKNOWN_TOPIC, TOO_LARGE, TOPIC_DENIED, UNSUPPORTED, OUT_OF_ORDER, SASL_FAILED = 3, 10, 29, 35, 45, 58
MOST_BYTES = 100_000


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str):
        (value,) = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return value

    def raw(self, length: int) -> bytes:
        self.at += length
        return self.data[self.at - length : self.at]

    def string(self) -> str | None:
        length = self.take("h")
        return None if length < 0 else self.raw(length).decode()

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.raw(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)

    def var_bytes(self) -> bytes:
        return self.raw(max(0, self.varint()))


def string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def records(batch: bytes):
    """(producer id, base sequence, [(key, value, headers)]) of a record batch, format 2."""
    reader = Reader(batch)
    reader.raw(16)
    assert reader.take("b") == 2  # magic
    reader.raw(26)
    producer_id = reader.take("q")
    reader.take("h")
    sequence, count = reader.take("i"), reader.take("i")
    found = []
    for _ in range(count):
        reader.varint()
        reader.raw(1)
        reader.varint()
        reader.varint()
        key, value = reader.var_bytes(), reader.var_bytes()
        headers = {reader.var_bytes().decode(): reader.var_bytes() for _ in range(reader.varint())}
        found.append((key, value, headers))
    return producer_id, sequence, found


class KafkaBroker(Peer):
    kind = "kafka"
    options = {"username": "box", "mechanism": "PLAIN"}
    wrong = {"secret": "the-Wrong-password"}
    too_long_bytes = 150_000
    lose_answers = lost = 0

    def given(self, **changes):
        # what is under way when the link breaks is sent again by the library, until this is over
        return super().given(**({"timeout_s": 1.0} | changes))

    async def start(self) -> None:
        if self.link is None:
            self.log: list[tuple[bytes, bytes, dict]] = []  # as if on a disk
            self.sequences: dict[int, int] = {}
            self.producers = 0
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
        return f"kafka+ssl://127.0.0.1:{self.link.port}"

    async def held(self) -> list[str]:
        for key, value, headers in self.log:
            assert key == b"box-1" and headers["id"].decode() == read(value).id
        return [headers["id"].decode() for _, _, headers in self.log]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        is_in = False
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                length = int.from_bytes(await reader.readexactly(4))
                request = Reader(await reader.readexactly(length))
                key, version, correlation = request.take("h"), request.take("h"), request.take("i")
                request.string()
                low, high = SPOKEN[key]
                if key == API_VERSIONS:
                    answer = self._versions(0 if version <= high else UNSUPPORTED)
                else:
                    assert low <= version <= high and (is_in or key in (SASL_HANDSHAKE, SASL_AUTHENTICATE))
                    answer = getattr(self, f"_{key}")(request)
                    is_in = is_in or (key == SASL_AUTHENTICATE and answer[:2] == b"\0\0")
                if key == PRODUCE and self.lose_answers:
                    self.lose_answers, self.lost = self.lose_answers - 1, self.lost + 1
                    break
                writer.write(struct.pack(">ii", len(answer) + 4, correlation) + answer)
                await writer.drain()
        self.writers.discard(writer)
        writer.transport.abort()

    def _versions(self, error: int) -> bytes:
        each = b"".join(struct.pack(">hhh", key, *span) for key, span in SPOKEN.items())
        return struct.pack(">hi", error, len(SPOKEN)) + each

    def _17(self, request: Reader) -> bytes:
        return struct.pack(">hi", 0 if request.string() == "PLAIN" else 33, 1) + string("PLAIN")

    def _36(self, request: Reader) -> bytes:
        said = request.raw(request.take("i")).split(b"\0")
        error = 0 if said[1:] == [b"box", SECRET.encode()] else SASL_FAILED
        return struct.pack(">h", error) + string("wrong") + struct.pack(">i", 0)

    def _3(self, request: Reader) -> bytes:
        count = request.take("i")
        topics = [request.string() for _ in range(max(0, count))]
        node = struct.pack(">i", 1) + string("127.0.0.1") + struct.pack(">ih", self.link.port, -1)
        parts = b"".join(self._topic(topic) for topic in topics)
        return struct.pack(">i", 1) + node + struct.pack(">ii", 1, len(topics)) + parts

    def _topic(self, topic: str) -> bytes:
        error = {"aries": 0, "secret": TOPIC_DENIED}.get(topic, UNKNOWN_TOPIC)
        head = struct.pack(">h", error) + string(topic) + b"\0"
        if error:
            return head + struct.pack(">i", 0)
        return head + struct.pack(">i", 1) + struct.pack(">hii", 0, 0, 1) + struct.pack(">iiii", 1, 1, 1, 1)

    def _22(self, request: Reader) -> bytes:
        self.producers += 1
        return struct.pack(">ihqh", 0, 0, self.producers, 0)

    def _0(self, request: Reader) -> bytes:
        request.string()
        assert request.take("h") == -1  # acks=all
        request.take("i")
        answer = struct.pack(">i", request.take("i"))
        topic = request.string()
        answer += string(topic) + struct.pack(">i", request.take("i"))
        partition = request.take("i")
        error = self._append(request.raw(request.take("i")))
        return answer + struct.pack(">ihqq", partition, error, len(self.log), -1) + struct.pack(">i", 0)

    def _append(self, batch: bytes) -> int:
        if len(batch) > MOST_BYTES:
            return TOO_LARGE
        producer, sequence, found = records(batch)
        expected = self.sequences.get(producer, 0)
        if sequence + len(found) <= expected:
            return 0  # it came before; only its answer was lost
        if sequence != expected:
            return OUT_OF_ORDER
        self.sequences[producer] = sequence + len(found)
        self.log += found
        return 0
