"""The box's own daemon as a child, really: spoken to as its administrator, gone with the wizard."""

import asyncio
import socket
import sqlite3
import sys

import pytest

from appliance.base.clock import BoxClock
from appliance.base.errors import ApplianceError
from appliance.system import instance, tls
from provisioning.daemon import BoxDaemon, _said

PASSWORD = "a walk in the harbour"


@pytest.fixture
def _children_know_this_checkout(monkeypatch, root):
    monkeypatch.setenv("PYTHONPATH", str(root))


@pytest.mark.long
@pytest.mark.usefixtures("_children_know_this_checkout")
async def test_a_life(tmp_path):
    """One test, because each start costs a second or two."""
    data = tmp_path / "box"
    data.mkdir()
    daemon = BoxDaemon(data, BoxClock())
    try:
        assert not daemon.is_box
        with pytest.raises(ApplianceError) as caught:
            await daemon.ask("GET", "/users")
        assert caught.value.kind == "conflict"
        with pytest.raises(ApplianceError) as caught:
            await daemon.initialise("ann", "passwordpassword")
        assert caught.value.kind == "invalid" and caught.value.field == "admin_password_file"
        assert not daemon.is_box
        await daemon.initialise("ann", PASSWORD)
        assert daemon.is_box

        (user,) = (await daemon.ask("GET", "/users"))["users"]
        assert (user["username"], user["role"], user["must_change_password"]) == ("ann", "admin", False)
        with pytest.raises(ApplianceError) as caught:
            await daemon.ask("POST", "/cameras", {"name": "x", "rtsp_url": "gopher://x"})
        assert caught.value.kind == "invalid" and caught.value.field == "rtsp_url"
        kind, data_of = await daemon.fetch("/identity.svg")
        assert kind == "image/svg+xml" and b"<svg" in data_of
        assert await daemon.ask("POST", "/auth/login", {"username": "ann", "password": PASSWORD})

        first = daemon._child.pid
        await daemon.restart()
        assert daemon._child.pid != first and (await daemon.ask("GET", "/users"))["users"]

        # somebody revoked the session, or the box's clock was set: it signs in again
        _at(data, "DELETE FROM sessions WHERE address = 'local'")
        assert (await daemon.ask("GET", "/users"))["users"]
        daemon._child.kill()
        await daemon._child.wait()
        assert (await daemon.ask("GET", "/users"))["users"]
    finally:
        await daemon.close()
    assert not instance.running(data)
    assert _at(data, "SELECT count(*) FROM sessions WHERE address = 'local'") == [(0,)]
    notes = _at(
        data, "SELECT username, detail FROM audit WHERE action = 'signed_in' AND detail LIKE '%wizard%'"
    )
    assert notes == [("ann", '{"by":"the wizard"}')]


@pytest.mark.long
@pytest.mark.usefixtures("_children_know_this_checkout")
async def test_the_daemon_of_a_box_at_work_is_spoken_to(tmp_path):
    """... over its own address, and only if the certificate there is this box's."""
    data = tmp_path / "box"
    data.mkdir()
    maker = BoxDaemon(data, BoxClock())
    await maker.initialise("ann", PASSWORD)
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        port = plug.getsockname()[1]
    (data / "appliance.toml").write_text(f'listen = "0.0.0.0:{port}"\n')
    box = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "appliance", "run", "--data", str(data), "--json"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await asyncio.wait_for(box.stdout.readline(), 30)
        daemon = BoxDaemon(data, BoxClock(), attach=True)
        assert [user["username"] for user in (await daemon.ask("GET", "/users"))["users"]] == ["ann"]
        with pytest.raises(ApplianceError) as caught:
            await daemon.restart()
        assert caught.value.kind == "conflict"
        await daemon.close()
        assert box.returncode is None
        for name in ("box.crt", "box-tls.key"):
            (data / "secrets" / name).unlink()
        tls.own(data / "secrets", BoxClock())
        with pytest.raises(ApplianceError) as caught:
            await daemon.ask("GET", "/users")
        assert caught.value.kind == "unavailable"
        await daemon.close()
    finally:
        box.terminate()
        await box.wait()


async def test_a_box_that_runs_already_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("provisioning.daemon.STOP_S", 0.5)
    daemon = BoxDaemon(tmp_path, BoxClock())
    daemon._is_box = True
    with instance.Instance.hold(tmp_path), pytest.raises(ApplianceError) as caught:
        await daemon.ask("GET", "/users")
    assert caught.value.kind == "conflict" and "running already" in caught.value.message
    await daemon.close()


def test_what_a_command_says_becomes_an_error():
    error = _said("warning: x\nerror: it (the file) is bad [admin_name] (invalid)\n  hint: mend it\n")
    assert (error.kind, error.message, error.hint, error.field) == (
        "invalid", "it (the file) is bad", "mend it", "admin_name",
    )  # fmt: skip
    assert _said("Traceback …").kind == "unavailable"


def _at(data, statement: str):
    connection = sqlite3.connect(data / "appliance.db", timeout=10)
    try:
        found = connection.execute(statement).fetchall()
        connection.commit()
        return found
    finally:
        connection.close()
