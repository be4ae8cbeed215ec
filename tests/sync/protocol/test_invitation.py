import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.sync.protocol import invitation
from appliance.sync.protocol.invitation import Invitation

ASCII = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=100)


@given(
    ASCII.map(lambda text: f"https://hub.example/{text}"),
    st.from_regex(r"[A-Za-z0-9-]{4,64}", fullmatch=True),
    st.just("") | st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
)
def test_what_is_rendered_is_read(url, code, sha256):
    asked = Invitation(url, code, sha256)
    text = invitation.render(asked)
    assert text.isascii() and text.isprintable() and " " not in text
    assert invitation.parse(f"\ufeff \n{text}\r\n".lstrip("\ufeff")) == asked


def test_how_it_looks():
    asked = Invitation("https://hub.example:8444", "abcd-2345", "ab" * 32)
    text = f"aries-enrol:1?url=https%3A%2F%2Fhub.example%3A8444&code=abcd-2345&sha256={'ab' * 32}"
    assert invitation.render(asked) == text
    assert invitation.parse(text + "&newer=thing") == asked


def test_a_fingerprint_as_browsers_show_it():
    shown = ":".join(["AB"] * 32)
    assert invitation.checked("https://hub.example", "abcd", shown).sha256 == "ab" * 32


@pytest.mark.parametrize(
    "text",
    ["", "https://hub.example", "aries-enrol:2?url=x&code=abcd", "aries-enrol:1?", "aries-enrol:1?url=x",
     "aries-enrol:1?code=abcd", "aries-enrol:1?url=x&code=abcd&code=efgh", "aries-enrol:1?url=x&code=ab%0Acd",
     "aries-enrol:1?url=x&code=abcd&sha256=xyz", "aries-enrol:1?url", "aries-enrol:1?url=ü&code=abcd",
     "aries-enrol:1?" + "a=b&" * 2_000],
)  # fmt: skip
def test_what_is_none_is_refused_without_repeating_the_code(text):
    with pytest.raises(ApplianceError) as refused:
        invitation.parse(text)
    assert refused.value.kind == "invalid" and "efgh" not in str(refused.value)


@given(st.text(max_size=300))
def test_any_text_is_an_invitation_or_is_refused(text):
    try:
        invitation.parse("aries-enrol:1?" + text)
    except ApplianceError as error:
        assert error.kind == "invalid"
