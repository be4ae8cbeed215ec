"""One simulated camera: who it is, what can be set, what it notices. Its streams follow what is set."""

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Literal

import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import invalid
from appliance.simulator.onvif.loops import LoopSource, Shelf
from appliance.simulator.onvif.makers import Maker
from appliance.simulator.onvif.subscriptions import Noticed, Subscriptions
from appliance.simulator.spec import CameraSpec, Codec

Which = Literal["main", "sub"]
FAULTS = {
    "wrong-password": "it has another password than the rest of the fleet",
    "h265-only": "both streams are H.265, and nothing else can be set",
    "h265-sub": "the sub stream is H.265, and H.264 can be set",
    "long-gop": "a key frame every ten seconds in both streams",
    "clock-1970": "its clock began in 1970 when it was switched on",
    "clock-off": "its clock is 47 s ahead",
    "elsewhere": "in another subnet: it hears no multicast, unicast reaches it",
    "slow": "every ONVIF answer takes two seconds",
    "silent": "connections are accepted and nothing is answered",
    "garbage": "what it answers is no SOAP",
}
_SLOW_S = 2.0
_LONG_GOP_S = 10


class Encoder(msgspec.Struct):
    """One video encoder as it is set."""

    codec: Codec
    width: int
    height: int
    fps: float
    gop: int
    bitrate_kbps: int


class Wanted(msgspec.Struct, frozen=True):
    """What a fleet asks of one camera. ``main`` and ``sub``: (width, height, pictures per second)."""

    name: str
    maker: Maker
    user: str
    password: str
    address: str
    main: tuple[int, int, float] = (640, 360, 10.0)
    sub: tuple[int, int, float] = (320, 180, 5.0)
    faults: frozenset[str] = frozenset()
    http_port: int | None = None  # None: the maker's
    rtsp_port: int = 554
    family: str = ""  # cameras of the same name in two families are two cameras

    def __repr__(self) -> str:  # it holds a password
        return f"Wanted({self.name!r}, {self.maker.key!r})"


