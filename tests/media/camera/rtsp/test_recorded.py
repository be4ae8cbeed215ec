"""Every answer that was recorded from a real camera is understood, or refused with a hint."""

import re

import pytest

from appliance.base.errors import ApplianceError
from appliance.media.camera.connect import connect
from appliance.media.camera.rtsp import sdp
from appliance.media.camera.rtsp.message import Answer, find_message
from appliance.media.camera.source import SourceFault, as_appliance_error

# What a name in the folder says that it answers.
_METHOD = re.compile(
    r"(?P<describe>describe|sdp)|(?P<setup>setup)|(?P<play>play|rtptime)|teardown|options|unauthorized"
)
# Recordings of cameras whose video no Source of ours takes; the words are for the person who is told.
REFUSED = {"longse_unauthorized.txt": ("auth_failed", "password")}


@pytest.fixture(scope="session")
def answers(shared_data) -> dict[str, bytes]:
    folder = shared_data / "rtsp" / "answers"
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def message(data: bytes) -> Answer:
    """The recording; some lack what the editor who cut them took away: the last empty line."""
    for end in (b"", b"\r\n", b"\r\n\r\n"):
        found = find_message(data + end, 0, len(data + end))
        if found is not None:
            return found[0]
    raise AssertionError("no message in it")


def method_of(name: str) -> str:
    match = _METHOD.search(name)
    assert match is not None, name
    return match.lastgroup or match[0]


def test_each_is_an_answer_or_a_description(answers) -> None:
    assert len(answers) == 43
    for name, data in answers.items():
        if data.startswith(b"v="):
            continue
        assert message(data).status == (401 if "unauthorized" in name else 200), name


def test_each_description_has_a_picture_that_can_be_asked_for(answers) -> None:
    for name, data in answers.items():
        if method_of(name) != "describe":
            continue
        text = (data if data.startswith(b"v=") else message(data).body).decode("utf-8", "replace")
        tracks = sdp.parse(text, "rtsp://10.0.0.9/live").tracks
        video = [track for track in tracks if track.kind == "video"]
        assert video and video[0].encoding in ("h264", "h265"), name
        assert video[0].url.startswith("rtsp://"), name


def test_a_box_that_hears_them_plays_or_says_why_not(answers, serve, answered, pictures) -> None:
    """Each in its place of a dialogue that is usual otherwise."""
    refused = {}
    for name, data in answers.items():
        method = {"describe": "DESCRIBE", "setup": "SETUP", "play": "PLAY", "options": "OPTIONS"}.get(
            method_of(name), "DESCRIBE" if "unauthorized" in name else "TEARDOWN"
        )

        def script(asked, count, text, method=method, data=data):
            if asked != method:
                return None
            if data.startswith(b"v="):
                return answered(200, count, "Content-Type: application/sdp", data.decode())
            head, _, body = data.partition(b"\r\n\r\n")
            head = re.sub(rb"(?i)\r\nCSeq:[^\r]*", b"", head) + f"\r\nCSeq: {count}".encode()
            played = pictures(3) if method == "PLAY" else b""
            return head + b"\r\n\r\n" + body + played

        server = serve(script, stream=pictures(3))
        try:
            source = connect(server.url, None, open_timeout_s=2)
        except SourceFault as fault:
            told: ApplianceError = as_appliance_error(fault)
            assert told.hint, name
            refused[name] = (fault.cause, str(fault))
        else:
            assert source.codec in ("h264", "hevc"), name
            source.close()
    for name, (cause, word) in REFUSED.items():
        assert refused[name][0] == cause and word in refused[name][1]
    assert refused.keys() == REFUSED.keys(), refused
