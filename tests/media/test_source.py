"""Connections: a foreign RTSP server, files, certificates, and errors without passwords."""

import datetime
import hashlib
import http.server
import socket
import ssl
import threading
from itertools import pairwise
from pathlib import Path

import av.error
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.base.errors import ApplianceError
from appliance.base.model import Credentials
from appliance.media import h26x
from appliance.media.certificate import Pinned, fingerprint
from appliance.media.source import (
    SourceFault,
    as_appliance_error,
    check_url,
    connect,
    fault_from,
    with_credentials,
)

SECRET = Credentials("ad min", "p@ss:w/rd?")


def _read(source, frames: int) -> list:
    packets = []
    for packet in source.packets():
        if packet.is_video:
            packets.append(packet)
        if len(packets) == frames:
            return packets
    raise AssertionError


@pytest.mark.parametrize("name", ["film", "film_hevc"])
def test_a_foreign_camera_gives_every_frame_as_it_was_sent(gst_camera, request, name) -> None:
    film = request.getfixturevalue(name)
    address = gst_camera(film, "--fps", "60")
    source = connect(f"rtsp://{address}/cam0", None)
    try:
        assert source.codec == film.codec
        packets = _read(source, 40)
    finally:
        source.close()
    sent = [_pictures(film.codec, data) for data, _, _ in film.samples]
    got = [_pictures(film.codec, packet.data) for packet in packets]
    first = sent.index(got[0])
    assert got == (sent * 2)[first : first + len(got)]
    assert [p.is_key for p in packets] == ([k for *_, k in film.samples] * 2)[first : first + len(got)]


def _pictures(codec: str, data: bytes) -> list[bytes]:
    slices = range(1, 6) if codec == "h264" else range(32)
    units = h26x.split_length_prefixed(data)
    return [unit for unit in units if h26x.nal_type(codec, unit[0]) in slices]


def test_digest_authentication(gst_camera, film) -> None:
    address = gst_camera(film, "--user", SECRET.username, "--password", SECRET.password)
    source = connect(f"rtsp://{address}/cam0", SECRET)
    _read(source, 2)
    source.close()
    for wrong in (None, Credentials(SECRET.username, "guess")):
        with pytest.raises(SourceFault) as caught:
            connect(f"rtsp://{address}/cam0", wrong)
        assert caught.value.cause == "auth_failed"
        assert "guess" not in str(caught.value)
    with pytest.raises(SourceFault) as caught:
        connect(f"rtsp://{address}/nothing-here", SECRET)
    assert caught.value.cause in ("no_video", "auth_failed")
    assert SECRET.password not in str(caught.value)


def test_nobody_there(unused: int) -> None:
    with pytest.raises(SourceFault) as caught:
        connect(f"rtsp://127.0.0.1:{unused}/x", SECRET)
    assert caught.value.cause == "camera_offline"
    assert "refused" in str(caught.value)
    error = as_appliance_error(caught.value)
    assert (error.kind, bool(error.hint)) == ("unavailable", True)


