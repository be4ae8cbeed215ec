"""The bytes of one RTSP connection: requests out, answers and interleaved packets in (RFC 2326, 10.12).

One buffer per connection, filled with as much as there is in one read; packets are looked at where
they lie in it.
"""

import re
import socket
import ssl
import time
from collections.abc import Callable

from appliance.media.camera.rtsp.message import Answer, BadAnswer, find_message, request

HALF_BYTES = 66_000  # a little more than the largest packet
BUFFER_BYTES = 2 * HALF_BYTES
MOST_BEFORE_BYTES = 32_000_000  # of packets in front of an answer: what they hold waits in memory
# By channel: (where in the buffer a packet begins, where it stops, where the buffer ends) -> where to go
# on, behind this packet or behind more of them.
Handlers = dict[int, Callable[[int, int, int], int]]
_DOLLAR = 0x24
_MESSAGE = re.compile(rb"(?:RTSP|HTTP)/|[A-Z_]{3,20} ")  # HTTP: to be told that this is its port
_MESSAGE_BYTES = 21  # after which it is known whether there is one
# Where to go on behind bytes that are neither: RTP and RTCP are of version 2 (RFC 3550, 5.1). The second
# line: the rest of it has not arrived.
_BEGINNING = re.compile(
    rb"\$[\0-\x1f]..[\x80-\xbf]|RTSP/1\.|"
    rb"\$(?:[\0-\x1f].{0,2})?\Z|R(?:T(?:S(?:P(?:/1?)?)?)?)?\Z",
    re.DOTALL,
)


class Connection:
    """Use it in one thread. ``buffer`` and ``view`` are valid until the next ``read``."""

    def __init__(self, plug: socket.socket) -> None:
        self._plug = plug
        self.buffer = bytearray(BUFFER_BYTES)
        self.view = memoryview(self.buffer)
        self._at = self._end = 0
        self._cseq = 0
        self.answers: list[Answer] = []

    @classmethod
    def open(
        cls, host: str, port: int, timeout_s: float, check_peer: Callable[[bytes], None] | None
    ) -> "Connection":
        """``check_peer`` gets the certificate (DER): given for TLS, and may raise. Raises ``OSError``."""
        until = time.monotonic() + timeout_s
        plug = _reach(host, port, until)
        try:
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if check_peer is not None:
                plug.settimeout(max(0.05, until - time.monotonic()))
                secure = _tls().wrap_socket(plug, server_hostname=host)
                plug = secure
                check_peer(secure.getpeercert(binary_form=True) or b"")
            return cls(plug)
        except BaseException:  # TLS, ``check_peer`` or an interrupt: nobody else knows of the socket yet
            plug.close()
            raise

    def send(self, method: str, url: str, headers: dict[str, str], timeout_s: float) -> int:
        """The request's CSeq. Raises ``OSError`` where the camera takes nothing more."""
        self._cseq += 1
        self._plug.settimeout(timeout_s)
        self._plug.sendall(request(method, url, self._cseq, headers))
        return self._cseq

    def reply(self, camera_request: Answer) -> None:
        """Some cameras ask too, to see whether we live."""
        cseq = (camera_request.get("cseq") or "0")[:16]
        self._plug.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n\r\n".encode())

    def answer(self, cseq: int, timeout_s: float, handlers: Handlers) -> Answer:
        """The answer to ``cseq``; packets that come before it go to ``handlers``.

        Raises ``TimeoutError``, ``EOFError``, ``OSError``, ``BadAnswer``.
        """
        until = time.monotonic() + timeout_s
        before = 0
        while True:
            self.parse(handlers)
            while self.answers:
                answer = self.answers.pop(0)
                # Some cameras leave CSeq out, or count on their own: there is one request at a time.
                if answer.status:
                    said = answer.number("cseq")
                    if said is None or said >= cseq:
                        return answer
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            before += self.read(left_s)
            if before > MOST_BEFORE_BYTES:
                raise BadAnswer

    def read(self, timeout_s: float) -> int:
        """Wait for more bytes: how many came. Raises ``TimeoutError``, ``EOFError``, ``OSError``."""
        at, end = self._at, self._end
        if at == end:
            self._at = self._end = end = 0
        elif at and end > HALF_BYTES:
            left = end - at
            self.buffer[:left] = self.buffer[at:end]
            self._at, self._end = 0, left
            end = left
        if self._plug.gettimeout() != timeout_s:
            self._plug.settimeout(timeout_s)
        count = self._plug.recv_into(self.view[end:])
        if not count:
            raise EOFError
        self._end = end + count
        return count

    def parse(self, handlers: Handlers) -> None:
        """Give every whole packet in the buffer to its channel's handler; answers are kept."""
        buffer, at, end = self.buffer, self._at, self._end
        while at + 4 <= end:
            if buffer[at] == _DOLLAR:
                stop = at + 4 + (buffer[at + 2] << 8 | buffer[at + 3])
                if stop > end:
                    break
                handle = handlers.get(buffer[at + 1])
                at = stop if handle is None else handle(at + 4, stop, end)
            else:
                self._at = at
                if not self._other():
                    return
                at = self._at
        self._at = at

    def _other(self) -> bool:
        """Something else than a packet: whether it was whole."""
        buffer, at, end = self.buffer, self._at, self._end
        while at < end and buffer[at] in b"\r\n":
            at += 1
        self._at = at
        if at == end:
            return False
        if buffer[at] == _DOLLAR:
            return True
        is_capital = 0x41 <= buffer[at] <= 0x5A
        if not _MESSAGE.match(buffer, at, end) and (not is_capital or end - at >= _MESSAGE_BYTES):
            match = _BEGINNING.search(buffer, at + 1, end)
            self._at = match.start() if match else end
            return match is not None
        found_message = find_message(buffer, at, end)
        if found_message is None:
            if end - at >= HALF_BYTES:
                raise BadAnswer
            return False
        answer, self._at = found_message
        self.answers.append(answer)
        del self.answers[:-8]
        return True

    def close(self) -> None:
        self.view.release()
        self._plug.close()


def _reach(host: str, port: int, until: float) -> socket.socket:
    """Unlike ``socket.create_connection``, whose timeout each address of the host has for itself."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    fault = OSError("the host has no address")
    for number, (family, kind, protocol, _, address) in enumerate(found):
        plug = socket.socket(family, kind, protocol)
        try:
            plug.settimeout(max(0.05, (until - time.monotonic()) / (len(found) - number)))
            plug.connect(address)
            return plug
        except OSError as error:
            plug.close()
            fault = error
    raise fault


def _tls() -> ssl.SSLContext:
    """For cameras: they sign themselves, so that the peer is known by its pin (``certificate``)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # cameras in the field have 1024 bit keys
    return context
