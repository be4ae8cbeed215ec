"""Media service, version 2 (ver20): the one that knows H.265; tokens are the same as in version 1."""

from xml.etree.ElementTree import Element

from appliance.simulator.onvif.device import Device, Which
from appliance.simulator.onvif.services import media
from appliance.simulator.onvif.services.asked import Answer, Refused
from appliance.simulator.onvif.soap import Node, node, tag, text


def get_profiles(device: Device, asked: Element, path: str) -> Node:
    kinds = {(element.text or "").strip() for element in asked.findall(tag("tr2:Type"))}
    token = text(asked, "tr2:Token")
    only = [media.which(device, token, device.maker.profiles)] if token else media.in_order(device)
    return node("tr2:GetProfilesResponse", *(_profile(device, one, kinds) for one in only))


def get_encoders(device: Device, asked: Element, path: str) -> Node:
    token = text(asked, "tr2:ConfigurationToken")
    only = [media.which(device, token, device.maker.encoders)] if token else media.in_order(device)
    told = [_encoder(device, one, "tr2:Configurations") for one in only]
    return node("tr2:GetVideoEncoderConfigurationsResponse", *told)


def get_options(device: Device, asked: Element, path: str) -> Node:
    token = text(asked, "tr2:ConfigurationToken")
    profile = text(asked, "tr2:ProfileToken")
    one: Which = "main"
    if token:
        one = media.which(device, token, device.maker.encoders)
    elif profile:
        one = media.which(device, profile, device.maker.profiles)
    options = [
        node(
            "tr2:Options",
            node("tt:Encoding", codec.upper()),
            node("tt:QualityRange", node("tt:Min", 0), node("tt:Max", 5)),
            *(
                node("tt:ResolutionsAvailable", node("tt:Width", width), node("tt:Height", height))
                for width, height in device.sizes(one)
            ),
            node("tt:BitrateRange", node("tt:Min", 16), node("tt:Max", 16_384)),
            GovLengthRange="1 400",
            FrameRatesSupported="30 25 20 15 12 10 8 6 5 4 2 1",
            ProfilesSupported="Main",
        )
        for codec in device.codecs()
    ]
    return node("tr2:GetVideoEncoderConfigurationOptionsResponse", *options)


def set_encoder(device: Device, asked: Element, path: str) -> Node:
    given = asked.find(tag("tr2:Configuration"))
    if given is None:
        raise Refused("ter:InvalidArgVal", "no configuration is given")
    one = media.which(device, given.get("token", ""), device.maker.encoders)
    media.apply(device, one, media.encoder_from(device, one, given))
    return node("tr2:SetVideoEncoderConfigurationResponse")


def get_stream(device: Device, asked: Element, path: str) -> Node:
    one = media.which(device, text(asked, "tr2:ProfileToken"), device.maker.profiles)
    return node("tr2:GetStreamUriResponse", node("tr2:Uri", device.stream_url(one)))


def get_snapshot(device: Device, asked: Element, path: str) -> Node:
    if not device.snapshot_url:
        raise Refused("ter:ActionNotSupported", "this camera has no stills")
    return node("tr2:GetSnapshotUriResponse", node("tr2:Uri", device.snapshot_url))


def _profile(device: Device, one: Which, kinds: set[str]) -> Node:
    def wants(kind: str) -> bool:
        return bool(kinds & {"All", kind})

    turning = media.ptz_configuration(device, "tr2:PTZ") if wants("PTZ") else None
    parts = (
        media.video_source(device, "tr2:VideoSource") if wants("VideoSource") else None,
        _encoder(device, one, "tr2:VideoEncoder") if wants("VideoEncoder") else None,
        turning,
    )
    told = node("tr2:Configurations", *parts) if any(parts) else None
    return node(
        "tr2:Profiles",
        node("tr2:Name", "mainStream" if one == "main" else "subStream"),
        told,
        handle=media.token_of(one, device.maker.profiles),
        fixed=True,
    )


def _encoder(device: Device, one: Which, name: str) -> Node:
    encoder = device.encoders[one]
    rate = node(
        "tt:RateControl",
        node("tt:FrameRateLimit", f"{encoder.fps:g}"),
        node("tt:BitrateLimit", encoder.bitrate_kbps),
        ConstantBitRate=False,
    )
    return node(
        name,
        node("tt:Name", media.token_of(one, device.maker.encoders)),
        node("tt:UseCount", 1),
        node("tt:Encoding", encoder.codec.upper()),
        node("tt:Resolution", node("tt:Width", encoder.width), node("tt:Height", encoder.height)),
        rate,
        node("tt:Quality", 4),
        handle=media.token_of(one, device.maker.encoders),
        GovLength=encoder.gop,
        Profile="Main",
    )


ANSWERS: dict[str, Answer] = {
    "GetProfiles": get_profiles,
    "GetVideoEncoderConfigurations": get_encoders,
    "GetVideoEncoderConfigurationOptions": get_options,
    "SetVideoEncoderConfiguration": set_encoder,
    "GetStreamUri": get_stream,
    "GetSnapshotUri": get_snapshot,
}
