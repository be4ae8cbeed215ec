"""POST /enrol: a code of the admin's and the proof of the box's own key, for a token of its own."""

import base64
import hashlib
import secrets
from typing import Literal

import msgspec
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.base.errors import ApplianceError, invalid
from appliance.base.http_errors import HttpError
from appliance.base.redaction import forbid
from appliance.hub import tunnel, tunnel_keys
from appliance.hub.box_api import body
from appliance.hub.box_api.door import address_of, new_token, token_hash
from appliance.hub.hub import HUB, Hub
from appliance.hub.settings import HubSettings, is_key
from appliance.hub.store import audit, boxes, codes
from appliance.hub.store.codes import Code
from appliance.hub.store.steps import Steps, lock
from appliance.hub.throttling import ENROLMENTS
from appliance.sync.protocol.batch import RowId
from appliance.sync.protocol.enrolment import Enrolled, Enrolment, TunnelOffer
from appliance.web.params import Name

LONGEST_BYTES = 16_000
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # 31 signs that nobody mixes up on paper

Refused = Literal["code", "key", "tunnel"]


async def enrol(request: web.Request) -> web.StreamResponse:
    """Wrong, old, used and revoked codes look the same. Failures are counted by address."""
    hub = request.app[HUB]
    asked = await body.read_json(request, Enrolment, LONGEST_BYTES)
    _check(asked, hub.settings)
    address = address_of(request)
    throttle = request.app[ENROLMENTS]
    async with throttle.attempt(address, "enrolment"):
        token = new_token(asked.device_id)
        found = await hub.store.write(lambda: _enrol(hub, asked, token_hash(token), address))
        if isinstance(found, str):
            throttle.failed(address, "enrolment")
            raise _refusal(found)
    forbid(token)
    url = hub.settings.url or f"{request.scheme}://{request.host}"
    key = hub.command_key.public
    return body.answer(Enrolled(asked.device_id, token, url, key, found[0]))


def code_hash(code: str) -> bytes:
    """Of what a person typed: case, spaces and dashes do not matter. 99 random bits need no slow hash."""
    plain = "".join(char for char in code.lower() if char.isalnum())
    return hashlib.sha256(plain.encode()).digest()


def new_code() -> str:
    """To be read from a screen or a QR code; kept out of every log."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))
    code = "-".join(groups)
    forbid(code)
    return code


def fingerprint(key: str) -> str:
    """SHA-256, hex, of a public key in base64."""
    return hashlib.sha256(base64.b64decode(key)).hexdigest()


def _check(asked: Enrolment, settings: HubSettings) -> None:
    """Raises ``invalid``, or 403 where the proof does not fit: nothing is looked up before that."""
    for name, text, kind in (("device_id", asked.device_id, RowId), ("name", asked.name, Name)):
        try:
            msgspec.convert(text, kind)
        except msgspec.ValidationError:
            raise invalid(f"this is no {name}", "", field=name) from None
    if len(asked.code) > 100 or len(asked.version) > 100 or not asked.version.isprintable():
        raise invalid("this is no enrolment", "", field="code" if len(asked.code) > 100 else "version")
    if asked.tunnel_key:
        tunnel_keys.check(asked.tunnel_key, settings)
    if not is_key(asked.identity_key):
        raise invalid("this is no public key", "base64 of 32 bytes", field="identity_key")
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(asked.identity_key))
        public.verify(base64.b64decode(asked.proof.encode(), validate=True), asked.signed_text())
    except (InvalidSignature, ValueError, UnicodeError):
        raise HttpError(
            403, "denied", "the proof does not fit the identity key", "start the box's enrolment again",
            field="proof",
        ) from None  # fmt: skip


def _enrol(
    hub: Hub, asked: Enrolment, hashed: bytes, address: str
) -> Steps[tuple[TunnelOffer | None] | Refused]:
    """One device after another, in whichever instance: the key that it is known with is read, compared and
    written by one at a time. Who has no code learns nothing of the boxes that are known."""
    now_ns, box_id = hub.clock.now_ns(), asked.device_id
    yield from lock(f"box {box_id}")
    known = yield from boxes.identity(box_id)
    code = yield from codes.find(code_hash(asked.code))
    if code is None or not _counts(code, asked, known, now_ns):
        detail = {"why": "wrong, used or old code", "address": address}
        yield from audit.add(now_ns, None, None, "refused", f"box/{box_id}", detail)
        return "code"
    if known is not None and known.identity_key != asked.identity_key:
        detail = {"why": "another identity key", "address": address}
        yield from audit.add(now_ns, None, None, "refused", f"box/{box_id}", detail)
        return "key"
    if asked.tunnel_key and (yield from boxes.has_tunnel_key(box_id, asked.tunnel_key)):
        detail = {"why": "another box's tunnel key", "address": address}
        yield from audit.add(now_ns, None, None, "refused", f"box/{box_id}", detail)
        return "tunnel"
    if code.used_ns is None and not (yield from codes.use(code.id, box_id, now_ns)):
        detail = {"why": "somebody used the code at that moment", "address": address}
        yield from audit.add(now_ns, None, None, "refused", f"box/{box_id}", detail)
        return "code"
    if not (
        yield from boxes.enrol(
            box_id, code.name or asked.name, code.site_id, asked.version, hashed, asked.identity_key,
            asked.tunnel_key, now_ns,
        )
    ):  # fmt: skip
        raise ApplianceError("conflict", "this box enrolled elsewhere at this moment", "enrol it again")
    offered = None
    if hub.settings.tunnel is not None and asked.tunnel_key:
        offered = yield from tunnel.offer(box_id, hub.settings.tunnel, hub.sealer)
    else:
        yield from boxes.forget_tunnel(box_id)
    detail = {"address": address, "code": code.id, "fingerprint": fingerprint(asked.identity_key)}
    yield from audit.add(now_ns, None, None, "enrolled", f"box/{box_id}", detail)
    return (offered,)


def _counts(code: Code, asked: Enrolment, known: boxes.BoxIdentity | None, now_ns: int) -> bool:
    """The code is good for this device. The one who used it may use it again as long as it was not heard
    with the token that it got: the answer may have been lost on the way."""
    if code.fingerprint and code.fingerprint != fingerprint(asked.identity_key):
        return False
    if code.revoked_ns is not None or code.expires_ns <= now_ns:
        return False
    if code.used_ns is None:
        return True
    again = known is not None and known.identity_key == asked.identity_key and known.seen_ns is None
    return again and code.used_by == asked.device_id


def _refusal(why: Refused) -> HttpError:
    if why == "key":
        message = "a box with this id is known here with another identity key"
        return HttpError(403, "denied", message, "ask the hub's admin", field="identity_key")
    if why == "tunnel":
        message = "another box has this tunnel key"
        return HttpError(409, "conflict", message, "make a new one on this box", field="tunnel_key")
    hint = "ask the hub's admin for a new one"
    return HttpError(403, "denied", "this code is wrong, used, or too old", hint, field="code")
