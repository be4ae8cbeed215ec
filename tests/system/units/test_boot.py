"""An image's life in a guest: the wizard first, then never again; what updates it; what each is allowed.

Where it says so the wizard and the commands of an update are stand-ins, which note who they are and what they
may.
"""

import json

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

ANSWERS = """
go_on = true
[administrator]
password_file = "/run-pw"
[site]
name = "Yard"
time_zone = "Europe/Berlin"
[site.clock]
servers = ["10.0.0.1"]
"""
# What it may, tried: each named deed is done or refused.
WIZARD = """#!/opt/aries/bin/python
import ctypes, json, os, socket, struct, subprocess, sys, time
from pathlib import Path

def tried(deed):
    try:
        deed()
        return "done"
    except OSError as error:
        return error.strerror

def interface():
    subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

def module():
    if ctypes.CDLL(None, use_errno=True).syscall(175, None, 0, b"") != 0:  # init_module
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

data = Path(sys.argv[sys.argv.index("--data") + 1])
said = {
    "arguments": sys.argv[1:],
    "network": tried(interface),
    "machine's files": tried(lambda: Path("/etc/systemd/network").mkdir(exist_ok=True)),
    "packet": tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM).close()),
    "the daemon's folder": tried(lambda: ((data / "new").write_text(""), (data / "new").unlink())),
    "program": tried(lambda: Path("/usr/bin/new").write_text("")),
    "kernel": tried(lambda: Path("/proc/sys/kernel/panic").write_text("1")),
    "module": tried(module),
    "reboot": tried(lambda: Path("/proc/sysrq-trigger").write_text("b")),
    "run": sorted(path.name for path in Path("/run/aries").iterdir()),
    "child": subprocess.run(
        ["setpriv", "--reuid=aries", "--regid=aries", "--clear-groups", "sh", "-c",
         "id -un; grep CapEff /proc/self/status"], capture_output=True, text=True).stdout.split(),
}
Path("/etc/wizard.json").write_text(json.dumps(said))
while not Path("/etc/finish").exists():
    time.sleep(0.1)
words = ["appliance", "init", "--data", str(data), "--admin-password-file", "/run-pw"]
subprocess.run(["setpriv", "--reuid=aries", "--regid=aries", "--clear-groups", *words], check=True)
(data / "provisioned").write_text("")
"""
UPDATE = """#!/bin/sh
[ "$1" = update ] || exec /opt/aries/bin/python -B -m appliance "$@"
{ echo "$@"; id -un; grep CapEff /proc/self/status; cat /proc/self/cgroup | grep -o 'aries-care.slice/.*'; } \
    >> /var/lib/aries/asked
"""


@pytest.fixture
def real(guest):
    """A guest with all that an image has, switched on as an image has it; only RAUC is not there."""
    guest.install("image")
    guest.write("/etc/aries/appliance.env", "APPLIANCE_LISTEN=127.0.0.1:8080\n")
    guest.write("/run-pw", "a line of five dull words")
    guest.switch_on("aries.target")
    return guest


@pytest.fixture
def image(real):
    """The same with RAUC, and stand-ins for the wizard and for the commands of an update."""
    real.write("/opt/aries/bin/appliance-provision", WIZARD, 0o755)
    real.write("/opt/aries/bin/appliance", UPDATE, 0o755)
    real.write("/etc/rauc/system.conf", "[system]\n")
    return real


def active(guest, *units: str) -> dict[str, str]:
    return {unit: guest.shows(f"{unit}.service", "ActiveState")["ActiveState"] for unit in units}


