"""Configuration for others: wg's own reader takes it; nothing secret in what is shown; 0640 on disk."""

import configparser
import os
import shutil
import stat
import subprocess

import msgspec
import pytest

from appliance.base.errors import ApplianceError
from appliance.system.tunnel import keys, render
from appliance.system.tunnel.config import TunnelConfig

FOUR = TunnelConfig(
    "10.90.0.7/24",
    keys.make().public,
    "hub.example.org:51820",
    ("10.90.0.1/32", "10.90.0.2/32"),
    dns="10.90.0.1",
)
SIX = TunnelConfig(
    "fd00:90::7/64", keys.make().public, "[2001:db8::1]:51820", ("fd00:90::1/128",), keepalive_s=0
)
FORMS = ["wg-quick", "networkd"]


@pytest.fixture
def own():
    return keys.with_preshared(keys.make(), keys.make().current)


@pytest.mark.parametrize("config", [FOUR, SIX])
def test_wg_quick_reads_it(config, own, tmp_path):
    if shutil.which("wg-quick") is None:
        pytest.skip("wg-quick is not installed")
    (path,) = render.write(render.files(config, own, "wg-quick"), tmp_path)
    done = subprocess.run(["wg-quick", "strip", str(path)], capture_output=True, text=True, check=True)
    for line in (
        f"PrivateKey = {own.current}",
        f"PresharedKey = {own.preshared}",
        f"Endpoint = {config.endpoint}",
    ):
        assert line in done.stdout
    assert "Address" not in done.stdout  # wg-quick took it for itself: it knew what it is


@pytest.mark.parametrize("config", [FOUR, SIX])
def test_networkd_s_files_say_the_same(config, own):
    texts = render.files(config, own, "networkd")
    assert set(texts) == {"50-aries0.netdev", "50-aries0.network"}
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(texts["50-aries0.netdev"])
    assert parser["NetDev"]["Kind"] == "wireguard"
    assert parser["WireGuard"]["PrivateKey"] == own.current
    assert parser["WireGuardPeer"]["PresharedKey"] == own.preshared
    network = texts["50-aries0.network"]
    assert [line for line in network.splitlines() if line.startswith("Destination=")] == [
        f"Destination={text}" for text in config.allowed_ips
    ]
    assert f"Address={config.own}" in network
    assert "RequiredForOnline=no" in network


@pytest.mark.parametrize("form", FORMS)
def test_without_the_keys_nothing_secret_is_in_it(form, own):
    shown = "".join(render.files(FOUR, None, form).values())
    written = "".join(render.files(FOUR, own, form).values())
    for secret in (own.current, own.preshared):
        assert secret in written
        assert secret not in shown
    assert render.HIDDEN in shown


@pytest.mark.parametrize("umask", [0o000, 0o077])  # of a careless shell, and of the box
@pytest.mark.parametrize("form", FORMS)
def test_files_are_0640_whatever_the_umask_and_replace_what_was_there(form, umask, own, tmp_path):
    for name in render.files(FOUR, own, form):
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(0o644)
    before = os.umask(umask)
    try:
        written = render.write(render.files(FOUR, own, form), tmp_path)
    finally:
        os.umask(before)
    for path in written:
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert "old" not in path.read_text()
    assert sorted(os.listdir(tmp_path)) == sorted(path.name for path in written)


def test_a_folder_that_is_not_there_is_said(own, tmp_path):
    with pytest.raises(ApplianceError) as caught:
        render.write(render.files(FOUR, own, "wg-quick"), tmp_path / "nowhere")
    assert caught.value.kind == "unavailable"
    assert own.current not in str(caught.value)


def test_routes_are_the_endpoint_s_only():
    bare = msgspec.structs.replace(FOUR, dns="")
    text = render.wg_quick(bare, None)
    assert "AllowedIPs = 10.90.0.1/32, 10.90.0.2/32" in text
    assert "DNS" not in text
