"""Pictures for a whole fleet: each kind of stream is drawn and encoded once and played from memory.

A loop lasts at least as long as the first person in a scene needs to come again, and is a whole number
of GOPs, so that the distance of key frames stays what the encoder was set to, over the seam too.
"""

import asyncio
import math
import zlib
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np

from appliance.base.clock import Clock
from appliance.simulator.encoder import Encoder
from appliance.simulator.sample import NS, VIDEO, Sample, StreamFormat, VideoFormat, is_parameter_set
from appliance.simulator.scene import Scene
from appliance.simulator.spec import CameraSpec, Codec

_LEAST_S = 11.0  # a person crosses the middle every 11 s (scene.py)
_SEED = 7
_LATE_NS = NS


class Kind(NamedTuple):
    """What makes two streams the same: one loop for both."""

    codec: Codec
    width: int
    height: int
    fps: float
    gop: int
    night: bool


class Shelf:
    """The loops that have been asked for, and stills. Encoding is in a thread, one at a time: twelve
    cameras that start together would otherwise take the machine for themselves."""

    def __init__(self) -> None:
        self._loops: dict[Kind, asyncio.Task[list[Sample]]] = {}
        self._stills: dict[tuple[int, int, bool], bytes] = {}
        self._turn = asyncio.Lock()

    async def loop(self, kind: Kind) -> list[Sample]:
        task = self._loops.get(kind)
        if task is None:
            task = self._loops[kind] = asyncio.create_task(self._encode(kind))
        return await asyncio.shield(task)

    async def still(self, width: int, height: int, night: bool) -> bytes:
        """A JPEG of the scene."""
        key = (width, height, night)
        if key not in self._stills:
            self._stills[key] = await asyncio.to_thread(_still, *key)
        return self._stills[key]

    async def _encode(self, kind: Kind) -> list[Sample]:
        async with self._turn:
            return await asyncio.to_thread(_encode, kind)


class LoopSource:
    """One stream of one camera, out of the shelf. Cameras begin at different places of the loop."""

    def __init__(self, spec: CameraSpec, clock: Clock, shelf: Shelf, camera: str) -> None:
        self._spec = spec
        self._clock = clock
        self._shelf = shelf
        self._ahead_s = zlib.crc32(camera.encode()) % 11_000 / 1_000
        self.night = False

    def change(self, spec: CameraSpec) -> None:
        self._spec = spec

    def request_key(self) -> bool:
        return False  # a loop has its key frames where they are

    async def format(self) -> StreamFormat:
        samples = await self._shelf.loop(self._kind())
        sets = tuple(unit for unit in samples[0].units if is_parameter_set(self._spec.codec, unit))
        return StreamFormat(VideoFormat(self._spec.codec, sets, self._spec.fps))

    async def run(self, sink: Callable[[Sample], None]) -> None:
        zero_ns: int | None = None
        while True:
            kind = self._kind()
            samples = await self._shelf.loop(kind)
            if zero_ns is None:
                zero_ns = self._clock.monotonic_ns()
            shown = int((self._clock.monotonic_ns() / NS + self._ahead_s) * kind.fps)
            at = shown % len(samples) // kind.gop * kind.gop
            await self._play(kind, samples, at, zero_ns, sink)

    async def _play(
        self, kind: Kind, samples: list[Sample], at: int, zero_ns: int, sink: Callable[[Sample], None]
    ) -> None:
        """Until the kind is another one. Media time 0 is at ``zero_ns`` (monotonic)."""
        began_ns = self._clock.monotonic_ns()
        number = 0
        while self._kind() == kind:
            due_ns = began_ns + round(number * NS / kind.fps)
            wait_ns = due_ns - self._clock.monotonic_ns()
            if wait_ns > 0:
                await self._clock.sleep(wait_ns / NS)
            elif wait_ns < -_LATE_NS:  # the machine slept: leave pictures out, go on with a key frame
                number += math.ceil(-wait_ns * kind.fps / NS / kind.gop) * kind.gop
                continue
            sample = samples[(at + number) % len(samples)]
            sink(Sample(VIDEO, kind.codec, sample.units, due_ns - zero_ns, sample.is_key))
            number += 1

    def _kind(self) -> Kind:
        spec = self._spec
        return Kind(spec.codec, spec.width, spec.height, spec.fps, spec.gop, self.night)


def _encode(kind: Kind) -> list[Sample]:
    count = math.ceil(_LEAST_S * kind.fps / kind.gop) * kind.gop
    spec = CameraSpec(
        name="-", fps=kind.fps, width=kind.width, height=kind.height, codec=kind.codec, gop=kind.gop
    )
    scene, encoder = Scene(kind.width, kind.height, _SEED), Encoder(spec)
    samples: list[Sample] = []
    for number in range(count):
        _draw(scene, encoder.planes, number / kind.fps, kind.night)
        samples += encoder.encode(round(number * NS / kind.fps), number % kind.gop == 0)
    return samples


def _draw(scene: Scene, planes: tuple[np.ndarray, ...], time_s: float, night: bool) -> None:
    y, u, v = planes
    scene.draw(y, u, v, time_s)
    if night:  # what the infrared lamps of a camera leave: dim, and grey
        np.floor_divide(y, 2, out=y)
        u[:] = 128
        v[:] = 128


def _still(width: int, height: int, night: bool) -> bytes:
    frame = av.VideoFrame(width, height, "yuvj420p")
    planes = tuple(
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    )
    _draw(Scene(width, height, _SEED), planes, 3.5, night)
    context = av.VideoCodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuvj420p"
    context.time_base = Fraction(1, 25)
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