def test_the_wizard_comes_once_then_the_daemon_and_it_does_so_at_every_boot(image):
    guest = image
    guest.boot()
    guest.until((guest.root / "etc/wizard.json").exists, 30, "the wizard runs")
    assert active(guest, "aries-provision", "appliance") == {
        "aries-provision": "active",
        "appliance": "inactive",
    }
    (guest.root / "etc/finish").touch()
    guest.until(lambda: guest.check("database")[0] == "ok", 60, "the daemon follows the wizard")
    assert active(guest, "aries-provision", "appliance") == {
        "aries-provision": "inactive",
        "appliance": "active",
    }
    guest.stop()
    (guest.root / "etc/wizard.json").unlink()
    guest.boot()
    guest.until(lambda: guest.check("database")[0] == "ok", 60, "the daemon runs at the next boot")
    assert active(guest, "aries-provision", "appliance") == {
        "aries-provision": "inactive",
        "appliance": "active",
    }
    assert not (guest.root / "etc/wizard.json").exists()
    guest.ask("systemctl", "stop", "aries.target")
    guest.until(lambda: active(guest, "appliance") == {"appliance": "inactive"}, 20, "all of it stops")
    assert "Killing" not in guest.journal("-u", "appliance", "-b")


def test_after_a_reset_the_wizard_comes_without_a_power_cycle(real):
    guest = real
    guest.boot()
    guest.ask("systemctl", "stop", "aries-provision")
    guest.ask("find", "/var/lib/aries", "-mindepth", "1", "-delete")
    init = ("appliance", "init", "--data", "/var/lib/aries", "--admin-password-file", "/run-pw")
    guest.as_aries(*init)
    guest.write("/var/lib/aries/provisioned", "")
    guest.ask("systemctl", "start", "appliance")
    guest.until(lambda: guest.check("database")[0] == "ok", 60, "the daemon runs")
    reset = {"footage": "delete", "volumes": [], "asked_at": "2026-01-20T14:30:00Z", "provisioned": True}
    guest.write("/var/lib/aries/.reset.json", json.dumps(reset))  # as resetting.begin_here does
    guest.ask("systemctl", "kill", "--signal=SIGTERM", "appliance")  # as the daemon does to itself then
    guest.until(
        lambda: active(guest, "aries-provision")["aries-provision"] == "active", 60, "the wizard comes"
    )
    claim = ("curl", "-sk", "-m", "5", "https://127.0.0.1:8443/")
    guest.until(lambda: "code" in guest.ask(*claim, check=False).stdout, 30, "the claim page is there")
    assert active(guest, "appliance") == {"appliance": "inactive"}
    left = {path.name for path in (guest.root / "var/lib/aries").iterdir()}
    assert not left & {".reset.json", ".wizard-wanted", "provisioned", "appliance.db"}


def test_the_wizard_may_what_its_steps_need_and_no_more(image):
    guest = image
    guest.boot()
    guest.until((guest.root / "etc/wizard.json").exists, 30, "the wizard runs")
    said = json.loads((guest.root / "etc/wizard.json").read_text())
    assert said.pop("arguments")[:2] == ["--data", "/var/lib/aries"]
    user, _, rights = said.pop("child")
    assert (user, int(rights, 16)) == ("aries", 0)
    assert said.pop("run") == []
    done = {name for name, how in said.items() if how == "done"}
    assert done == {"network", "machine's files", "packet", "the daemon's folder"}
    guest.ask("systemctl", "kill", "--signal=SIGKILL", "aries-provision")
    guest.until(lambda: guest.shows("aries-provision", "NRestarts")["NRestarts"] == "1", 20, "it comes again")


def test_a_bundle_that_waits_is_asked_for_once_and_each_boot_is_judged(image):
    guest = image
    guest.write("/var/lib/aries/provisioned", "")
    guest.boot()
    asked = guest.root / "var/lib/aries/asked"
    guest.until(asked.exists, 30, "the boot is judged")
    guest.until(lambda: "judge" in asked.read_text(), 10, "the boot is judged")
    guest.write("/var/lib/aries/update/install", "")
    guest.until(lambda: "install" in asked.read_text(), 30, "the bundle is asked for")
    guest.until(lambda: not (guest.root / "var/lib/aries/update/install").exists(), 10, "the wish is gone")
    lines = asked.read_text().splitlines()
    assert [line for line in lines if line.startswith("update")] == [
        "update judge --data /var/lib/aries", "update install --data /var/lib/aries"
    ]  # fmt: skip
    rights = {int(line.split()[1], 16) for line in lines if line.startswith("CapEff")}
    assert rights == {1 << 0 | 1 << 1 | 1 << 3}  # CHOWN, DAC_OVERRIDE, FOWNER
    assert lines.count("root") == 2


