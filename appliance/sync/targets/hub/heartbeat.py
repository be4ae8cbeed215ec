"""We are here: every 30 s, beside the lanes, so that a day's backlog does not look like death. And the last
one, when the box is stopped on purpose."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from appliance import __version__
from appliance.base.clock import Clock, rfc3339
from appliance.sync import faults
from appliance.sync.faults import HUB
from appliance.sync.protocol.heartbeat import EVERY_S, FAREWELL_S, STOPPING, Heartbeat, HeartbeatAnswer
from appliance.sync.targets.hub.journal import Journal
from appliance.sync.targets.hub.link import Link, Silence
from appliance.sync.targets.hub.names import Names

log = logging.getLogger(__name__)

LARGEST_ANSWER_BYTES = 65_536

_decoder = msgspec.json.Decoder(HeartbeatAnswer)


class Heart:
    """``condition`` is what the box says of itself, without ``delivery``. ``on_lost`` is called where the
    hub holds fewer rows than it acknowledged (its disk was restored from yesterday); ``on_commands``
    where orders wait; ``on_reached`` where it answers again after a silence. ``names`` None: nobody
    knows any (a bench, a test)."""

    def __init__(
        self,
        link: Link,
        clock: Clock,
        journal: Journal,
        condition: Callable[[], Awaitable[Heartbeat]] | None,
        on_lost: Callable[[], None],
        on_commands: Callable[[], None],
        on_reached: Callable[[], None] = lambda: None,
        charge: Callable[[int], None] = lambda _: None,
        names: Names | None = None,
    ) -> None:
        self._link, self._clock, self._journal = link, clock, journal
        self._condition = condition
        self._on_lost, self._on_commands = on_lost, on_commands
        self._on_reached, self._charge = on_reached, charge
        self._names = names
        self._speaking = asyncio.Lock()
        self._last: Heartbeat | None = None
        self._known_lack = 0
        self._was_heard = True
        self.heard_ns: int | None = None  # when the hub last answered one

    async def run(self) -> None:
        """For ever. A hub that is silent is no failure: the next beat comes in time."""
        while True:
            began_ns = self._clock.monotonic_ns()
            await self.beat()
            took_s = (self._clock.monotonic_ns() - began_ns) / 1e9
            await self._clock.sleep(max(0.0, EVERY_S - took_s))

    async def beat(self) -> HeartbeatAnswer | None:
        """One beat; None where the hub did not answer as a hub."""
        async with self._speaking:
            return await self._beat()

    async def farewell(self) -> None:
        """The box is stopped on purpose. Within ``FAREWELL_S`` or unheard; nothing more is said afterwards,
        and nothing at all to a hub that was silent anyway. What is said is what was said last: nobody waits
        for a disk now."""
        if self.heard_ns is None or not self._was_heard:
            return
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._speaking.acquire()  # and is not given back: a beat behind it would take it back
                await self._ask(self._last_words())
        except (Silence, TimeoutError) as error:
            log.info("the hub was not told that we stop: %s", str(error) or "no answer in time")

    def _last_words(self) -> Heartbeat:
        now = rfc3339(self._clock.now_ns())
        last = self._last or Heartbeat(now, __version__, "ok")
        return msgspec.structs.replace(last, box_time=now, status=STOPPING, detail="", cameras_recording=0)

    async def _beat(self) -> HeartbeatAnswer | None:
        # Before we ask: what is acknowledged while the beat is on its way must not look like a lack.
        acknowledged = await self._journal.acknowledged()
        beat = self._last = await self._say()
        try:
            answer = await self._ask(beat)
        except Silence as silence:
            if self._was_heard:
                log.info("the hub does not hear us: %s", silence)
            self._was_heard = False
            return None
        if not self._was_heard:
            self._on_reached()
        self.heard_ns, self._was_heard = self._clock.now_ns(), True
        self._compare(answer.rows, acknowledged)
        if answer.commands_waiting > 0:
            self._on_commands()
        if answer.directory_wanted and self._names is not None:
            await self._names.tell()
        return answer

    def _compare(self, rows: int, acknowledged: int) -> None:
        """A lack that a reconciliation could not make good (the hub threw old rows away on purpose) is
        known, and no reason to ask again every 30 s; a growing one is."""
        lack = max(0, acknowledged - rows)
        if lack > self._known_lack:
            self._on_lost()
        self._known_lack = lack

    async def _say(self) -> Heartbeat:
        if self._condition is None:
            beat = Heartbeat(rfc3339(self._clock.now_ns()), __version__, "ok")
        else:
            beat = await self._condition()
        names = "" if self._names is None else await self._names.digest()
        return msgspec.structs.replace(beat, delivery=await self._journal.figures(), directory=names)

    async def _ask(self, beat: Heartbeat) -> HeartbeatAnswer:
        body = msgspec.json.encode(beat)
        reply = await self._link.ask("POST", "/heartbeat", body, most_bytes=LARGEST_ANSWER_BYTES)
        self._charge(reply.sent_bytes)
        if not 200 <= reply.status < 300:
            raise self._link.refusal(reply)
        try:
            return _decoder.decode(reply.body or b"")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Silence(faults.unreadable(b"", HUB), answered=True) from error