@pytest.fixture
def unused() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_a_server_that_is_silent_costs_no_more_than_the_timeout() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with pytest.raises(SourceFault) as caught:
            connect(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/x", None, open_timeout_s=0.3)
    assert caught.value.cause == "camera_offline"


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


class TlsServer:
    """Shows a certificate, takes what is said, and hangs up."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camera")])
        now = datetime.datetime(2020, 1, 1)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now,
                                          now + datetime.timedelta(days=1))  # fmt: skip
        made = builder.sign(key, hashes.SHA256())  # expired, as on many a camera
        pem = folder / f"{made.serial_number}.pem"
        encoding = serialization.Encoding.PEM
        pem.write_bytes(
            key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + made.public_bytes(encoding)
        )
        self.pem = pem
        self.sha256 = hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).hexdigest()
        self.heard: list[bytes] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(plain, server_side=True) as secure:
                    self.heard.append(secure.recv(1000))
            except OSError:
                pass

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def tls_server(tmp_path: Path):
    server = TlsServer(tmp_path)
    yield server
    server.close()


def test_a_certificate_is_kept_at_first_use_and_compared_ever_after(tls_server) -> None:
    kept: list[str] = []
    pinned = Pinned(lambda: kept[-1] if kept else None, kept.append)
    url = f"rtsps://127.0.0.1:{tls_server.port}/x"
    with pytest.raises(SourceFault) as caught:
        connect(url, SECRET, pinned=pinned)
    assert caught.value.cause != "auth_failed"  # libav came to its turn; this server is no camera
    assert kept == [tls_server.sha256]
    assert any(b"RTSP/1.0" in heard for heard in tls_server.heard)
    with pytest.raises(SourceFault):
        connect(url, SECRET, pinned=pinned)
    assert kept == [tls_server.sha256]

    tls_server.heard.clear()
    wrong = Pinned(lambda: "0" * 64, kept.append)
    with pytest.raises(SourceFault) as caught:
        connect(url, SECRET, pinned=wrong)
    assert caught.value.cause == "auth_failed"
    assert "certificate" in str(caught.value)
    assert not any(tls_server.heard)  # not a word was said to it
    assert len(kept) == 1


def test_a_server_without_tls_is_offline() -> None:
    def talk(listener: socket.socket) -> None:
        plain, _ = listener.accept()
        with plain:
            plain.sendall(b"hello\r\n" * 9)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=talk, args=(listener,))
        thread.start()
        with pytest.raises(OSError):
            fingerprint("127.0.0.1", listener.getsockname()[1], 2.0)
        thread.join()


def test_rtsps_from_a_foreign_camera(gst_camera, film, tls_server) -> None:
    address = gst_camera(film, "--certificate", str(tls_server.pem), "--user", "u", "--password", "p")
    kept: list[str] = []
    source = connect(
        f"rtsps://{address}/cam0", Credentials("u", "p"), pinned=Pinned(lambda: None, kept.append)
    )
    _read(source, 3)
    source.close()
    assert kept == [tls_server.sha256]


def test_credentials_go_where_the_url_wants_them() -> None:
    url = with_credentials("rtsp://10.0.0.9:554/ch1?x=1", SECRET)
    assert url == "rtsp://ad%20min:p%40ss%3Aw%2Frd%3F@10.0.0.9:554/ch1?x=1"
    dvr = with_credentials("rtsp://10.0.0.9/?user=&password=&channel=1", SECRET)
    assert dvr == "rtsp://10.0.0.9/?user=ad%20min&password=p%40ss%3Aw%2Frd%3F&channel=1"
    assert with_credentials("rtsp://x/y", None) == "rtsp://x/y"


@pytest.mark.parametrize(
    ("url", "files", "fine"),
    [
        ("rtsp://x/y", False, True),
        ("rtsps://x/y", False, True),
        ("sim://yard", False, True),
        ("file:///x.mp4", False, False),
        ("file:///x.mp4", True, True),
        ("ftp://x", True, False),
        ("gopher", True, False),
        ("", True, False),
    ],
)
def test_urls(url: str, files: bool, fine: bool) -> None:
    if fine:
        check_url(url, allow_files=files)
        return
    with pytest.raises(ApplianceError) as caught:
        check_url(url, allow_files=files)
    assert (caught.value.kind, caught.value.field) == ("invalid", "rtsp_url")
    assert caught.value.hint


def test_no_text_of_libav_gets_out() -> None:
    secret = "rtsp://admin:hunter2@10.0.0.9"
    for error in (
        av.error.HTTPUnauthorizedError(1, secret),
        av.error.HTTPNotFoundError(1, secret),
        av.error.InvalidDataError(1, secret),
        av.error.EOFError(1, secret),
        ConnectionRefusedError(111, secret),
        OSError(5, secret),
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
