"""Every ruleset that settings can give is one that nft takes; what settings refuse never gets there."""

import shutil
import sqlite3

import pytest
from hypothesis import example, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.store.database import Database
from appliance.system.firewall import nft, render, settings
from appliance.system.firewall.settings import FirewallSettings, check
from appliance.system.programs import Programs

NAME = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", fullmatch=True).filter(lambda name: name != "lo")
PORT = st.integers(1, 65_535)


@st.composite
def good(draw) -> FirewallSettings:
    names = draw(st.lists(NAME, min_size=2, max_size=6, unique=True))
    lan = draw(st.integers(0, len(names) - 1))
    tunnel = names[-1] if lan == 0 or draw(st.booleans()) else ""
    cameras = names[lan:-1] if tunnel else names[lan:]
    switches = {name: draw(st.booleans()) for name in ("ntp", "ntp_lan", "ssh")}
    return FirewallSettings(
        enabled=True, lan=tuple(names[:lan]), cameras=tuple(cameras), tunnel=tunnel, web_port=draw(PORT),
        wireguard_port=draw(st.just(0) | PORT), ssh_port=draw(PORT), **switches,
    )  # fmt: skip


@settings_of_hypothesis(max_examples=50)  # a program each
@given(good())
def test_nft_takes_every_variant(can_filter, found):
    nft.check(render.ruleset(found), Programs())


@given(st.text(max_size=20), st.sampled_from(["lan", "cameras", "tunnel"]))
@example('eth0" } accept; #', "lan")
@example("eth0\n}", "cameras")
@example("*", "tunnel")
@example("$lan", "lan")
@example("eth0\n", "tunnel")
def test_a_name_is_taken_as_a_name_or_refused(text, field):
    value = text if field == "tunnel" else (text,)
    found = FirewallSettings(enabled=True, **{"lan": ("a0",), field: value})
    try:
        lines = render.ruleset(found)
    except ApplianceError as error:
        assert error.kind == "invalid"
        assert error.hint
        return
    assert text == "" or f'"{text}"' in lines
    assert lines.count("{") == lines.count("}")
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"lan": (), "tunnel": ""}, "lan"),
        ({"cameras": ("eth0",)}, "cameras"),
        ({"tunnel": "eth0"}, "cameras"),
        ({"lan": ("lo",)}, "lan"),
        ({"lan": ("a-name-that-is-too-long",)}, "lan"),
        ({"web_port": 0}, "web_port"),
        ({"ssh_port": 65_536}, "ssh_port"),
        ({"wireguard_port": -1}, "wireguard_port"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_field(changes, field):
    with pytest.raises(ApplianceError) as caught:
        check(FirewallSettings(**{"enabled": True, "lan": ("eth0",), **changes}))
    assert (caught.value.kind, caught.value.field) == ("invalid", field)
    assert caught.value.hint


def test_settings_are_a_row_and_off_by_default(tmp_path):
    db = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    try:
        assert db.read_now(settings.load) == FirewallSettings()
        assert not db.read_now(settings.load).enabled
        wanted = FirewallSettings(enabled=True, lan=("eth0",), cameras=("eth1",))
        db.write_now(lambda conn: settings.save(conn, wanted))
        assert db.read_now(settings.load) == wanted

        def save_nonsense(conn: sqlite3.Connection) -> None:
            settings.save(conn, FirewallSettings(enabled=True))

        with pytest.raises(ApplianceError):
            db.write_now(save_nonsense)
        assert db.read_now(settings.load) == wanted
    finally:
        db.close()


def test_without_nft_it_is_said_what_to_install(monkeypatch):
    if shutil.which("nft") is None:
        pytest.skip("nft is not installed")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ApplianceError) as caught:
        nft.check("", Programs())
    assert caught.value.kind == "unavailable"
    assert "nftables" in caught.value.hint
