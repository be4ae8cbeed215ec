"""The real unit in its sandbox: the daemon writes to a stick, whether it was plugged in before it started or
after; the children that make backup and bundle have what they need in there."""

import json

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]
PASSWORD = "a line of five dull words"
URL = "http://127.0.0.1:8080/api/v1"


@pytest.fixture
def call(guest):
    """``call("POST", "/system/support", {…})`` as the box's admin."""
    tokens = []

    def send(method, path, body=None):
        words = ["curl", "-s", "-X", method, "-H", "Content-Type: application/json", f"{URL}{path}"]
        if body is not None:
            words += ["-d", json.dumps(body)]
        for token in tokens:
            words += ["-H", f"Authorization: Bearer {token}"]
        return json.loads(guest.ask(*words).stdout)

    def ask(method, path, body=None):
        if not tokens:
            login = {"username": "admin", "password": PASSWORD}
            tokens.append(send("POST", "/auth/login", login)["access_token"])
        return send(method, path, body)

    return ask


def plug_in(guest, name):
    """As the rule of udev mounts one, but from memory."""
    folder = f"/media/{name}"
    guest.ask("mkdir", "-p", folder)
    ids = [guest.ask("id", flag, "aries").stdout.strip() for flag in ("-u", "-g")]
    options = f"rw,noatime,uid={ids[0]},gid={ids[1]},mode=0700,nosuid,nodev,noexec"
    guest.ask("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder)
    return folder


def test_a_backup_reaches_a_stick_whenever_it_was_plugged_in(guest, box, call):
    guest.install()
    guest.boot()
    guest.ask("mkdir", "-p", "/media")
    guest.ask("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/media")
    sticks = [plug_in(guest, "before")]
    box.start()
    sticks.append(plug_in(guest, "after"))

    def state():
        return call("GET", "/system/care")["care"]

    assert {(stick["folder"], stick["writable"]) for stick in state()["sticks"]} == {
        (folder, True) for folder in sticks
    }
    for folder in sticks:
        answer = call("POST", "/system/backup", {"folder": folder, "passphrase": "four dull words here"})
        assert "care" in answer, answer
        guest.until(lambda: state()["backup"]["phase"] != "working", 60, "the backup ends")
        done = state()["backup"]
        assert done["phase"] == "done", done
        assert guest.ask("ls", folder).stdout.split() == [done["name"]]
    call("POST", "/system/support")
    guest.until(lambda: state()["support"]["phase"] == "done", 60, "the bundle is made")
    box.goes_on_recording()
