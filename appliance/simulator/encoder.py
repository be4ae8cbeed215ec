"""Scenes as video: libx264 or libx265 without delay, one encoder per scene however many watch."""

import asyncio
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np
from av.video.frame import PictureType

from appliance.base.clock import MS_NS, Clock
from appliance.simulator.audio import make_tone, run_tone
from appliance.simulator.sample import (
    NS,
    VIDEO,
    Sample,
    StreamFormat,
    VideoFormat,
    is_parameter_set,
    split_annex_b,
)
from appliance.simulator.scene import Plane, Scene
from appliance.simulator.sei import sei_unit
from appliance.simulator.spec import CameraSpec
from appliance.simulator.stamp import Stamp, draw_stamp

_TIME_BASE = Fraction(1, NS)
_LATE_NS = NS  # behind by more than this, a scene leaves pictures out instead of catching up


class Encoder:
    """Draw into ``planes``, then ``encode``. The planes keep their content between calls."""

    def __init__(self, spec: CameraSpec) -> None:
        self._context = _open(spec, global_header=False)
        self._codec = spec.codec
        self._frame = av.VideoFrame(spec.width, spec.height, "yuv420p")
        self._frame.time_base = _TIME_BASE
        self.planes = tuple(_view(plane) for plane in self._frame.planes)

    def encode(self, pts_ns: int, key: bool) -> list[Sample]:
        # av keeps no reference to the picture: the encoders copy it before encode returns
        self._frame.pts = pts_ns
        self._frame.pict_type = PictureType.I if key else PictureType.NONE
        return [
            Sample(VIDEO, self._codec, split_annex_b(bytes(packet)), packet.pts or 0, packet.is_keyframe)
            for packet in self._context.encode(self._frame)
        ]


class Studio:
    """What one run draws with. Used by one thread at a time, and by no other run: the picture that is
    being drawn when a run is cancelled is finished in its thread, beside the next run's first."""

    def __init__(self) -> None:
        self._made: tuple[CameraSpec, Scene, Encoder] | None = None

    def picture(self, spec: CameraSpec, pts_ns: int, scene_s: float, stamp: Stamp, key: bool) -> list[Sample]:
        """Draw and encode one. ``stamp.counter`` is the whole number, not yet modulo 65536."""
        if self._made is None or self._made[0] is not spec:
            self._made = spec, Scene(spec.width, spec.height, spec.seed), Encoder(spec)
            key = True
        _, scene, encoder = self._made
        y, u, v = encoder.planes
        scene.draw(y, u, v, scene_s)
        if spec.stamp:
            draw_stamp(y, u, v, stamp)
        samples = encoder.encode(pts_ns, key)
        if spec.sei and spec.bframes == 0:  # with B-frames the picture that comes out is not this one
            for sample in samples:
                _number(sample, stamp)
        return samples


