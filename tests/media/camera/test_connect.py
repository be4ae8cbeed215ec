"""Cameras as they are: a foreign RTSP server, certificates, silence, and errors without passwords."""

import datetime
import hashlib
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.base.model import Credentials
from appliance.media.camera.certificate import Pinned
from appliance.media.camera.connect import connect
from appliance.media.camera.source import SourceFault, as_appliance_error
from appliance.media.mp4 import h26x

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
    assert caught.value.cause != "auth_failed"  # it was asked; this server is no camera
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
        with pytest.raises(SourceFault) as caught:
            connect(f"rtsps://127.0.0.1:{listener.getsockname()[1]}/x", SECRET)
        thread.join()
    assert caught.value.cause == "camera_offline"
    assert "TLS" in str(caught.value)


def test_rtsps_from_a_foreign_camera(gst_camera, film, tls_server) -> None:
    address = gst_camera(film, "--certificate", str(tls_server.pem), "--user", "u", "--password", "p")
    kept: list[str] = []
    source = connect(
        f"rtsps://{address}/cam0", Credentials("u", "p"), pinned=Pinned(lambda: None, kept.append)
    )
    _read(source, 3)
    source.close()
    assert kept == [tls_server.sha256]
