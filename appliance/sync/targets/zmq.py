"""ZeroMQ, for a program of the site's own. Publishing says nothing about who heard it, so this is a
DEALER that asks and waits for an answer to each message (ØMQ RFC 28, request and reply).

The protocol, one multipart message each; the first frame is empty, so that a plain REP socket can be the
peer; a ROUTER takes many at a time:

    box → peer      ""  "aries1"  ID  MESSAGE               (envelope; an empty ID only asks: are you there?)
    peer → box      ""  "aries1"  ID  "held"                it is on the peer's stable storage
                    ""  "aries1"  ID  "rejected"  REASON    it will never be taken
                    ""  "aries1"  ID  "later"  REASON

Held: the peer said so. Dedupe: the peer may get an ID again after a lost answer, and answers ``held`` again.
Other machines are spoken to with CURVE (ØMQ RFC 26): both sides know the other by its public key.

    tcp://host:5555    options: server_key (Z85, 40 letters), schema, stills, longest_bytes
    token: the box's own secret key (Z85, 40 letters)
"""

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from appliance.base.errors import ApplianceError, invalid
from appliance.store.targets import Target
from appliance.sync.targets.checks import is_this_machine, options, place
from appliance.sync.targets.given import Given
from appliance.sync.targets.messages import MessageOptions, MessageTarget, Outgoing, Sent, patience_s

if TYPE_CHECKING:
    import zmq.asyncio

VERSION = b"aries1"
WINDOW = 100  # messages under way: what the peer has not answered for may have to go again
LONGEST_ANSWER_BYTES = 10_000
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_HINT = "check server_key, the token, and that the peer knows this box's public key"


class ZmqOptions(MessageOptions, frozen=True, kw_only=True):
    server_key: str = ""


def check(given: Target, secret: str | None) -> None:
    """Raises ``invalid``."""
    where = place(given, {"tcp": True}, 0)
    (host, port), *more = where.hosts
    if more or where.path or not port:
        raise invalid("this is no address of one peer", "write tcp://host:5555", field="url")
    chosen = options(given, ZmqOptions)
    if not chosen.server_key and not is_this_machine(host):
        hint = "set the option server_key, and the box's secret key as the token"
        raise invalid("who listens on the way could read this", hint, field="options.server_key")
    if chosen.server_key and _Z85.fullmatch(chosen.server_key) is None:
        raise invalid("this is no key of CURVE", "40 letters, Z85", field="options.server_key")
    if chosen.server_key and _Z85.fullmatch(secret or "") is None:
        raise invalid("the box's secret key is none of CURVE", "40 letters, Z85", field="token")


def make(given: Given) -> MessageTarget:
    check(given.target, given.secret)
    chosen = options(given.target, ZmqOptions)
    return MessageTarget(given, chosen, ZmqPeer(given, chosen))


