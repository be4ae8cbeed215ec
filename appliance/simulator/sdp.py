"""What DESCRIBE answers (RFC 4566; the fmtp lines: RFC 6184, 7798 and 3640)."""

import base64
import random

from appliance.simulator.sample import AudioFormat, StreamFormat, VideoFormat

VIDEO_PAYLOAD, AAC_PAYLOAD = 96, 97
STATIC_PAYLOADS = {"pcmu": 0, "pcma": 8}  # RFC 3551, table 4


def audio_payload(audio: AudioFormat) -> int:
    return STATIC_PAYLOADS.get(audio.codec, AAC_PAYLOAD)


def describe(name: str, stream: StreamFormat, fault: str | None = None) -> bytes:
    """The session description. ``fault``: no_sprop leaves the parameter sets out, wrong_codec
    names one nobody has, garbage is not SDP at all."""
    if fault == "garbage":
        return random.Random(name).randbytes(400)
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", f"s={name}", "c=IN IP4 0.0.0.0", "t=0 0"]
    lines += ["a=control:*", "a=range:npt=now-"]
    lines += _video(stream.video, fault)
    if stream.audio is not None:
        lines += _audio(stream.audio)
    return ("\r\n".join(lines) + "\r\n").encode()


def _video(video: VideoFormat, fault: str | None) -> list[str]:
    name = "X-ARIES-NONE" if fault == "wrong_codec" else video.codec.upper()
    lines = [f"m=video 0 RTP/AVP {VIDEO_PAYLOAD}", f"a=rtpmap:{VIDEO_PAYLOAD} {name}/90000"]
    sets = [base64.b64encode(unit).decode() for unit in video.parameter_sets]
    if video.codec == "h264":
        fmtp = "packetization-mode=1"
        if fault != "no_sprop":
            sps = video.parameter_sets[0]
            fmtp += f";profile-level-id={sps[1:4].hex().upper()};sprop-parameter-sets={','.join(sets)}"
        lines.append(f"a=fmtp:{VIDEO_PAYLOAD} {fmtp}")
    elif fault != "no_sprop":
        fmtp = ";".join(
            f"sprop-{kind}={text}" for kind, text in zip(("vps", "sps", "pps"), sets, strict=False)
        )
        lines.append(f"a=fmtp:{VIDEO_PAYLOAD} {fmtp}")
    if video.fps:
        lines.append(f"a=framerate:{video.fps:g}")
    return [*lines, "a=control:trackID=0"]


def _audio(audio: AudioFormat) -> list[str]:
    payload = audio_payload(audio)
    lines = [f"m=audio 0 RTP/AVP {payload}"]
    if audio.codec == "aac":
        lines += [
            f"a=rtpmap:{payload} MPEG4-GENERIC/{audio.rate_hz}/{audio.channels}",
            f"a=fmtp:{payload} streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
            f"indexdeltalength=3;config={audio.config.hex().upper()}",
        ]
    else:
        lines.append(f"a=rtpmap:{payload} {audio.codec.upper()}/{audio.rate_hz}")
    return [*lines, "a=control:trackID=1"]
