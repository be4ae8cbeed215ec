"""What the web asks of the rooms below it: the smallest interface of each."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from appliance.alerts.notifying import ChannelState
from appliance.base.model import Alert, Box, CameraStatus, Check, Credentials, Lock, User
from appliance.media.fragment import Fragment, StreamInit
from appliance.media.span import Clip, Recordings
from appliance.onvif.details import Details
from appliance.onvif.mend import Mended
from appliance.onvif.ptz import Preset
from appliance.onvif.relays import Relay
from appliance.store.model_health import Alarm
from appliance.sync.control.control import ControlState
from appliance.vision.health.judge import Verdict
from appliance.vision.state import Activation


class Viewer(Protocol):
    """One viewer's bounded queue; see ``media.live``."""

    skipped: int

    async def next(self) -> StreamInit | Fragment | None:
        """A ``StreamInit`` first, then fragments from the newest key frame. None: camera removed."""

    def skip_to_key(self) -> None:
        """Drop what waits; go on with the next key frame."""

    def close(self) -> None: ...


class LiveHub(Protocol):
    def open(self, camera_id: str, stream: str) -> Viewer:
        """Raises ``not_found`` where the camera has no such stream."""


class Recorder(Protocol):
    @property
    def live(self) -> LiveHub: ...

    def status(self, camera_id: str) -> CameraStatus: ...

    def stream_statuses(self) -> Mapping[tuple[str, str], CameraStatus]:
        """By (camera id, stream)."""

    def has_stream(self, camera_id: str, stream: str) -> bool: ...


class Archive(Protocol):
    async def recordings(self, camera_id: str, stream: str, start_ns: int, end_ns: int) -> Recordings:
        """Raises ``not_found`` where there is no such stream."""

    async def clip(
        self, camera_id: str, stream: str, start_ns: int, end_ns: int, *, as_of_ns: int = 0
    ) -> Clip:
        """``as_of_ns``: a time that the clock had reached before it was set back. Raises ``not_found``
        (nothing recorded), ``conflict`` (codec changes; names the points)."""

    async def playlist(self, camera_id: str, stream: str, start_ns: int, end_ns: int) -> str: ...

    async def file(self, camera_id: str, stream: str, key: str) -> Path: ...

    async def lock(
        self, camera_id: str, start_ns: int, end_ns: int, reason: str, owner: str, owner_id: str
    ) -> tuple[Lock, float]:
        """The lock, and the days of ring that remain."""

    async def unlock(self, lock_id: str) -> Any: ...

    async def frame_source(self, camera_id: str, stream: str, time_ns: int) -> Any:
        """The GOP that leads up to ``time_ns``; handed to ``Vision.still_from`` as it is."""


class VisionState(Protocol):
    @property
    def state(self) -> str:
        """starting | running | down | off"""

    @property
    def since_ns(self) -> int: ...

    @property
    def detector(self) -> str | None: ...

    @property
    def reason(self) -> str | None: ...

    @property
    def restarts(self) -> int: ...

    @property
    def backend(self) -> str:
        """Which library runs it, on which device."""

    @property
    def because(self) -> str:
        """Why that one."""


class VisionFigures(Protocol):
    @property
    def fps_wanted(self) -> float: ...

    @property
    def fps_done(self) -> float: ...
    @property
    def looks_per_s(self) -> float: ...
    @property
    def latency_ms(self) -> float: ...

    @property
    def skipped(self) -> int: ...

    @property
    def queue_depth(self) -> int: ...

    @property
    def inference_ms(self) -> float: ...

    @property
    def decoder(self) -> str: ...

    @property
    def decode_ms(self) -> float: ...


class Vision(Protocol):
    async def still(self, camera_id: str, time_ns: int, box: Box | None) -> bytes:
        """JPEG from the worker's last 2 s; raises ``not_found``."""

    async def still_from(self, source: Any, box: Box | None) -> bytes: ...

    def state(self) -> VisionState: ...

    def figures(self) -> Mapping[str, VisionFigures]: ...


class ModelEntry(msgspec.Struct, frozen=True):
    """A model that is installed, or one that can be. ``width`` and ``height`` of its input, in pixels;
    0: it takes pictures as they are."""

    name: str
    version: str
    family: str
    licence: str
    source: str
    labels: tuple[str, ...]
    width: int
    height: int
    installed: bool
    known: bool


InstallPhase = Literal["receiving", "running", "done", "failed"]


class ModelInstall(msgspec.Struct, frozen=True):
    """``name``: of the model, or of the file until it is known. ``total_bytes`` 0: not known."""

    name: str
    phase: InstallPhase
    at_ns: int
    done_bytes: int = 0
    total_bytes: int = 0
    reason: str = ""
    hint: str = ""


