"""Encoder settings: what one can do, and changing no more than what is asked.

ONVIF takes a whole configuration back. The camera's own is read, changed and returned, so that nothing that
we do not know of is lost.
"""

import msgspec

from appliance.base.errors import invalid
from appliance.onvif.device import Device
from appliance.onvif.streams import CODECS, Codec, Profile
from appliance.onvif.tree import Node, Xml, number, xml

_ORDER = (
    "Name",
    "UseCount",
    "Encoding",
    "Resolution",
    "Quality",
    "RateControl",
    "MPEG4",
    "H264",
    "Multicast",
    "SessionTimeout",
)  # of the schema tt:VideoEncoderConfiguration; cameras that check insist on it
_MEDIA1 = {"h264": "H264", "mjpeg": "JPEG", "mpeg4": "MPEG4"}
_MEDIA2 = {"h264": "H264", "h265": "H265", "mjpeg": "JPEG", "mpeg4": "MPV4-ES"}


class EncoderOptions(msgspec.Struct, frozen=True):
    """What one encoder can do in one codec. ``sizes``: (width, height), the biggest first; ``gop`` in
    frames and ``fps``: from, to; (0, 0) where the camera does not say."""

    codec: Codec
    sizes: tuple[tuple[int, int], ...]
    gop: tuple[int, int]
    fps: tuple[float, float]


async def encoder_options(device: Device, profile: Profile) -> tuple[EncoderOptions, ...]:
    name = "tr2" if profile.media2 else "trt"
    answer = await device.ask(
        "media2" if profile.media2 else "media",
        xml(
            f"{name}:GetVideoEncoderConfigurationOptions",
            xml(f"{name}:ConfigurationToken", profile.encoder),
            xml(f"{name}:ProfileToken", profile.token),
        ),
    )
    if profile.media2:
        found = [_options2(node) for node in answer.every("Options")]
    else:
        found = [
            _options(codec, node)
            for element, codec in (
                ("H264", CODECS["h264"]),
                ("JPEG", CODECS["jpeg"]),
                ("MPEG4", CODECS["mpeg4"]),
            )
            for node in answer.every(f"Options/{element}")
        ]
    return tuple(options for options in found if options.codec)


async def set_encoder(
    device: Device,
    profile: Profile,
    *,
    codec: Codec | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    bitrate_bps: int | None = None,
    gop: int | None = None,
) -> None:
    """What is None stays as it is. Raises as ``Device`` does; read ``profiles`` again to see what holds:
    some cameras take everything and change nothing."""
    service, name = ("media2", "tr2") if profile.media2 else ("media", "trt")
    ask = xml(
        f"{name}:GetVideoEncoderConfigurations" if profile.media2 else f"{name}:GetVideoEncoderConfiguration",
        xml(f"{name}:ConfigurationToken", profile.encoder),
    )
    answer = await device.ask(service, ask)
    now = next(
        (
            node
            for node in answer.every("Configurations") + answer.every("Configuration")
            if node.attributes.get("token") == profile.encoder
        ),
        None,
    )
    if now is None:
        raise invalid("the camera does not show this stream's settings", "set the stream in its own page")
    wanted = _Wanted(codec, size, fps, bitrate_bps, gop)
    changed = _changed2(now, wanted) if profile.media2 else _changed(now, wanted)
    forced = None if profile.media2 else xml("trt:ForcePersistence", True)
    body = xml(f"{name}:SetVideoEncoderConfiguration", _written(changed, f"{name}:Configuration"), forced)
    await device.ask(service, body)


class _Wanted(msgspec.Struct, frozen=True):
    codec: Codec | None
    size: tuple[int, int] | None
    fps: float | None
    bitrate_bps: int | None
    gop: int | None

    def write_rates(self, node: Node) -> None:
        if self.size is not None:
            _put(node, "Resolution/Width", str(self.size[0]))
            _put(node, "Resolution/Height", str(self.size[1]))
        if self.fps is not None:
            _put(node, "RateControl/FrameRateLimit", f"{self.fps:g}")
        if self.bitrate_bps is not None:
            _put(node, "RateControl/BitrateLimit", str(self.bitrate_bps // 1000))


def _changed(node: Node, wanted: _Wanted) -> Node:
    codec = wanted.codec or CODECS.get(node.said("Encoding").lower(), "")
    if wanted.codec is not None:
        if wanted.codec not in _MEDIA1:
            raise invalid(f"the camera cannot be told {wanted.codec} this way", "set it in its own page")
        _put(node, "Encoding", _MEDIA1[wanted.codec])
        node.children = [child for child in node.children if child.name not in ("H264", "MPEG4")]
        if wanted.codec == "h264":
            _put(node, "H264/GovLength", str(wanted.gop or 30))
            _put(node, "H264/H264Profile", "Main")
    wanted.write_rates(node)
    if wanted.gop is not None and codec in ("h264", "mpeg4"):
        _put(node, f"{_MEDIA1[codec]}/GovLength", str(wanted.gop))
    node.children.sort(key=lambda child: _ORDER.index(child.name) if child.name in _ORDER else len(_ORDER))
    return node


def _changed2(node: Node, wanted: _Wanted) -> Node:
    if wanted.codec is not None:
        _put(node, "Encoding", _MEDIA2[wanted.codec or "h264"])
        node.attributes.pop("Profile", None)  # of the codec that it was: the camera takes its own default
    wanted.write_rates(node)
    if wanted.gop is not None:
        node.attributes["GovLength"] = str(wanted.gop)
    return node


def _put(node: Node, path: str, text: str) -> None:
    """Set the text at ``path``, making what is missing."""
    for name in path.split("/"):
        child = node.at(name)
        if child is None:
            child = Node(name)
            node.children.append(child)
        node = child
    node.text = text


def _written(node: Node, name: str) -> Xml:
    """As XML again; everything in a configuration is of ``tt``, but a maker's own extensions, which are
    left out, as the schema allows."""
    children = [_written(child, f"tt:{child.name}") for child in node.children if child.name != "Extension"]
    text = "" if children else node.text.strip()
    return xml(name, *children, text, **node.attributes)


def _options(codec: Codec, node: Node) -> EncoderOptions:
    sizes = [
        (each.whole("Width") or 0, each.whole("Height") or 0) for each in node.every("ResolutionsAvailable")
    ]
    gop = node.whole("GovLengthRange/Min") or 0, node.whole("GovLengthRange/Max") or 0
    fps = node.number("FrameRateRange/Min") or 0.0, node.number("FrameRateRange/Max") or 0.0
    return EncoderOptions(codec, _sorted(sizes), gop, fps)


def _options2(node: Node) -> EncoderOptions:
    sizes = [
        (each.whole("Width") or 0, each.whole("Height") or 0) for each in node.every("ResolutionsAvailable")
    ]
    gop = _numbers(node.attributes.get("GovLengthRange", ""))
    fps = _numbers(node.attributes.get("FrameRatesSupported", ""))
    codec = CODECS.get(node.said("Encoding").lower(), "")
    return EncoderOptions(codec, _sorted(sizes), (round(min(gop)), round(max(gop))), (min(fps), max(fps)))


def _sorted(sizes: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted({size for size in sizes if min(size) > 0}, key=lambda size: -size[0] * size[1]))


def _numbers(text: str) -> list[float]:
    found = [number(part) for part in text[:1000].split()]
    return [value for value in found if value is not None] or [0.0]
