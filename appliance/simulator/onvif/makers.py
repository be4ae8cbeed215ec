"""Personalities: what sets one maker's answers apart from another's.

Made after what such cameras are known to say; no answer is a copy of one. Where makers disagree, these
six disagree: prefixes and where namespaces are declared, one path for all services or one for each,
which stream comes first, how a MAC is written and where it is told, which proof of a password is
taken, whether its time is looked at, and whether H.265 is told over media 1, media 2 or both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from appliance.simulator.onvif.soap import Style


@dataclass(frozen=True)
class Maker:
    """Texts may hold {mac} (as the maker writes it), {bare} (12 digits), {model}, {serial}, {address}."""

    key: str
    name: str
    model: str
    firmware: str
    oui: str  # the first six digits of its MACs
    serial: str
    endpoint: str
    style: Style
    http_port: int
    services: Mapping[str, str]  # prefix of the service -> path
    main_path: str  # as it is told over ONVIF
    sub_path: str
    snapshot_path: str
    profiles: tuple[str, str]
    encoders: tuple[str, str]
    scopes: tuple[str, ...]
    types: str = "dn:NetworkVideoTransmitter tds:Device"
    mac_form: str = "{0}:{1}:{2}:{3}:{4}:{5}"
    sub_first: bool = False
    still_profile: bool = False  # a third profile of JPEG pictures
    proofs: frozenset[str] = frozenset({"token", "digest"})
    looks_at_time: bool = True  # a token older or younger than five minutes is refused
    open_calls: bool = True  # GetCapabilities and GetServices need no password
    media2: bool = True
    ipv6_too: bool = False  # announces a link-local IPv6 address beside the other
    relays: int = 0
    inputs: int = 0
    moves: bool = False
    topics: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)  # (topic, source, item)
    also: Mapping[str, Literal["main", "sub"]] = field(default_factory=dict)  # what people type instead


_MOTION_CELL = ("tns1:RuleEngine/CellMotionDetector/Motion", "VideoSourceConfigurationToken", "IsMotion")
_MOTION_ALARM = ("tns1:VideoSource/MotionAlarm", "Source", "State")
_TAMPER_RULE = ("tns1:RuleEngine/TamperDetector/Tamper", "VideoSourceConfigurationToken", "IsTamper")
_TAMPER_SCENE = ("tns1:VideoSource/GlobalSceneChange/ImagingService", "Source", "State")
_INPUT = ("tns1:Device/Trigger/DigitalInput", "InputToken", "LogicalState")
_ALL = ("tds", "trt", "tr2", "timg", "tev", "tptz", "tmd")


def _services(pattern: str, **other: str) -> dict[str, str]:
    words = dict(zip(_ALL, ("device", "media", "media2", "imaging", "event", "ptz", "deviceio"), strict=True))
    return {prefix: other.get(prefix, pattern.format(word)) for prefix, word in words.items()}


HIKVISION = Maker(
    key="hikvision",
    name="HIKVISION",
    model="DS-2CD2143G2-IS",
    firmware="V5.7.3 build 220112",
    oui="4419B6",
    serial="{model}20220318AAWR{bare}",
    endpoint="urn:uuid:7a1c2e30-3f5d-11b4-82a1-{bare}",
    style=Style({"s": "env"}, at_root=True),
    http_port=80,
    services=_services(
        "/onvif/{}",
        tds="/onvif/device_service",
        trt="/onvif/Media",
        tr2="/onvif/Media2",
        timg="/onvif/Imaging",
        tev="/onvif/Events",
        tptz="/onvif/PTZ",
        tmd="/onvif/DeviceIO",
    ),
    main_path="/Streaming/Channels/101?transportmode=unicast&profile=Profile_1",
    sub_path="/Streaming/Channels/102?transportmode=unicast&profile=Profile_2",
    snapshot_path="/onvif-http/snapshot?Profile_1",
    profiles=("Profile_1", "Profile_2"),
    encoders=("VideoEncoderToken_1", "VideoEncoderToken_2"),
    scopes=(
        "onvif://www.onvif.org/type/video_encoder",
        "onvif://www.onvif.org/Profile/Streaming",
        "onvif://www.onvif.org/Profile/G",
        "onvif://www.onvif.org/Profile/T",
        "onvif://www.onvif.org/MAC/{mac}",
        "onvif://www.onvif.org/hardware/{model}",
        "onvif://www.onvif.org/name/HIKVISION%20{model}",
        "onvif://www.onvif.org/location/city/hangzhou",
    ),
    ipv6_too=True,
    relays=1,
    inputs=1,
    topics={"motion": _MOTION_CELL, "tamper": _TAMPER_RULE, "input": _INPUT},
    also={"/Streaming/Channels/101": "main", "/Streaming/Channels/102": "sub"},
)

DAHUA = Maker(
    key="dahua",
    name="Dahua",
    model="IPC-HDW3441T-ZAS",
    firmware="2.840.0000000.18.R, build 2022-07-07",
    oui="3CEF8C",
    serial="7J0{bare}",
    endpoint="uuid:00c0ffee-0000-1000-8000-{bare}",
    style=Style({"s": "s"}, at_root=False),
    http_port=80,
    services=_services("/onvif/{}_service", tev="/onvif/event_service"),
    main_path="/cam/realmonitor?channel=1&subtype=0&unicast=true&proto=Onvif",
    sub_path="/cam/realmonitor?channel=1&subtype=1&unicast=true&proto=Onvif",
    snapshot_path="/onvifsnapshot/media_service/snapshot?channel=1&subtype=0",
    profiles=("MediaProfile00000", "MediaProfile00001"),
    encoders=("VideoEncoder00000", "VideoEncoder00001"),
    scopes=(
        "onvif://www.onvif.org/location/country/china",
        "onvif://www.onvif.org/name/Dahua",
        "onvif://www.onvif.org/hardware/{model}",
        "onvif://www.onvif.org/Profile/Streaming",
        "onvif://www.onvif.org/type/Network_Video_Transmitter",
        "onvif://www.onvif.org/extension/unique_identifier",
        "onvif://www.onvif.org/Profile/T",
    ),
    types="dn:NetworkVideoTransmitter",
    relays=2,
    inputs=1,
    topics={"motion": _MOTION_ALARM, "tamper": _TAMPER_SCENE, "input": _INPUT},
    also={
        "/cam/realmonitor?channel=1&subtype=0": "main",
        "/cam/realmonitor?channel=1&subtype=1": "sub",
    },
)

AXIS = Maker(
    key="axis",
    name="AXIS",
    model="P3245-LV",
    firmware="10.12.153",
    oui="ACCC8E",
    serial="{bare}",
    endpoint="urn:uuid:5cd4a3f2-17c0-4d1e-9d11-{bare}",
    style=Style({"s": "SOAP-ENV", "wsa": "wsa5", "d": "wsdd", "wsa04": "wsa"}, at_root=True),
    http_port=80,
    services=_services("/onvif/services", tds="/onvif/device_service"),
    main_path="/onvif-media/media.amp?profile=profile_1_h264&sessiontimeout=60&streamtype=unicast",
    sub_path="/onvif-media/media.amp?profile=profile_2_h264&sessiontimeout=60&streamtype=unicast",
    snapshot_path="/onvif-cgi/jpg/image.cgi?resolution=640x360&compression=30",
    profiles=("profile_1_h264", "profile_2_h264"),
    encoders=("default_1_h264", "default_2_h264"),
    scopes=(
        "onvif://www.onvif.org/Profile/Streaming",
        "onvif://www.onvif.org/type/video_encoder",
        "onvif://www.onvif.org/type/audio_encoder",
        "onvif://www.onvif.org/hardware/{model}",
        "onvif://www.onvif.org/name/AXIS%20{model}",
        "onvif://www.onvif.org/location/",
    ),
    still_profile=True,
    proofs=frozenset({"digest"}),
    looks_at_time=False,
    relays=1,
    inputs=2,
    topics={
        "motion": _MOTION_ALARM,
        "tamper": ("tns1:VideoSource/tnsaxis:Tampering", "channel", "tampering"),
        "input": _INPUT,
    },
    also={"/axis-media/media.amp": "main", "/axis-media/media.amp?resolution=320x180": "sub"},
)

UNIVIEW = Maker(
    key="uniview",
    name="UNIVIEW",
    model="IPC3614SB-ADF28KM-I0",
    firmware="IPC_D1211-B0003P80D1806",
    oui="48EA63",
    serial="210235{bare}",
    endpoint="urn:uuid:e0d4f1a2-0c3b-52ee-9f77-{bare}",
    style=Style({"s": "SOAP-ENV"}, at_root=True, indent=2),
    http_port=80,
    services=_services("/onvif/{}_service"),
    main_path="/media/video1",
    sub_path="/media/video2",
    snapshot_path="/images/snapshot.jpg",
    profiles=("media_profile1", "media_profile2"),
    encoders=("video_encoder_cfg1", "video_encoder_cfg2"),
    scopes=(
        "onvif://www.onvif.org/type/Network_Video_Transmitter",
        "onvif://www.onvif.org/Profile/Streaming",
        "onvif://www.onvif.org/macaddr/{bare}",
        "onvif://www.onvif.org/manufacturer/UNIVIEW",
        "onvif://www.onvif.org/hardware/{model}",
        "onvif://www.onvif.org/name/UNIVIEW",
        "onvif://www.onvif.org/serial/{serial}",
    ),
    mac_form="{0}{1}.{2}{3}.{4}{5}",
    still_profile=False,
    topics={"motion": _MOTION_CELL, "tamper": _TAMPER_RULE},
    also={"/unicast/c1/s0/live": "main", "/unicast/c1/s1/live": "sub"},
)

REOLINK = Maker(
    key="reolink",
    name="Reolink",
    model="RLC-823A",
    firmware="v3.1.0.956_22041503",
    oui="EC71DB",
    serial="{bare}",
    endpoint="urn:uuid:2419d68a-2dd2-21b2-a205-{bare}",
    style=Style({"s": "SOAP-ENV"}, at_root=True, indent=0),
    http_port=8000,
    services=_services("/onvif/{}_service"),
    main_path="/h264Preview_01_main",
    sub_path="/h264Preview_01_sub",
    snapshot_path="/cgi-bin/api.cgi?cmd=onvifSnapPic&channel=0",
    profiles=("000", "001"),
    encoders=("000", "001"),
    scopes=(
        "onvif://www.onvif.org/Profile/Streaming",
        "onvif://www.onvif.org/Profile/T",
        "onvif://www.onvif.org/type/video_encoder",
        "onvif://www.onvif.org/type/ptz",
        "onvif://www.onvif.org/hardware/IPC",
        "onvif://www.onvif.org/name/IPC-BO",
        "onvif://www.onvif.org/location/",
    ),
    sub_first=True,
    looks_at_time=False,
    moves=True,
    topics={"motion": _MOTION_CELL},
    also={"/Preview_01_main": "main", "/Preview_01_sub": "sub"},
)

TAPO = Maker(
    key="tapo",
    name="tp-link",
    model="Tapo C310",
    firmware="1.3.9 Build 230609 Rel.60871n(4555)",
    oui="5C628B",
    serial="{bare}",
    endpoint="uuid:3fa1fe68-b915-4053-a3e1-{bare}",
    style=Style({"s": "SOAP-ENV", "tt": ""}, at_root=False),
    http_port=2020,
    services=_services("/onvif/service", tds="/onvif/device_service"),
    main_path="/stream1",
    sub_path="/stream2",
    snapshot_path="",
    profiles=("profile_1", "profile_2"),
    encoders=("main", "minor"),
    scopes=(
        "onvif://www.onvif.org/type/video_encoder",
        "onvif://www.onvif.org/Profile/Streaming",
        "onvif://www.onvif.org/hardware/C310",
        "onvif://www.onvif.org/name/TP-IPC",
        "onvif://www.onvif.org/location/Hong%20Kong",
    ),
    mac_form="{0}-{1}-{2}-{3}-{4}-{5}",
    proofs=frozenset({"token"}),
    looks_at_time=False,
    open_calls=False,
    media2=False,
    topics={"motion": _MOTION_CELL},
)

MAKERS: tuple[Maker, ...] = (HIKVISION, DAHUA, AXIS, UNIVIEW, REOLINK, TAPO)
BY_KEY: dict[str, Maker] = {maker.key: maker for maker in MAKERS}
