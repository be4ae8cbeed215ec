"""How this box comes to a hub: one request with a one-time code, then one transaction.

The box proves that it holds its identity key. What the hub answers is checked before anything is stored,
and stored all together: the target with its token, the key whose orders are obeyed, the tunnel. Where that
fails the hub may believe that the box is enrolled and the box does not: enrolling again with another code
mends it, since the box still has the identity key that it came with first.
"""

import asyncio
import base64
import ipaddress
import sqlite3
import ssl
from hashlib import sha256
from typing import cast
from urllib.parse import urlsplit

import aiohttp
import msgspec

from appliance import __version__
from appliance.base.clock import Clock
from appliance.base.errors import KINDS, ApplianceError, Kind, invalid
from appliance.base.model import User
from appliance.base.redaction import forbid
from appliance.store import audit, commands, hub_link, identity, settings, targets
from appliance.store.database import Database
from appliance.store.hub_link import HubLink
from appliance.store.identity import Identity
from appliance.store.sealing import Sealer
from appliance.store.targets import Target
from appliance.sync import address, faults
from appliance.sync.faults import ENROLLING
from appliance.sync.protocol import PREFIX, signing
from appliance.sync.protocol.enrolment import Enrolled, Enrolment, TunnelOffer
from appliance.sync.protocol.invitation import Invitation
from appliance.system.tunnel import kept
from appliance.system.tunnel.config import TunnelConfig

TARGET_ID = "hub"
TIMEOUT_S = 30.0
LONGEST_ANSWER_BYTES = 100_000
LONGEST_BOX_ID = 64


class _Error(msgspec.Struct):
    kind: str
    message: str
    hint: str = ""


class _Refused(msgspec.Struct):
    error: _Error


class Applicant:
    """``enrol`` this box."""

    def __init__(self, db: Database, sealer: Sealer, clock: Clock) -> None:
        self._db, self._sealer, self._clock = db, sealer, clock

    async def enrol(
        self, invitation: Invitation, ca: str | None = None, *, again: bool = False, user: User | None = None
    ) -> HubLink:
        """``ca``: PEM of the only authorities that the hub is believed by; None: the system's, or the
        certificate that the invitation names.

        ``user``: who did it, for the audit log; None: somebody at the box's command line. Raises
        ``conflict`` (belongs to a hub already, and not ``again``), ``denied`` (wrong code, or an identity
        that cannot be opened), ``invalid``, ``unavailable``; nothing is stored then.
        """
        forbid(invitation.code)
        address.validate(Target(TARGET_ID, invitation.url, "hub", ca))
        now_ns = self._clock.now_ns()

        def prepare(conn: sqlite3.Connection) -> Enrolment:
            _must_be_free(conn, again=again)
            own = identity.ensure(conn, self._sealer, now_ns)
            tunnel_key = kept.ensure_keys(conn, self._sealer).public
            name = settings.load(conn).site.name
            return _signed(own, invitation.code, settings.device_id(conn), name, tunnel_key)

        enrolment = await self._db.write(prepare)
        if ca is None and invitation.sha256:
            ca = await asyncio.to_thread(_pinned, invitation)
        enrolled = await _ask(Target(TARGET_ID, invitation.url, "hub", ca), enrolment)
        return await self._keep(enrolled, ca, again=again, user=user)

    async def _keep(self, enrolled: Enrolled, ca: str | None, *, again: bool, user: User | None) -> HubLink:
        forbid(enrolled.token)
        target = Target(TARGET_ID, enrolled.url, "hub", ca)
        command_key = _checked(enrolled, target)
        now_ns = self._clock.now_ns()
        link = HubLink(TARGET_ID, enrolled.box_id, command_key, now_ns)
        sealed = self._sealer.seal(enrolled.token.encode(), f"target/{TARGET_ID}")

        def work(conn: sqlite3.Connection) -> None:
            _must_be_free(conn, again=again)
            known = targets.get(conn, TARGET_ID)
            if known is None:
                targets.put(conn, target, sealed)
            else:  # what people decided about it stays: what it gets, in which order and for how much
                place = {"url": target.url, "ca": ca, "enabled": True}
                targets.put(conn, msgspec.structs.replace(known, **place), sealed)
            hub_link.put(conn, link)
            if enrolled.tunnel is not None:
                config = _config(enrolled.tunnel, enrolled.url)
                kept.configure(conn, self._sealer, config, enrolled.tunnel.preshared_key)
            detail = {"enrolled": target.url, "key_id": signing.key_id(command_key)}
            audit.add(conn, now_ns, user, "changed", "hub", detail)

        await self._db.write(work)
        return link


def leave(conn: sqlite3.Connection) -> bool:
    """Belong to no hub any more: nothing is owed to it, its orders are obeyed no longer, its tunnel is gone.
    Settings that it changed stay as they are now. False where there was none."""
    link = hub_link.get(conn)
    if link is None:
        return False
    targets.delete(conn, link.target_id)
    kept.forget(conn)
    trial = commands.trial(conn)
    if trial is not None:
        commands.end_trial(conn, trial.command_id)
    return hub_link.delete(conn)


