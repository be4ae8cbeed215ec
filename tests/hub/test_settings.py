"""hub.toml: what makes no sense is said, naming the key."""

import base64

import pytest

from appliance.base.errors import ApplianceError
from appliance.hub.settings import HubSettings, load

KEY = base64.b64encode(bytes(32)).decode()
GOOD = f"""
url = "https://10.90.0.1:8444"
proxies = ["10.0.0.0/24"]
[tunnel]
network = "10.90.0.0/16"
address = "10.90.0.1"
public_key = "{KEY}"
endpoint = "hub.example.org:51820"
"""


def test_a_file_that_is_not_there_says_nothing(tmp_path):
    assert load(tmp_path) == HubSettings()


def test_what_it_says(tmp_path):
    (tmp_path / "hub.toml").write_text(GOOD)
    found = load(tmp_path)
    assert found.tunnel is not None and found.tunnel.host(258) == "10.90.1.2"
    assert str(found.trusted[0]) == "10.0.0.0/24"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("url =", "ulr ="),
        ("https://10", "https://u:p@10"),
        ("10.0.0.0/24", "10.0.0.1/24"),
        ("10.90.0.0/16", "10.91.0.0/16"),
        ('"10.90.0.1"', '"me"'),
        (KEY, "short"),
        (":51820", ":0"),
        ("[tunnel]", "[tunnel"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, old, new):
    (tmp_path / "hub.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(ApplianceError) as caught:
        load(tmp_path)
    assert caught.value.kind == "invalid"
