"""A clip and a still, from the simulator's scene."""

import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from appliance.simulator.scene import Scene

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 10, 10


def footage() -> tuple[bytes, bytes]:
    """(an MP4 with its index in front, a JPEG)."""
    scene = Scene(WIDTH, HEIGHT, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        _film(scene, path)
        clip = path.read_bytes()
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
    codec.time_base = Fraction(1, FPS)
    picture = _drawn(scene, 3.6).reformat(format="yuvj420p")
    return clip, b"".join(bytes(packet) for packet in codec.encode(picture))


def _film(scene: Scene, path: Path) -> None:
    # The index in front needs a second pass over a real file.
    with av.open(str(path), "w", "mp4", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("libx264", FPS, options={"preset": "ultrafast", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FPS * SECONDS):
            frame = _drawn(scene, number / FPS)
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def _drawn(scene: Scene, at_s: float) -> av.VideoFrame:
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    planes = [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in frame.planes]
    scene.draw(*planes, at_s)
    return frame
