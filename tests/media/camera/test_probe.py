"""What an installer is told of a camera."""

import pytest

from appliance.base.errors import ApplianceError
from appliance.base.model import Credentials
from appliance.media.camera.probe import probe


def test_a_foreign_camera(gst_camera, film) -> None:
    address = gst_camera(film, "--user", "u", "--password", "geheim")
    found = probe(f"rtsp://{address}/cam0", Credentials("u", "geheim"), 8.0)
    assert (found.codec, found.width, found.height) == ("h264", 128, 96)
    assert found.codec_string == film.parameters.codec_string
    assert found.key_frame_interval_s == pytest.approx(1.0, abs=0.01)
    assert found.fps == pytest.approx(15, abs=0.1)
    sizes = sum(len(data) for data, _, _ in film.samples) * 8 / 8
    assert found.bitrate_bps == pytest.approx(sizes, rel=0.5)
    assert found.audio is None
    assert found.reorder == 0
    assert found.clock_skew_s is None or abs(found.clock_skew_s) < 2
    with pytest.raises(ApplianceError) as caught:
        probe(f"rtsp://{address}/cam0", Credentials("u", "wrong"), 8.0)
    assert caught.value.kind == "denied"
    assert caught.value.hint
    assert "wrong" not in str(caught.value)


def test_hevc_and_long_gops_are_told(tmp_path, write_film, make) -> None:
    long = make("hevc", frames=80, gop=75)
    found = probe(f"file://{write_film(tmp_path, long)}", None, 8.0)
    assert found.codec == "hevc"
    assert found.codec_string.startswith("hvc1.")
    assert found.key_frame_interval_s == pytest.approx(5.0, abs=0.01)
    assert any("H.265" in hint for hint in found.hints)
    assert any("5.0 s" in hint for hint in found.hints)


def test_sound_is_told(tmp_path, tone_file) -> None:
    found = probe(f"file://{tone_file}", None, 8.0)
    assert found.audio == "aac"


def test_no_second_key_frame(tmp_path, write_film, make) -> None:
    found = probe(f"file://{write_film(tmp_path, make(frames=10))}", None, 8.0)
    assert found.key_frame_interval_s is None
    assert found.bitrate_bps is None
    assert any("second key frame" in hint for hint in found.hints)


def test_mjpeg_is_refused_with_what_to_do(tmp_path) -> None:
    import av
    import numpy

    path = tmp_path / "m.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=15)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        frame = av.VideoFrame.from_ndarray(numpy.zeros((64, 64, 3), numpy.uint8), format="rgb24")
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(ApplianceError) as caught:
        probe(f"file://{path}", None, 8.0)
    assert caught.value.kind == "unavailable"
    assert "H.264" in caught.value.message


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(ApplianceError) as caught:
        probe(f"file://{tmp_path}/none.mp4", None, 8.0)
    assert caught.value.kind == "unavailable"
