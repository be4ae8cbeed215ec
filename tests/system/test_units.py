"""systemd's own tools judge the units; what they only warn of is a failure here."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.daemon.care import resetting
from provisioning import record

if shutil.which("systemd-analyze") is None:
    pytest.skip("systemd-analyze is not installed", allow_module_level=True)


# What each may expose at most: README has the table, with why. Nothing that runs is without a figure.
MOST = {
    "appliance.service": 2.0,
    "aries-firewall.service": 2.0,
    "aries-hub.service": 2.0,
    "aries-tunnel.service": 2.0,
    "aries-ups.service": 2.0,
    "aries-update.service": 2.0,
    "aries-mark-good.service": 2.1,
    "aries-provision.service": 4.8,
}
MOST_OF_AN_IMAGE = {"aries-grow.service": 1.5, "aries-settle.service": 1.5}  # firmware/root


def ask(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def placed(root) -> list[tuple[str, Path, str]]:
    """(name, path, kind) of ``systemd/places``."""
    found = []
    for line in (root / "systemd" / "places").read_text().splitlines():
        if not line.startswith("#"):
            name, path, kind = [*line.split(), ""][:3]
            found.append((name, Path(path + name if path.endswith("/") else path), kind))
    return found


@pytest.fixture
def staged(root, tmp_path):
    """``make(*kinds)``: a folder of units and drop-ins, as a box of that kind has them."""

    def make(*kinds: str) -> Path:
        for name, path, kind in placed(root):
            if path.parts[1:5] == ("usr", "lib", "systemd", "system") and (not kind or kind in kinds):
                there = tmp_path.joinpath(*path.parts[5:])
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / "systemd" / name, there)
        return tmp_path

    return make


@pytest.fixture
def unit(root):
    return root / "systemd" / "appliance.service"


def settings(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(path)
    return parser


def test_every_file_has_a_place_and_every_place_a_file(root):
    assert sorted(name for name, _, _ in placed(root)) == sorted(
        path.name for path in (root / "systemd").iterdir() if path.name != "places"
    )
    paths = [path for _, path, _ in placed(root)]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("kinds", [(), ("image", "hardware")], ids=["by hand", "image"])
def test_they_are_units_without_a_warning(staged, kinds):
    units = [str(path) for path in staged(*kinds).iterdir() if path.is_file()]
    done = ask("systemd-analyze", "verify", *units)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_warning_would_be_seen(staged):
    """systemd only warns of a key that it does not know, and would run the unit without it."""
    unit = staged() / "appliance.service"
    unit.write_text(unit.read_text().replace("ProtectSystem=", "ProtectTheSystem="))
    assert "ProtectTheSystem" in ask("systemd-analyze", "verify", str(unit)).stderr


@pytest.mark.parametrize("kinds", [("image",), ("image", "hardware")], ids=["plain", "with every chip"])
def test_what_each_exposes_is_bounded_and_known(staged, kinds):
    services = sorted(path for path in staged(*kinds).glob("*.service"))
    assert {path.name for path in services} == set(MOST)
    assert not too_much(services, MOST)


def test_an_image_s_own_units_are_units_and_bounded_too(root):
    services = sorted((root / "firmware/root/usr/lib/systemd/system").glob("*.service"))
    assert {path.name for path in services} == set(MOST_OF_AN_IMAGE)
    done = ask("systemd-analyze", "verify", *(str(path) for path in services))
    assert (done.returncode, done.stderr) == (0, "")
    assert not too_much(services, MOST_OF_AN_IMAGE)


def too_much(services: list[Path], most: dict[str, float]) -> dict[str, float]:
    """Those that expose more than they may, with their figures."""
    found = {}
    for path in services:
        done = ask("systemd-analyze", "security", "--offline=yes", str(path))
        found[path.name] = float(re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)[1])
    print(found)
    return {name: figure for name, figure in found.items() if figure > most[name]}


def test_the_wizard_is_for_a_box_that_is_not_provisioned_and_the_daemon_of_an_image_for_one_that_is(root):
    folder, file = root / "systemd", "/var/lib/aries/provisioned"
    assert settings(folder / "aries-provision.service")["Unit"]["ConditionPathExists"] == f"!{file}"
    assert settings(folder / "provisioned.conf")["Unit"]["ConditionPathExists"] == file
    assert "ConditionPathExists" not in settings(folder / "appliance.service")["Unit"]  # by hand


def test_the_file_that_a_reset_leaves_is_the_one_that_starts_the_wizard(root):
    waited = settings(root / "systemd" / "aries-provision.path")["Path"]
    assert waited["PathExists"] == f"/var/lib/aries/{resetting.WANTED}" == f"/var/lib/aries/{record.WANTED}"
    assert waited["Unit"] == "aries-provision.service"


def test_it_comes_back_at_once_and_for_ever(unit):
    parser = settings(unit)
    service = parser["Service"]
    assert service["Type"] == "notify"
    assert service["Restart"] == "always"
    assert service["RestartSec"] == "100ms"
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"
    assert int(service["WatchdogSec"]) > 0
    assert int(service["TimeoutStopSec"]) > 10  # a clean stop takes up to 10 s
    assert service["OOMPolicy"] == "continue"  # else the daemon goes with its worker
    assert service["LimitCORE"] == "0"  # a core holds passwords


def test_the_account_and_the_folders_are_well_formed(root, tmp_path):
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("systemd-sysusers is not installed")
    users = ask(
        "systemd-sysusers", "--dry-run", f"--root={tmp_path}", str(root / "systemd" / "aries.sysusers.conf")
    )
    assert users.returncode == 0, users.stderr
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "etc" / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\naries:x:990:990::/:/usr/sbin/nologin\n"
    )
    (tmp_path / "etc" / "group").write_text("root:x:0:\naries:x:990:\n")
    conf = str(root / "systemd" / "aries.tmpfiles.conf")
    made = ask("systemd-tmpfiles", "--create", f"--root={tmp_path}", conf)
    assert (made.returncode, made.stderr) == (0, "")
    assert (tmp_path / "var" / "lib" / "aries").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("which", ["tunnel", "firewall"])
def test_what_changes_the_network_has_that_one_right(which, root):
    service = settings(root / "systemd" / f"aries-{which}.service")["Service"]
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == "CAP_NET_ADMIN"
    assert service["User"] == "aries"
    assert "ProcSubset" not in service  # the boot id is read: a trial of rules is of one boot
