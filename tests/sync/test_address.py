import pytest

from appliance.base.errors import ApplianceError
from appliance.store.targets import Target
from appliance.sync.address import validate


@pytest.mark.parametrize(
    "url",
    ["https://cloud.example/in", "https://10.0.0.1:8443/x?y=1", "http://127.0.0.1:9/", "http://localhost/in",
     "http://[::1]:8080/"],
)  # fmt: skip
def test_good_addresses(url):
    validate(Target("cloud", url), "abc.DEF-123")


@pytest.mark.parametrize(
    "url",
    ["", "cloud.example", "http://cloud.example/", "http://127.0.0.1.evil.example/", "ftp://cloud.example/",
     "https://user:pass@cloud.example/", "https://", "https://a b/", "https://a:99999/", "https://[::1/",
     "https://a/\r\nX: y", "https://a/" + "x" * 2000, "file:///etc/passwd", "javascript:alert(1)"],
)  # fmt: skip
def test_bad_addresses_name_the_field_and_repeat_no_password(url):
    with pytest.raises(ApplianceError) as caught:
        validate(Target("cloud", url))
    assert (caught.value.kind, caught.value.field) == ("invalid", "url")
    assert caught.value.hint and "pass@" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ümlaut", "x" * 5000])
def test_a_token_that_no_header_can_carry_is_refused_and_not_repeated(token):
    with pytest.raises(ApplianceError) as caught:
        validate(Target("cloud", "https://a/"), token)
    assert caught.value.field == "token" and (not token or token not in str(caught.value))


@pytest.mark.parametrize("ca", ["", "hello", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"])
def test_a_ca_that_is_none_is_refused(ca):
    with pytest.raises(ApplianceError) as caught:
        validate(Target("cloud", "https://a/", ca=ca))
    assert caught.value.field == "ca"


def test_a_real_ca_passes(tls):
    validate(Target("cloud", "https://a/", ca=tls[1]))


def test_an_id_is_a_slug():
    with pytest.raises(ApplianceError) as caught:
        validate(Target("../x", "https://a/"))
    assert caught.value.field == "id"
