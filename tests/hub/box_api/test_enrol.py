"""How a box comes to a hub: the code, the proof, the key it came with first; and the tunnel it is offered."""

import asyncio
import base64
import os

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.hub.box_api.enrol import fingerprint
from appliance.hub.settings import HubSettings, TunnelSettings
from appliance.hub.store import audit, boxes
from appliance.hub.tunnel import render_peers

KEY = base64.b64encode(bytes(range(32))).decode()
TUNNEL = TunnelSettings("10.90.0.0/29", "10.90.0.1", KEY, "hub.example:51820")
EMBEDDED = pytest.mark.parametrize("places", ["embedded"], indirect=True)


async def test_a_code_and_a_proof_make_a_token(served):
    box = await served.box("box-a")
    assert (await box.beat())[0] == 200
    status, said = await type(box)(served.client, served.clock, "box-b", await served.code()).enrol()
    assert (status, said["box_id"], said["tunnel"]) == (200, "box-b", None)
    assert said["command_key"] == served.hub.command_key.public
    assert len(base64.b64decode(said["command_key"])) == 32


async def test_a_code_counts_once_even_for_two_at_once(start):
    first, second = await start(), await start()
    code = await first.code()
    box = await first.box("box-x")
    rivals = [type(box)((first, second)[n % 2].client, first.clock, f"box-{n}", code) for n in range(4)]
    answers = await asyncio.gather(*(rival.enrol() for rival in rivals))
    assert sorted(status for status, _ in answers) == [200, 403, 403, 403]


async def test_wrong_old_and_revoked_codes_are_denied_and_written_down(served):
    box = await served.box("box-a")
    for code in ("", "nonsense", await served.code(hours=1 / 3600)):
        served.clock.tick(2)
        stranger = type(box)(served.client, served.clock, "box-s", code)
        status, said = await stranger.enrol()
        assert (status, said["error"]["field"]) == (403, "code")
    rows, _ = await served.hub.store.read(lambda: audit.page(10, None))
    assert [row.action for row in rows] == ["refused"] * 3 + ["enrolled"]


async def test_after_five_failures_an_address_has_to_wait(served):
    stranger = type(await served.box("box-a"))(served.client, served.clock, "box-s", "wrong")
    assert [(await stranger.enrol())[0] for _ in range(6)] == [403] * 5 + [429]


async def test_the_proof_must_be_of_the_identity_key_and_of_these_words(served):
    code = await served.code()
    box = type(await served.box("box-a"))(served.client, served.clock, "box-b", code)
    asked = box.enrolment()
    foreign = base64.b64encode(Ed25519PrivateKey.generate().sign(asked.signed_text())).decode()
    for proof in (foreign, "", "!!", base64.b64encode(bytes(64)).decode()):
        wrong = msgspec.structs.replace(asked, proof=proof)
        assert (await box.ask("POST", "/enrol", msgspec.json.encode(wrong)))[0] == 403
    moved = msgspec.structs.replace(asked, device_id="box-c")
    assert (await box.ask("POST", "/enrol", msgspec.json.encode(moved)))[0] == 403
    assert (await box.enrol())[0] == 200  # the code was not used up by any of it


async def test_a_known_box_comes_again_only_with_the_key_it_came_with_first(served):
    box = await served.box("box-a")
    await box.batch(box.row("e1"))
    thief = type(box)(served.client, served.clock, "box-a", await served.code())
    status, said = await thief.enrol()
    assert (status, said["error"]["field"]) == (403, "identity_key")
    rows, _ = await served.hub.store.read(lambda: audit.page(1, None))
    assert (rows[0].action, rows[0].thing) == ("refused", "box/box-a")
    assert (await box.beat())[0] == 200  # its token counts as before
    old, box.code = box.token, thief.code
    assert (await box.enrol())[0] == 200
    assert box.token != old and (await box.beat())[1]["rows"] == 1
    box.token = old
    assert (await box.beat())[0] == 401


async def test_a_code_may_be_for_one_identity_key_alone(served):
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    code = await served.code(fingerprint=fingerprint(public))
    box = type(await served.box("box-a"))(served.client, served.clock, "box-b", code)
    assert (await box.enrol())[0] == 403
    box.key = key
    assert (await box.enrol())[0] == 200


