"""Media service, version 1: profiles, encoders, addresses of streams and stills.

Its schema knows no H.265. A camera that has media 2 tells such a stream here as H264, as many do; one
that has not writes H265 although no schema allows it.
"""

import re
from xml.etree.ElementTree import Element

from appliance.base.errors import ApplianceError
from appliance.simulator.onvif.device import Device, Encoder, Which
from appliance.simulator.onvif.services.asked import Answer, Refused
from appliance.simulator.onvif.soap import Node, node, tag, text

_BOTH: tuple[Which, Which] = ("main", "sub")


def which(device: Device, token: str, tokens: tuple[str, str]) -> Which:
    """Which stream a token names. Raises ``Refused``."""
    for name, known in zip(_BOTH, tokens, strict=True):
        if token == known:
            return name
    raise Refused("ter:NoProfile" if tokens == device.maker.profiles else "ter:NoConfig", "no such token")


def in_order(device: Device) -> tuple[Which, ...]:
    return _BOTH[::-1] if device.maker.sub_first else _BOTH


def token_of(which_one: Which, tokens: tuple[str, str]) -> str:
    return tokens[_BOTH.index(which_one)]


def video_source(device: Device, prefix: str) -> Node:
    encoder = device.encoders["main"]
    bounds = node("tt:Bounds", x=0, y=0, width=encoder.width, height=encoder.height)
    return node(
        prefix,
        node("tt:Name", "VideoSourceConfig"),
        node("tt:UseCount", 2),
        node("tt:SourceToken", "VideoSource_1"),
        bounds,
        handle="VideoSourceToken",
    )


def encoder_from(device: Device, which_one: Which, given: Element) -> Encoder:
    """What a Set asks for; what is left out stays as it is. Raises ``Refused``."""
    now = device.encoders[which_one]
    codec = text(given, "tt:Encoding", now.codec).lower()
    if codec not in ("h264", "h265"):
        raise Refused("ter:ConfigModify", "the codec is not among the options")
    gop = text(given, "tt:H264/tt:GovLength") or given.get("GovLength") or str(now.gop)
    try:
        return Encoder(
            "h265" if codec == "h265" else "h264",
            int(text(given, "tt:Resolution/tt:Width", str(now.width))),
            int(text(given, "tt:Resolution/tt:Height", str(now.height))),
            float(text(given, "tt:RateControl/tt:FrameRateLimit", str(now.fps))),
            int(gop),
            int(text(given, "tt:RateControl/tt:BitrateLimit", str(now.bitrate_kbps))),
        )
    except ValueError:
        raise Refused("ter:ConfigModify", "a number is no number") from None


def apply(device: Device, which_one: Which, wanted: Encoder) -> None:
    try:
        device.set_encoder(which_one, wanted)
    except ApplianceError as error:
        raise Refused("ter:ConfigModify", error.hint) from None


def ptz_configuration(device: Device, name: str) -> Node | None:
    if not device.maker.moves:
        return None
    parts = (node("tt:Name", "PTZ"), node("tt:UseCount", 2), node("tt:NodeToken", "PTZNode"))
    return node(name, *parts, handle="PTZToken")


def get_profiles(device: Device, asked: Element, path: str) -> Node:
    profiles = [_profile(device, one, "trt:Profiles") for one in in_order(device)]
    if device.maker.still_profile:
        profiles.append(_still_profile(device))
    return node("trt:GetProfilesResponse", *profiles)


def get_profile(device: Device, asked: Element, path: str) -> Node:
    one = which(device, text(asked, "trt:ProfileToken"), device.maker.profiles)
    return node("trt:GetProfileResponse", _profile(device, one, "trt:Profile"))


def get_sources(device: Device, asked: Element, path: str) -> Node:
    encoder = device.encoders["main"]
    size = node("tt:Resolution", node("tt:Width", encoder.width), node("tt:Height", encoder.height))
    source = node("trt:VideoSources", node("tt:Framerate", encoder.fps), size, handle="VideoSource_1")
    return node("trt:GetVideoSourcesResponse", source)


def get_encoders(device: Device, asked: Element, path: str) -> Node:
    told = [_encoder(device, one, "trt:Configurations") for one in in_order(device)]
    return node("trt:GetVideoEncoderConfigurationsResponse", *told)


def get_encoder(device: Device, asked: Element, path: str) -> Node:
    one = which(device, text(asked, "trt:ConfigurationToken"), device.maker.encoders)
    return node("trt:GetVideoEncoderConfigurationResponse", _encoder(device, one, "trt:Configuration"))


