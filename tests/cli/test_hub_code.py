"""A code, and the whole invitation of it: what the hub writes is what a box reads."""

import asyncio
import json

import pytest

from appliance.base.clock import BoxClock
from appliance.hub.running import Places, open_hub
from appliance.sync.protocol import invitation
from appliance.sync.protocol.invitation import FILE_NAME
from appliance.system import tls


@pytest.fixture
def hub_dir(tmp_path):
    """What the first start of a hub leaves behind."""

    async def start() -> None:
        async with open_hub(Places(tmp_path / "hub"), BoxClock()):
            pass

    asyncio.run(start())
    return tmp_path / "hub"


def test_where_no_hub_is_none_is_made(appliance, box_dir, tmp_path):
    for folder in (tmp_path / "typo", box_dir):
        before = sorted(folder.rglob("*"))
        said = appliance("hub", "code", "--data", folder)
        assert said.status == 1 and "not_found" in said.err and f"there is no hub in {folder}" in said.err
        assert (
            f"hint: name the folder of your hub, or start it once first: appliance hub --data {folder}"
            in said.err
        )
        assert sorted(folder.rglob("*")) == before and said.out == ""
    assert not (tmp_path / "typo").exists()
    elsewhere = ("--database", "postgresql://db.example/hub")
    assert "there is no hub" in appliance("hub", "code", "--data", tmp_path / "typo", *elsewhere).err


def test_a_code_alone(appliance, hub_dir):
    said = appliance("hub", "code", "--data", hub_dir)
    assert said.status == 0 and len(said.out.strip()) == 23 and "aries-enrol" not in said.out


def test_an_invitation_names_the_hub_s_own_certificate(appliance, hub_dir):
    words = ("hub", "code", "--data", hub_dir, "--url", "https://hub.example:8444")
    asked = invitation.parse(appliance(*words).out)
    assert (asked.url, asked.sha256) == ("https://hub.example:8444", "")
    own = tls.own(hub_dir / "secrets", BoxClock())
    said = json.loads(appliance(*words, "--json").out)
    asked = invitation.parse(said["invitation"])
    assert asked.code == said["code"] and asked.sha256 == own.fingerprint.replace(":", "").lower()


def test_an_invitation_goes_onto_a_stick(appliance, hub_dir, tmp_path):
    words = ("hub", "code", "--data", hub_dir, "--stick", tmp_path)
    assert appliance(*words).status == 2
    said = appliance(*words, "--url", "https://hub.example")
    assert (tmp_path / FILE_NAME).read_text() == said.out
    assert appliance(*words, "--url", "http://hub.example").status == 2
    assert appliance("hub", "code", "--data", hub_dir, "--stick", tmp_path / "no").status == 2
