"""The remote link: this box becomes one of a hub's, by a code, a QR code or a USB stick.

Objective: enrolled, heard by the hub, and the tunnel's first handshake seen; or a plain reason why not.
Invariants: a box that belongs to a hub is not moved to another one unless that is asked for; the code is sent
to the hub that the invitation names and kept nowhere.
Non-goals: what the hub may order, targets (the box's pages). Everything works without a hub.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from appliance.base.errors import ApplianceError, invalid
from provisioning.ground import Ground
from provisioning.step import Applied, BaseStep, Change, Check, Plan, Say

SCHEME = "aries-enrol:1?"  # what a hub prints, and what its QR code and stick hold
ON_A_STICK = "aries-enrol.txt"
LONGEST_BYTES = 4_000
MOUNTED = ("/media/*", "/media/*/*", "/run/media/*/*", "/mnt", "/mnt/*")
WAIT_S, POLL_S = 30.0, 0.5

Text = Annotated[str, msgspec.Meta(max_length=2000)]


class RemoteGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``invitation``: the text of a QR code or stick; or ``url`` and ``code``, with ``sha256`` of the hub's
    certificate or ``ca`` (PEM) where no public authority vouches for it. ``again``: leave the hub that the
    box belongs to for this one."""

    invitation: Annotated[str, msgspec.Meta(max_length=LONGEST_BYTES)] = ""
    url: Text = ""
    code: Text = ""
    sha256: Text = ""
    ca: Annotated[str, msgspec.Meta(max_length=100_000)] = ""
    again: bool = False

    def __repr__(self) -> str:
        return "RemoteGiven(…)"


class Found(msgspec.Struct, frozen=True):
    """In the API's shape. ``stick``: there is an invitation on one that is plugged in."""

    hub: dict[str, Any]
    tunnel: dict[str, Any]
    stick: bool


class OnStick(msgspec.Struct, frozen=True):
    invitation: str


class Remote(BaseStep[RemoteGiven]):
    name: ClassVar[str] = "remote"
    title: ClassVar[str] = "Remote link"
    optional: ClassVar[bool] = True
    given: type[RemoteGiven] = RemoteGiven

    async def probe(self, ground: Ground) -> Found:
        hub, tunnel = await _hub(ground), await _tunnel(ground)
        return Found(hub, tunnel, await asyncio.to_thread(_stick, ground) is not None)

    async def plan(self, ground: Ground, given: RemoteGiven) -> Plan:
        hub = await _hub(ground)
        wanted = _host(given)
        if not wanted:
            if hub["url"] is None:
                return Plan(notes=("no hub: the box records, watches and alerts without one",))
            return Plan()
        now = _host_of(hub["url"] or "")
        if now == wanted and not given.again:
            return Plan()
        if now and not given.again:
            hint = "leave that one on the page Connections, or say that this box is to change (again)"
            raise ApplianceError("conflict", f"this box belongs to the hub {now}", hint, field="url")
        if not given.invitation and not given.code:
            raise invalid("the code is missing", "the hub shows it: Boxes, Add a box", field="code")
        return Plan((Change(f"enrol this box at {wanted}", "its key is made here and never leaves the box"),))

    async def apply(self, ground: Ground, given: RemoteGiven, say: Say) -> Applied:
        if not (await self.plan(ground, given)).changes:
            return Applied()
        say(f"asking {_host(given)} to take this box in")
        body: dict[str, Any] = {"again": given.again, "ca": given.ca or None}
        if given.invitation:
            body["invitation"] = given.invitation.strip()
        else:
            body |= {"url": given.url.strip(), "code": given.code.strip(), "sha256": given.sha256.strip()}
        await ground.daemon.ask("POST", "/hub/enrol", body)
        say("enrolled")
        await _wait_for_the_tunnel(ground, say)
        return Applied()

    async def verify(self, ground: Ground, given: RemoteGiven | None) -> tuple[Check, ...]:
        hub, tunnel = await _hub(ground), await _tunnel(ground)
        if hub["url"] is None:
            return (Check("hub", True, "none: the box works on its own"),)
        host = _host_of(hub["url"])
        # Its orders are asked for in long questions: the first is answered after half a minute.
        text = f"{host} is heard" if hub["heard_at"] else f"{host} has taken this box in"
        if hub["error"]:
            text = f"{host}: {hub['error']}"
        hint = "check this box's way to the internet; it is tried again by itself"
        checks = [Check("hub", not hub["error"], text, hint)]
        if tunnel["is_configured"]:
            is_up = tunnel["state"] == "up" and tunnel["handshake_at"] is not None
            text = f"handshake {tunnel['handshake_age_s']:.0f} s ago" if is_up else _why(tunnel)
            checks.append(Check("tunnel", is_up, text, tunnel["hint"]))
        return tuple(checks)

    async def ask(self, ground: Ground, what: str, body: dict[str, Any]) -> msgspec.Struct:
        """``stick``: the invitation on a USB stick that is plugged in."""
        if what != "stick":
            return await super().ask(ground, what, body)
        found = await asyncio.to_thread(_stick, ground)
        if found is None:
            hint = "the hub writes it: appliance hub code --url … --stick …"
            raise ApplianceError("not_found", f"no stick with the file {ON_A_STICK} is plugged in", hint)
        return OnStick(found)


