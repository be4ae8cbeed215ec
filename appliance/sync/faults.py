"""What is wrong with a link, in words for people: one sentence, and the next step.

The one place where errors of sockets, of TLS and of the libraries above them, and HTTP statuses that are no
success, become an ``ApplianceError``. All who speak to somebody use it: targets, the enrolment, the poll for
orders; what a person reads at the box, in the answer of a test and in the outbox (``last_error``) are
therefore the same words. They name nothing that is secret: what a library says itself is redacted.

Numbers: X509_V_ERR_* of OpenSSL (x509_vfy.h), errno(3), RFC 9110 for statuses.
"""

import errno
import re
import socket
import ssl
from collections.abc import Callable, Iterator

import aiohttp
import msgspec

from appliance.base.errors import ApplianceError
from appliance.base.redaction import redact

LONGEST_SAID = 160  # of somebody else's words, beside ours
MOST_CAUSES = 12
EXPIRED, NOT_YET, OTHER_NAME, OTHER_ADDRESS = 10, 9, 62, 64
SELF_SIGNED = (2, 18, 19, 20, 21, 27)  # no issuer, or one that nobody here knows
UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL)
CUT = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN, errno.ESHUTDOWN)
AGAIN = "nothing to do here: it is tried again by itself"


# Nobody was reached: not a byte of what was to be sent has left.
UNSENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class Peer(msgspec.Struct, frozen=True):
    """Whom the sentences are about. The next step where nobody vouches for its certificate
    (``untrusted``) or the certificate is for another name, where it does not let us in, where something
    else answers; ``other``: what that is then."""

    name: str
    untrusted: str
    other_name: str
    token: str
    other: str = "what answers at this address takes no deliveries"
    wrong: str = "check the address to its last letter: the port and the path, too"


TARGET = Peer(
    "the target",
    "ask who runs it for the authority's certificate, and give it as Certificate authority (PEM)",
    "enter the address by a name that its certificate is for, or have the certificate made for this one",
    "enter the token or password again, or ask who runs it for a new one",
)
HUB = Peer(
    "the hub",
    "if its admin knows of a new certificate, enrol again with a new invitation",
    "its own certificate is for its host name and its addresses in the LAN: ask its admin for the right one",
    "ask the hub's admin whether this box was revoked there; a new code enrols it again",
    "what answers at this address is no hub",
    "check the address and the port: a hub and a box on one machine have different ones",
)
ENROLLING = msgspec.structs.replace(
    HUB,
    untrusted="a hub of your own: compare the fingerprint that it printed at its start and give it (--sha256,"
    " or SHA-256 of its certificate), or scan its invitation",
    token="ask the hub's admin for a new code",  # noqa: S106  # words about one
)


def of(error: BaseException, peer: Peer = TARGET) -> ApplianceError:
    """``error`` as a person is told it. One that is for people already stays as it is."""
    if isinstance(error, ApplianceError):
        return error
    causes = list(_causes(error))
    for look in _LOOKS:  # what stands deeper says more: a certificate before the connection that it spoilt
        for cause in causes:
            found = look(cause, peer)
            if found is not None:
                return found
    for shape, make in _TEXTS:  # libraries that keep nothing but a text of what happened
        if any(shape.search(str(cause)) for cause in causes):
            return make(peer)
    text = _plain(str(error)) or _plain(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower())
    return _unavailable(f"{peer.name} cannot be used: {text}", "check the address and what is set for it")