def _must_be_free(conn: sqlite3.Connection, *, again: bool) -> None:
    if hub_link.get(conn) is not None and not again:
        raise ApplianceError(
            "conflict", "this box belongs to a hub already", "leave that one first, or enrol again on purpose"
        )
    found = targets.get(conn, TARGET_ID)
    if found is not None and found.kind != "hub":
        hint = "remove it, or give it another id"
        raise ApplianceError("conflict", f"there is a target {TARGET_ID!r} that is no hub", hint)


def _signed(own: Identity, code: str, device_id: str, name: str, tunnel_key: str) -> Enrolment:
    key = base64.b64encode(own.public_key).decode()
    bare = Enrolment(code, device_id, name, __version__, key, tunnel_key, proof="")
    proof = base64.b64encode(own.sign(bare.signed_text())).decode()
    return msgspec.structs.replace(bare, proof=proof)


def _pinned(invitation: Invitation) -> str:
    """The hub's certificate as PEM, if it is the one that the invitation names. Blocks."""
    parts = urlsplit(invitation.url)
    try:
        pem = ssl.get_server_certificate((parts.hostname or "", parts.port or 443), timeout=TIMEOUT_S)
    except (OSError, ValueError) as error:
        raise faults.of(error, ENROLLING) from error
    if sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() != invitation.sha256:
        raise ApplianceError(
            "denied",
            "the hub at this address shows another certificate than the invitation names",
            "compare it with the fingerprint that the hub printed at its start; where they differ, ask the"
            " hub's admin for a new invitation: somebody may be in between",
        )
    return pem


async def _ask(target: Target, enrolment: Enrolment) -> Enrolled:
    url = target.url.rstrip("/") + PREFIX + "/enrol"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.post(
                url,
                data=msgspec.json.encode(enrolment),
                headers=headers,
                ssl=address.tls_of(target),
                allow_redirects=False,
            ) as response,
        ):
            body = await response.content.read(LONGEST_ANSWER_BYTES)
            while not response.content.at_eof() and len(body) < LONGEST_ANSWER_BYTES:
                body += await response.content.read(LONGEST_ANSWER_BYTES)
            status = response.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise faults.of(error, ENROLLING) from error
    if not 200 <= status < 300:
        raise _refusal(status, body)
    try:
        return msgspec.json.decode(body, type=Enrolled)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise faults.unreadable(b"", ENROLLING) from None


def _refusal(status: int, body: bytes) -> ApplianceError:
    """The hub's own words, where it says any. Whoever does not know the address is no hub, whatever it
    says: another box, for one."""
    try:
        said = msgspec.json.decode(body, type=_Refused).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = _Error("unavailable", "", "")
    plain = "".join(letter for letter in said.message if letter.isprintable())[:300]
    if not plain or status in (404, 405):
        return faults.of_status(status, ENROLLING)
    # Its inner trouble is not this box's: people try again later.
    kind = cast("Kind", said.kind) if said.kind in KINDS - {"internal"} else "unavailable"
    return ApplianceError(kind, f"the hub refuses: {plain}", said.hint[:300] or ENROLLING.token)


def _checked(enrolled: Enrolled, target: Target) -> bytes:
    """The command key; raises ``invalid`` where the hub's answer makes no sense."""
    try:
        command_key = signing.decoded(enrolled.command_key, signing.KEY_BYTES)
    except ValueError:
        raise invalid("the hub's command key is none", "ask the hub's admin", field="command_key") from None
    if not 0 < len(enrolled.box_id) <= LONGEST_BOX_ID or not enrolled.box_id.isprintable():
        raise invalid("the hub names this box in no readable way", "ask the hub's admin", field="box_id")
    if enrolled.tunnel is not None and _inside(target.url, enrolled.tunnel):
        # WireGuard encrypts, and knows its peer: plain HTTP inside it is not read on the way.
        target = msgspec.structs.replace(target, url=target.url.replace("http://", "https://", 1))
    address.validate(target, enrolled.token)
    return command_key


def _config(offer: TunnelOffer, url: str) -> TunnelConfig:
    """What is offered, as it is kept. Where the hub is inside, it answers the tunnel's probe."""
    probe = ""
    if _inside(url, offer):
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        probe = f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    return TunnelConfig(
        address=offer.address,
        peer_key=offer.peer_key,
        endpoint=offer.endpoint,
        allowed_ips=tuple(offer.allowed_ips),
        probe=probe,
        keepalive_s=offer.keepalive_s,
        dns=offer.dns,
    )


def _inside(url: str, offer: TunnelOffer) -> bool:
    try:
        host = ipaddress.ip_address(urlsplit(url).hostname or "")
        return any(host in ipaddress.ip_network(text) for text in offer.allowed_ips)
    except ValueError:
        return False