async def _hub(ground: Ground) -> dict[str, Any]:
    found: dict[str, Any] = (await ground.daemon.ask("GET", "/hub"))["hub"]
    return found


async def _tunnel(ground: Ground) -> dict[str, Any]:
    found: dict[str, Any] = (await ground.daemon.ask("GET", "/tunnel"))["tunnel"]
    return found


async def _wait_for_the_tunnel(ground: Ground, say: Say) -> None:
    """Where the hub offers one, until it has shaken hands; no longer than ``WAIT_S``: what is missing then,
    ``verify`` says."""
    for turn in range(round(WAIT_S / POLL_S)):
        tunnel = await _tunnel(ground)
        if not tunnel["is_configured"]:
            return
        if tunnel["handshake_at"] is not None:
            say("the tunnel is up")
            return
        if turn == 0:
            say("waiting for the tunnel's first handshake")
        await ground.clock.sleep(POLL_S)


def _why(tunnel: dict[str, Any]) -> str:
    """Not ``up``, in one line."""
    if not tunnel["is_running"] and tunnel["wanted"]:
        return "no program runs it"
    return ": ".join(part for part in (tunnel["state"], tunnel["detail"]) if part)


def _host(given: RemoteGiven) -> str:
    """Of the hub that the answers name; empty: they name none. Raises ``invalid``."""
    if given.invitation and (given.url or given.code):
        hint = "send it alone, or url and code"
        raise invalid("an invitation says where the hub is", hint, field="invitation")
    url = given.url.strip()
    if given.invitation:
        text = given.invitation.strip()
        url = dict(parse_qsl(text.removeprefix(SCHEME))).get("url", "") if text.startswith(SCHEME) else ""
        if not url:
            hint = f"it begins with {SCHEME}"
            raise invalid("this is no invitation of a hub", hint, field="invitation")
    if url and not _host_of(url):
        raise invalid("this is no address of a hub", "write https://hub.example", field="url")
    if given.code and not url:
        raise invalid("the hub's address is missing", "write https://hub.example", field="url")
    return _host_of(url)


def _host_of(url: str) -> str:
    """Host and port, as a person says it."""
    try:
        parts = urlsplit(url)
        return parts.netloc.rpartition("@")[2].lower() if parts.scheme in ("https", "http") else ""
    except ValueError:
        return ""


def _stick(ground: Ground) -> str | None:
    """The text of an invitation on a stick that is mounted; None: there is none."""
    for pattern in MOUNTED:
        for folder in sorted(Path(ground.root).glob(pattern.lstrip("/"))):
            path = folder / ON_A_STICK
            try:
                if path.is_file() and path.stat().st_size <= LONGEST_BYTES:
                    text = path.read_text("ascii").strip()
                    if text.startswith(SCHEME):
                        return text
            except (OSError, UnicodeDecodeError):
                continue  # a stick that was pulled out, or somebody else's file
    return None
