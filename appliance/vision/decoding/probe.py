"""Which ways to decode really work here, and what a frame costs: tried at the start, in children.

``python -m appliance.vision.decoding.probe PATH`` makes a clip, decodes it in software and by PATH,
compares the pictures and prints a JSON list of ``Measured``. A driver that hangs or crashes takes only
that child with it. Run it before the sandbox closes: children cannot be started afterwards.
"""

import io
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import av
import msgspec
import numpy as np
from av.video.stream import VideoStream

from appliance.vision.decoding.camera import SOFTWARE, Open
from appliance.vision.decoding.decoder import Software, reason_of
from appliance.vision.decoding.paths import OPENERS, Measured, present
from appliance.vision.decoding.planes import Plane, luma

log = logging.getLogger(__name__)

DEADLINE_S: Final = 6.0  # per path, the start of Python and of a driver included
SIZE: Final = (1280, 720)  # between what sub and main streams are; the copy counts
FRAMES: Final = 24
ENCODERS: Final = {"h264": ("libx264", "h264_mf", "libopenh264"), "hevc": ("libx265",)}
MOST_DIFFERENCE: Final = 1.0  # grey levels, mean of a picture; the standards leave no room at all


class Clip(NamedTuple):
    """``packets``: (body, time_ns), in decoding order, which is that of showing."""

    codec: str
    config: bytes
    packets: list[tuple[bytes, int]]


def survey(paths: Iterable[str] | None = None, deadline_s: float = DEADLINE_S) -> list[Measured]:
    """Each path of this machine in a child of its own; software stands beside each as the yardstick.
    Nothing to survey, nothing started."""
    found: list[Measured] = []
    for path in present() if paths is None else paths:
        found += _survey_one(path, deadline_s)
        log.info("decoding by %s: %s", path, _words([m for m in found if m.path == path]))
    return found


def _survey_one(path: str, deadline_s: float) -> list[Measured]:
    command = [sys.executable, "-m", "appliance.vision.decoding.probe", path, f"{deadline_s:.0f}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=deadline_s, check=False)
        if done.returncode == 0:
            return msgspec.json.decode(done.stdout, type=list[Measured])
        reason = f"the probe ended with {done.returncode}"
    except subprocess.TimeoutExpired:
        reason = f"gave no answer within {deadline_s:.0f} s"
    except (OSError, msgspec.DecodeError) as error:
        reason = str(error)
    return [Measured(path, codec, reason=reason) for codec in ENCODERS]


def _words(measured: Sequence[Measured]) -> str:
    return ", ".join(f"{m.codec} {m.reason or f'{m.cpu_ms:.2f} ms of CPU a frame'}" for m in measured)


def measure(path: str, open_: Open, clip: Clip, truth: dict[int, Plane]) -> Measured:
    """Decode ``clip`` by ``open_`` and hold the pictures against ``truth``, by time. Never raises."""
    pictures, cpu_ns, wall_ns, away = 0, 0, 0, 0.0
    try:
        decoder = open_(clip.codec, clip.config)
        for body, time_ns in clip.packets:
            cpu_before_ns, before_ns = time.process_time_ns(), time.perf_counter_ns()
            frames = decoder.decode(body, time_ns, spare=False)
            cpu_ns += time.process_time_ns() - cpu_before_ns  # of all threads: an element may have its own
            wall_ns += time.perf_counter_ns() - before_ns
            pictures += len(frames)
            away = max([away, *(_difference(frame, truth) for frame in frames)])
        decoder.close()
    except Exception as error:  # drivers raise what they like; all of it means no
        return Measured(path, clip.codec, reason=reason_of(error))
    if pictures < len(clip.packets) // 2:  # some may still be inside
        return Measured(path, clip.codec, reason=f"{pictures} pictures out of {len(clip.packets)} packets")
    if away > MOST_DIFFERENCE:
        return Measured(path, clip.codec, reason=f"gives other pictures (by {away:.1f} grey levels)")
    each = 1e6 * pictures
    return Measured(path, clip.codec, round(cpu_ns / each, 3), round(wall_ns / each, 3))


def _difference(frame: av.VideoFrame, truth: dict[int, Plane]) -> float:
    """Mean absolute difference of the Y planes; infinite where it is of another size or time."""
    right, seen = truth.get(frame.pts or 0), luma(frame)
    if right is None or right.shape != seen.shape:
        return float("inf")
    return float(np.abs(seen.astype(np.int16) - right).mean())


_GRAIN: Final = np.random.default_rng(1).integers(0, 16, (SIZE[1] + 1, SIZE[0] + 6), np.uint8)


def make_clip(codec: str, size: tuple[int, int] = SIZE, frames: int = FRAMES) -> Clip:
    """Shapes that move over a slope, under grain as a sensor gives it: without it decoding is too cheap
    to compare. Not larger than ``SIZE``, and without reordering. Raises ``NotImplementedError`` where
    this libav cannot encode."""
    name = next((name for name in ENCODERS[codec] if name in av.codecs_available), None)
    if name is None:
        raise NotImplementedError(f"nothing here makes {codec}")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        options = {"preset": "ultrafast", "crf": "22", "bf": "0", "x265-params": "log-level=none:bframes=0"}
        stream = out.add_stream(name, rate=25, options=options if name.startswith("libx") else {})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            out.mux(stream.encode(_picture(number, size)))
        out.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as container:
        video = container.streams.video[0]
        packets = [
            (bytes(p), round(p.pts * p.time_base * 1_000_000_000))
            for p in container.demux(video)
            if p.pts is not None and p.time_base is not None
        ]
        return Clip(codec, bytes(video.codec_context.extradata or b""), packets)


def _picture(number: int, size: tuple[int, int]) -> av.VideoFrame:
    width, height = size
    image = np.empty((height * 3 // 2, width), np.uint8)
    image[:height] = (np.arange(width) // 8 + number) % 180
    image[height // 4 : height // 2, number * 8 : number * 8 + width // 8] = 230
    image[height:] = 120
    image[:height] += _GRAIN[number % 2 : height + number % 2, number % 7 : width + number % 7]
    return av.VideoFrame.from_ndarray(image, format="yuv420p")


def compare(path: str, codec: str) -> list[Measured]:
    """Software and ``path`` on the same clip."""
    try:
        clip = make_clip(codec)
        decoder = Software(codec, clip.config)
        truth = {
            frame.pts or 0: luma(frame).copy()
            for body, at in clip.packets
            for frame in decoder.decode(body, at, spare=False)
        }
    except Exception as error:  # without a yardstick nothing is known, and software is safe
        return [Measured(path, codec, reason=reason_of(error))]
    yardstick = measure(SOFTWARE, Software, clip, truth)
    return [yardstick, measure(path, OPENERS[path], clip, truth)]


def main(path: str, deadline_s: float) -> int:
    signal.setitimer(signal.ITIMER_REAL, deadline_s)  # never outlive a parent that died meanwhile
    av.logging.set_level(av.logging.PANIC)
    found = [one for codec in ENCODERS for one in compare(path, codec)]
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
