"""A code, and the whole invitation of it: what the hub writes is what a box reads."""

import json

from appliance.base.clock import BoxClock
from appliance.sync.protocol import invitation
from appliance.sync.protocol.invitation import FILE_NAME
from appliance.system import tls


def test_a_code_alone(appliance, tmp_path):
    said = appliance("hub", "code", "--data", tmp_path / "hub")
    assert said.status == 0 and len(said.out.strip()) == 23 and "aries-enrol" not in said.out


def test_an_invitation_names_the_hub_s_own_certificate(appliance, tmp_path):
    words = ("hub", "code", "--data", tmp_path / "hub", "--url", "https://hub.example:8444")
    asked = invitation.parse(appliance(*words).out)
    assert (asked.url, asked.sha256) == ("https://hub.example:8444", "")
    own = tls.own(tmp_path / "hub" / "secrets", BoxClock())
    said = json.loads(appliance(*words, "--json").out)
    asked = invitation.parse(said["invitation"])
    assert asked.code == said["code"] and asked.sha256 == own.fingerprint.replace(":", "").lower()


def test_an_invitation_goes_onto_a_stick(appliance, tmp_path):
    words = ("hub", "code", "--data", tmp_path / "hub", "--stick", tmp_path)
    assert appliance(*words).status == 2
    said = appliance(*words, "--url", "https://hub.example")
    assert (tmp_path / FILE_NAME).read_text() == said.out
    assert appliance(*words, "--url", "http://hub.example").status == 2
    assert appliance("hub", "code", "--data", tmp_path / "hub", "--stick", tmp_path / "no").status == 2
