import os
import socket

import pytest

from appliance.system.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """The service manager's end: (value of NOTIFY_SOCKET, its socket)."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@aries-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(name.replace("@", "\0", 1))
        found.settimeout(10)
        yield name, found


def test_what_the_manager_hears(manager):
    name, ear = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    assert notifier.supervised
    notifier.ready()
    notifier.status("4 cameras\nrecording")
    notifier.watchdog()
    notifier.extend(1.5)
    notifier.stopping()
    notifier.close()
    heard = [ear.recv(4096).decode() for _ in range(5)]
    assert heard == [
        "READY=1",
        "STATUS=4 cameras recording",
        "WATCHDOG=1",
        "EXTEND_TIMEOUT_USEC=1500000",
        "STOPPING=1",
    ]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:1:2"}])
def test_without_a_manager_nothing_happens(environ):
    notifier = Notifier(environ)
    assert not notifier.supervised
    notifier.ready()
    notifier.close()


def test_a_manager_that_does_not_listen_stops_nobody(tmp_path):
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    notifier.ready()
    notifier.close()
    notifier.watchdog()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "15000000"}, 15.0),
        ({"WATCHDOG_USEC": "15000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "15000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_for_this_process_only(environ, seconds):
    assert Notifier(environ).watchdog_s == seconds