async def test_an_answer_that_was_lost_may_be_asked_for_again_until_the_token_was_used(served):
    box = type(await served.box("box-a"))(served.client, served.clock, "box-b", await served.code())
    await box.enrol()
    first = box.token
    box.token = ""
    assert (await box.enrol())[0] == 200
    assert box.token != first
    await box.beat()
    box.token = ""
    assert (await box.enrol())[0] == 403


@EMBEDDED
@pytest.mark.parametrize(
    "changes",
    [{"device_id": "../x"}, {"device_id": ""}, {"device_id": "a.b"}, {"name": ""}, {"name": "a\x1bb"},
     {"version": "x" * 101}, {"tunnel_key": "short"}, {"identity_key": KEY[:-4]}, {"code": "x" * 101}],
)  # fmt: skip
async def test_an_enrolment_that_makes_no_sense_is_refused(served, changes):
    box = type(await served.box("box-a"))(served.client, served.clock, "box-b", await served.code())
    assert (await box.enrol(**changes))[0] in (400, 403)
    assert (await box.enrol())[0] == 200


async def test_each_box_is_offered_an_address_of_its_own_and_keeps_it(served):
    served.hub.settings = HubSettings(url="https://10.90.0.1:8444", tunnel=TUNNEL)
    box = type(await served.box("box-0"))(served.client, served.clock, "box-1", await served.code())
    offers = {}
    for name in ("box-1", "box-2", "box-3", "box-4", "box-1"):
        if name not in offers:
            key = Ed25519PrivateKey.generate()
            offers[name] = (key, None)
        it = type(box)(served.client, served.clock, name, await served.code(), offers[name][0])
        status, said = await it.enrol()
        assert status == 200, said
        if offers[name][1] is not None:
            assert said["tunnel"]["address"] == offers[name][1]["address"]
        offers[name] = (it.key, said["tunnel"])
    addresses = {offer["address"] for _, offer in offers.values()}
    assert addresses == {f"10.90.0.{n}/29" for n in (3, 4, 5, 6)}  # box-0 has the first
    assert offers["box-1"][1]["allowed_ips"] == ["10.90.0.1/32"]
    assert said["url"] == "https://10.90.0.1:8444"
    full = type(box)(served.client, served.clock, "box-9", await served.code())
    assert (await full.enrol())[1]["error"]["kind"] == "exhausted"
    peers = await served.hub.store.read(boxes.peers)
    text = render_peers(peers, served.hub.sealer)
    assert text.count("[Peer]") == 5
    assert f"PresharedKey = {offers['box-1'][1]['preshared_key']}\nAllowedIPs = 10.90.0.3/32" in text


@EMBEDDED
async def test_a_token_counts_through_the_tunnel_only(served):
    served.hub.settings = HubSettings(tunnel=TUNNEL, proxies=("127.0.0.0/8",))
    box = type(await _plain(served))(served.client, served.clock, "box-t", await served.code())
    await box.enrol()
    assert (await box.beat())[0] == 403
    box.headers = {"X-Forwarded-For": "10.90.0.2"}
    assert (await box.beat())[0] == 200
    box.headers = {"X-Forwarded-For": "10.90.0.2, 203.0.113.9"}  # the first was written by the sender
    assert (await box.beat())[0] == 403
    served.hub.settings = HubSettings(tunnel=TUNNEL)  # nobody's word counts any more
    box.headers = {"X-Forwarded-For": "10.90.0.2"}
    assert (await box.beat())[0] == 403


async def test_two_instances_share_the_command_key(start):
    first, second = await start(), await start()
    assert first.hub.command_key.public == second.hub.command_key.public


async def _plain(served):
    settings, served.hub.settings = served.hub.settings, HubSettings()
    box = await served.box(f"box-{os.getpid()}")
    served.hub.settings = settings
    return box


async def test_two_at_once_under_one_device_id_are_one(start):
    """Each with a code and a key of its own, at two instances: one of them is the box."""
    first, second = await start(), await start()
    played = type(await first.box("box-x"))
    for number in range(8):
        rivals = [
            played(at.client, at.clock, f"box-{number}", await first.code()) for at in (first, second, first)
        ]
        answers = await asyncio.gather(*(rival.enrol() for rival in rivals))
        assert sorted(status for status, _ in answers) == [200, 403, 403]
        first.clock.tick(61)
        heard = [rival for rival in rivals if rival.token]
        known = await first.hub.store.read(lambda n=number: boxes.identity(f"box-{n}"))
        assert [rival.enrolment().identity_key for rival in heard] == [known.identity_key]


