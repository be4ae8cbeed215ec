"""What is wrong on the way to a channel's server, in words for people. Kinds decide what happens next:
``unavailable`` and ``exhausted`` are tried again by themselves, all others wait for a person.

Numbers: errno(3), X509_V_ERR_* of OpenSSL, RFC 5321 section 4.2.1 and RFC 9110 section 15 for replies.
"""

import errno
import smtplib
import socket
import ssl
from collections.abc import Iterator

from appliance.base.errors import ApplianceError, Kind
from appliance.base.redaction import redact

LONGEST_SAID = 160
AGAIN: frozenset[Kind] = frozenset({"unavailable", "exhausted"})
EXPIRED, NOT_YET, OTHER_NAME, OTHER_ADDRESS = 10, 9, 62, 64


def of(error: BaseException, peer: str) -> ApplianceError:
    """``peer``: whom the sentence is about, e.g. ``the mail server``."""
    if isinstance(error, ApplianceError):
        return error
    for cause in _causes(error):
        if (found := _certificate(cause, peer) or _socket(cause, peer)) is not None:
            return found
    said = plain(str(error)) or type(error).__name__
    return ApplianceError("unavailable", f"{peer} cannot be used: {said}", "check its address and settings")


def of_reply(code: int, said: object, peer: str) -> ApplianceError:
    """An SMTP reply that is no success: 4yz passes by itself, 5yz does not."""
    text = plain(said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said))
    tail = f": {code} {text}".rstrip()
    if code in (530, 534, 535, 538):
        hint = "enter user name and password again; some providers want a password of its own for a program"
        return ApplianceError("denied", f"{peer} does not let this box sign in{tail}", hint)
    if 400 <= code < 500:
        return ApplianceError(
            "unavailable", f"{peer} cannot take mail now{tail}", "it is tried again by itself"
        )
    return ApplianceError("invalid", f"{peer} refuses the mail{tail}", "check the addresses of From and To")


def of_status(status: int, peer: str) -> ApplianceError:
    """An HTTP answer that is no success."""
    if status in (401, 403):
        hint = "enter the token again, or ask who runs it for a new one"
        return ApplianceError("denied", f"{peer} does not let this box in: HTTP {status}", hint)
    if status in (408, 425, 429) or status >= 500:
        hint = "it is tried again by itself; if it lasts, look there"
        return ApplianceError("unavailable", f"{peer} is there, but in trouble: HTTP {status}", hint)
    if 300 <= status < 400:
        hint = "redirects are not followed: enter the new address"
        return ApplianceError("invalid", f"{peer} has moved: HTTP {status}", hint)
    hint = "check the address to its last letter, and look into its log"
    return ApplianceError("invalid", f"{peer} refuses what was sent: HTTP {status}", hint)


def plain(text: str) -> str:
    """One short line of somebody else's words, without credentials."""
    line = " ".join("".join(c if c.isprintable() else " " for c in redact(text[:2000])).split())
    return line if len(line) <= LONGEST_SAID else line[: LONGEST_SAID - 1] + "…"


def _certificate(error: BaseException, peer: str) -> ApplianceError | None:
    code = getattr(error, "verify_code", None)
    if isinstance(error, ssl.SSLCertVerificationError) and code is not None:
        if code in (EXPIRED, NOT_YET):
            text, hint = "is not valid today", "check this box's date; else its owner has to renew it"
        elif code in (OTHER_NAME, OTHER_ADDRESS):
            text, hint = "is for another name", "enter the server by the name that its certificate is for"
        else:
            text = "is vouched for by nobody that this box knows"
            hint = "ask who runs it for the authority's certificate, and give it as ca (PEM)"
        return ApplianceError("unavailable", f"the certificate of {peer} {text}", hint)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        hint = "check whether that port is for encrypted connections: of mail, 465 is, 587 and 25 are not"
        return ApplianceError("unavailable", f"no encrypted connection (TLS) to {peer} could be made", hint)
    return None


def _socket(error: BaseException, peer: str) -> ApplianceError | None:
    if isinstance(error, socket.gaierror):
        hint = "check the spelling of its address, and that this box's network has a DNS"
        return ApplianceError("unavailable", f"{peer} is not found: its name has no address", hint)
    if isinstance(error, TimeoutError):
        hint = "check the address and the port, and that no firewall is in between"
        return ApplianceError("unavailable", f"no answer in time: {peer} is silent", hint)
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ECONNREFUSED:
        hint = "check the address and the port, and that it is running"
        return ApplianceError("unavailable", f"{peer} refuses the connection: nothing listens there", hint)
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN):
        hint = "check this box's network: the cable, its address and the gateway"
        return ApplianceError("unavailable", f"no way leads from this box to {peer}", hint)
    ended = (ConnectionError, EOFError, ssl.SSLEOFError, smtplib.SMTPServerDisconnected)
    if isinstance(error, ended):
        hint = "check the port, and whether it wants TLS; if it worked before, it is tried again by itself"
        return ApplianceError("unavailable", f"{peer} ended the connection before it answered", hint)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what is behind it; aiohttp keeps that in attributes."""
    seen: list[BaseException] = []
    queue: list[object] = [error]
    while queue and len(seen) < 10:
        one = queue.pop(0)
        if isinstance(one, BaseException) and not any(one is known for known in seen):
            seen.append(one)
            inner = (getattr(one, name, None) for name in ("certificate_error", "os_error", "__cause__"))
            queue += [*inner, *one.args]
    # What stands deeper says more: a certificate before the connection that it spoilt.
    yield from reversed(seen)
