"""The program itself: claimed, killed, begun again, finished; its port before and after."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import aiohttp
import pytest

from appliance.base.clock import BoxClock
from appliance.system import instance
from provisioning.record import Record
from provisioning.wizard import available

PASSWORD = "a walk in the harbour"
ADMIN = {"name": "ann", "password": PASSWORD}
SITE = {"name": "Harbour", "time_zone": "Europe/Berlin", "clock": {"servers": ["10.0.0.1"]}}


def leave_out_the_others(data) -> None:
    """The steps of this room only: the others have tests of their own."""
    for name in set(available()) - {"administrator", "site"}:
        Record(data, BoxClock()).mark(name, "skipped")


@pytest.mark.skipif(shutil.which("chronyd") is None, reason="chronyd is not installed: no box is without")
async def test_from_the_code_to_the_end_over_a_kill(wizard_on, tmp_path):
    data = tmp_path / "box"
    wizard = await wizard_on(data)
    assert (await wizard.get("/api/steps"))["error"]["kind"] == "denied"
    assert (await wizard.claim())["current"] == "administrator"
    found = await wizard.carry_out("administrator", ADMIN)
    assert found["step"]["state"] == "done", found
    cookies = wizard.http.cookie_jar
    assert instance.running(data)

    wizard.process.kill()  # as a power cut: no farewell
    await wizard.process.wait()
    leave_out_the_others(data)
    again = await wizard_on(data)
    assert again.fingerprint == wizard.fingerprint and again.code != wizard.code
    again.http.cookie_jar.update_cookies({cookie.key: cookie.value for cookie in cookies})
    listed = await again.get("/api/steps")  # the telephone goes on without the code
    assert [step["state"] for step in listed["steps"]][:2] == ["done", "todo"], listed
    assert listed["current"] == "site"
    found = await again.carry_out("site", SITE)
    assert found["step"]["state"] == "done", found
    assert (await again.carry_out("site", SITE))["running"]["lines"] == []

    ended = await again.post("/api/finish")
    assert ended["address"].startswith("https://127.0.0.1:") and ended["fingerprint"] == again.fingerprint
    assert await asyncio.wait_for(again.process.wait(), 10) == 0
    assert (data / "provisioned").exists() and not instance.running(data)
    with pytest.raises(aiohttp.ClientConnectionError):
        await again.get("/api/steps")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(again.url.rpartition(":")[2]))) != 0
    assert b"ann" not in b"".join(path.read_bytes() for path in (data / ".provisioning").iterdir())
    secrets_of = subprocess.run(["grep", "-rlF", PASSWORD, str(tmp_path)], capture_output=True, text=True)
    assert secrets_of.stdout == ""


async def test_a_finished_box_has_no_wizard_any_more(tmp_path, root):
    (tmp_path / "provisioned").write_text("{}")
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "provisioning.cli", "--data", str(tmp_path), "--listen", "127.0.0.1:0"),
        env={**os.environ, "PYTHONPATH": str(root)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await done.communicate()
    assert done.returncode == 1 and b"provisioned already" in said


@pytest.mark.long
async def test_nothing_answers_but_the_one_port(wizard_on, tmp_path):
    """... of this process and of its child, on addresses that others reach."""
    wizard = await wizard_on(tmp_path / "box", listen="0.0.0.0:0")
    await wizard.claim()
    await wizard.carry_out("administrator", ADMIN)
    port = int(wizard.url.rpartition(":")[2])
    children = subprocess.run(["pgrep", "-P", str(wizard.process.pid)], capture_output=True, text=True)
    family = {str(wizard.process.pid), *children.stdout.split()}
    assert len(family) > 1
    listed = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    reachable = set()
    for line in listed.splitlines():
        local = line.split()[3]
        if any(f"pid={pid}," in line for pid in family) and not local.startswith("127."):
            reachable.add(int(local.rpartition(":")[2]))
    assert reachable == {port}


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("call", "follow"),
    [("fsync", ()), ("rename", ()), ("unlink", ()), ("fdatasync", ("-f",)), ("pwrite64", ("-f",))],
)
async def test_killed_at_any_disk_call_it_resumes(wizard_on, tmp_path, call, follow):
    """It dies at its n-th call; with ``-f`` also what it started (``appliance init``, the daemon) does."""
    if shutil.which("strace") is None:
        pytest.skip("no strace")
    data = tmp_path / "box"
    deaths = 0
    for number in (1, 2, 3, 4, 5, 6, 8, 11, 15, 20, 27):
        inject = f"inject={call}:signal=SIGKILL:when={number}"
        options = ("-qq", "-o", "/dev/null", "-e", "signal=none", "-e", f"trace={call}", "-e", inject)
        # -D: what is started is the wizard itself, the tracer its grandchild
        deaths += not await _attempt(wizard_on, data, ("strace", "-D", *follow, *options))
    assert deaths > 2, "nothing died: this test is none"
    assert await _attempt(wizard_on, data, ())
    last = await wizard_on(data)
    await last.claim()
    for name, given in (("administrator", ADMIN), ("site", SITE)):
        planned = await last.post(f"/api/steps/{name}/plan", {"given": given})
        assert planned["plan"]["changes"] == [], (name, planned)
    assert [step["state"] for step in (await last.get("/api/steps"))["steps"]][:2] == ["done", "done"]


async def _attempt(wizard_on, data, prefix) -> bool:
    """True where both steps got through; False where somebody died on the way."""
    wizard = None
    try:
        wizard = await wizard_on(data, *prefix)
        await wizard.claim()
        for name, given in (("administrator", ADMIN), ("site", SITE)):
            listed = await wizard.get("/api/steps")
            if next(step for step in listed["steps"] if step["name"] == name)["state"] == "todo":
                found = await wizard.carry_out(name, given)
                if found["step"]["state"] != "done":
                    return False
        return True
    except (aiohttp.ClientError, json.JSONDecodeError, TimeoutError, KeyError, AssertionError):
        return False
    finally:
        if wizard is not None:
            await wizard.end()


@pytest.mark.long
async def test_a_signal_stops_it_and_its_daemon(wizard_on, tmp_path):
    wizard = await wizard_on(tmp_path / "box")
    await wizard.claim()
    await wizard.carry_out("administrator", ADMIN)
    wizard.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(wizard.process.wait(), 15) == 0
    assert not instance.running(tmp_path / "box")
