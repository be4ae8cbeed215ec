"""What people read when the network fails: the same words of every kind of source, and no secret."""

import errno
import socket
import ssl

import av.error
import pytest

from appliance.media.camera import libav
from appliance.media.camera.rtsp import camera
from appliance.media.camera.source import network_fault

SECRET = "rtsp://admin:hunter2@10.0.0.9"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(SECRET), "no data in time"),
        (ConnectionRefusedError(errno.ECONNREFUSED, SECRET), "connection refused"),
        (EOFError(SECRET), "it closed the connection"),
        (ConnectionResetError(errno.ECONNRESET, SECRET), "it closed the connection"),
        (BrokenPipeError(errno.EPIPE, SECRET), "it closed the connection"),
        (socket.gaierror(socket.EAI_NONAME, SECRET), "its name is not known"),
        (OSError(errno.ENETUNREACH, SECRET), "network is unreachable"),
        (OSError(SECRET), "OSError"),
    ],
)
@pytest.mark.parametrize("fault_from", [network_fault, libav.fault_from, camera.fault_from])
def test_each_fault_has_its_words(fault_from, error, words) -> None:
    fault = fault_from(error, "the camera does not answer")
    assert (fault.cause, str(fault)) == ("camera_offline", f"the camera does not answer: {words}")


def test_libav_s_own_kinds_are_the_same_faults() -> None:
    for error, words in (
        (av.error.ExitError(1, SECRET), "no data in time"),
        (av.error.TimeoutError(1, SECRET), "no data in time"),
        (av.error.EOFError(1, SECRET), "it closed the connection"),
        (av.error.ConnectionRefusedError(1, SECRET), "connection refused"),
    ):
        assert str(libav.fault_from(error, "it")) == f"it: {words}"


def test_a_camera_without_tls_is_no_matter_of_the_network() -> None:
    assert "rtsp://" in str(camera.fault_from(ssl.SSLError(1, SECRET), "it"))