class SceneSource:
    """A scene, its encoder and its tone. ``scene_began_ns`` (monotonic) lets two streams of one
    camera show the same moment. ``counter`` goes on when clients leave and come back."""

    def __init__(self, spec: CameraSpec, clock: Clock, scene_began_ns: Callable[[], int]) -> None:
        self._spec = spec
        self._clock = clock
        self._scene_began_ns = scene_began_ns
        self._key_wanted = True
        self.counter = 0

    async def format(self) -> StreamFormat:
        loop = asyncio.get_running_loop()
        sets = await loop.run_in_executor(None, _parameter_sets, _encoding(self._spec))
        tone = await loop.run_in_executor(None, make_tone, self._spec.audio)
        video = VideoFormat(self._spec.codec, sets, self._spec.fps)
        return StreamFormat(video, tone.format if tone else None)

    def request_key(self) -> bool:
        self._key_wanted = True
        return self._spec.bframes == 0  # with B-frames it comes some pictures later

    def change(self, spec: CameraSpec) -> None:
        """Another size or codec, from the next picture on."""
        self._spec = spec

    async def run(self, sink: Callable[[Sample], None]) -> None:
        began_ns = self._clock.monotonic_ns()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_video(sink, began_ns))
            tone = make_tone(self._spec.audio)
            if tone is not None:
                tasks.create_task(run_tone(tone, self._clock, began_ns, sink))

    async def _run_video(self, sink: Callable[[Sample], None], began_ns: int) -> None:
        loop = asyncio.get_running_loop()
        studio = Studio()
        number = 0
        while True:
            pts_ns = round(number * NS / self._spec.fps)
            wait_ns = began_ns + pts_ns - self._clock.monotonic_ns()
            if wait_ns > 0:
                await self._clock.sleep(wait_ns / NS)
            elif wait_ns < -_LATE_NS:
                number += int(-wait_ns * self._spec.fps / NS)
                continue
            scene_s = (began_ns + pts_ns - self._scene_began_ns()) / NS
            stamp = Stamp(self._clock.now_ns() // MS_NS, self.counter)
            key, self._key_wanted = self._key_wanted, False
            samples = await loop.run_in_executor(
                None, studio.picture, self._spec, pts_ns, scene_s, stamp, key
            )
            self.counter += 1  # here, not in the thread: a picture nobody was sent has no number
            for sample in samples:
                sink(sample)
            number += 1


def _number(sample: Sample, stamp: Stamp) -> None:
    units = sample.units
    at = next((n for n, unit in enumerate(units) if not is_parameter_set(sample.codec, unit)), 0)
    units.insert(at, sei_unit(sample.codec, stamp.time_ms, stamp.counter))


def _view(plane: av.video.plane.VideoPlane) -> Plane:
    pixels: Plane = np.frombuffer(memoryview(plane), np.uint8)
    return pixels.reshape(plane.height, plane.line_size)[:, : plane.width]


def _open(spec: CameraSpec, *, global_header: bool) -> av.VideoCodecContext:
    context = av.VideoCodecContext.create("libx264" if spec.codec == "h264" else "libx265", "w")
    context.width, context.height, context.pix_fmt = spec.width, spec.height, "yuv420p"
    context.time_base = _TIME_BASE
    context.framerate = Fraction(spec.fps).limit_denominator(1001)
    context.gop_size = spec.gop
    context.max_b_frames = spec.bframes
    context.thread_count = 1
    options = {"preset": "ultrafast", "forced-idr": "1", "crf": "24"}
    if spec.bframes == 0:
        options["tune"] = "zerolatency"
    if spec.bitrate_kbps is not None:
        del options["crf"]
        context.bit_rate = spec.bitrate_kbps * 1000
        options |= {"maxrate": f"{spec.bitrate_kbps}k", "bufsize": f"{spec.bitrate_kbps}k"}
    if spec.codec == "h264":
        options["x264-params"] = "scenecut=0:b-adapt=0:rc-lookahead=0:sync-lookahead=0:sliced-threads=0"
    else:
        # Look-ahead only with B-frames: one picture of it is already five pictures of delay.
        order = f":bframes={spec.bframes}:b-adapt=0:rc-lookahead={spec.bframes + 1}" if spec.bframes else ""
        options["x265-params"] = (
            f"log-level=none:info=0:pools=1:frame-threads=1:scenecut=0:open-gop=0"
            f":repeat-headers={int(not global_header)}{order}"
        )
    if global_header:
        context.flags |= av.codec.context.Flags.global_header
    context.options = options
    context.open()
    return context


def _encoding(spec: CameraSpec) -> CameraSpec:
    """The part of a spec that shapes its parameter sets: the key of their cache."""
    return CameraSpec(
        name="-",
        fps=spec.fps,
        width=spec.width,
        height=spec.height,
        codec=spec.codec,
        gop=spec.gop,
        bframes=spec.bframes,
        bitrate_kbps=spec.bitrate_kbps,
    )


@lru_cache(maxsize=64)
def _parameter_sets(spec: CameraSpec) -> tuple[bytes, ...]:
    extradata = _open(spec, global_header=True).extradata or b""
    return tuple(unit for unit in split_annex_b(extradata) if is_parameter_set(spec.codec, unit))
