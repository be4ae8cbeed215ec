"""A decoder element of GStreamer: the Jetson's ``nvv4l2decoder``, which libav cannot drive.

    appsrc ! h264parse ! nvv4l2decoder ! nvvidconv ! video/x-raw,format=NV12 ! appsink

The elements are parameters, and the tests run it with software ones; ``nvv4l2decoder`` itself has not
been tested on hardware. ``gi`` is the distribution's (python3-gi with gir1.2-gst-plugins-base-1.0).
Call ``prepare`` before the sandbox closes: GStreamer looks its plugins over in a child of its own.
"""

from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from appliance.vision.decoding.decoder import EVERY, MOST_PIXELS
from appliance.vision.decoding.planes import rows

JETSON: Final = "nvv4l2decoder"
JETSON_CONVERT: Final = "nvvidconv"
PARSERS: Final = {"h264": ("h264parse", "video/x-h264", "avc"), "hevc": ("h265parse", "video/x-h265", "hvc1")}
PATIENCE_NS: Final = 20_000_000  # for a frame that is wanted; what comes later, the next packet brings
CLOSE_NS: Final = 2_000_000_000


def prepare() -> Any:
    """The ``Gst`` module, ready. Raises ``ImportError`` or ``ValueError`` where it is not installed."""
    import gi

    for name in ("Gst", "GstApp", "GstVideo"):
        gi.require_version(name, "1.0")
    from gi.repository import Gst, GstApp, GstVideo  # noqa: F401  # GstApp lends appsink its methods

    Gst.init(None)
    return Gst


class Gstreamer:
    """``element`` decodes, ``convert`` brings its pictures to system memory. Raises ``RuntimeError``
    with GStreamer's words where a pipeline cannot be made or has failed."""

    def __init__(self, element: str, convert: str, codec: str, config: bytes) -> None:
        self.path = element
        self._gst = prepare()
        self._pipeline = self._make(element, convert, codec, config)
        self._source = self._pipeline.get_by_name("source")
        self._sink = self._pipeline.get_by_name("sink")
        self._bus = self._pipeline.get_bus()
        if self._pipeline.set_state(self._gst.State.PLAYING) == self._gst.StateChangeReturn.FAILURE:
            try:
                self._raise_failure()
                raise RuntimeError(f"{element} does not start")
            finally:
                self.close()

    def decode(self, body: bytes, time_ns: int, *, spare: bool) -> list[av.VideoFrame]:
        """Decodes every packet: the element cannot be told that a frame is spare."""
        if self._pipeline is None:
            raise RuntimeError("the decoder is closed")
        buffer = self._gst.Buffer.new_wrapped(body)
        buffer.pts = time_ns
        if self._source.push_buffer(buffer) != self._gst.FlowReturn.OK:
            self._raise_failure()
            raise RuntimeError(f"{self.path} takes no packets")
        frames: list[av.VideoFrame] = []
        wait_ns = 0 if spare else PATIENCE_NS
        while (sample := self._sink.try_pull_sample(wait_ns)) is not None:
            frames.append(self._frame(sample))
            wait_ns = 0
        self._raise_failure()
        return frames

    def close(self) -> None:
        if self._pipeline is not None:
            self._pipeline.set_state(self._gst.State.NULL)
            self._pipeline.get_state(CLOSE_NS)
        self._pipeline = None

    def _make(self, element: str, convert: str, codec: str, config: bytes) -> Any:
        parser, media, layout = PARSERS[codec]
        text = (
            f"appsrc name=source format=time is-live=true block=true max-bytes=8388608 ! {parser} ! {element}"
            f" ! {convert} ! video/x-raw,format=NV12 ! appsink name=sink sync=false max-buffers=16"
        )
        try:
            pipeline = self._gst.parse_launch(text)
        except Exception as error:  # GLib's errors are made at run time
            raise RuntimeError(str(error)) from None
        caps = self._gst.Caps.from_string(
            f"{media},stream-format={layout},alignment=au,codec_data=(buffer){config.hex()}"
        )
        pipeline.get_by_name("source").set_property("caps", caps)
        return pipeline

    def _raise_failure(self) -> None:
        message = self._bus.pop_filtered(self._gst.MessageType.ERROR)
        if message is not None:
            raise RuntimeError(message.parse_error()[0].message)

    def _frame(self, sample: Any) -> av.VideoFrame:
        """A copy, so that the element gets its buffer back at once: it has few."""
        from gi.repository import GstVideo

        info, buffer = GstVideo.VideoInfo.new_from_caps(sample.get_caps()), sample.get_buffer()
        meta = GstVideo.buffer_get_video_meta(buffer)  # where the element has strides of its own
        places = meta if meta is not None else info
        if info.width * info.height > MOST_PIXELS:
            raise RuntimeError(f"a picture of {info.width}x{info.height}")
        frame = av.VideoFrame(info.width, info.height, "nv12")
        good, mapped = buffer.map(self._gst.MapFlags.READ)
        if not good:
            raise RuntimeError("a picture that cannot be read")
        try:
            data = np.frombuffer(mapped.data, np.uint8)
            for number in (0, 1):
                _copy(frame, number, data[places.offset[number] :], places.stride[number])
        finally:
            buffer.unmap(mapped)
        frame.pts, frame.time_base = buffer.pts, EVERY
        return frame


def _copy(frame: av.VideoFrame, number: int, data: NDArray[np.uint8], stride: int) -> None:
    """Row by row in numpy: the last row may be shorter than ``stride``."""
    target = rows(frame, number)
    high, wide = target.shape[0], min(stride, target.shape[1], frame.width + frame.width % 2)
    source = np.lib.stride_tricks.as_strided(data, (high, wide), (stride, 1), writeable=False)
    if (high - 1) * stride + wide > data.size:
        raise RuntimeError("a picture that is smaller than it says")
    target[:, :wide] = source
