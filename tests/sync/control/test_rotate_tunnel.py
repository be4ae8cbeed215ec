"""The box's end of a rotation: it announces, is told to use what it announced, and obeys nothing else."""

import json

import pytest

from appliance.sync.control.control import Control
from appliance.sync.control.rotate_tunnel import RotateTunnel
from appliance.system.tunnel import kept


@pytest.fixture
def rotating(bench):
    """The bench's box, with keys of a tunnel."""

    async def changed(noun: str) -> None:
        bench.changed.append(noun)

    bench.allow("rotate_tunnel")
    bench.db.write_now(lambda conn: kept.ensure_keys(conn, bench.sealer))
    bench.control = Control(
        bench.db, bench.sealer, bench.clock, {"rotate_tunnel": RotateTunnel(bench.sealer)},
        changed=changed, ring=bench.rung.append, wait_s=0,
    )  # fmt: skip
    return bench


def keys(bench):
    return bench.db.read_now(lambda conn: kept.keys(conn, bench.sealer))


async def test_it_announces_a_key_and_uses_it_once_the_hub_takes_it(rotating, hub):
    old = keys(rotating).public
    await rotating.take(hub.signed("rotate_tunnel"))
    (first,) = rotating.results()
    new = first["result"]["tunnel_key"]
    assert first["state"] == "done" and new == keys(rotating).next_public != old
    assert keys(rotating).public == old  # nothing changes over before the hub knows the key

    await rotating.take(hub.signed("rotate_tunnel", {"use": old[::-1]}))
    await rotating.take(hub.signed("rotate_tunnel", {"use": new}))
    _, foreign, used = rotating.results()
    assert foreign["state"] in ("failed", "refused") and used["state"] == "done"
    assert keys(rotating).public == new and "tunnel" in rotating.changed
    for secret in (keys(rotating).current, keys(rotating).previous):
        assert secret not in json.dumps([rotating.results(), rotating.audit("commanded")])


async def test_a_box_whose_admin_does_not_allow_it_says_no(rotating, hub):
    rotating.allow("ping")
    await rotating.take(hub.signed("rotate_tunnel"))
    assert rotating.states() == ["refused"] and not keys(rotating).next