class ZmqPeer:
    """A socket is thrown away after any doubt: what waits in its queue must not follow later."""

    def __init__(self, given: Given, chosen: ZmqOptions) -> None:
        import zmq.asyncio

        self._zmq = zmq
        self._given, self._chosen = given, chosen
        self._context = zmq.asyncio.Context(io_threads=1)
        self._socket: zmq.asyncio.Socket | None = None
        self._monitor: zmq.asyncio.Socket | None = None
        self._watch: asyncio.Task[str] | None = None

    async def send(self, messages: Sequence[Outgoing]) -> Sent:
        held: list[str] = []
        rejected: list[tuple[str, str]] = []
        error = ""
        for start in range(0, len(messages), WINDOW):
            window = {message.id.encode(): message.payload for message in messages[start : start + WINDOW]}
            answers, error = await self._exchange(window)
            for id_, (word, why) in answers.items():
                if word == b"held":
                    held.append(id_.decode())
                elif word == b"rejected":
                    rejected.append((id_.decode(), why))
                else:
                    error = why or "the program does not take it now (it is tried again by itself)"
            if error:
                break
        return Sent(tuple(held), tuple(rejected), error)

    async def probe(self) -> str:
        answers, error = await self._exchange({b"": b""})
        if error or answers.get(b"", (b"", ""))[0] != b"held":
            hint = "check the address, and that the program runs and speaks the protocol"
            raise ApplianceError(
                "unavailable", error or "the program answers, and does not take anything", hint
            )
        return "the program answers, and takes messages"

    async def close(self) -> None:
        self._drop()
        self._context.destroy(0)  # not term(): it waits for whatever is not closed yet

    async def _exchange(self, window: dict[bytes, bytes]) -> tuple[dict[bytes, tuple[bytes, str]], str]:
        """What was answered to each, and why not to all. Raises ``denied``."""
        socket, watch = self._opened()
        answers: dict[bytes, tuple[bytes, str]] = {}
        talk = asyncio.create_task(self._talk(socket, window, answers))
        error = ""
        try:
            waiting: set[asyncio.Task[Any]] = {talk, watch}
            patience = patience_s(self._given, sum(map(len, window.values())))
            done, _ = await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if talk in done:
                talk.result()
            else:
                error = watch.result() if watch in done else "the program does not answer"
        finally:
            talk.cancel()
            await asyncio.gather(talk, return_exceptions=True)
            if len(answers) < len(window):
                self._drop()
        if error.startswith("denied"):
            raise ApplianceError("denied", "the peer does not let us in", _HINT)
        return answers, error

    async def _talk(
        self,
        socket: "zmq.asyncio.Socket",
        window: dict[bytes, bytes],
        answers: dict[bytes, tuple[bytes, str]],
    ) -> None:
        for id_, payload in window.items():
            await socket.send_multipart([b"", VERSION, id_, payload])
        while len(answers) < len(window):
            frames = await socket.recv_multipart()
            if len(frames) < 4 or frames[:2] != [b"", VERSION] or frames[2] not in window:
                continue  # an answer to what was asked before, or nothing of ours
            why = frames[4][:300].decode(errors="replace") if len(frames) > 4 else ""
            answers[frames[2]] = (frames[3], why)

    def _opened(self) -> "tuple[zmq.asyncio.Socket, asyncio.Task[str]]":
        if self._socket is not None and self._watch is not None and not self._watch.done():
            return self._socket, self._watch
        self._drop()
        zmq = self._zmq
        socket = self._context.socket(zmq.DEALER)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing is queued for a peer that is not there
        socket.setsockopt(zmq.MAXMSGSIZE, LONGEST_ANSWER_BYTES)
        if self._chosen.server_key:
            secret = (self._given.secret or "").encode()
            socket.curve_serverkey = self._chosen.server_key.encode()
            socket.curve_publickey, socket.curve_secretkey = zmq.curve_public(secret), secret
        self._socket = socket
        self._monitor = socket.get_monitor_socket()
        self._watch = asyncio.create_task(_until_lost(zmq, self._monitor), name="zmq-watch")
        socket.connect(self._given.target.url)
        return socket, self._watch

    def _drop(self) -> None:
        socket, monitor, watch = self._socket, self._monitor, self._watch
        self._socket = self._monitor = self._watch = None
        if watch is not None:
            watch.cancel()
        if socket is not None:
            socket.disable_monitor()
            socket.close(0)
        if monitor is not None:
            monitor.close(0)


async def _until_lost(zmq: Any, monitor: "zmq.asyncio.Socket") -> str:
    """Why the connection ended."""
    refused = (
        zmq.EVENT_HANDSHAKE_FAILED_AUTH,
        zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
        zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
    )
    shaken = False
    while True:
        event, *_ = await monitor.recv_multipart()
        number = int.from_bytes(event[:2], "little")
        if number in refused:
            return "denied"
        if number == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            shaken = True
        if number == zmq.EVENT_CLOSED and not shaken:
            return "nothing listens at this address and port"
        if number == zmq.EVENT_DISCONNECTED:
            return (
                "the program ended the connection"
                if shaken
                else "denied: it closes before the keys are exchanged"
            )
