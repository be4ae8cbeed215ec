"""What cameras say of their tracks: as the RFCs have it, as real ones bend it, and lies."""

import base64
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.media.camera.rtsp import sdp
from appliance.media.camera.rtsp.message import find_message
from appliance.media.camera.rtsp.sound import format_of
from appliance.media.mp4 import h26x

BASE = "rtsp://c/x"
SPS, PPS = b"\x67\x42\xc0\x1e", b"\x68\xcb\x8c\xb2"


def answers() -> Path | None:
    root = Path(__file__).parents[4]
    folders = os.environ.get("APPLIANCE_ASSETS_PATH", str(root.parent / "shared" / "data")).split(":")
    found = [Path(folder) / "rtsp" / "answers" for folder in folders]
    return next((folder for folder in found if folder.is_dir()), None)


def track(text: str) -> sdp.Track:
    tracks = sdp.parse(text, BASE).tracks
    assert len(tracks) == 1
    return tracks[0]


def test_two_tracks_as_the_rfcs_have_them() -> None:
    session = sdp.parse(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\na=control:*\r\n"
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
        "a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAHg==,aMuMsg==\r\n"
        "a=framerate:12.5\r\na=control:trackID=1\r\n"
        "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/2\r\n"
        "a=fmtp:97 sizelength=13; config=1410; Profile=1;\r\na=control:trackID=2\r\n",
        BASE,
    )
    assert session.url == BASE
    video, sound = session.tracks
    assert video[:5] == ("video", 96, "h264", 90_000, 1)
    assert (video.fps, video.url) == (12.5, "rtsp://c/x/trackID=1")
    assert sdp.parameter_sets(video) == [SPS, PPS]
    assert sound[:5] == ("audio", 97, "mpeg4-generic", 16_000, 2)
    assert sound.fmtp == {"sizelength": "13", "config": "1410", "profile": "1"}
    assert sound.url == "rtsp://c/x/trackID=2"


def test_h265_gives_its_sets_in_decoding_order() -> None:
    vps, sps, pps = b"\x40\x01\x0c", b"\x42\x01\x01", b"\x44\x01\xc0"
    said = {
        name: base64.b64encode(unit).decode() for name, unit in (("vps", vps), ("sps", sps), ("pps", pps))
    }
    text = f"a=fmtp:98 sprop-sps={said['sps']};sprop-pps={said['pps']};sprop-vps={said['vps']}"
    found = track(f"m=video 0 RTP/AVP 98\na=rtpmap:98 H265/90000\n{text}")
    assert sdp.parameter_sets(found) == [vps, sps, pps]


@pytest.mark.parametrize(
    ("text", "sets"),
    [
        ("Z0LAHg,aMuMsg", [SPS, PPS]),  # without padding
        ("Z0LAHg==", [SPS]),
        ("Z0LAHg==,,", [SPS]),
        ("", []),
        ("%%%%", []),
        ("é,Z0LAHg==", [SPS]),
        ("A,Z0LAHg==", [SPS]),  # no byte has six bits
    ],
)
def test_sets_that_are_bent(text: str, sets: list[bytes]) -> None:
    assert sdp.parameter_sets(track(f"m=video 0 RTP/AVP 96\na=fmtp:96 sprop-parameter-sets={text}")) == sets


@pytest.mark.parametrize(
    ("lines", "encoding", "clock_hz", "channels"),
    [
        ("m=audio 0 RTP/AVP 8", "pcma", 8000, 1),
        ("m=audio 0 RTP/AVP 0 \t", "pcmu", 8000, 1),
        ("m=audio 0 RTP/AVP 8\na=rtpmap:8 PCMU/16000", "pcmu", 16_000, 1),  # another than the number means
        ("m=audio 0 RTP/AVP 0\na=rtpmap:0 MPEG4-GENERIC/16000/2 ", "mpeg4-generic", 16_000, 2),
        ("m=video 0 RTP/AVP 96", "", 90_000, 1),
        ("m=video 0 RTP/AVP 26", "jpeg", 90_000, 1),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96 H264", "h264", 90_000, 1),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/0", "h264", 90_000, 1),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/-5", "h264", 90_000, 1),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/\N{SUPERSCRIPT TWO}", "h264", 90_000, 1),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/" + "9" * 5000, "h264", 90_000, 1),
        ("m=video 0 RTP/AVP 96\na=rtpmap:97 H265/90000\na=rtpmap:96 H264/90000", "h264", 90_000, 1),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96", "", 90_000, 1),
    ],
)
def test_codecs_as_cameras_name_them(lines: str, encoding: str, clock_hz: int, channels: int) -> None:
    found = track(lines)
    assert (found.encoding, found.clock_hz, found.channels) == (encoding, clock_hz, channels)


@pytest.mark.parametrize(
    ("lines", "fps"),
    [
        ("a=framerate:25", 25.0),
        ("a=framerate:0S\na=framerate:25", 25.0),
        ("a=x-framerate: 15", 15.0),
        ("a=framerate:0", None),
        ("a=framerate:1e9", 1.0),
        ("a=framerate:999", None),
        ("a=framerate:nan", None),
        ("", None),
    ],
)
def test_frame_rates(lines: str, fps: float | None) -> None:
    assert track(f"m=video 0 RTP/AVP 96\n{lines}").fps == fps