def of_status(status: int, peer: Peer = TARGET, said: str = "") -> ApplianceError:
    """An answer that is no success. ``said``: the peer's own reason, if it gave one."""
    number, reason = f"HTTP {status}", _plain(said)
    tail = f", {number}" + (f": {reason}" if reason else "")
    if status == 401:
        return ApplianceError("denied", f"{peer.name} does not accept this box's token{tail}", peer.token)
    if status == 403:
        return ApplianceError("denied", f"{peer.name} does not let this box in{tail}", peer.token)
    if status in (404, 405, 410) and not reason:
        return ApplianceError("not_found", f"{peer.other}, {number}", peer.wrong)
    if status == 413:
        hint = "ask who runs it to allow larger requests, also in a proxy before it; then try again"
        return ApplianceError("invalid", f"what was sent is too large for {peer.name}{tail}", hint)
    if status in (408, 429):
        return _unavailable(f"{peer.name} is busy and asks to wait{tail}", AGAIN)
    if status == 507:
        return ApplianceError("exhausted", f"{peer.name} has no room left{tail}", "make room there")
    if 300 <= status < 400:
        hint = "redirects are not followed: enter the new address"
        return _unavailable(f"{peer.name} has moved to another address{tail}", hint)
    if 400 <= status < 500:
        hint = "look for the reason in its own log, or ask who runs it"
        return ApplianceError("invalid", f"{peer.name} refuses what was sent{tail}", hint)
    if status >= 500:
        hint = f"{AGAIN}; if it lasts, look there"
        return _unavailable(f"{peer.name} is there, but in trouble itself{tail}", hint)
    return _unavailable(f"{peer.other}{tail}", peer.wrong)


def unreadable(body: bytes | None, peer: Peer = TARGET) -> ApplianceError:
    """It answered with success, and not in the way that was agreed. ``body`` None: longer than we read."""
    if body is not None and body.lstrip()[:1] in (b"{", b"["):
        hint = 'it has to answer {"acknowledged": [ids]}, or nothing for all of them'
        return _unavailable(f"the answer of {peer.name} does not say what it acknowledges", hint)
    return _unavailable(peer.other, peer.wrong)


def _unavailable(message: str, hint: str) -> ApplianceError:
    return ApplianceError("unavailable", message, hint)


def _untrusted(peer: Peer) -> ApplianceError:
    return _unavailable(
        f"nobody that this box knows vouches for the certificate of {peer.name}", peer.untrusted
    )


def _other_name(peer: Peer) -> ApplianceError:
    return _unavailable(
        f"the certificate of {peer.name} is for another name than this address", peer.other_name
    )


def _expired(peer: Peer) -> ApplianceError:
    hint = "check this box's date and time; if they are right, who runs it has to renew the certificate"
    return _unavailable(f"by this box's clock the certificate of {peer.name} has expired", hint)


def _not_yet(peer: Peer) -> ApplianceError:
    hint = "check this box's date and time"
    return _unavailable(f"by this box's clock the certificate of {peer.name} is not valid yet", hint)


def _nameless(peer: Peer) -> ApplianceError:
    hint = "check the spelling of the address, and that this box's network has a working DNS"
    return _unavailable(f"{peer.name} is not found: its name has no address", hint)


def _refused(peer: Peer) -> ApplianceError:
    hint = "check the address and the port, that it is running, and that no firewall is in between"
    return _unavailable(f"{peer.name} refuses the connection: nothing listens at this address and port", hint)


def _no_way(peer: Peer) -> ApplianceError:
    hint = "check this box's network: the cable, its address and the gateway"
    return _unavailable(f"no way leads from this box to {peer.name}", hint)


def _silent(peer: Peer) -> ApplianceError:
    hint = "check the address, and that no firewall is in between; it may also be off, or the link too slow"
    return _unavailable(f"no answer in time: {peer.name} is silent", hint)


def _cut(peer: Peer) -> ApplianceError:
    hint = "check the port, and whether it wants https://; if it worked before, it is tried again by itself"
    return _unavailable(f"{peer.name} ended the connection before it answered", hint)


def _no_tls(peer: Peer) -> ApplianceError:
    return _unavailable(
        f"no TLS is spoken at the port of {peer.name}",
        "check the port; if it is right, TLS has to be switched on there",
    )


def _certificate(error: BaseException, peer: Peer) -> ApplianceError | None:
    code = getattr(error, "verify_code", None)  # aiohttp's own of that class has none, but the one behind it
    if not isinstance(error, ssl.SSLCertVerificationError) or code is None:
        return None
    if code in SELF_SIGNED:
        return _untrusted(peer)
    if code in (OTHER_NAME, OTHER_ADDRESS) or "doesn't match" in str(error):
        return _other_name(peer)
    if code in (EXPIRED, NOT_YET):
        return _expired(peer) if code == EXPIRED else _not_yet(peer)
    why = _plain(getattr(error, "verify_message", "") or "no reason was given")
    return _unavailable(f"the certificate of {peer.name} is not accepted: {why}", peer.untrusted)


