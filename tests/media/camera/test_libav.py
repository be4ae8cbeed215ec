"""Files and HTTP streams: time that goes on, lists that lead nowhere, and errors without passwords."""

import http.server
import threading
from itertools import pairwise
from pathlib import Path

import av.error
import pytest

from appliance.media.camera.connect import connect
from appliance.media.camera.libav import fault_from
from appliance.media.camera.source import SourceFault


def _read(source, frames: int) -> list:
    packets = []
    for packet in source.packets():
        if packet.is_video:
            packets.append(packet)
        if len(packets) == frames:
            return packets
    raise AssertionError


def test_a_file_loops_with_time_going_on(tmp_path: Path, film_on_disk) -> None:
    path, film = film_on_disk
    source = connect(f"file://{path}?loop=1", None)
    source.hurry()
    packets = _read(source, len(film.samples) + 30)
    source.close()
    assert [bytes(p.data) for p in packets[: len(film.samples)]] == [data for data, _, _ in film.samples]
    stamps = [p.pts_90k for p in packets]
    assert all(5999 <= b - a <= 6001 for a, b in pairwise(stamps))


@pytest.fixture
def film_on_disk(tmp_path, film, write_film):
    return write_film(tmp_path, film), film


def test_no_text_of_libav_gets_out() -> None:
    secret = "rtsp://admin:hunter2@10.0.0.9"
    for error in (
        av.error.HTTPUnauthorizedError(1, secret),
        av.error.HTTPNotFoundError(1, secret),
        av.error.InvalidDataError(1, secret),
        av.error.EOFError(1, secret),
        ConnectionRefusedError(111, secret),
        OSError(5, secret),
        OSError(secret),
        av.error.OSError(5, secret),
        av.error.UnknownError(1, secret),
        ValueError(secret),
    ):
        assert "hunter2" not in str(fault_from(error, "the camera does not answer"))


LISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{inside}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile film.mp4\n",
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_over_http_sends_the_box_nowhere(monkeypatch, kind) -> None:
    asked = []

    class Stranger(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            inside = f"http://127.0.0.1:{self.server.server_address[1]}/inside.ts"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(LISTS[kind].format(inside=inside).encode())

        def log_message(self, *_) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(SourceFault) as caught:
            connect(f"http://127.0.0.1:{server.server_address[1]}/list.m3u8", None)
        server.shutdown()
    assert set(asked) == {"/list.m3u8"}
    assert caught.value.cause == "no_video"
