"""Packets as damaged cameras, bad cables and bad people send them, through a real worker at full speed."""

import asyncio
import random
import time
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from appliance.media.fragment import Fragment, StreamInit
from appliance.media.mp4.bits import BitReader, unescape
from appliance.vision.decoding.decoder import Software

MB = 1024 * 1024
SIZES = [(64, 64), (16384, 16384), (640, 360), (65536, 16), (16, 65536), (4096, 2160), (48, 16000)]


# -- forged parameter sets ------------------------------------------------------------------


def forged(codec: str, sps: bytes, width: int, height: int) -> bytes:
    """``sps`` with another size: macroblocks in H.264, pixels in H.265."""
    bits = "".join(f"{byte:08b}" for byte in unescape(sps))
    start, end = _place_of_size(codec, sps)
    sizes = (width // 16 - 1, height // 16 - 1) if codec == "h264" else (width // 8 * 8, height // 8 * 8)
    bits = bits[:start] + "".join(_ue(size) for size in sizes) + bits[end:]
    bits += "0" * (-len(bits) % 8)
    out = bytearray()
    for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
        if byte <= 3 and out[-2:] == b"\0\0":
            out.append(3)
        out.append(byte)
    return bytes(out)


def _ue(value: int) -> str:
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def _place_of_size(codec: str, sps: bytes) -> tuple[int, int]:
    """First bit of the width, first bit after the height (ITU-T H.264, 7.3.2.1.1; H.265, 7.3.2.2.1)."""
    reader, size = BitReader(sps, 0), 8 * len(unescape(sps))
    if codec == "h264":
        reader.bits(32)
        reader.ue()
        if sps[1] >= 100:  # chroma format, bit depths
            _ = reader.ue(), reader.ue(), reader.ue(), reader.bits(2)
        reader.ue()
        if reader.ue() == 0:  # order count
            reader.ue()
        _ = reader.ue(), reader.bits(1)
    else:
        reader.bits(16 + 8 + 96)
        _ = reader.ue(), reader.ue()
    start = size - reader._left
    _ = reader.ue(), reader.ue()
    return start, size - reader._left


def sps_of(codec: str, config: bytes) -> bytes:
    at = config.find(b"\x67") if codec == "h264" else config.find(b"\x42\x01\x01")
    return config[at : at + int.from_bytes(config[at - 2 : at], "big")]


def with_size(codec: str, config: bytes, width: int, height: int) -> bytes:
    """``config`` (avcC or hvcC) with a forged size."""
    old = sps_of(codec, config)
    new = forged(codec, old, width, height)
    return config.replace(len(old).to_bytes(2, "big") + old, len(new).to_bytes(2, "big") + new, 1)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_forged_size_is_refused_before_it_is_allocated(make_stream, codec):
    stream = make_stream(codec, 10, [0])
    key = stream.packets[0][0]
    same = with_size(codec, stream.config, 96, 64)
    assert Software(codec, same).decode(key, 0, spare=False)[0].width == 96  # the forger can write
    before = _status("self", "VmPeak")
    for width, height in ((16384, 16384), (16384, 8192), (65536, 16384)):
        with pytest.raises((av.FFmpegError, ValueError)):
            decoder = Software(codec, with_size(codec, stream.config, width, height))
            frames = decoder.decode(key, 0, spare=False)
            assert not frames
            raise ValueError("nothing came out")
    assert _status("self", "VmPeak") - before < 100 * MB


# -- through the worker ---------------------------------------------------------------------


@dataclass
class Mutator:
    """The same packets from the same seed, whatever the machine."""

    streams: list
    random: random.Random
    last: bytes = b""

    def bodies(self, count: int):
        """(stream, config or None, body, is_key): a configuration comes before each GOP's first."""
        sent = 0
        while sent < count:
            stream = self.random.choice(self.streams)
            config = stream.config
            if self.random.random() < 0.15:
                config = with_size(stream.codec, config, *self.random.choice(SIZES))
            length = self.random.randint(2, 12)
            for number, (body, _, is_key) in enumerate(stream.packets[:length]):
                spoil = self.random.random() < (0.3 if number == 0 else 0.7)
                mutated = self.mutate(stream, body) if spoil else body
                yield stream, config if number == 0 else None, mutated, is_key or self.random.random() < 0.1
                self.last = body
                sent += spoil

    def mutate(self, stream, body: bytes) -> bytes:
        kind = self.random.randrange(9)
        data = bytearray(body)
        if kind == 0:
            for _ in range(self.random.choice((1, 3, 50))):
                data[self.random.randrange(4, len(data))] ^= 1 << self.random.randrange(8)
        elif kind == 1:
            del data[self.random.randrange(len(data)) :]
        elif kind == 2:
            data = bytearray(self.last)  # the one before again, in its place
        elif kind == 3:
            data = bytearray(self.random.choice(stream.packets)[0])  # out of order
        elif kind == 4:
            data = bytearray(self.random.choice(self.random.choice(self.streams).packets)[0])
        elif kind == 5:
            sps = forged(stream.codec, sps_of(stream.codec, stream.config), *self.random.choice(SIZES))
            data = bytearray(len(sps).to_bytes(4, "big") + sps) + data
        elif kind == 6:
            data = bytearray()
        elif kind == 7:
            data = bytearray(self.random.randbytes(self.random.choice((1, 5, 100, 5000))))
        else:
            data[:4] = self.random.randbytes(4)  # a length that is not true
        return bytes(data)


def push(tap, mutator: Mutator, count: int) -> int:
    """In a thread, as fast as the worker takes them. Packets sent."""
    now_ns, sent, deadline_s = 10**18, 0, time.monotonic() + 400
    for stream, config, body, is_key in mutator.bodies(count):
        now_ns += 40_000_000
        if config is not None:
            tap.started(StreamInit("yard", "main", "r", stream.codec, "", b"", config, 96, 64, now_ns))
        tap.put(Fragment(1, b"", body, now_ns, 0, is_key))
        sent += 1
        while tap.backlog_bytes > 0 and time.monotonic() < deadline_s:
            time.sleep(0.001)
    return sent


def _status(pid, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=pytest.mark.long)])
@pytest.mark.timeout(600)
async def test_mutated_packets_harm_nobody_else(running, play, scene, make_stream, count):
    mutator = Mutator(
        [
            make_stream("h264", 30, [0]),
            make_stream("h264", 30, [0, 10], bframes=2, size=(128, 96)),
            make_stream("hevc", 30, [0]),
            make_stream("hevc", 30, [0, 10], bframes=2, size=(128, 96)),
        ],
        random.Random(3),
    )
    async with running("yard", "door", fps=25.0) as (host, heard):
        play(scene(), host.tap("door"), "door")
        await heard.until(lambda: any(p.camera_id == "door" for p in heard.points), 20)
        pid = host.worker_pid
        ours, theirs = _status("self", "VmRSS"), _status(pid, "VmRSS")
        sent = await asyncio.to_thread(push, host.tap("yard"), mutator, count)
        assert sent >= count
        spoilt = time.monotonic()
        play(scene(), host.tap("yard"), "yard")  # good packets again
        for name in ("door", "yard"):
            await heard.until(
                lambda name=name: any(
                    p.camera_id == name and at > spoilt and p.phase != "end"
                    for p, at in zip(heard.points, heard.at, strict=True)
                ),
                15,
            )
        await heard.until(lambda: host.figures()["yard"].decode_errors > count / 20, 10)
        assert host.state().restarts == 0, host.state().reason
        assert host.worker_pid == pid
        assert host.figures()["door"].decode_errors == 0
        assert host.tap("yard").skipped < sent / 10
        assert _status(pid, "VmHWM") - theirs < 300 * MB
        assert _status(pid, "VmRSS") - theirs < 100 * MB
        assert _status("self", "VmRSS") - ours < 40 * MB
