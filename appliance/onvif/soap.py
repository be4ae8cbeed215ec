"""Questions and answers of ONVIF: SOAP 1.2 over HTTP, and how a camera is told who asks.

First WS-UsernameToken with a digest (OASIS WSS UsernameToken Profile 1.0): it holds a time, which must be
the camera's, so its clock is asked before. Where the camera wants HTTP digest instead (RFC 7616), that.
The password itself is never sent.
"""

import asyncio
import base64
import hashlib
import secrets

import aiohttp

from appliance.base.clock import Clock, rfc3339
from appliance.base.errors import ApplianceError, Kind
from appliance.base.model import Credentials
from appliance.base.redaction import redact
from appliance.onvif.tree import MOST_BYTES, Node, NoTreeError, Xml, plain, read_tree, xml

NAMESPACES = {
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "timg": "http://www.onvif.org/ver20/imaging/wsdl",
    "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
    "tmd": "http://www.onvif.org/ver10/deviceIO/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "wsa": "http://www.w3.org/2005/08/addressing",
}
_ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_DENIED = ("notauthorized", "failedauthentication", "invalidsecurity", "unauthorized", "failedcheck")
SIGN_IN_HINT = "type the camera's own user name and password, with the rights of an administrator"
LOCKED_HINT = "wait 30 minutes or restart the camera; too many wrong passwords were tried"
REFUSED_HINT = "look for it in the camera's own page; this model may not let others set it"
NO_ONVIF_HINT = "switch ONVIF on in the camera's own page, or give its RTSP address by maker"
SILENT_HINT = "check its cable, its power and that its address is in the camera network"


class CameraFault(ApplianceError):
    """The camera understood and refuses. ``subcode``: ONVIF's word for why, in small letters."""

    def __init__(self, kind: Kind, message: str, hint: str, subcode: str = "") -> None:
        super().__init__(kind, message, hint)
        self.subcode = subcode


