"""What systemd-networkd is told, and that a trial lies where a restart of the machine forgets it."""

import configparser

import pytest

from appliance.system import files
from appliance.system.network import networkd
from appliance.system.network.links import Link
from appliance.system.network.settings import NetworkSettings, Port

UP = Port("eth0", ("uplink",), address="10.0.0.2/24", gateway="10.0.0.1", dns=("9.9.9.9",))
CAM = Port("eth1", ("cameras",), address="192.168.50.1/24", pool="192.168.50.100-192.168.50.199")
LINKS = tuple(Link(name, "", True, True, (), False, (), 0) for name in ("eth0", "eth1", "eth2"))


def keys(text: str, section: str) -> list[str]:
    part = text.split(f"[{section}]\n")[1].split("\n\n", maxsplit=1)[0]
    return [line for line in part.splitlines() if line]


def test_an_uplink_with_an_address_of_its_own():
    (file,) = networkd.files(NetworkSettings((UP,)))
    assert file.path == "/etc/systemd/network/20-aries-eth0.network"
    assert keys(file.text, "Match") == ["Name=eth0"]
    assert {"Address=10.0.0.2/24", "Gateway=10.0.0.1", "DNS=9.9.9.9", "DHCP=no"} <= set(
        keys(file.text, "Network")
    )
    assert "DHCPServer" not in file.text


def test_a_network_of_cameras_has_no_way_out_and_the_box_as_its_clock():
    (file,) = networkd.files(NetworkSettings((CAM,)))
    assert keys(file.text, "DHCPServer") == [
        "PoolOffset=100", "PoolSize=100", "EmitDNS=no", "EmitRouter=no", "NTP=192.168.50.1",
        "DefaultLeaseTimeSec=12h", "MaxLeaseTimeSec=24h",
    ]  # fmt: skip
    (leased,) = networkd.files(NetworkSettings((Port("eth1", ("cameras",)),)))
    assert {"UseGateway=no", "UseRoutes=no", "UseDNS=no"} <= set(keys(leased.text, "DHCPv4"))
    (up,) = networkd.files(NetworkSettings((Port("eth0", ("uplink",)),)))
    assert "UseGateway" not in up.text and "DHCP=yes" in up.text


def test_a_vlan_stands_on_its_port():
    vlan = Port("eth1", ("cameras",), address="192.168.50.1/24", vlan=50)
    found = {file.path.rpartition("/")[2]: file.text for file in networkd.files(NetworkSettings((UP, vlan)))}
    assert sorted(name.removeprefix("20-aries-") for name in found) == [
        "eth0.network", "eth1.50.netdev", "eth1.50.network", "eth1.network",
    ]  # fmt: skip
    assert "VLAN=eth1.50" in found["20-aries-eth1.network"]
    assert keys(found["20-aries-eth1.50.netdev"], "VLAN") == ["Id=50"]


def test_a_trial_is_in_run_stands_first_and_is_taken_away_whole(tmp_path):
    steps = networkd.steps(NetworkSettings((UP, CAM)), LINKS, tmp_path)
    assert all(file.path.startswith("/run/systemd/network/10-aries-trial-") for file in steps.put)
    assert set(steps.undo_remove) == {file.path for file in steps.put}
    assert steps.run[0] == steps.undo_run[0] == ("networkctl", "reload")
    assert steps.run[1:] == (("networkctl", "reconfigure", "eth0"), ("networkctl", "reconfigure", "eth1"))


def test_a_vlan_that_was_made_on_trial_is_unmade(tmp_path):
    vlan = Port("eth1", ("cameras",), address="192.168.50.1/24", vlan=50)
    steps = networkd.steps(NetworkSettings((UP, vlan)), LINKS, tmp_path)
    assert steps.undo_run[0] == ("ip", "link", "delete", "eth1.50")


def test_a_port_that_is_named_no_more_loses_its_file_and_on_trial_its_address(tmp_path):
    for file in networkd.lasting(NetworkSettings((UP, CAM)), tmp_path):
        files.put(file, tmp_path)
    (tmp_path / "etc/systemd/network/80-of-others.network").write_text("")
    now = NetworkSettings((UP,))
    gone = [file for file in networkd.lasting(now, tmp_path) if file.text is None]
    assert [file.path for file in gone] == ["/etc/systemd/network/20-aries-eth1.network"]
    steps = networkd.steps(now, LINKS, tmp_path)
    (idle,) = [file for file in steps.put if "eth1" in file.path]
    assert "Address" not in idle.text.replace("LinkLocalAddressing", "")
    for file in networkd.lasting(now, tmp_path):
        files.put(file, tmp_path)
    assert files.differing(networkd.lasting(now, tmp_path), tmp_path) == ()
    assert (tmp_path / "etc/systemd/network/80-of-others.network").exists()


@pytest.mark.parametrize(
    "port", [UP, CAM, Port("eth1", ("cameras",)), Port("eth0", ("uplink", "cameras")), Port("eth2")]
)
def test_every_text_is_sections_of_keys(port):
    (file,) = networkd.files(NetworkSettings((port,)))
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string(file.text)
    assert {"Match", "Link", "Network"} <= set(parser.sections())
