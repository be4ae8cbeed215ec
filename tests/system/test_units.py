"""systemd's own tools judge the units; what they only warn of is a failure here."""

import configparser
import shutil
import subprocess

import pytest

if shutil.which("systemd-analyze") is None:
    pytest.skip("systemd-analyze is not installed", allow_module_level=True)


@pytest.fixture
def unit(root):
    return root / "systemd" / "appliance.service"


@pytest.fixture
def with_nvidia(root, unit, tmp_path):
    folder = tmp_path / "appliance.service.d"
    folder.mkdir()
    shutil.copy(unit, tmp_path)
    shutil.copy(root / "systemd" / "nvidia.conf", folder)
    return tmp_path / "appliance.service"


@pytest.fixture
def tunnel(root):
    return root / "systemd" / "aries-tunnel.service"


@pytest.fixture
def firewall(root):
    return root / "systemd" / "aries-firewall.service"


@pytest.fixture
def hub(root):
    return root / "systemd" / "aries-hub.service"


def ask(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("which", ["unit", "with_nvidia", "tunnel", "firewall", "hub"])
def test_it_is_a_unit_without_a_warning(which, request):
    done = ask("systemd-analyze", "verify", str(request.getfixturevalue(which)))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("which", ["unit", "with_nvidia", "tunnel", "firewall", "hub"])
def test_its_exposure_is_at_most_2(which, request):
    path = str(request.getfixturevalue(which))
    done = ask("systemd-analyze", "security", "--offline=yes", "--threshold=20", path)
    assert done.returncode == 0, done.stdout[-2000:]


def test_it_comes_back_at_once_and_for_ever(unit):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(unit)
    service = parser["Service"]
    assert service["Type"] == "notify"
    assert service["Restart"] == "always"
    assert service["RestartSec"] == "100ms"
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"
    assert int(service["WatchdogSec"]) > 0
    assert int(service["TimeoutStopSec"]) > 10  # a clean stop takes up to 10 s


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
def test_what_changes_the_network_has_that_one_right(which, request):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(request.getfixturevalue(which))
    service = parser["Service"]
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == "CAP_NET_ADMIN"
    assert service["User"] == "aries"
    assert "ProcSubset" not in service  # the boot id is read: a trial of rules is of one boot
