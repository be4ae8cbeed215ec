"""Mail: what it looks like, how it is encrypted, what is refused before it is stored."""

import msgspec
import pytest

from appliance.alerts.channels import registry
from appliance.base.errors import ApplianceError


async def send(given, notice, channel, secret="a horse in the rain") -> str:
    made = registry.make(given(channel, secret))
    try:
        return await made.send(notice, "key-1")
    finally:
        await made.close()


async def test_a_mail_says_it_in_its_subject_and_carries_the_picture(mail_server, given, notice) -> None:
    await send(given, notice, mail_server.channel())
    (mail,) = mail_server.mails
    assert mail["Subject"] == "Harbour: CRITICAL: Fence north (Gate)"
    assert mail["To"] == "guard@site.test, chief@site.test" and mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == "<key-1@site.test>" and mail["Importance"] == "high"
    assert "Camera: Gate" in mail.get_body().get_content()
    (picture,) = mail.iter_attachments()
    assert picture.get_content_type() == "image/jpeg" and picture.get_content() == notice.still


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_the_password_goes_through_tls_only(mail_server, given, notice, security) -> None:
    port = mail_server.tls_port if security == "tls" else mail_server.port
    await send(given, notice, mail_server.channel(security=security, port=port))
    assert mail_server.was_encrypted == [True] and mail_server.users == [("box", "a horse in the rain")]


async def test_a_server_that_offers_no_starttls_gets_nothing(mail_server, given, notice) -> None:
    mail_server.offers_starttls = False
    with pytest.raises(ApplianceError) as caught:
        await send(given, notice, mail_server.channel())
    assert caught.value.kind == "invalid" and not mail_server.users and not mail_server.mails


async def test_a_server_on_site_without_tls_needs_no_password(mail_server, given, notice) -> None:
    await send(given, notice, mail_server.channel(security="none", username=""), None)
    assert mail_server.was_encrypted == [False] and not mail_server.users


async def test_a_name_with_a_line_end_makes_no_header(mail_server, given, notice) -> None:
    tricky = msgspec.structs.replace(notice, site="Site\r\nBcc: thief@else.test")
    await send(given, tricky, mail_server.channel())
    (mail,) = mail_server.mails
    assert mail["Bcc"] is None and mail["Subject"].startswith("Site Bcc: thief")


@pytest.mark.parametrize(
    ("more", "has_secret", "field"),
    [
        ({"to": []}, True, "options.to"),
        ({"to": ["guard"]}, True, "options.to[0]"),
        ({"from": "a@b\nBcc: c@d"}, True, "options.from"),
        ({"host": "mail test"}, True, "options.host"),
        ({"port": 0}, True, "options.port"),
        ({"security": "none"}, True, "options.security"),
        ({}, False, "secret"),
        ({"ca": "nonsense"}, True, "options.ca"),
    ],
)
def test_nonsense_is_refused_with_its_field(mail_server, more, has_secret, field) -> None:
    with pytest.raises(ApplianceError) as caught:
        registry.check(mail_server.channel(**more), has_secret=has_secret)
    assert caught.value.kind == "invalid" and caught.value.field == field and caught.value.hint


def test_letters_that_mail_servers_lose_are_named(mail_server) -> None:
    with pytest.raises(ApplianceError) as caught:
        registry.check(mail_server.channel(to=["gärd@exämple.test"]), has_secret=True)
    assert caught.value.field == "options.to[0]" and "a to z" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "url", ["http://example.test/", "https://u:p@example.test/", "ftp://x/", "https://", ""]
)
def test_a_webhook_goes_nowhere_in_the_clear(receiver, url) -> None:
    with pytest.raises(ApplianceError) as caught:
        registry.check(receiver.channel(url=url), has_secret=False)
    assert caught.value.field == "options.url"


def test_the_secret_is_for_one_server(mail_server, receiver) -> None:
    for one, other in (
        (mail_server.channel(), mail_server.channel(host="elsewhere.test")),
        (receiver.channel(), receiver.channel(url="https://elsewhere.test/in")),
    ):
        assert registry.goes_to(one) == registry.goes_to(one) != registry.goes_to(other)


def test_a_number_out_of_its_range_is_said_in_words(mail_server) -> None:
    with pytest.raises(ApplianceError) as caught:
        registry.check(mail_server.channel(port=99_999), has_secret=True)
    assert (caught.value.message, caught.value.field) == (
        "this is out of range: at most 65535",
        "options.port",
    )
    assert "knows" not in caught.value.hint
