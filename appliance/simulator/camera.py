"""One simulated camera: its source, its packets, its clients.

The source runs while somebody plays. Packets are built once and framed once per channel number, so
that another client costs one write per picture.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError, invalid
from appliance.simulator.encoder import SceneSource
from appliance.simulator.files import FileSource
from appliance.simulator.misbehaviour import CameraClock, Misbehaviour
from appliance.simulator.rtp import VIDEO_HZ, Packetiser, interleave
from appliance.simulator.sample import AUDIO, NS, VIDEO, ChangingSource, Sample, StreamFormat, Track
from appliance.simulator.sdp import VIDEO_PAYLOAD, audio_payload, describe
from appliance.simulator.spec import CameraSpec, parse_codec, parse_size
from appliance.simulator.steps import Step

log = logging.getLogger(__name__)

REPORT_NS = 5 * NS  # between sender reports
Ending = Literal["close", "reset"]


class Delivery:
    """One sample as packets, framed for each channel number at most once."""

    def __init__(self, track: Track, is_key: bool, packets: list[bytes]) -> None:
        self.track = track
        self.is_key = is_key
        self._packets = packets
        self._framed: dict[int, bytes] = {}

    def framed(self, channel: int) -> bytes:
        data = self._framed.get(channel)
        if data is None:
            data = self._framed[channel] = interleave(self._packets, channel)
        return data


class Player(Protocol):
    """A client that plays; the server's connection."""

    def deliver(self, delivery: Delivery) -> None:
        """Media. A player begins with a key frame and may skip to the next one."""

    def report(self, track: Track, data: bytes) -> None:
        """RTCP."""

    def restart(self) -> None:
        """Pictures are missing: begin again with the next key frame."""

    def end(self, how: Ending) -> None:
        """The camera hangs up."""


