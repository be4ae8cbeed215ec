"""``appliance tunnel`` and ``appliance firewall`` beside a box that nobody runs."""

import json
import shutil
import socket
from functools import partial

import pytest

from appliance.daemon.stores import open_appliance
from appliance.store.sealing import Sealer
from appliance.system.tunnel import kept, keys
from appliance.system.tunnel.config import TunnelConfig


def write(box_dir, work):
    db = open_appliance(box_dir)
    try:
        return db.write_now(work)
    finally:
        db.close()


@pytest.fixture
def sealer(box_dir):
    return Sealer.from_dir(box_dir / "secrets")


@pytest.fixture
def own(box_dir, sealer):
    """Of a box that was enrolled."""
    config = TunnelConfig("10.90.0.7/24", keys.make().public, "hub.example.org:51820", ("10.90.0.1/32",))
    write(box_dir, lambda conn: kept.configure(conn, sealer, config, keys.make().current))
    return write(box_dir, lambda conn: kept.keys(conn, sealer))


@pytest.mark.parametrize("command", ["tunnel", "firewall"])
def test_each_has_an_example(appliance, command):
    said = appliance(command, "--help")
    assert said.status == 0
    assert "example: appliance" in said.out


def test_a_box_that_was_never_enrolled_says_so(appliance, box_dir):
    said = appliance("tunnel", "status", "--data", box_dir)
    assert said.status == 0
    assert said.out.startswith("tunnel: off")
    assert "enrol the box" in said.out
    for what in ("show", "up"):
        said = appliance("tunnel", what, "--data", box_dir)
        assert said.status == 1
        assert "enrol the box" in said.err


def test_status_says_that_nobody_runs_it(appliance, box_dir, own):
    said = appliance("tunnel", "status", "--data", box_dir)
    assert "no program runs it" in said.out
    assert json.loads(appliance("tunnel", "status", "--data", box_dir, "--json").out)["state"] == "off"


def test_nothing_it_says_is_secret(appliance, box_dir, own):
    tunnel = partial(appliance, "tunnel")
    said = [tunnel(what, "--data", box_dir) for what in ("status", "show", "qr", "down", "up", "rotate")]
    said.append(tunnel("show", "--form", "networkd", "--data", box_dir))
    assert {one.status for one in said} == {0}
    text = "".join(one.out + one.err for one in said)
    for secret in (own.current, own.preshared):
        assert secret not in text
        assert keys.WireguardKey(secret).hex not in text
        assert keys.WireguardKey(secret).urlsafe not in text


def test_show_into_a_folder_writes_what_networkd_needs(appliance, box_dir, own, tmp_path):
    said = appliance("tunnel", "show", "--form", "networkd", "--into", tmp_path, "--data", box_dir)
    assert said.status == 0
    path = tmp_path / "50-aries0.netdev"
    assert str(path) in said.out
    assert own.current in path.read_text()
    assert own.current not in said.out
    assert path.stat().st_mode & 0o777 == 0o640


def test_the_qr_code_says_who_the_box_is(appliance, box_dir, own):
    said = appliance("tunnel", "qr", "--data", box_dir)
    last = said.out.strip().splitlines()[-1]
    assert last.startswith("aries-edge:enrol?device=")
    assert f"tunnel={keys.WireguardKey(own.public).urlsafe}" in last
    assert "identity=" in last
    assert "▀" in said.out or "█" in said.out


def test_up_and_down_are_kept_and_audited(appliance, box_dir, own):
    assert appliance("tunnel", "down", "--data", box_dir).status == 0
    assert not write(box_dir, kept.wanted).on
    assert appliance("tunnel", "up", "--data", box_dir).status == 0
    assert write(box_dir, kept.wanted).on


def test_a_rotation_by_hand(appliance, box_dir, own, sealer):
    said = appliance("tunnel", "rotate", "--data", box_dir)
    new = said.out.split("new public key: ")[1].split()[0]
    said = appliance("tunnel", "rotate", "--data", box_dir, "--acknowledged", keys.make().public)
    assert said.status == 1
    assert "did not announce" in said.err
    assert appliance("tunnel", "rotate", "--data", box_dir, "--acknowledged", new).status == 0
    found = write(box_dir, lambda conn: kept.keys(conn, sealer))
    assert (found.public, found.previous) == (new, own.current)


def test_rules_are_shown_and_checked_and_nonsense_is_refused(appliance, box_dir):
    said = appliance("firewall", "show", "--data", box_dir, "--lan", "eth0", "--cameras", "eth1")
    assert said.status == 0
    assert 'iifname { "eth1" } goto cameras' in said.out
    assert "tcp dport 8443" in said.out
    said = appliance("firewall", "show", "--data", box_dir)
    assert said.status == 2
    assert "ip link" in said.err
    said = appliance("firewall", "check", "--data", box_dir, "--lan", 'eth0" } accept')
    assert said.status == 2
    assert "no name of an interface" in said.err
    for words in (["check"], ["apply", "--seconds", "1"]):
        said = appliance("firewall", *words, "--data", box_dir, "--lan", "lan9", "--cameras", "cam9")
        assert said.status == 2, "a slip of the pen would leave the cameras outside of their rules"
        assert "there is no interface lan9" in said.err and "this machine has" in said.err
    own = [name for _, name in socket.if_nameindex() if name != "lo"]
    if shutil.which("nft") is None or not own:
        pytest.skip("nft is not installed, or this machine has no network")
    said = appliance("firewall", "check", "--data", box_dir, "--lan", own[0], "--ssh", "--no-ntp")
    if "CAP_NET_ADMIN" in said.err:
        pytest.skip("nft -c needs a right that we have not here")
    assert said.status == 0, said.err


def test_where_no_firewall_is_set_the_start_changes_nothing(appliance, box_dir):
    said = appliance("firewall", "apply", "--stored", "--data", box_dir)
    assert said.status == 0
    assert "nothing was changed" in said.out
    assert not (box_dir / "firewall.nft").exists()
    said = appliance("firewall", "apply", "--confirm", "--data", box_dir)
    assert said.status == 1
    assert "nothing to confirm" in said.err