def get_options(device: Device, asked: Element, path: str) -> Node:
    given = text(asked, "trt:ConfigurationToken")
    profile = text(asked, "trt:ProfileToken")
    one: Which = "main"
    if given:
        one = which(device, given, device.maker.encoders)
    elif profile:
        one = which(device, profile, device.maker.profiles)
    sizes = [
        node("tt:ResolutionsAvailable", node("tt:Width", width), node("tt:Height", height))
        for width, height in device.sizes(one)
    ]
    h264 = node(
        "tt:H264",
        *sizes,
        _range("tt:GovLengthRange", 1, 400),
        _range("tt:FrameRateRange", 1, 30),
        _range("tt:EncodingIntervalRange", 1, 1),
        node("tt:H264ProfilesSupported", "Main"),
    )
    return node(
        "trt:GetVideoEncoderConfigurationOptionsResponse",
        node("trt:Options", _range("tt:QualityRange", 0, 5), h264 if "h264" in device.codecs() else None),
    )


def set_encoder(device: Device, asked: Element, path: str) -> Node:
    given = asked.find(tag("trt:Configuration"))
    if given is None:
        raise Refused("ter:InvalidArgVal", "no configuration is given")
    one = which(device, given.get("token", ""), device.maker.encoders)
    apply(device, one, encoder_from(device, one, given))
    return node("trt:SetVideoEncoderConfigurationResponse")


def get_stream(device: Device, asked: Element, path: str) -> Node:
    one = which(device, text(asked, "trt:ProfileToken"), device.maker.profiles)
    return node("trt:GetStreamUriResponse", _address(device.stream_url(one)))


def get_snapshot(device: Device, asked: Element, path: str) -> Node:
    if not device.snapshot_url:
        raise Refused("ter:ActionNotSupported", "this camera has no stills")
    return node("trt:GetSnapshotUriResponse", _address(device.snapshot_url))


def _address(url: str) -> Node:
    return node(
        "trt:MediaUri",
        node("tt:Uri", url),
        node("tt:InvalidAfterConnect", False),
        node("tt:InvalidAfterReboot", False),
        node("tt:Timeout", "PT0S"),
    )


def _profile(device: Device, one: Which, name: str) -> Node:
    return node(
        name,
        node("tt:Name", "mainStream" if one == "main" else "subStream"),
        video_source(device, "tt:VideoSourceConfiguration"),
        _encoder(device, one, "tt:VideoEncoderConfiguration"),
        ptz_configuration(device, "tt:PTZConfiguration"),
        handle=token_of(one, device.maker.profiles),
        fixed=True,
    )


def _still_profile(device: Device) -> Node:
    encoder = device.encoders["main"]
    return node(
        "trt:Profiles",
        node("tt:Name", "profile_1_jpeg"),
        video_source(device, "tt:VideoSourceConfiguration"),
        node(
            "tt:VideoEncoderConfiguration",
            node("tt:Name", "default_1_jpeg"),
            node("tt:UseCount", 1),
            node("tt:Encoding", "JPEG"),
            node("tt:Resolution", node("tt:Width", encoder.width), node("tt:Height", encoder.height)),
            node("tt:Quality", 70),
            node("tt:SessionTimeout", "PT1M"),
            handle="default_1_jpeg",
        ),
        handle="profile_1_jpeg",
        fixed=True,
    )


def _encoder(device: Device, one: Which, name: str) -> Node:
    encoder = device.encoders[one]
    told = "H264" if encoder.codec == "h264" or device.maker.media2 else "H265"
    rate = node(
        "tt:RateControl",
        node("tt:FrameRateLimit", f"{encoder.fps:g}"),
        node("tt:EncodingInterval", 1),
        node("tt:BitrateLimit", encoder.bitrate_kbps),
    )
    return node(
        name,
        node("tt:Name", re.sub(r"\W", "_", token_of(one, device.maker.encoders))),
        node("tt:UseCount", 1),
        node("tt:Encoding", told),
        node("tt:Resolution", node("tt:Width", encoder.width), node("tt:Height", encoder.height)),
        node("tt:Quality", 4),
        rate,
        node("tt:H264", node("tt:GovLength", encoder.gop), node("tt:H264Profile", "Main")),
        node("tt:SessionTimeout", "PT60S"),
        handle=token_of(one, device.maker.encoders),
    )


def _range(name: str, low: int, high: int) -> Node:
    return node(name, node("tt:Min", low), node("tt:Max", high))


ANSWERS: dict[str, Answer] = {
    "GetProfiles": get_profiles,
    "GetProfile": get_profile,
    "GetVideoSources": get_sources,
    "GetVideoEncoderConfigurations": get_encoders,
    "GetVideoEncoderConfiguration": get_encoder,
    "GetVideoEncoderConfigurationOptions": get_options,
    "SetVideoEncoderConfiguration": set_encoder,
    "GetStreamUri": get_stream,
    "GetSnapshotUri": get_snapshot,
}