async def test_the_table_itself_keeps_the_first_identity_key(served):
    def enrol(key: str, token: bytes):
        return boxes.enrol("b", "B", None, "1", token, key, "", 5)

    assert await served.hub.store.write(lambda: enrol("key", b"1"))
    assert not await served.hub.store.write(lambda: enrol("another", b"2"))
    known = await served.hub.store.read(lambda: boxes.identity("b"))
    assert (known.identity_key, bytes(known.token_hash)) == ("key", b"1")


@EMBEDDED
async def test_without_a_code_nobody_learns_which_boxes_are_known(served):
    played = type(await served.box("box-a"))
    used = await served.code()
    assert (await played(served.client, served.clock, "box-u", used).enrol())[0] == 200
    for code in ("wrong", used):
        said = [
            await played(served.client, served.clock, id_, code).enrol() for id_ in ("box-a", "box-u", "new")
        ]
        assert said[0] == said[1] == said[2]
        served.clock.tick(61)


PRIME = 2**255 - 19
BAD_KEYS = {
    "zero": bytes(32),
    "one": (1).to_bytes(32, "little"),
    "of low order": bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    "the prime": PRIME.to_bytes(32, "little"),
    "the greatest": b"\xff" * 32,
    "one, written otherwise": (PRIME + 1).to_bytes(32, "little"),
}


@EMBEDDED
@pytest.mark.parametrize("name", BAD_KEYS)
async def test_a_tunnel_key_without_a_secret_is_refused(served, name):
    box = type(await served.box("box-a"))(served.client, served.clock, "box-b", await served.code())
    status, said = await box.enrol(tunnel_key=base64.b64encode(BAD_KEYS[name]).decode())
    assert (status, said["error"]["field"]) == (400, "tunnel_key")
    assert (await box.enrol())[0] == 200


@EMBEDDED
async def test_a_key_has_one_form_and_is_not_the_hubs(served):
    own = type(await served.box("box-a"))(served.client, served.clock, "b", "").tunnel_key
    tunnel = msgspec.structs.replace(TUNNEL, public_key=own)
    served.hub.settings = HubSettings(tunnel=tunnel)
    box = type(await served.box("box-b"))(served.client, served.clock, "box-c", await served.code())
    assert box.tunnel_key[-2] in "AEIMQUYcgkosw048"
    otherwise = box.tunnel_key[:-2] + chr(ord(box.tunnel_key[-2]) + 1) + "="
    for key in (own, otherwise, box.tunnel_key + "\n", box.tunnel_key[:-1]):
        status, said = await box.enrol(tunnel_key=key)
        assert (status, said["error"]["field"]) == (400, "tunnel_key")


async def test_two_boxes_never_have_one_tunnel_key(served):
    served.hub.settings = HubSettings(tunnel=TUNNEL)
    box = await served.box("box-a")
    other = type(box)(served.client, served.clock, "box-b", await served.code())
    status, said = await other.enrol(tunnel_key=box.tunnel_key)
    assert (status, said["error"]["kind"], said["error"]["field"]) == (409, "conflict", "tunnel_key")
    rows, _ = await served.hub.store.read(lambda: audit.page(1, None))
    assert rows[0].action == "refused" and b"another box's tunnel key" in bytes(rows[0].detail)
    assert (await other.enrol())[0] == 200  # the code was not used up
    box.code = await served.code()
    assert (await box.enrol())[0] == 200  # its own it keeps


async def test_who_enrols_again_without_a_tunnel_has_none(served):
    served.hub.settings = HubSettings(tunnel=TUNNEL)
    box = await served.box("box-a")
    assert (await box.beat())[0] == 403  # through the tunnel only
    was = await served.hub.store.read(lambda: boxes.identity("box-a"))
    key, box.code, box.tunnel_key = box.tunnel_key, await served.code(), ""
    assert (await box.enrol())[1]["tunnel"] is None
    assert (await box.beat())[0] == 200
    assert await served.hub.store.read(boxes.peers) == []
    box.code, box.tunnel_key = await served.code(), key
    _, said = await box.enrol()
    assert said["tunnel"]["address"].split("/")[0] == was.tunnel_address