@pytest.mark.parametrize(
    ("base", "control", "url"),
    [
        ("rtsp://c/x", "trackID=1", "rtsp://c/x/trackID=1"),
        ("rtsp://c/x/", "trackID=1", "rtsp://c/x/trackID=1"),
        ("rtsp://c/x/", "/trackID=1", "rtsp://c/x/trackID=1"),
        ("rtsp://c/x?channel=1&subtype=2/", "trackID=0", "rtsp://c/x?channel=1&subtype=2/trackID=0"),
        ("rtsp://c/x", "RTSP://c:554/y", "RTSP://c:554/y"),
        ("rtsp://c/x", "*", "rtsp://c/x"),
        ("rtsp://c/x", "", "rtsp://c/x"),
    ],
)
def test_urls_are_joined_as_cameras_mean_it(base: str, control: str, url: str) -> None:
    assert sdp.join(base, control) == url
    [found] = sdp.parse(f"m=video 0 RTP/AVP 96\na=control:{control}", base).tracks
    assert found.url == url


def test_the_session_has_an_address_of_its_own() -> None:
    text = "a=control:rtsp://c/y/?profile=1\nm=video 0 RTP/AVP 96\na=control:t1"
    session = sdp.parse(text, BASE)
    assert (session.url, session.tracks[0].url) == ("rtsp://c/y/?profile=1", "rtsp://c/x/t1")


def test_no_url_can_hold_a_line_break() -> None:
    for evil in ("a\rX: y", "a\nX: y", "a\x0bX: y", "a\x85X", "a\u2028X"):
        session = sdp.parse(f"a=control:rtsp://{evil}\nm=video 0 RTP/AVP 96\na=control:{evil}", BASE)
        assert "X" not in session.url + session.tracks[0].url


def test_a_back_channel_is_not_recorded() -> None:
    session = sdp.parse("m=audio 0 RTP/AVP 0\na=sendonly\nm=audio 0 RTP/AVP 8\na=recvonly", BASE)
    assert [found.payload_type for found in session.tracks] == [8]


@pytest.mark.parametrize(
    "text",
    ["", "m=", "m=video", "m=video 0 RTP/AVP", "m=video 0 RTP/AVP x", "<html>", "m=video 0 RTP/AVP -1",
     "m=video 0 RTP/AVP \N{SUPERSCRIPT TWO}", "m=video 0 RTP/AVP " + "9" * 5000],
)  # fmt: skip
def test_what_is_no_sdp_has_no_tracks(text: str) -> None:
    assert sdp.parse(text, BASE) == (BASE, ())


def test_ten_thousand_tracks_are_too_many() -> None:
    session = sdp.parse("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n" * 10_000, BASE)
    assert len(session.tracks) == sdp.MOST_TRACKS


@given(st.text(max_size=200))
def test_random_text_is_no_error(text: str) -> None:
    for before in ("", "m=video 0 RTP/AVP 96\na=rtpmap:96", "m=audio 0 RTP/AVP 0\na=fmtp:0", "m="):
        for found in sdp.parse(before + text, BASE).tracks:
            assert found.clock_hz > 0
            h26x.parameter_sets("h264", sdp.parameter_sets(found))
            format_of(found)


REAL = {  # video: encoding, units; sound: codec, rate; from the cameras' own pages and captures
    "anpviz_sdp.txt": (("h264", 2, 12.0), ("aac", 16_000)),
    "bunny_describe.txt": (("h264", 2, 24.0), ("aac", 12_000)),
    "dahua_describe_h265_pcma.txt": (("h265", 3, 12.0), ("pcm_alaw", 8000)),
    "geovision_sdp.txt": (("h264", 2, None), None),
    "gw_main_describe.txt": (("h264", 2, None), ("pcm_mulaw", 8000)),
    "h264dvr_describe.txt": (("h264", 2, 25.0), ("pcm_alaw", 8000)),
    "reolink_describe.txt": (("h264", 2, None), ("aac", 16_000)),
    "tplink_sdp.txt": (("h265", 3, None), ("pcm_alaw", 8000)),
    "ubiquiti_sdp.txt": (("h264", 2, None), ("aac", 48_000)),
    "vstarcam_describe.txt": (("h264", 2, None), ("pcm_alaw", 8000)),
}


@pytest.mark.parametrize("name", REAL)
def test_what_real_cameras_say(name: str) -> None:
    folder = answers()
    if folder is None:
        pytest.skip("the recorded answers of cameras are not here; set APPLIANCE_ASSETS_PATH")
    data = (folder / name).read_bytes()
    found = find_message(data, 0, len(data)) if data.startswith(b"RTSP") else None
    tracks = sdp.parse((found[0].body if found else data).decode(), BASE).tracks
    video = next(track for track in tracks if track.kind == "video")
    expected, sound = REAL[name]
    assert (video.encoding, len(sdp.parameter_sets(video)), video.fps) == expected
    assert video.clock_hz == 90_000
    heard = [format_of(track) for track in tracks if track.kind == "audio"]
    assert (heard[0][:2] if heard else None) == sound
    assert all(audio.config for audio in heard if audio.codec == "aac")