def _tls(error: BaseException, peer: Peer) -> ApplianceError | None:
    reason = getattr(error, "reason", None)
    if not isinstance(error, ssl.SSLError) or not reason:
        return None
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return None
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"):
        return _no_tls(peer)
    why = _plain(reason.replace("_", " ").lower()) or "no reason was given"
    hint = "TLS 1.2 or newer is spoken here; ask who runs it what it wants"
    return _unavailable(f"no encrypted connection to {peer.name} comes about: {why}", hint)


def _name(error: BaseException, peer: Peer) -> ApplianceError | None:
    return _nameless(peer) if isinstance(error, socket.gaierror | aiohttp.ClientConnectorDNSError) else None


def _socket(error: BaseException, peer: Peer) -> ApplianceError | None:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ECONNREFUSED:
        return _refused(peer)
    if number in UNREACHABLE:
        return _no_way(peer)
    return _silent(peer) if number == errno.ETIMEDOUT else None


def _time(error: BaseException, peer: Peer) -> ApplianceError | None:
    return _silent(peer) if isinstance(error, TimeoutError) else None


def _ended(error: BaseException, peer: Peer) -> ApplianceError | None:
    ended = (ssl.SSLEOFError, ssl.SSLZeroReturnError, EOFError, aiohttp.ServerDisconnectedError)
    if isinstance(error, (*ended, aiohttp.ClientPayloadError, ConnectionError)):
        return _cut(peer)
    return _cut(peer) if isinstance(error, OSError) and error.errno in CUT else None


def _http(error: BaseException, peer: Peer) -> ApplianceError | None:
    """Something answered, in no HTTP."""
    return unreadable(b"", peer) if isinstance(error, aiohttp.ClientResponseError) else None


_LOOKS = (_certificate, _tls, _name, _socket, _time, _ended, _http)
_TEXTS: tuple[tuple[re.Pattern[str], Callable[[Peer], ApplianceError]], ...] = tuple(
    (re.compile(text, re.IGNORECASE), make)
    for text, make in (
        (r"certificate.{0,40}expired|CertExpired|: Expired", _expired),
        (r"self.signed|unable to get local issuer|UnknownIssuer|CaUsedAsEndEntity|unknown ca\b", _untrusted),
        (r"hostname mismatch|NotValidForName|IP address mismatch", _other_name),
        (r"name or service not known|dns error|failed to lookup|name resolution|getaddrinfo", _nameless),
        (r"connection refused|errno 111|error 111", _refused),
        (r"no route to host|network is unreachable|host is unreachable", _no_way),
        (r"wrong.version.number", _no_tls),
        (r"timed ?out|time ?out\b", _silent),
        (r"connection reset|broken pipe|connection (was )?(lost|closed)|disconnected", _cut),
    )
)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what is in and behind it, each once. aiohttp keeps what happened in attributes,
    others in ``__cause__``, and some among their arguments."""
    seen: list[BaseException] = []
    queue: list[object] = [error]
    while queue and len(seen) < MOST_CAUSES:
        one = queue.pop(0)
        if not isinstance(one, BaseException) or any(one is known for known in seen):
            continue
        seen.append(one)
        yield one
        inner = [getattr(one, name, None) for name in ("certificate_error", "os_error", "__cause__")]
        behind = None if one.__suppress_context__ else one.__context__
        queue += [*inner, behind, *getattr(one, "exceptions", ()), *one.args]


def _plain(text: str) -> str:
    """One short line of somebody else's words, without credentials, addresses of objects and the like."""
    text = re.sub(r" ssl:(<[^>]{0,200}>|default|None|True|False)", "", text[: 10 * LONGEST_SAID])
    line = " ".join("".join(c if c.isprintable() else " " for c in redact(text)).split())
    return line if len(line) <= LONGEST_SAID else line[: LONGEST_SAID - 1] + "…"