class Caller:
    """Asks one camera. ``skew_ns``: its clock minus ours, set by whoever asked it."""

    def __init__(
        self, credentials: Credentials | None, session: aiohttp.ClientSession, clock: Clock, deadline_s: float
    ) -> None:
        self.credentials = credentials
        self.skew_ns = 0
        self._session = session
        self._clock = clock
        self._deadline_s = deadline_s
        self._digest: aiohttp.DigestAuthMiddleware | None = None
        self.answered_date = ""  # the HTTP Date of the newest answer

    async def ask(
        self, url: str, body: Xml, *, headers: Xml | None = None, known: bool = True, deadline_s: float = 0.0
    ) -> Node:
        """What stands in the answer's Body. ``known``: say who asks. Raises ``ApplianceError``."""
        token = Xml("")
        if known and self.credentials and self._digest is None:
            token = username_token(self.credentials, self._clock.now_ns() + self.skew_ns)
        text = envelope(body, Xml((headers or "") + token))
        status, offers, data = await self._post(url, text, known, deadline_s or self._deadline_s)
        if status == 401 and known and "digest" in offers and self._digest is None and self.credentials:
            self._digest = _digest(self.credentials)
            text = envelope(body, headers or Xml(""))
            status, offers, data = await self._post(url, text, known, deadline_s or self._deadline_s)
        return understood(status, data)

    async def fetch(self, url: str, *, most_bytes: int) -> tuple[str, bytes]:
        """Content type and bytes of something that is no SOAP (a still)."""
        # Stills know no other login, whatever the questions are asked with; and it is bound to one origin.
        digest = _digest(self.credentials) if self.credentials else None
        status, kind, data = await self._request("GET", url, b"", digest, self._deadline_s, most_bytes)
        if status in (401, 403):
            raise CameraFault("denied", "the camera gives no picture for this password", SIGN_IN_HINT)
        if status != 200:
            raise ApplianceError("unavailable", f"the camera answers {status} for a picture", SILENT_HINT)
        return kind, data

    async def _post(self, url: str, text: str, known: bool, deadline_s: float) -> tuple[int, str, bytes]:
        digest = self._digest if known else None
        return await self._request("POST", url, text.encode(), digest, deadline_s, MOST_BYTES)

    async def _request(
        self,
        method: str,
        url: str,
        body: bytes,
        digest: aiohttp.DigestAuthMiddleware | None,
        deadline_s: float,
        most_bytes: int,
    ) -> tuple[int, str, bytes]:
        """Status, what a 401 offers (else the content type), and the body. Follows no redirect."""
        headers = {"Accept-Encoding": "identity"}
        if body:
            headers["Content-Type"] = "application/soap+xml; charset=utf-8"
        try:
            async with (
                asyncio.timeout(deadline_s),
                self._session.request(
                    method,
                    url,
                    data=body or None,
                    headers=headers,
                    allow_redirects=False,
                    ssl=False,  # cameras sign for themselves; the password is digested either way
                    middlewares=() if digest is None else (digest,),
                ) as response,
            ):
                self.answered_date = response.headers.get("Date", "")[:60]
                offers = " ".join(response.headers.getall("WWW-Authenticate", [])).lower()
                data = await _at_most(response, most_bytes)
                return response.status, offers if response.status == 401 else response.content_type, data
        except TimeoutError:
            raise ApplianceError(
                "unavailable", f"the camera did not answer in {deadline_s:g} s", SILENT_HINT
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: headers of a stranger that no parser takes
            reason = redact(plain(str(error))) or type(error).__name__
            raise ApplianceError(
                "unavailable", f"the camera does not answer: {reason}", SILENT_HINT
            ) from None


def envelope(body: Xml, header: Xml) -> str:
    """A whole message. All prefixes are declared at the top, which every camera copes with."""
    named = "".join(f' xmlns:{prefix}="{name}"' for prefix, name in NAMESPACES.items())
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{_ENVELOPE}"{named}>'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )


def username_token(credentials: Credentials, camera_now_ns: int, nonce: bytes = b"") -> Xml:
    """Digest = Base64(SHA-1(nonce + created + password)), section 3.1 of the profile."""
    nonce = nonce or secrets.token_bytes(16)
    created = rfc3339(max(0, camera_now_ns))
    # SHA-1 is what the profile has, not what we would choose.
    proof = hashlib.sha1(nonce + created.encode() + credentials.password.encode(), usedforsecurity=False)
    digest = base64.b64encode(proof.digest()).decode()
    token = xml(
        "wsse:UsernameToken",
        xml("wsse:Username", credentials.username),
        xml("wsse:Password", digest, Type=f"{_WSS}username-token-profile-1.0#PasswordDigest"),
        xml(
            "wsse:Nonce",
            base64.b64encode(nonce).decode(),
            EncodingType=f"{_WSS}soap-message-security-1.0#Base64Binary",
        ),
        xml("wsu:Created", created),
    )
    named = {
        "xmlns:wsse": f"{_WSS}wssecurity-secext-1.0.xsd",
        "xmlns:wsu": f"{_WSS}wssecurity-utility-1.0.xsd",
        "s:mustUnderstand": "1",
    }
    return xml("wsse:Security", token, **named)


def understood(status: int, data: bytes) -> Node:
    """The first element of the Body. Raises ``CameraFault`` for a refusal, ``ApplianceError`` for what is
    no answer of ONVIF."""
    if 300 <= status < 400:
        raise ApplianceError(
            "unavailable", "the camera sends us elsewhere", "give its https:// address, or allow http on it"
        )
    try:
        root = read_tree(data)
    except NoTreeError as error:
        raise _no_answer(status, str(error)) from None
    inside = root.at("Body")
    if root.name != "Envelope" or inside is None:
        raise _no_answer(status, f"<{plain(root.name, 40)}>")
    if not inside.children:
        raise _no_answer(status, "an empty answer")
    answer = inside.children[0]
    if answer.name == "Fault":
        raise _fault(status, answer)
    if status in (401, 403):
        raise CameraFault("denied", "the camera does not take this password", SIGN_IN_HINT)
    return answer


def _no_answer(status: int, reason: str) -> ApplianceError:
    if status in (401, 403):
        return CameraFault("denied", "the camera does not take this user name and password", SIGN_IN_HINT)
    if status in (404, 405, 501):
        return ApplianceError("not_found", "something answers there, but not ONVIF", NO_ONVIF_HINT)
    return ApplianceError("invalid", f"the camera answers what nobody understands ({reason})", NO_ONVIF_HINT)


def _fault(status: int, fault: Node) -> CameraFault:
    """SOAP 1.2 (Code, Subcode, Reason) or 1.1 (faultcode, faultstring)."""
    codes = [node.said("") for node in fault.anywhere("Value")] + [fault.said("faultcode")]
    words = [code.rpartition(":")[2].strip().lower() for code in codes if code]
    subcode = next(reversed(words), "") if len(words) > 1 else next(iter(words), "")
    reason = redact(fault.said("Reason/Text") or fault.said("faultstring") or fault.said("Detail/Text"))
    together = "".join([*words, reason.lower()]).replace(" ", "")
    if "lock" in together and ("account" in together or "user" in together):
        return CameraFault("denied", "the camera has locked this user", LOCKED_HINT, subcode)
    if status == 401 or any(word in together for word in _DENIED):
        return CameraFault(
            "denied", "the camera does not take this user name and password", SIGN_IN_HINT, subcode
        )
    why = reason or subcode or "no reason given"
    return CameraFault("invalid", f"the camera refuses: {why}", REFUSED_HINT, subcode)


def _digest(credentials: Credentials) -> aiohttp.DigestAuthMiddleware:
    try:
        return aiohttp.DigestAuthMiddleware(credentials.username, credentials.password)
    except ValueError:
        raise CameraFault("denied", "a user name with a colon cannot sign in here", SIGN_IN_HINT) from None


async def _at_most(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    parts, left = [], most_bytes
    async for part in response.content.iter_chunked(64 * 1024):
        left -= len(part)
        if left < 0:
            raise ApplianceError("invalid", "the camera's answer does not end", NO_ONVIF_HINT)
        parts.append(part)
    return b"".join(parts)
