"""One contract over all kinds of channels, against real servers."""

import asyncio

import pytest

from appliance.alerts.channels import faults, registry
from appliance.base.errors import ApplianceError

TEMPORARY = {"mail": ("DATA", "451 later"), "webhook": 503}
FOR_GOOD = {"mail": ("MAIL", "550 not you"), "webhook": 400}
DENIED = {"mail": ("AUTH", "535 wrong"), "webhook": 401}


@pytest.fixture(params=registry.KINDS)
def peer(request, mail_server, receiver):
    return mail_server if request.param == "mail" else receiver


def trouble(peer, table) -> None:
    if hasattr(peer, "mails"):
        verb, words = table["mail"]
        peer.say[verb] = words
    else:
        peer.status = table["webhook"]


def taken(peer) -> list:
    return peer.mails if hasattr(peer, "mails") else peer.posts


async def test_what_is_sent_arrives_and_its_answer_is_for_people(peer, given, notice) -> None:
    channel = registry.make(given(peer.channel()))
    said = await channel.send(notice, "key-1")
    await channel.close()
    await channel.close()
    assert "took it" in said and len(taken(peer)) == 1


async def test_the_key_is_in_it_each_time(peer, given, notice) -> None:
    channel = registry.make(given(peer.channel()))
    for _ in range(2):
        await channel.send(notice, "key-1")
    await channel.close()
    keys = {
        mail["Message-ID"] if hasattr(peer, "mails") else (mail[0]["Idempotency-Key"], mail[1]["id"])
        for mail in taken(peer)
    }
    assert len(taken(peer)) == 2 and len(keys) == 1 and "key-1" in str(keys)


@pytest.mark.parametrize(
    ("table", "kinds"), [(TEMPORARY, faults.AGAIN), (FOR_GOOD, {"invalid"}), (DENIED, {"denied"})]
)
async def test_the_kind_of_a_refusal_says_whether_to_try_again(peer, given, notice, table, kinds) -> None:
    trouble(peer, table)
    channel = registry.make(given(peer.channel()))
    with pytest.raises(ApplianceError) as caught:
        await channel.send(notice, "key-1")
    await channel.close()
    assert caught.value.kind in kinds and caught.value.hint


async def test_a_silent_server_is_given_up_in_time_and_leaves_nothing(peer, given, notice) -> None:
    peer.silent = True
    channel = registry.make(given(peer.channel(), timeout_s=0.3))
    with pytest.raises(ApplianceError, match="silent") as caught:
        await channel.send(notice, "key-1")
    await channel.close()
    assert caught.value.kind == "unavailable"


async def test_a_receiver_that_points_elsewhere_is_not_followed(receiver, given, notice) -> None:
    receiver.status = 302
    channel = registry.make(given(receiver.channel()))
    with pytest.raises(ApplianceError, match="has moved") as caught:
        await channel.send(notice, "key-1")
    await channel.close()
    assert caught.value.kind == "invalid" and len(receiver.posts) == 1


async def test_nobody_listens(peer, given, notice) -> None:
    dead = peer.channel(port=1) if hasattr(peer, "mails") else peer.channel(url="https://127.0.0.1:1/in")
    channel = registry.make(given(dead))
    with pytest.raises(ApplianceError, match="nothing listens") as caught:
        await channel.send(notice, "key-1")
    await channel.close()
    assert caught.value.kind == "unavailable"


async def test_a_certificate_that_nobody_vouches_for_gets_no_password(peer, given, notice) -> None:
    channel = registry.make(given(peer.channel(ca="")))
    with pytest.raises(ApplianceError, match="vouched for by nobody"):
        await channel.send(notice, "key-1")
    await channel.close()
    assert not taken(peer) and not getattr(peer, "users", None)


async def test_a_stop_in_the_middle_ends_it(peer, given, notice) -> None:
    peer.silent = True
    channel = registry.make(given(peer.channel(), timeout_s=60))
    sending = asyncio.create_task(channel.send(notice, "key-1"))
    await asyncio.sleep(0.05)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await channel.close()
    assert not taken(peer)


async def test_no_secret_is_in_what_can_be_shown(peer, given) -> None:
    made = given(peer.channel(), "sesame-open")
    assert "sesame" not in repr(made)


def test_unknown_options_and_kinds_are_refused_with_their_field(peer) -> None:
    with pytest.raises(ApplianceError) as caught:
        registry.check(peer.channel(colour="red"), has_secret=True)
    assert caught.value.kind == "invalid" and caught.value.field == "options.colour"
