"""A real NUT with its dummy driver in a guest: the mains go, the battery gets low, the box stops in time."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]
NUT = ("upsd", "upsmon", "upsdrvctl")
MAINS = "ups.mfr: Aries\nups.model: Dummy\nups.status: OL CHRG\nbattery.charge: 100\nbattery.runtime: 1800\n"
BATTERY = MAINS.replace("OL CHRG", "OB DISCHRG").replace("100", "63").replace("1800", "600")
EMPTY = BATTERY.replace("600", "90").replace("DISCHRG", "DISCHRG LB")


@pytest.fixture
def on_mains(guest, box):
    """A guest that records, with a UPS whose words are in /etc/nut/dummy.dev."""
    dummy = Path("/lib/nut/dummy-ups")
    if not dummy.exists() or any(shutil.which(name, path="/usr/sbin:/sbin") is None for name in NUT):
        pytest.skip("NUT is not installed (apt-get install nut-server nut-client)")
    guest.install()
    guest.write("/etc/sysusers.d/nut.conf", 'u nut - "NUT" /var/lib/nut -\n')
    guest.write("/etc/nut/nut.conf", "# as Debian ships it\nMODE=none\n")
    guest.write("/etc/nut/ups.conf", "[ups]\n driver = dummy-ups\n port = dummy.dev\n pollinterval = 1\n")
    guest.write("/etc/nut/dummy.dev", MAINS)
    guest.boot()
    guest.ask(
        "systemctl", "enable", "aries-ups.service", "nut-driver-enumerator", "nut-server", "nut-monitor"
    )
    box.start()
    guest.ask("systemctl", "start", "nut.target")
    guest.until(lambda: guest.check("ups")[0] == "ok", 60, "the UPS is known")
    return guest


def test_the_box_stops_cleanly_before_the_battery_ends(on_mains, box):
    guest = on_mains
    assert "on mains" in guest.ask("appliance", "ups", "show").stdout
    files = guest.ask("sh", "-c", "stat -c '%n %a %G' /etc/nut/upsmon.conf /etc/nut/upsd.users").stdout
    assert files == "/etc/nut/upsmon.conf 640 nut\n/etc/nut/upsd.users 640 nut\n"
    assert "dummy-ups" in (guest.root / "etc/nut/ups.conf").read_text()  # a person's own is left alone
    guest.write("/etc/nut/dummy.dev", BATTERY)
    guest.until(lambda: guest.check("ups")[0] == "degraded", 30, "it runs on battery")
    assert guest.check("ups")[1] == "on battery: the mains are gone, 63 % charged, 10 min left"
    events = ("appliance", "events", "--data", "/var/lib/aries")
    guest.until(lambda: "power_lost" in guest.as_aries(*events), 30, "somebody is told")
    box.goes_on_recording()
    began = time.monotonic()
    guest.write("/etc/nut/dummy.dev", EMPTY)
    guest.wait_off(60)
    print(f"off {time.monotonic() - began:.1f} s after the battery was low")
    said = of_guest(guest)
    assert "appliance.service: Deactivated successfully" in said
    assert "Killing" not in said and "upsmon" in said
    guest.boot()
    assert guest.as_aries("appliance", "check", "--data", "/var/lib/aries")


def of_guest(guest) -> str:
    """The journal that it left behind."""
    command = ["journalctl", "-D", str(guest.root / "var/log/journal"), "--no-pager", "-o", "short-unix"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
