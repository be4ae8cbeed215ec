"""Everything of one camera, and what is wrong with it in an installer's words."""

from collections.abc import Sequence

import aiohttp
import msgspec

from appliance.base.clock import Clock
from appliance.base.model import Credentials
from appliance.onvif.streams import Codec


class StreamDetails(msgspec.Struct, frozen=True):
    """``rtsp_url`` holds no credentials. 0 where the camera does not say."""

    profile: str
    rtsp_url: str
    codec: Codec
    width: int
    height: int
    fps: float
    bitrate_bps: int
    key_frame_interval_s: float


class Finding(msgspec.Struct, frozen=True):
    """``code``: h265_sub, h265_main, long_gop, clock_off, no_sub, wrong_password, low_fps, mjpeg_only, no_ntp,
    no_streams, no_serial, not_answering. ``mendable``: ``mend`` can set it right."""

    code: str
    text: str
    hint: str
    mendable: bool


class Details(msgspec.Struct, frozen=True):
    """``credentials_index``: which of the tries the camera took; None: none of them. ``streams``: main first;
    a DVR has more than one ``source``: its channels, each with its streams (``stream_sources``)."""

    address: str
    url: str
    maker: str
    model: str
    firmware: str
    serial: str
    mac: str | None
    credentials_index: int | None
    streams: tuple[StreamDetails, ...]
    snapshot_url: str | None
    clock_skew_s: float | None
    findings: tuple[Finding, ...]


async def details(
    url: str, tries: Sequence[Credentials], *, session: aiohttp.ClientSession, clock: Clock
) -> Details:
    """Raises ``ApplianceError`` where no ONVIF device answers at ``url``; what else goes wrong is a finding."""
    raise NotImplementedError