class Device:
    """The state of one camera; ``services`` reads and sets it, ``fleet`` gives it its address."""

    def __init__(self, wanted: Wanted, clock: Clock, shelf: Shelf) -> None:
        self.name, self.maker, self.address = wanted.name, wanted.maker, wanted.address
        self.user, self.password = wanted.user, wanted.password
        self.http_port = wanted.http_port or wanted.maker.http_port
        self.rtsp_port = wanted.rtsp_port
        self.faults = set(wanted.faults)
        self.shelf = shelf
        self._clock = clock
        self._identify(wanted.family)
        self.encoders: dict[Which, Encoder] = {
            "main": self._encoder(wanted.main, h265="h265-only" in wanted.faults),
            "sub": self._encoder(wanted.sub, h265=bool({"h265-only", "h265-sub"} & wanted.faults)),
        }
        self.sources = {
            which: LoopSource(self.spec(which), clock, shelf, self.name) for which in self.encoders
        }
        self._ahead_ns = self._first_clock()
        self.ntp_server: str | None = None
        self.by_ntp = False
        self.time_zone = "UTC0"
        self.image = {"Brightness": 50.0, "ColorSaturation": 50.0, "Contrast": 50.0, "Sharpness": 50.0}
        self.ir_cut = "AUTO"
        self.relays = [False] * self.maker.relays
        self.switched: deque[tuple[int, bool]] = deque(maxlen=50)  # (relay, is active), as it was told
        self.noticed = dict.fromkeys(self.maker.topics, False)
        self.position = [0.0, 0.0, 0.0]
        self.presets: dict[str, tuple[str, tuple[float, ...]]] = {
            "1": ("Gate", (-0.5, 0.0, 0.2)),
            "2": ("Yard", (0.0, 0.1, 0.0)),
            "3": ("Door", (0.5, -0.2, 0.5)),
        }
        self._velocity: tuple[float, ...] = ()
        self._moves_until_ns = 0  # monotonic
        self.subscriptions = Subscriptions(clock)
        self.reboots = 0
        self.on_encoder: Callable[[Which], None] = lambda which: None  # its server listens
        self.on_clock: Callable[[], None] = lambda: None

    # -- who it is

    def words(self, text: str) -> str:
        """A text of its maker's with what is this camera's own."""
        maker = self.maker
        return text.format(
            mac=self.mac, bare=self.bare, model=maker.model, serial=self.serial, address=self.address
        )

    def url(self, service: str) -> str:
        port = "" if self.http_port == 80 else f":{self.http_port}"
        return f"http://{self.address}{port}{self.maker.services[service]}"

    def stream_url(self, which: Which) -> str:
        path = self.maker.main_path if which == "main" else self.maker.sub_path
        port = "" if self.rtsp_port == 554 and self.maker.key != "dahua" else f":{self.rtsp_port}"
        return f"rtsp://{self.address}{port}{path}"

    @property
    def snapshot_url(self) -> str:
        port = "" if self.http_port == 80 else f":{self.http_port}"
        return f"http://{self.address}{port}{self.maker.snapshot_path}" if self.maker.snapshot_path else ""

    def has(self, service: str) -> bool:
        maker = self.maker
        return {"tr2": maker.media2, "tptz": maker.moves, "tmd": bool(maker.relays or maker.inputs)}.get(
            service, True
        )

    # -- its clock

    def now_ns(self) -> int:
        return self._clock.now_ns() + self._ahead_ns

    @property
    def ahead_s(self) -> float:
        return self._ahead_ns / SECOND_NS

    def set_clock(self, now_ns: int) -> None:
        self._ahead_ns = now_ns - self._clock.now_ns()
        self.by_ntp = False
        self.on_clock()

    def synchronise(self) -> None:
        self.by_ntp = self.ntp_server is not None
        if self.by_ntp:
            self._ahead_ns = 0
            self.on_clock()

    # -- its pictures

    def spec(self, which: Which) -> CameraSpec:
        encoder = self.encoders[which]
        return CameraSpec(
            name=which,
            fps=encoder.fps,
            width=encoder.width,
            height=encoder.height,
            codec=encoder.codec,
            gop=encoder.gop,
            user=self.user,
            password=self.password,
        )

    def codecs(self) -> tuple[Codec, ...]:
        """What its encoders can be set to."""
        return ("h265",) if "h265-only" in self.faults else ("h264", "h265")

    def sizes(self, which: Which) -> tuple[tuple[int, int], ...]:
        encoder = self.encoders[which]
        sizes = {(encoder.width, encoder.height), (640, 360), (320, 180)}
        return tuple(sorted(size for size in sizes if which == "main" or size[0] <= 640))[::-1]

    def set_encoder(self, which: Which, wanted: Encoder) -> None:
        """Raises ``invalid`` for what this camera's encoders cannot do."""
        if wanted.codec not in self.codecs() or (wanted.width, wanted.height) not in self.sizes(which):
            raise invalid("ter:ConfigModify", "the codec or the size is not among the options")
        if not (1 <= wanted.fps <= 30 and 1 <= wanted.gop <= 400 and 16 <= wanted.bitrate_kbps <= 16_384):
            raise invalid("ter:ConfigModify", "the rate or the distance of key frames is not possible")
        if wanted != self.encoders[which]:
            self.encoders[which] = wanted
            self.on_encoder(which)

    def set_ir_cut(self, mode: str) -> None:
        """OFF lets infrared in: the night picture."""
        self.ir_cut = mode
        for source in self.sources.values():
            source.night = mode == "OFF"

    async def snapshot(self) -> bytes:
        encoder = self.encoders["main"]
        return await self.shelf.still(encoder.width, encoder.height, self.ir_cut == "OFF")

    def switch(self, relay: int, active: bool) -> None:
        self.relays[relay] = active
        self.switched.append((relay, active))

    # -- where it looks

    def move(self, velocity: tuple[float, ...], for_s: float) -> None:
        self._velocity = velocity
        self._moves_until_ns = self._clock.monotonic_ns() + round(for_s * SECOND_NS)

    def look_at(self, position: tuple[float, ...]) -> None:
        """At once, and it moves no more."""
        self.position, self._velocity = list(position), ()

    @property
    def moving(self) -> tuple[float, ...] | None:
        """The speeds it turns with now."""
        is_moving = bool(self._velocity) and self._clock.monotonic_ns() < self._moves_until_ns
        return self._velocity if is_moving else None

    # -- what it notices

    def notice(self, kind: str, active: bool) -> None:
        """Raises ``invalid`` where this maker's cameras notice no such thing."""
        if kind not in self.maker.topics:
            known = ", ".join(sorted(self.maker.topics))
            raise invalid(f"a camera of {self.maker.name} notices no {kind[:20]!r}", f"it notices {known}")
        self.noticed[kind] = active
        self.subscriptions.put(self.message(kind, "Changed"))

    def message(self, kind: str, operation: str) -> Noticed:
        topic, source, item = self.maker.topics[kind]
        token = "1" if kind == "input" else "000"
        return Noticed(topic, source, token, item, self.noticed[kind], self.now_ns(), operation)

    @property
    def answer_after_s(self) -> float:
        return _SLOW_S if "slow" in self.faults else 0.0

    # -- inside

    def _identify(self, family: str) -> None:
        # of name and family alone: a camera that moves or is made again is the same camera
        tail = hashlib.sha256(f"{family}/{self.name}".encode()).hexdigest()[:6].upper()
        self.bare = self.maker.oui + tail
        pairs = [self.bare[at : at + 2] for at in range(0, 12, 2)]
        self.mac = self.maker.mac_form.format(*pairs)
        self.hardware_address = ":".join(pairs).lower()
        self.serial = self.maker.serial.format(model=self.maker.model, bare=self.bare)
        self.endpoint = self.maker.endpoint.format(bare=self.bare.lower())

    def _encoder(self, wanted: tuple[int, int, float], *, h265: bool) -> Encoder:
        width, height, fps = wanted
        gop_s = _LONG_GOP_S if "long-gop" in self.faults else 1
        kbps = max(64, round(width * height * fps / 4_000))
        return Encoder("h265" if h265 else "h264", width, height, fps, max(1, round(fps * gop_s)), kbps)

    def _first_clock(self) -> int:
        if "clock-1970" in self.faults:
            return -self._clock.now_ns()
        return 47 * SECOND_NS if "clock-off" in self.faults else 0
