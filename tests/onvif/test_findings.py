"""What is wrong, in an installer's words."""

import msgspec
import pytest

from appliance.base.clock import SECOND_NS
from appliance.onvif.details import by_source
from appliance.onvif.device import CameraClock
from appliance.onvif.encoder import EncoderOptions
from appliance.onvif.findings import in_words, of_clock, of_password, of_streams, shorter_gop
from appliance.onvif.streams import Profile

MAIN = Profile("m", "main", "src", "e1", "h264", 1920, 1080, 25.0, 4_000_000, 50, False, False)
SUB = Profile("s", "sub", "src", "e2", "h264", 640, 360, 10.0, 500_000, 10, False, False)
H264 = EncoderOptions("h264", ((640, 360),), (1, 400), (1.0, 25.0))
H265 = EncoderOptions("h265", ((640, 360),), (1, 400), (1.0, 25.0))


def but(profile: Profile, **other: object) -> Profile:
    return msgspec.structs.replace(profile, **other)


def codes(*streams: Profile, options=None) -> list[tuple[str, bool]]:
    return [(found.code, found.mendable) for found in of_streams(streams, options or {})]


def test_a_camera_as_it_should_be_has_no_findings() -> None:
    assert of_streams((MAIN, SUB), {}) == []
    assert of_clock(CameraClock(0, 2 * SECOND_NS, True, "", False), may_set=True) == []


def test_h265() -> None:
    sub, main = but(SUB, codec="h265"), but(MAIN, codec="h265")
    assert codes(MAIN, sub, options={"s": [H264, H265]}) == [("h265_sub", True)]
    assert codes(MAIN, sub, options={"s": [H265]}) == [("h265_sub", False)]
    (found,) = of_streams((main, SUB), {})
    assert found.code == "h265_main" and "wall shows the sub" in found.hint
    found, _ = of_streams((main, sub), {})
    assert "wall" not in found.hint


def test_key_frames_too_rare() -> None:
    main = but(MAIN, gop=250)
    (found,) = of_streams((main, SUB), {"m": [H264]})
    assert (found.code, found.text, found.mendable, found.profile) == (
        "long_gop", "main stream: key frame every 10 s", True, "m",
    )  # fmt: skip
    assert codes(main, SUB, options={"m": [EncoderOptions("h264", (), (100, 400), (1, 25))]}) == [
        ("long_gop", False)
    ]
    assert codes(but(MAIN, gop=0), SUB) == []  # not told is not long


def test_streams_that_are_missing_or_poor() -> None:
    assert codes() == [("no_streams", False)]
    assert codes(MAIN) == [("no_sub", False)]
    assert codes(but(MAIN, fps=3.0, gop=3), SUB) == [("low_fps", False)]
    mjpeg = but(MAIN, codec="mjpeg", gop=0)
    assert codes(mjpeg, but(SUB, codec="mjpeg", gop=0)) == [("mjpeg_only", False)]
    assert of_streams((), {}, "channel 3")[0].text.startswith("channel 3: ")


@pytest.mark.parametrize(
    ("skew_s", "words"),
    [
        (47, "47 s off (ahead)"),
        (-90, "90 s off (behind)"),
        (-200, "3 min off (behind)"),
        (7200, "2 h off (ahead)"),
        (-5 * 86400, "5 days off (behind)"),
        (-56 * 365 * 86400, "56 years off (behind)"),
    ],
)
def test_how_far_off_in_words(skew_s: float, words: str) -> None:
    assert in_words(skew_s) == words
    found = of_clock(CameraClock(0, skew_s * SECOND_NS, True, "", False), may_set=True)
    assert [(one.code, one.text, one.mendable) for one in found] == [("clock_off", f"clock {words}", True)]


def test_without_a_password_only_what_everybody_may_know() -> None:
    by_hand = CameraClock(0, 9 * SECOND_NS, False, "", False)
    assert [(one.code, one.mendable) for one in of_clock(by_hand, may_set=False)] == [("clock_off", False)]
    assert [one.code for one in of_clock(by_hand, may_set=True)] == ["clock_off", "no_ntp"]
    assert of_password(0, locked=False).text != of_password(2, locked=False).text
    assert of_password(2, locked=True).code == "locked"


@pytest.mark.parametrize(
    ("fps", "least", "most", "gop"),
    [
        (10, 1, 400, 15),
        (25, 1, 30, 30),
        (1, 1, 400, 2),
        (10, 20, 400, 20),
        (10, 30, 400, None),
        (0, 1, 9, None),
        (30, 0, 0, 45),
    ],
)
def test_a_gop_of_one_to_two_seconds_that_the_camera_can_do(fps, least, most, gop) -> None:
    other = EncoderOptions("h265", (), (100, 400), (1, 30))
    options = [other, EncoderOptions("h264", (), (least, most), (1, 30))]
    assert shorter_gop(but(SUB, fps=float(fps)), options) == gop


def test_main_and_sub_of_each_picture() -> None:
    still = but(MAIN, token="j", encoder="e3", codec="mjpeg", width=4000)
    again = but(MAIN, token="m2")  # the same encoder: the same stream
    small = but(SUB, token="s2", encoder="e4", width=320, height=180)
    hevc = but(SUB, token="s3", encoder="e5", codec="h265")
    other = but(MAIN, token="x", source="src2", encoder="e9")
    found = by_source([SUB, still, hevc, MAIN, again, small, other])
    assert [[one.token for one in streams] for streams in found] == [["m", "s", "s2", "s3", "j"], ["x"]]
