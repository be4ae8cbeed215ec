"""One law: equal where either agrees and nothing contradicts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.onvif.identity import Identity, identity, normal_mac, same

SERIALS = st.sampled_from([None, "ab12-9", "cd34-7"])
MACS = st.sampled_from([None, "28:57:be:65:7d:d5", "28:57:be:65:7d:d6"])
ENDPOINTS = st.sampled_from([None, "c9790c3a701b464da1890060351c8ada", "00c0ffee0000100080003cef8c9fa29d"])
IDENTITIES = st.builds(Identity, SERIALS, MACS, ENDPOINTS)


@given(IDENTITIES, IDENTITIES)
def test_equal_where_either_agrees_and_nothing_contradicts(one: Identity, other: Identity) -> None:
    both = [(one.serial, other.serial), (one.mac, other.mac)]
    contradicts = any(a and b and a != b for a, b in both)
    agrees = any(a and a == b for a, b in [*both, (one.endpoint, other.endpoint)])
    assert same(one, other) == same(other, one) == (agrees and not contradicts)


def test_a_reset_camera_with_a_new_endpoint_is_the_same() -> None:
    before = identity("7J03CEF8C", None, "urn:uuid:00c0ffee-0000-1000-8000-3cef8c9fa29d")
    after = identity(" 7j03cef8c ", "3C-EF-8C-9F-A2-9D", "uuid:c9790c3a-701b-464d-a189-0060351c8ada")
    assert same(before, after)
    assert not same(before, identity("7J03CEF8D", None, before.endpoint))


def test_found_by_its_endpoint_before_anybody_has_a_password() -> None:
    announced = identity(endpoint="URN:UUID:C9790C3A-701B-464D-A189-0060351C8ADA")
    assert announced.endpoint == "c9790c3a701b464da1890060351c8ada"
    assert same(announced, identity("x1y2z3", "28:57:be:65:7d:d5", announced.endpoint))


@pytest.mark.parametrize(
    "text",
    ["", "0", "00000000", "1234567890", "123456", "unknown", "N/A", "Not Set", "serial number", "x" * 200],
)
def test_a_serial_that_says_nothing_is_none(text: str) -> None:
    assert identity(text).serial is None


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("28:57:BE:65:7D:D5", "28:57:be:65:7d:d5"),
        ("2857be65.7dd5", "28:57:be:65:7d:d5"),
        (" 28-57-be-65-7d-d5 ", "28:57:be:65:7d:d5"),
        ("00:00:00:00:00:00", None),
        ("ff:ff:ff:ff:ff:ff", None),
        ("01:00:5e:00:00:fb", None),
        ("28:57:be:65:7d", None),
        ("eth0", None),
    ],
)
def test_a_mac_in_one_form(text: str, mac: str | None) -> None:
    assert normal_mac(text) == mac
