"""New tunnel keys: announced, taken, changed over to; and the old one goes last."""

import base64

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from appliance.hub.control import ordering
from appliance.hub.settings import TunnelSettings
from appliance.hub.store import boxes, commands
from appliance.hub.tunnel import read_handshakes, render_peers, settled


def new_key() -> str:
    return base64.b64encode(X25519PrivateKey.generate().public_key().public_bytes_raw()).decode()


@pytest.fixture
async def box(served):
    """Enrolled with a tunnel; asked for new keys."""
    tunnel = TunnelSettings("10.90.0.0/24", "10.90.0.1", new_key(), "hub.example:51820")
    served.hub.settings = msgspec.structs.replace(served.hub.settings, tunnel=tunnel)
    made = await served.box("box-1")
    await served.hub.store.write(lambda: boxes.set_tunnel("box-1", 2, "127.0.0.1", None))
    made.anna = await served.person("anna")
    assert (await made.anna.ask("POST", "/boxes/box-1/commands", {"kind": "rotate_tunnel"}))[0] == 201
    return made


async def orders(box):
    _, said = await box.ask("GET", "/commands?wait=0&after=0")
    return [msgspec.json.decode(each["payload"]) for each in said["commands"]]


async def answer(box, command_id, result, state="done", row_id=None):
    body = {"command_id": command_id, "state": state, "message": "", "result": result}
    status, _ = await box.batch(box.row(row_id or f"r-{command_id}", "command_result", body))
    assert status == 200


async def peers(served, handshakes=None):
    """(key, has the address), in order."""
    found = await served.hub.store.read(boxes.peers)
    parts = render_peers(found, served.hub.sealer, handshakes).split("[Peer]")[1:]
    keys = [part.split("PublicKey = ")[1].split("\n")[0] for part in parts]
    return list(zip(keys, ["AllowedIPs" in part for part in parts], strict=True))


async def test_from_the_first_order_to_the_last_handshake(served, box):
    old, new = box.tunnel_key, new_key()
    (first,) = await orders(box)
    assert await peers(served) == [(old, True)]
    await answer(box, first["id"], {"tunnel_key": new})
    (second,) = await orders(box)
    assert second["kind"] == "rotate_tunnel" and second["body"] == {"use": new}
    assert second["by"] == "anna" and second["seq"] > first["seq"]
    assert await peers(served) == [(old, True), (new, False)]  # it may shake hands already

    await answer(box, second["id"], {})
    assert await peers(served) == [(old, False), (new, True)]
    # what wg saw decides, where it is told: the box fell back, then came over after all
    assert await peers(served, {old: 1_000, new: 0}) == [(old, True), (new, False)]
    assert await peers(served, {old: 1_000, new: 1_010}) == [(old, False), (new, True)]
    found = await served.hub.store.read(boxes.peers)
    assert list(settled(found, {old: 1_000})) == []
    for box_id, key in settled(found, read_handshakes(f"{old}\t1000\n{new}\t1010\n")):
        await served.hub.store.write(lambda i=box_id, k=key: boxes.settle_next(i, k))
    assert await peers(served) == [(new, True)]
    assert await orders(box) == []


async def test_an_answer_that_comes_twice_orders_once(served, box):
    (first,) = await orders(box)
    new = new_key()
    for row_id in ("a", "a", "b"):
        await answer(box, first["id"], {"tunnel_key": new}, row_id=row_id)
    assert len(await orders(box)) == 1


@pytest.mark.parametrize(
    "how", ["no key", "another's", "its own", "of no order", "failed", "another's order"]
)
async def test_what_is_no_new_key_of_this_box_changes_nothing(served, box, how):
    other = await served.box("box-2")
    await served.hub.store.write(lambda: boxes.set_tunnel("box-2", 3, "127.0.0.1", None))
    (first,) = await orders(box)
    key = {"no key": "x", "another's": other.tunnel_key, "its own": box.tunnel_key}.get(how, new_key())
    speaker = other if how == "another's order" else box
    command_id = "nothing" if how == "of no order" else first["id"]
    await answer(speaker, command_id, {"tunnel_key": key}, "failed" if how == "failed" else "done")
    assert all(order["body"] == {} for order in await orders(box))
    assert await peers(served) == [(box.tunnel_key, True), (other.tunnel_key, True)]
    assert await served.hub.store.read(lambda: commands.waiting("box-2", 0)) == []


async def test_a_full_queue_does_not_keep_rows_from_being_taken(served, box, monkeypatch):
    (first,) = await orders(box)
    monkeypatch.setattr(ordering, "LONGEST_QUEUE", 0)
    await answer(box, first["id"], {"tunnel_key": new_key()})
    assert await orders(box) == []
    monkeypatch.undo()
    assert (await box.anna.ask("POST", "/boxes/box-1/commands", {"kind": "rotate_tunnel"}))[0] == 201
    (again,) = await orders(box)
    found = await served.hub.store.read(boxes.peers)
    await answer(box, again["id"], {"tunnel_key": found[0]["tunnel_key_next"]})  # the box says the same
    assert [order["body"] for order in await orders(box)] == [{"use": found[0]["tunnel_key_next"]}]
