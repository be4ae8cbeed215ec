"""Decoders in hardware that libav drives: ``cuda`` (NVDEC), ``vaapi``, ``qsv``.

PyAV's wheel has cuda and qsv; vaapi comes with a build against the distribution's libav. Frames are
copied to system memory as nv12 (p010 of deeper streams), which costs what it costs: the probe counts
it. Where the hardware cannot take a stream this raises, and does not decode in software behind
anybody's back: the path that is shown is the one in use.

Only ``open`` failing has been seen on a machine so far; decoding has not been tested on hardware.
"""

from typing import Final

import av
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext

from appliance.vision.decoding.decoder import EVERY, MOST_PIXELS

# The context of one process is shared by its cameras: one of its own takes 100 MB of the GPU.
_DEVICE: Final[dict[str, dict[str, object]]] = {"cuda": {"primary_ctx": "1"}, "vaapi": {}}
_QSV: Final = "qsv"  # a decoder of its own (h264_qsv), which gives nv12 in system memory by itself


class Hardware:
    """``path``: ``cuda``, ``vaapi`` or ``qsv``. Raises what libav raises, at once where there is no
    such device, or at the first packet where it is out of sessions."""

    def __init__(self, path: str, codec: str, config: bytes) -> None:
        self.path = path
        self._context: VideoCodecContext | None = _open(path, codec, config)

    def decode(self, body: bytes, time_ns: int, *, spare: bool) -> list[av.VideoFrame]:
        if self._context is None:
            raise RuntimeError("the decoder is closed")
        packet = av.Packet(body)
        packet.pts, packet.time_base = time_ns, EVERY
        self._context.skip_frame = "NONREF" if spare else "DEFAULT"
        return self._context.decode(packet)

    def close(self) -> None:
        self._context = None  # libav gives the session back with its last reference


def _open(path: str, codec: str, config: bytes) -> VideoCodecContext:
    if path == _QSV:
        context = av.CodecContext.create(f"{codec}_qsv", "r")
        options = {"async_depth": "1"}  # a frame that waits for the next four is late
    else:
        accel = HWAccel(path, allow_software_fallback=False, options=_DEVICE.get(path, {}))
        context = av.CodecContext.create(codec, "r", accel)
        options = {}
        if not context.is_hwaccel:
            raise NotImplementedError(f"libav has no {path} for {codec}")
    assert isinstance(context, VideoCodecContext)
    context.extradata = config
    context.thread_count = 1
    context.options = {"max_pixels": str(MOST_PIXELS), **options}
    return context