def test_limits_and_places_are_in_force(image):
    guest = image
    guest.write("/var/lib/aries/provisioned", "")
    guest.boot()
    names = ("Slice", "CPUWeight", "IOWeight", "MemoryLow", "OOMPolicy", "LimitCORE", "OOMScoreAdjust")
    assert guest.shows("appliance", *names) == {
        "Slice": "aries.slice", "CPUWeight": "1000", "IOWeight": "1000", "MemoryLow": str(512 << 20),
        "OOMPolicy": "continue", "LimitCORE": "0", "OOMScoreAdjust": "-500",
    }  # fmt: skip
    assert guest.shows("aries-update", "Slice")["Slice"] == "aries-care.slice"
    care = guest.shows("aries-care.slice", "CPUWeight", "IOWeight", "MemoryMax", "Slice")
    assert care == {"CPUWeight": "20", "IOWeight": "10", "MemoryMax": str(1 << 30), "Slice": "aries.slice"}
    manager = guest.ask("systemctl", "show", "--property=RuntimeWatchdogUSec,RebootWatchdogUSec").stdout
    assert manager.splitlines() == ["RuntimeWatchdogUSec=30s", "RebootWatchdogUSec=2min"]
    journal = guest.ask("systemd-analyze", "cat-config", "systemd/journald.conf").stdout
    assert "SystemMaxUse=200M" in journal
    failed = guest.ask("systemctl", "--failed", "--plain", "--no-legend").stdout
    assert failed == ""


def test_the_journal_may_be_read_for_the_support_bundle(guest, box):
    guest.install()
    look = "ExecStartPre=/bin/sh -c 'journalctl --no-pager -n 50 > /var/lib/aries/seen'"
    guest.write("/etc/systemd/system/appliance.service.d/look.conf", f"[Service]\n{look}\n")
    guest.boot()
    box.start()
    assert "systemd" in guest.ask("cat", "/var/lib/aries/seen").stdout


def test_the_real_wizard_answers_and_makes_the_box_within_its_rights(real):
    """Its port; then, with answers, the steps that need no port and no disk of their own."""
    guest = real
    answers = "/usr/bin/env appliance-provision --data /var/lib/aries --answers /etc/answers.toml"
    guest.boot()
    claim = ("curl", "-sk", "-m", "5", "https://127.0.0.1:8443/")
    guest.until(lambda: "code" in guest.ask(*claim, check=False).stdout, 30, "the claim page is there")
    assert "claim code" not in guest.journal("-u", "aries-provision").lower()
    guest.ask("systemctl", "stop", "aries-provision")
    guest.write("/etc/answers.toml", ANSWERS)
    drop_in = f"[Service]\nExecStart=\nExecStart={answers}\nRestart=no\n"
    guest.write("/etc/systemd/system/aries-provision.service.d/answers.conf", drop_in)
    guest.ask("systemctl", "daemon-reload")
    guest.ask("systemctl", "start", "aries-provision")
    ended = ("inactive", "failed")
    guest.until(lambda: active(guest, "aries-provision")["aries-provision"] in ended, 60, "it has answered")
    said = guest.journal("-u", "aries-provision")
    assert "Europe/Berlin" in said and "still to be done" in said
    assert "denied" not in said and "not permitted" not in said
    owners = guest.ask("sh", "-c", "stat -c %U /var/lib/aries/* /var/lib/aries/secrets/*").stdout
    assert set(owners.split()) == {"aries"}
    assert "server 10.0.0.1" in (guest.root / "etc/chrony/chrony.conf").read_text()