class Camera:
    """``spec`` changes with size, codec and password; ``healthy`` is what it was made as."""

    def __init__(
        self,
        spec: CameraSpec,
        clock: Clock,
        scene_began_ns: Callable[[int], int],
        source: ChangingSource | None = None,
    ) -> None:
        self.healthy = spec
        self.spec = spec
        self.faults = Misbehaviour(spec.seed)
        self._clock = clock
        self._scene_began_ns = scene_began_ns
        self._source = source or self._make_source()
        self._players: list[Player] = []
        self._task: asyncio.Task[None] | None = None
        self._packetisers: dict[Track, Packetiser] = {}
        self._media_ns: dict[Track, int] = {}
        self._time = CameraClock()
        self._wall_began_ns = 0
        self._report_due_ns: dict[Track, int] = {}
        self.pictures_sent = 0  # access units given to at least one player

    async def sdp(self) -> bytes:
        return describe(self.healthy.name, await self._source.format(), self.faults.sdp_fault)

    async def tracks(self) -> tuple[Track, ...]:
        return (VIDEO, AUDIO) if (await self._source.format()).audio is not None else (VIDEO,)

    async def join(self, player: Player) -> dict[Track, tuple[int, int]]:
        """Play to ``player``. The answer is for RTP-Info, (sequence, timestamp) of each track's first
        packet, and is empty where that is not known."""
        stream = await self._source.format()
        self._players.append(player)
        if self._task is None:
            self._start(stream)
        elif not self._source.request_key():
            return {}
        step_ns = round(NS / (stream.video.fps or 25.0))
        first: dict[Track, tuple[int, int]] = {}
        for track, packetiser in self._packetisers.items():
            media_ns = self._media_ns[track] + step_ns if track in self._media_ns else 0
            timestamp = packetiser.timestamp(self._time.believed_ns(media_ns))
            first[track] = packetiser.sequence, timestamp
        return first

    def leave(self, player: Player) -> None:
        if player in self._players:
            self._players.remove(player)
        if not self._players and self._task is not None:
            self._task.cancel()
            self._task = None

    def reports(self) -> dict[Track, bytes]:
        """A sender report of each track, for now."""
        ahead_ns = round(self.faults.clock_ahead_s * NS)
        reports: dict[Track, bytes] = {}
        for track, packetiser in self._packetisers.items():
            # every track at the newest picture's time: a client joins them by it
            believed_ns = self._time.believed_ns(self._media_ns.get(VIDEO, 0))
            reports[track] = packetiser.sender_report(
                believed_ns, self._wall_began_ns + believed_ns + ahead_ns
            )
        return reports

    def apply(self, step: Step) -> None:
        """Misbehave, or stop doing so. Raises ``invalid`` where this camera cannot."""
        if self.faults.take(step):
            if step.do == "heal":
                self._heal()
            elif step.do in ("asleep", "refuse"):
                self._source.request_key()
            if step.do == "refuse":
                self._end_all("reset")
            return
        now_ns = self._media_ns.get(VIDEO, 0)
        match step.do:
            case "reset":
                self._end_all("reset")
            case "drop":
                self._end_all("close")
            case "password":
                user = self.spec.user or "admin"
                password = step.value or secrets.token_urlsafe(12)
                self.spec = msgspec.structs.replace(self.spec, user=user, password=password)
                self._end_all("close")
            case "jump":
                self._time.jump(now_ns, step.number)
            case "skew":
                self._time.skew(now_ns, step.number)
            case "size":
                width, height = parse_size(step.value)
                self._change(width=width, height=height)
            case "codec":
                self._change(codec=parse_codec(step.value))
                self._end_all("close")
            case "codec_abrupt":
                self._change(codec=parse_codec(step.value))

    def become(self, spec: CameraSpec) -> None:
        """Stream ``spec`` from now on: whoever plays is hung up on, as cameras do when their encoder
        is set. Raises ``invalid`` for a file."""
        self._change(**msgspec.structs.asdict(spec))
        self._end_all("close")

    def status(self) -> dict[str, Any]:
        counter = self._source.counter if isinstance(self._source, SceneSource) else None
        return {
            "players": len(self._players),
            "pictures_sent": self.pictures_sent,
            "counter": counter,  # number of the next picture
            "codec": self.spec.codec,
            "size": f"{self.spec.width}x{self.spec.height}",
        }

    def close(self) -> None:
        self._end_all("close")
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _make_source(self) -> ChangingSource | FileSource:
        if self.spec.file is not None:
            return FileSource(self.spec.file, self.spec.loop, self._clock)
        seed = self.spec.seed
        return SceneSource(self.spec, self._clock, lambda: self._scene_began_ns(seed))

    def _start(self, stream: StreamFormat) -> None:
        self._packetisers = {VIDEO: _packetiser(VIDEO_PAYLOAD, VIDEO_HZ)}
        if stream.audio is not None:
            self._packetisers[AUDIO] = _packetiser(audio_payload(stream.audio), stream.audio.rate_hz)
        self._media_ns = {}
        self._time = self._time.restarted()
        self._wall_began_ns = self._clock.now_ns()
        self._report_due_ns = {}
        self._task = asyncio.create_task(self._run(), name=f"camera-{self.spec.name}")

    async def _run(self) -> None:
        try:
            await self._source.run(self._sink)
        except ApplianceError as error:
            log.warning("camera %s: %s", self.spec.name, error)
        except Exception:  # libav and encoders raise what they like: the other cameras go on
            log.exception("camera %s: its source failed", self.spec.name)
        if self._task is asyncio.current_task():  # the end of a file that is not looped
            self._task = None
        self._end_all("close")

    def _sink(self, sample: Sample) -> None:
        self._media_ns[sample.track] = sample.pts_ns
        if self.faults.silent:
            return
        packetiser = self._packetisers[sample.track]
        timestamp = packetiser.timestamp(self._time.believed_ns(sample.pts_ns))
        if sample.track == VIDEO:
            packets = packetiser.video(sample.codec, self.faults.spoil(sample), timestamp)
            self.pictures_sent += 1
        else:
            packets = packetiser.audio(sample.units[0], timestamp, aac=sample.codec == "aac")
        delivery = Delivery(sample.track, sample.is_key, self.faults.lose(packets))
        for player in tuple(self._players):
            player.deliver(delivery)
        self._report(sample.track, sample.pts_ns)

    def _report(self, track: Track, media_ns: int) -> None:
        if media_ns < self._report_due_ns.setdefault(track, media_ns + REPORT_NS):
            return
        self._report_due_ns[track] = media_ns + REPORT_NS
        data = self.reports()[track]
        for player in tuple(self._players):
            player.report(track, data)

    def _heal(self) -> None:
        self._time.skew(self._media_ns.get(VIDEO, 0), 0.0)
        self.spec = msgspec.structs.replace(self.spec, user=self.healthy.user, password=self.healthy.password)
        for player in self._players:
            player.restart()
        self._source.request_key()

    def _change(self, **fields: Any) -> None:
        if isinstance(self._source, FileSource):
            raise invalid("a file is what it is", "only scenes can change size or codec", field="do")
        self.spec = msgspec.structs.replace(self.spec, **fields)
        self._source.change(self.spec)

    def _end_all(self, how: Ending) -> None:
        for player in tuple(self._players):
            player.end(how)
            self.leave(player)


def _packetiser(payload_type: int, clock_hz: int) -> Packetiser:
    return Packetiser(
        payload_type,
        clock_hz,
        ssrc=random.getrandbits(32),
        first_sequence=random.getrandbits(16),
        first_timestamp=random.getrandbits(32),
    )
