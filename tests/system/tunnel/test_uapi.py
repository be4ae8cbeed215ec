"""wireguard-go's socket, where the other end does not do what it should; the real one is met elsewhere."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from appliance.base.errors import ApplianceError
from appliance.system.tunnel import uapi

NAME = "aries9"


@pytest.fixture
def peer(tmp_path, monkeypatch):
    """``peer(answer)``: says that to the first question, then hangs up; gives back what was asked."""
    monkeypatch.setattr(uapi, "FOLDER", tmp_path)
    monkeypatch.setattr(uapi, "ANSWER_S", 0.3)

    @contextlib.contextmanager
    def start(answer: bytes, *, hang: bool = False) -> Iterator[list[bytes]]:
        asked: list[bytes] = []
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / f"{NAME}.sock"))
            listener.listen()

            def serve() -> None:
                connection, _ = listener.accept()
                with connection:
                    asked.append(connection.recv(65_536))
                    with contextlib.suppress(OSError):
                        connection.sendall(answer)
                    if hang:
                        done.wait(5)

            done = threading.Event()
            thread = threading.Thread(target=serve)
            thread.start()
            try:
                yield asked
            finally:
                done.set()
                thread.join()
        os.unlink(tmp_path / f"{NAME}.sock")

    return start


def test_figures_of_the_peer_that_was_asked_for(peer):
    answer = (
        b"private_key=aa\nlisten_port=1\npublic_key=01\nendpoint=[2001:db8::1]:5\nlast_handshake_time_sec=7\n"
        b"last_handshake_time_nsec=500000000\nrx_bytes=3\ntx_bytes=4\npublic_key=02\nrx_bytes=9\nerrno=0\n\n"
    )
    with peer(answer) as asked:
        found = uapi.figures(NAME, "01")
    assert asked == [b"get=1\n\n"]
    assert found == uapi.PeerFigures(7.5, 3, 4, "[2001:db8::1]:5", "01")


@pytest.mark.parametrize(
    "answer",
    [b"", b"public_key=01", b"public_key=01\nrx_bytes=3\n", b"\xff\xff\n", b"x" * 100_000, b"errno=\xc3\n\n"],
)
def test_an_answer_that_is_cut_off_is_no_answer(peer, answer):
    with peer(answer), pytest.raises(ApplianceError) as caught:
        uapi.figures(NAME, "01")
    assert caught.value.kind in ("unavailable", "invalid")


def test_a_process_that_hangs_does_not_hang_us(peer):
    with peer(b"public_key=01\n", hang=True), pytest.raises(ApplianceError) as caught:
        uapi.figures(NAME, "01")
    assert caught.value.kind == "unavailable"


def test_a_refusal_is_said_without_the_key(peer):
    with peer(b"errno=-22\n\n") as asked, pytest.raises(ApplianceError) as caught:
        uapi.set_(NAME, [("private_key", "5ec2e7")])
    assert asked == [b"set=1\nprivate_key=5ec2e7\n\n"]
    assert caught.value.kind == "invalid"
    assert "5ec2e7" not in str(caught.value)


def test_no_process_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(uapi, "FOLDER", tmp_path)
    with pytest.raises(ApplianceError, match=NAME) as caught:
        uapi.get(NAME)
    assert caught.value.kind == "unavailable"
