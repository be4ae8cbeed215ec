"""Films whose packets bad cables and bad cameras had their hands on, still films that a server can send."""

import io
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

KEPT_KEYS, KEPT = 0.75, 0.3  # whole ones, of the key frames and of the others: some must be looked at
KINDS = ("flipped", "truncated", "reordered", "dropped", "doubled")


@dataclass
class Spoilt:
    """``packets``: in the film. ``mutated``: how many of each of ``KINDS`` it took to make them."""

    path: Path
    packets: int = 0
    mutated: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))


def clean(codec: str, frames: int, fps: int, size: tuple[int, int], bframes: int) -> bytes:
    """An MP4 of a thing that walks over noise; x264 or x265, a key frame each second."""
    width, height = size
    noise = np.random.default_rng(4)
    options = {"preset": "ultrafast", "crf": "26"}
    if codec == "h264":
        options |= {"bf": str(bframes), "g": str(fps), "sc_threshold": "0"}
    else:
        common = "log-level=none:pools=none:frame-threads=1"
        options |= {"x265-params": f"{common}:bframes={bframes}:keyint={fps}:min-keyint={fps}:scenecut=0"}
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream({"h264": "libx264", "hevc": "libx265"}[codec], rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            picture = noise.integers(60, 64, (height, width, 3), np.uint8)
            left = number * 3 % (width - 40)
            picture[height // 3 : height * 2 // 3, left : left + 40] = (230, 220, 40)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return file.getvalue()


def spoil(film: bytes, path: Path, packets: int, seed: int) -> Spoilt:
    """``film`` over and over, until so many packets were mutated, as a film at ``path``."""
    made, chance = Spoilt(path), random.Random(seed)
    with av.open(io.BytesIO(film)) as container, av.open(str(path), "w", format="mp4") as out:
        source = container.streams.video[0]
        stream = out.add_stream_from_template(source)
        tick = source.time_base
        whole = [p for p in container.demux(source) if p.pts is not None]
        each = round(1 / (source.average_rate * tick))
        bodies: list[tuple[bytes, bool]] = []
        while sum(made.mutated.values()) < packets:
            for packet in whole:
                _mutate(bodies, bytes(packet), packet.is_keyframe, chance, made.mutated)
        shift = whole[0].dts
        for number, (body, is_key) in enumerate(bodies):
            like = whole[number % len(whole)]
            base = number // len(whole) * len(whole) * each - shift
            packet = av.Packet(body)
            packet.stream, packet.time_base = stream, tick
            packet.dts, packet.pts, packet.duration = like.dts + base, like.pts + base, each
            packet.is_keyframe = is_key
            out.mux(packet)
        made.packets = len(bodies)
    return made


def _mutate(
    bodies: list[tuple[bytes, bool]], body: bytes, is_key: bool, chance: random.Random, count: dict[str, int]
) -> None:
    if chance.random() < (KEPT_KEYS if is_key else KEPT):
        bodies.append((body, is_key))
        return
    kind = chance.choice(KINDS)
    count[kind] += 1
    if kind == "dropped":
        return
    if kind in ("flipped", "truncated"):
        units = [_spoilt(unit, kind, chance) for unit in _units(body)]
        body = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    bodies.append((body, is_key))
    if kind == "doubled":
        bodies.append((body, is_key))
    elif kind == "reordered" and len(bodies) > 1:
        bodies[-2:] = reversed(bodies[-2:])


def _spoilt(unit: bytes, kind: str, chance: random.Random) -> bytes:
    data = bytearray(unit)
    if kind == "truncated":
        return bytes(data[: max(3, chance.randrange(len(data)))])
    for _ in range(chance.choice((1, 3, 50))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _units(body: bytes) -> list[bytes]:
    units, at = [], 0
    while at + 4 <= len(body):
        size = int.from_bytes(body[at : at + 4], "big")
        units.append(body[at + 4 : at + 4 + size])
        at += 4 + size
    return units


def make(codec: str, path: Path, packets: int, seed: int, **shape: Any) -> Spoilt:
    """``packets`` mutated ones; the same for the same seed."""
    shape = {"frames": 180, "fps": 60, "size": (320, 180), "bframes": 0} | shape
    return spoil(clean(codec, **shape), path, packets, seed)
