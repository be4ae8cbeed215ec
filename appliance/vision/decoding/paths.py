"""The ways to decode that a machine may have, and which of them a camera shall try.

What decides is CPU time per frame, copies included: cores are what a box runs out of. A path that
failed, hung or gave other pictures in the probe is not used, and the reason is shown.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import av
import msgspec
from av.codec.hwaccel import hwdevices_available

from appliance.vision.decoding.camera import SOFTWARE, Open
from appliance.vision.decoding.decoder import Decoder, Software
from appliance.vision.decoding.gstreamer import JETSON, JETSON_CONVERT, Gstreamer
from appliance.vision.decoding.hardware import Hardware

AUTO: Final = "auto"
WORTH: Final = 0.8  # of software's CPU time: less saving is not worth a driver
SLOWEST_MS: Final = 20.0  # wall, per frame of the probe's clip: beyond it a few cameras are too many


class Measured(msgspec.Struct, frozen=True):
    """One path and one codec in the probe, per frame. ``reason``: why it cannot be used, or empty."""

    path: str
    codec: str
    cpu_ms: float = 0.0
    wall_ms: float = 0.0
    reason: str = ""


OPENERS: Final[Mapping[str, Open]] = {
    SOFTWARE: Software,
    "cuda": partial(Hardware, "cuda"),
    "vaapi": partial(Hardware, "vaapi"),
    "qsv": partial(Hardware, "qsv"),
    JETSON: partial(Gstreamer, JETSON, JETSON_CONVERT),
}


def present() -> list[str]:
    """Paths for which this machine has a device and this libav the code; says nothing of whether they
    work. Costs a few system calls."""
    built = set(hwdevices_available())
    found = []
    if "cuda" in built and Path("/dev/nvidia0").exists():
        found.append("cuda")
    if any(Path("/dev/dri").glob("renderD*")):
        found += ["vaapi"] if "vaapi" in built else []
        found += ["qsv"] if "h264_qsv" in av.codecs_available and sys.platform == "linux" else []
    if any(Path("/dev", name).exists() for name in ("nvhost-nvdec", "v4l2-nvdec")):
        found.append(JETSON)
    return found


def choose(measured: Sequence[Measured], wanted: str = AUTO) -> dict[str, Open]:
    """What ``CameraDecoder`` shall try, best first. ``wanted``: ``auto``, ``software`` or the name of a
    path, which is then used if it works at all. A path that is not used raises its reason."""
    if wanted == SOFTWARE:
        return {}
    names = list(dict.fromkeys(m.path for m in measured if m.path != SOFTWARE))
    if wanted != AUTO:
        names = [wanted]
    by_cost = sorted(names, key=lambda name: _cost(name, measured))
    return {name: partial(_open, name, tuple(measured), wanted != AUTO) for name in by_cost}


def _cost(name: str, measured: Sequence[Measured]) -> float:
    """Of H.264, which nearly all cameras send."""
    return min((m.cpu_ms for m in measured if m.path == name and not m.reason), default=float("inf"))


def _open(name: str, measured: Sequence[Measured], forced: bool, codec: str, config: bytes) -> Decoder:
    of = {m.path: m for m in measured if m.codec == codec}
    found, yardstick = of.get(name), of.get(SOFTWARE)
    if found is None or name not in OPENERS:
        raise RuntimeError("not on this machine")
    if found.reason:
        raise RuntimeError(found.reason)
    if not forced and yardstick is not None and found.cpu_ms > WORTH * yardstick.cpu_ms:
        raise RuntimeError(f"costs {found.cpu_ms:.1f} ms of CPU a frame, software {yardstick.cpu_ms:.1f}")
    if not forced and found.wall_ms > SLOWEST_MS:
        raise RuntimeError(f"takes {found.wall_ms:.0f} ms a frame")
    return OPENERS[name](codec, config)
