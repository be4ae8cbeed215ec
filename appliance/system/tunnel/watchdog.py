"""Keeps a tunnel up: looks at its handshakes and through it, and sets right what is wrong.

Handshakes alone lie: for three minutes after a cut the last one is still fresh. A probe alone lies too:
the hub may be down behind a good tunnel. Together they say which it is.

While all is well a look is one question to the interface every 5 s and one TCP connection every 30 s.
While it is not, the interface is looked at every second, which costs no traffic; what does cost (name
server, probe, setting the endpoint) goes after 1, 2, 4 ... 60 s, and at once when the network changes
or a handshake shows that something came back. WireGuard itself repeats a lost handshake every 5 s
(Donenfeld, "WireGuard", NDSS 2017, section 6.1), so that a path that heals is used within seconds; but it
gives up after 90 s until there is something to send, which keep-alives are only after 25 s more: one packet
of ours ends that silence at once. A change of the box's own address under wireguard-go needs more: it keeps
sending from the old one until the endpoint is set.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.base.supervision import BackOff
from appliance.system.tunnel.interface import Endpoint
from appliance.system.tunnel.state import STEPS, TunnelState, Word
from appliance.system.tunnel.uapi import PeerFigures

log = logging.getLogger(__name__)

LOOK_S, WORRIED_LOOK_S = 5.0, 1.0
PROBE_S = 30.0
KEEPALIVES_BYTES = 100  # sent between two looks, these ask for no answer
SILENT_S = 6.0  # WireGuard repeats after 5 s; if nothing was sent for longer, it has given up
DEAF_S = 15.0  # what WireGuard itself waits for an answer before it makes a new handshake
STALE_S = 180.0  # WireGuard refuses a session that is older (REJECT_AFTER_TIME)


class Line(Protocol):
    """What the watchdog looks at and acts on; the runner binds it to a device and a configuration."""

    async def figures(self) -> PeerFigures:
        """Raises ``unavailable`` where the interface or its process is gone."""

    async def resolve(self) -> tuple[Endpoint, ...]:
        """The endpoint's addresses now, best first; empty where the name is not known (now)."""

    async def set_endpoint(self, endpoint: Endpoint) -> None: ...

    async def poke(self) -> None:
        """Send one small packet into the tunnel, whatever becomes of it."""

    async def restart(self) -> None:
        """Make the interface again, with all that belongs to it."""


Probe = Callable[[], Awaitable[bool | None]]
"""Through the tunnel; must end by itself within seconds. None: there were news meanwhile, ask again."""