class Models(Protocol):
    def installing(self) -> ModelInstall | None:
        """How the last installation goes or went; None before the first."""

    def install(self, name: str, accepted: bool) -> ModelInstall:
        """Begin with a known model. Raises ``not_found``, ``denied`` (its licence), ``conflict``."""

    async def receive(
        self, chunks: AsyncIterator[bytes], size_bytes: int | None, name: str, accepted: bool
    ) -> ModelInstall:
        """Take a pack or a known model's file in, and begin with it. Raises ``conflict``, ``exhausted``,
        ``invalid``, ``denied``."""

    def fixed(self) -> str | None:
        """The detector that the box was started with; None: people choose."""

    def state(self) -> VisionState: ...

    def activation(self) -> Activation | None:
        """How the last change goes or went; None before the first."""

    async def activate(self, name: str, backend: str, shadow_s: float) -> Activation | None:
        """The choice is stored: apply it. Returns as soon as the change has begun; None where nothing
        looks that it could be compared with."""

    async def entries(self) -> list[ModelEntry]: ...

    def verdicts(self) -> Mapping[str, Verdict]:
        """How the model does, by camera."""

    def alarms(self) -> Mapping[str, Alarm]:
        """Cameras on which it does worse than usual."""

    def confidence(self) -> Mapping[str, float]:
        """Mean score of the last minute, by camera."""


class Desk(Protocol):
    """Decisions about alerts; raises ``not_found``, ``conflict`` where it is so already."""

    async def acknowledge(self, alert_id: str, user: User, note: str | None) -> Alert: ...

    async def resolve(
        self,
        alert_id: str,
        user: User,
        resolution: Literal["true_alarm", "false_alarm", "test"],
        note: str | None,
    ) -> Alert: ...


class Control(Protocol):
    @property
    def state(self) -> ControlState:
        """Whether the hub is heard."""


class Bell(Protocol):
    """Rung on the loop after each transaction that wrote to the journal."""

    def listen(self, on_ring: Callable[[], None]) -> Callable[[], None]:
        """Call ``on_ring`` from now on; what is returned ends it."""


class Health(Protocol):
    @property
    def started(self) -> bool:
        """True once every part has begun."""

    def checks(self) -> list[Check]:
        """What stands in /health/ready and /system/health; quick, from memory."""


class Probe(Protocol):
    async def __call__(self, url: str, credentials: Credentials | None) -> Any:
        """What ``camera test`` prints, as a struct; raises ``unavailable``, ``denied`` ..."""


class SenderState(Protocol):
    """See ``sync.sender.SenderState``."""

    @property
    def error(self) -> str | None: ...
    @property
    def delivered_ns(self) -> int | None: ...
    @property
    def next_attempt_ns(self) -> int | None: ...
    @property
    def breaker(self) -> str: ...
    @property
    def upload_error(self) -> str | None: ...
    @property
    def day_bytes(self) -> int: ...
    @property
    def hour_bytes(self) -> int: ...
    @property
    def most_lane(self) -> int: ...
    @property
    def failing_ns(self) -> int | None: ...
    @property
    def answered(self) -> bool: ...
    @property
    def refused(self) -> bool: ...


class Senders(Protocol):
    def states(self) -> Mapping[str, SenderState]:
        """Of the enabled targets, by id."""


class FoundDevice(msgspec.Struct, frozen=True):
    """``onvif_url`` None: it only speaks RTSP. ``announced``: it answered to the network's question, else it
    was found by trying its address. ``camera_id``: of the camera that it is already."""

    address: str
    onvif_url: str | None
    name: str
    maker: str
    model: str
    mac: str | None
    announced: bool
    camera_id: str | None


class Devices(Protocol):
    """What is behind the cameras. Raises what the device says, or that it says nothing."""

    async def discover(self, network: str | None) -> list[FoundDevice]: ...

    async def stored_credentials(self, camera_id: str, host: str) -> Credentials | None: ...

    async def inspect(self, address: str, credentials: Credentials | None) -> Details: ...

    async def mend(self, camera_id: str, ntp_server: str | None) -> tuple[Mended, ...]: ...

    async def presets(self, camera_id: str) -> tuple[Preset, ...]: ...

    async def go_to(self, camera_id: str, preset: str) -> None: ...

    async def move(self, camera_id: str, pan: float, tilt: float, zoom: float, for_s: float) -> None: ...

    async def stop(self, camera_id: str) -> None: ...

    async def relays(self, camera_id: str) -> tuple[Relay, ...]: ...

    async def set_relay(self, camera_id: str, relay: str, active: bool) -> None: ...


class Notifying(Protocol):
    def state(self, channel_id: str) -> ChannelState:
        """Of an enabled channel; of another one that nothing is wrong."""


Changed = Callable[[str], Awaitable[None]]
"""Told after a change of ``cameras``, ``zones``, ``rules``, ``settings``, ``targets``, ``channels``."""

StillOfEvent = Callable[[str, bool], Awaitable[bytes | None]]
"""(event id, with the box drawn) -> the stored JPEG, or None where none was kept."""

Support = Callable[[], Awaitable[bytes]]
"""A bundle for who helps, as a tar.gz without secrets."""
