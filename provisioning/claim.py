"""The claim code: who stands before the box's own screen may set it up, and nobody else.

The code is made anew at each start of the wizard and lives in its memory alone. What it is exchanged for,
a session, is on disk as a hash, so that a telephone that was let in goes on after a restart. There is one
session: the next claim takes it over, and the telephone that had it is told so.

Eight signs of 31 are 39 bits: an address has five tries, then pauses that double up to 15 min; with twenty
wrong codes in ten minutes, from wherever, there is one try in two seconds, which is 27 000 years for half
of the codes. The right code is refused as well while its address pauses: else a pause would be no pause.
"""

import hashlib
import hmac
import ipaddress
import logging
import re
import secrets
from collections import OrderedDict, deque
from pathlib import Path

import msgspec

from appliance.base.clock import SECOND_NS, Clock, rfc3339
from appliance.base.errors import ApplianceError
from appliance.base.redaction import forbid
from provisioning.record import write_whole

log = logging.getLogger(__name__)

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that is mixed up on a screen
GROUPS, GROUP = 2, 4
LONGEST = 40  # of what is looked at as a code at all

FREE_TRIES = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 30, 900
FORGIVEN_NS = 3600 * SECOND_NS
MOST_ADDRESSES = 4_096
CROWD, CROWD_WINDOW_NS = 20, 600 * SECOND_NS
CROWD_PAUSE_NS = 2 * SECOND_NS


class Session(msgspec.Struct, frozen=True):
    """What the telephone gets. ``csrf`` follows from ``token`` and is not kept. ``took_over``: another one
    had it until now."""

    token: str
    csrf: str
    took_over: bool = False


class TooEarly(ApplianceError):
    """``wait_s``: until the next try."""

    def __init__(self, wait_s: int) -> None:
        hint = f"wait {wait_s} s, then enter the code that stands on the box's own screen"
        super().__init__("exhausted", "too many wrong codes", hint, field="code")
        self.wait_s = wait_s


class _Kept(msgspec.Struct, frozen=True):
    """``lost_hash``: of the session before this one; ``lost_at``: RFC 3339, when this one took it over."""

    token_hash: str
    lost_hash: str = ""
    lost_at: str = ""


class _Tries(msgspec.Struct):
    wrong: int = 0
    last_ns: int = 0
    until_ns: int = 0


class Claim:
    """``folder`` keeps the hash of the session."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._path = folder / "session.json"
        self._clock = clock
        self._slow = Slow(clock)
        self._kept = _read(self._path)
        groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))
        self.code = "-".join(groups)
        forbid(self.code, _plain(self.code))

    def enter(self, code: str, address: str) -> Session:
        """Exchange ``code`` for the session. Raises ``denied`` for a wrong one, ``TooEarly`` while
        ``address`` pauses."""
        self._slow.refuse(address)
        if not hmac.compare_digest(_hash(_plain(code[:LONGEST])), _hash(_plain(self.code))):
            pause_s = self._slow.failed(address)
            log.warning("a wrong claim code from %s; its next try in %d s", address, pause_s)
            raise ApplianceError(
                "denied", "this is not the code", "it stands on the box's own screen", field="code"
            )
        self._slow.succeeded(address)
        log.info("claimed from %s", address)
        token, before = secrets.token_urlsafe(32), self._kept
        self._kept = _Kept(_hash(token))
        if before is not None:
            self._kept = _Kept(_hash(token), before.token_hash, rfc3339(self._clock.now_ns()))
        write_whole(self._path, msgspec.json.encode(self._kept))
        return Session(token, csrf_of(token), before is not None)

    def holds(self, token: str) -> bool:
        """True for the session's own token."""
        return self._kept is not None and hmac.compare_digest(_hash(token), self._kept.token_hash)

    def lost_at(self, token: str) -> str | None:
        """When another telephone took over from that of ``token``, RFC 3339; None: it had nothing to lose, or
        has it still."""
        if self._kept is None or not hmac.compare_digest(_hash(token), self._kept.lost_hash):
            return None
        return self._kept.lost_at

    def end(self) -> None:
        """After the last step nobody is let in any more."""
        self._kept = None
        self._path.unlink(missing_ok=True)


def csrf_of(token: str) -> str:
    return hmac.new(token.encode(), b"csrf", "sha256").hexdigest()[:32]


class Slow:
    """Wrong codes make the next try wait: by address, and all together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tries: OrderedDict[str, _Tries] = OrderedDict()
        self._wrong: deque[int] = deque(maxlen=CROWD)

    def refuse(self, address: str) -> None:
        """Raises ``TooEarly``."""
        now_ns = self._clock.monotonic_ns()
        tries = self._tries.get(_network(address))
        until_ns = tries.until_ns if tries else 0
        if len(self._wrong) == CROWD and now_ns - self._wrong[0] < CROWD_WINDOW_NS:
            until_ns = max(until_ns, self._wrong[-1] + CROWD_PAUSE_NS)
        if until_ns > now_ns:
            wait_s = -(-(until_ns - now_ns) // SECOND_NS)
            raise TooEarly(wait_s)

    def failed(self, address: str) -> int:
        """Seconds until ``address`` may try again."""
        now_ns = self._clock.monotonic_ns()
        key = _network(address)
        tries = self._tries.setdefault(key, _Tries())
        self._tries.move_to_end(key)
        while len(self._tries) > MOST_ADDRESSES:
            self._tries.popitem(last=False)
        if now_ns - tries.last_ns > FORGIVEN_NS:
            tries.wrong = 0
        tries.wrong += 1
        tries.last_ns = now_ns
        over = tries.wrong - FREE_TRIES
        pause_s = 0 if over < 0 else min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(over, 10))
        tries.until_ns = now_ns + pause_s * SECOND_NS
        self._wrong.append(now_ns)
        return pause_s

    def succeeded(self, address: str) -> None:
        self._tries.pop(_network(address), None)


def _network(address: str) -> str:
    """One telephone has a /64 of IPv6 addresses to itself."""
    try:
        found = ipaddress.ip_address(address.split("%", maxsplit=1)[0])
    except ValueError:
        return address
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))


def _plain(code: str) -> str:
    return re.sub(r"[^a-z0-9]", "", code.lower())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _read(path: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except (OSError, msgspec.DecodeError):
        return None  # nobody was let in yet, or they are let in again with the code