class Watchdog:
    """``look`` again and again, after as many seconds as it says; ``stir`` when the network changed.
    ``probe`` None: nothing inside to ask, handshakes alone count."""

    def __init__(self, line: Line, probe: Probe | None, clock: Clock) -> None:
        self._line, self._probe, self._clock = line, probe, clock
        self._back_off, self._restart_back_off = BackOff(), BackOff()
        self._act_ns = self._restart_ns = 0  # not before
        self._figures = PeerFigures()
        self._handshake_at_ns: int | None = None  # monotonic: the wall clock may step
        self._sent_ns = self._heard_ns = 0  # when the interface was last seen to have sent, received
        self._probed_ns: int | None = None
        self._probe_ok = False
        self._stirred = False
        self._unresolved = False
        self._in_vain = False  # the endpoint was set, and nothing came of it yet
        self._endpoint: Endpoint | None = None
        self.heals = self.restarts = 0
        self.state: Word = "no handshake since"
        self.since_ns = clock.now_ns()
        self.detail, self.hint = "it was just put up", ""

    def stir(self) -> None:
        """Links, addresses or routes changed: act at the next look, however long the pause was to be.
        Not on restarts: an interface that is made is news itself."""
        self._stirred = True
        self._back_off.reset()

    @property
    def handshake_ns(self) -> int | None:
        """UTC of the last handshake, as the interface says it; None: none yet."""
        return round(self._figures.handshake_s * SECOND_NS) or None

    async def look(self) -> float:
        """One look, and what it takes; seconds until the next. What is wrong is a state, not an error."""
        now_ns = self._clock.monotonic_ns()
        stirred, self._stirred = self._stirred, False
        try:
            news = self._note(await self._line.figures(), now_ns)
            if stirred:
                await self._act(now_ns)
            elif self._probe_due(now_ns, news):
                await self._look_through(now_ns)
            if not self._well(now_ns) and now_ns >= self._act_ns and not stirred:
                await self._act(now_ns)
            if not self._well(now_ns):
                await self._end_silence(now_ns)
        except ApplianceError as error:
            await self._make_again(error, now_ns)
            return WORRIED_LOOK_S
        if self._well(now_ns):
            return self._all_is_well()
        self._say_what_is_wrong(now_ns)
        return WORRIED_LOOK_S

    async def _end_silence(self, now_ns: int) -> None:
        heard = now_ns - self._heard_ns < DEAF_S * SECOND_NS
        if not heard and now_ns - self._sent_ns >= SILENT_S * SECOND_NS:
            self._sent_ns = now_ns
            await self._line.poke()

    def _note(self, seen: PeerFigures, now_ns: int) -> bool:
        """True where a probe is worth it: a handshake came since the last look, or much was sent into
        silence."""
        first = self._figures.public_key_hex == ""
        came = seen.handshake_s > 0 and seen.handshake_s != self._figures.handshake_s
        if came:
            # the first one was made before we looked: by the wall clock, then, if that makes sense
            age_ns = self._clock.now_ns() - round(seen.handshake_s * SECOND_NS) if first else 0
            self._handshake_at_ns = now_ns - min(max(0, age_ns), round(STALE_S * SECOND_NS))
        sent_bytes = seen.tx_bytes - self._figures.tx_bytes
        silence = sent_bytes > KEEPALIVES_BYTES and seen.rx_bytes == self._figures.rx_bytes and not first
        if sent_bytes or first:
            self._sent_ns = now_ns
        if seen.rx_bytes != self._figures.rx_bytes or first:
            self._heard_ns = now_ns
        self._figures = seen
        return came or (silence and self.state == "up")

    def _probe_due(self, now_ns: int, news: bool) -> bool:
        if self._probe is None:
            return False
        if self._probed_ns is None or news:
            return True
        return self._probe_ok and now_ns - self._probed_ns >= PROBE_S * SECOND_NS

    async def _look_through(self, now_ns: int) -> None:
        if self._probe is not None and (answer := await self._probe()) is not None:
            self._probe_ok, self._probed_ns = answer, now_ns

    def _fresh(self, now_ns: int) -> bool:
        at_ns = self._handshake_at_ns
        return at_ns is not None and now_ns - at_ns < STALE_S * SECOND_NS

    def _well(self, now_ns: int) -> bool:
        return self._probe_ok if self._probe is not None else self._fresh(now_ns)

    async def _act(self, now_ns: int) -> None:
        """Ask for the endpoint's address and set it, also where it is the same; then look through."""
        self._act_ns = now_ns + round(self._back_off.next_s() * SECOND_NS)
        await self._set_endpoint()
        await self._look_through(now_ns)

    async def _set_endpoint(self) -> None:
        """The address in use, as long as the name has it; the next one where that was tried in vain."""
        found = await self._line.resolve()
        self._unresolved = not found
        endpoint = self._endpoint
        if found and endpoint not in found:
            endpoint = found[0]
            if self._endpoint is not None:
                log.info("the endpoint of the tunnel moved to another address")
        elif found and endpoint is not None and self._in_vain:
            endpoint = found[(found.index(endpoint) + 1) % len(found)]
        if endpoint is None:
            return
        self._endpoint, self._in_vain = endpoint, True
        await self._line.set_endpoint(endpoint)
        self.heals += 1

    def _all_is_well(self) -> float:
        if self.state != "up":
            self._say("up", "")
        self._back_off.reset()
        self._restart_back_off.reset()
        self._act_ns = self._restart_ns = 0
        self._in_vain = False
        return LOOK_S

    def _say_what_is_wrong(self, now_ns: int) -> None:
        if self._unresolved:
            self._say("endpoint does not resolve", "its name is not known to the name server now")
        elif self._fresh(now_ns):
            self._say("probe fails", "the hub does not answer through the tunnel")
        else:
            never = "there was none yet" if self._handshake_at_ns is None else ""
            self._say("no handshake since", never)

    def _say(self, word: Word, detail: str, hint: str | None = None) -> None:
        if word != self.state:
            log.log(logging.INFO if word == "up" else logging.WARNING, "tunnel: %s", word)
            self.state, self.since_ns = word, self._clock.now_ns()
        self.detail, self.hint = detail, STEPS[word] if hint is None else hint

    async def _make_again(self, error: ApplianceError, now_ns: int) -> None:
        if self.state != "off":
            self._say("off", error.message, error.hint)
        if now_ns < self._restart_ns:
            return
        self._restart_ns = now_ns + round(self._restart_back_off.next_s() * SECOND_NS)
        try:
            await self._line.restart()
        except ApplianceError as again:
            self._say("off", again.message, again.hint)
        else:
            self.restarts += 1
            self._figures = PeerFigures()
            self._stirred = True

    def told(self, base: TunnelState) -> TunnelState:
        """``base`` with what the watchdog knows."""
        return msgspec.structs.replace(
            base, state=self.state, since_ns=self.since_ns, detail=self.detail, hint=self.hint,
            handshake_ns=self.handshake_ns, endpoint=self._figures.endpoint, heals=self.heals,
            restarts=self.restarts,
        )  # fmt: skip
