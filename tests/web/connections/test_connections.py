"""Deliveries, targets' kinds and actions, the tunnel, the box's identity: over HTTP."""

import importlib
import re
from typing import Any, get_args

import msgspec
import pytest

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.store import hub_link, outbox, targets
from appliance.store.hub_link import HubLink
from appliance.store.policy import KINDS as ROW_KINDS
from appliance.store.targets import Target
from appliance.sync.control.permissions import Permission
from appliance.sync.sender import SenderState
from appliance.system.tunnel import kept, state
from appliance.system.tunnel.config import TunnelConfig
from appliance.system.tunnel.state import STEPS, TunnelState
from appliance.web.connections import deliveries, target_actions, tunnel
from appliance.web.connections.deliveries import DeliveriesAnswer
from appliance.web.connections.target_fields import KINDS
from appliance.web.connections.tunnel import TunnelAnswer
from appliance.web.pages import connection_words as connections_words

HOUR_NS = 3600 * SECOND_NS
PEER_KEY = "YGVTpl7R2eFJXFSlTwCp3Z8NBcMgEGrdlqp4RiVqk2Y="
CONFIG = TunnelConfig("10.99.0.7/32", PEER_KEY, "hub.example:51820", ("10.99.0.1/32",))


class PlayedSenders:
    def __init__(self) -> None:
        self.known: dict[str, SenderState] = {}

    def states(self) -> dict[str, SenderState]:
        return self.known


@pytest.fixture
async def senders(site: Any) -> PlayedSenders:
    """One target, ``cloud``, with one row that waits."""
    site.box.senders = PlayedSenders()
    now_ns = site.clock.now_ns()

    def work(conn: Any) -> None:
        sealed = site.box.sealer.seal(b"s3cret-token", "target/cloud")
        targets.put(conn, Target("cloud", "https://cloud.example/in"), sealed)
        outbox.enqueue(conn, ["cloud"], "row-1", "event", b"{}", now_ns)

    await site.db.write(work)
    return site.box.senders  # type: ignore[no-any-return]  # just put there


async def shown(site: Any, who: str = "admin") -> dict[str, Any]:
    response = await site.ask("GET", "/deliveries", who)
    assert response.status == 200
    text = await response.text()
    assert "s3cret" not in text
    return msgspec.json.decode(text)["deliveries"][0]  # type: ignore[no-any-return]  # one row


async def test_a_delivery_says_in_one_word_how_it_stands(site: Any, senders: PlayedSenders) -> None:
    now_ns = site.clock.now_ns()
    due_ns, short_ns, long_ns = now_ns + SECOND_NS, now_ns - 60 * SECOND_NS, now_ns - 601 * SECOND_NS
    down: dict[str, Any] = {"error": "it is down", "next_attempt_ns": due_ns}
    cases = [
        (None, "starting"),
        (SenderState(), "delivering"),
        (SenderState(**down, delivered_ns=now_ns, failing_ns=short_ns), "waiting"),
        (SenderState(**down, delivered_ns=now_ns, failing_ns=short_ns, breaker="open"), "resting"),
        (SenderState(**down, delivered_ns=now_ns, failing_ns=long_ns, breaker="open"), "unreachable"),
        (SenderState(**down, failing_ns=short_ns, breaker="open"), "unreachable"),  # it never worked
        (SenderState(**down, failing_ns=short_ns), "unreachable"),
        (SenderState(**down, failing_ns=short_ns, answered=True), "failing"),
        (
            SenderState(**down, delivered_ns=now_ns, failing_ns=short_ns, answered=True, refused=True),
            "refused",
        ),
        (SenderState("mqtt needs aiomqtt"), "broken"),
        (SenderState(None, most_lane=1), "held"),
        (SenderState(None, most_lane=2), "delivering"),
    ]
    for known, word in cases:
        senders.known = {} if known is None else {"cloud": known}
        row = await shown(site)
        assert row["state"]["word"] == word, known
        since = None if known is None or known.failing_ns is None else rfc3339(known.failing_ns)
        assert row["state"]["since"] == since
    row = await shown(site)
    msgspec.convert({"deliveries": [row]}, DeliveriesAnswer)
    await site.db.write(lambda conn: outbox.take(conn, "cloud", 10, now_ns))
    await site.db.write(lambda conn: outbox.acknowledge(conn, "cloud", ["row-1"]))
    senders.known = {"cloud": SenderState(**down, failing_ns=short_ns, breaker="open")}
    assert (await shown(site))["state"]["word"] == "resting"  # it worked, before the box was started last
    senders.known = {"cloud": SenderState(None, now_ns)}
    row = await shown(site)
    assert row["state"] == {
        **row["state"], "word": "delivered", "error": None, "delivered_at": rfc3339(now_ns),
    }  # fmt: skip
    await site.db.write(lambda conn: targets.put(conn, Target("cloud", "https://h/x", enabled=False), None))
    assert (await shown(site))["state"]["word"] == "off"


async def test_figures_are_those_of_the_law_by_kind_and_in_all(site: Any, senders: PlayedSenders) -> None:
    now_ns = site.clock.now_ns()

    def work(conn: Any) -> None:
        for n, kind in enumerate(("event", "alert", "alert", "ledger"), 2):
            outbox.enqueue(conn, ["cloud"], f"row-{n}", kind, b"{}", now_ns)
        outbox.take(conn, "cloud", 3, now_ns)
        outbox.park(conn, "cloud", ["row-3"], "too long")

    await site.db.write(work)
    row = await shown(site)
    for figures in (row, *row["kinds"]):
        parts = ("acknowledged", "tombstoned", "waiting", "in_flight", "parked")
        assert figures["owed"] == sum(figures[part] for part in parts)
    assert {one["kind"]: one["owed"] for one in row["kinds"]} == {"event": 2, "alert": 2, "ledger": 1}
    assert (row["owed"], row["in_flight"], row["parked"], row["waiting"]) == (5, 2, 1, 2)
    assert row["parked_reasons"] == [{"reason": "too long", "count": 1}]


async def test_whoever_may_not_know_where_it_goes_does_not_learn_it_here(
    site: Any, senders: PlayedSenders
) -> None:
    senders.known = {"cloud": SenderState("cannot connect to cloud.example", None, site.clock.now_ns())}
    await site.db.write(lambda conn: outbox.take(conn, "cloud", 1, 0))
    await site.db.write(lambda conn: outbox.park(conn, "cloud", ["row-1"], "cloud.example says no"))
    assert "cloud.example" in str(await shown(site, "admin"))
    row = await shown(site, "installer")
    assert "cloud.example" not in str(row)
    assert (row["state"]["word"], row["parked"]) == ("unreachable", 1)
    for who in ("viewer", "operator"):
        assert (await site.ask("GET", "/deliveries", who)).status == 403


@pytest.mark.parametrize(
    ("kind", "waited_ns", "late"),
    [("event", 2 * HOUR_NS, True), ("alert", HOUR_NS // 2, False), ("ledger", 2 * HOUR_NS, False),
     ("ledger", 25 * HOUR_NS, True)],
)  # fmt: skip
async def test_late_is_what_a_poor_link_does_not_explain(
    site: Any, senders: PlayedSenders, kind: str, waited_ns: int, late: bool
) -> None:
    made_ns = site.clock.now_ns() - waited_ns
    await site.db.write(lambda conn: targets.put(conn, Target("other", "https://h/x"), None))
    await site.db.write(lambda conn: outbox.enqueue(conn, ["other"], "row-9", kind, b"{}", made_ns))
    now_ns = site.clock.now_ns()
    told = await site.db.read(lambda conn: deliveries.late(conn, now_ns))
    assert told == (("other",) if late else ())
    rows = (await (await site.ask("GET", "/deliveries")).json())["deliveries"]
    assert [row["is_late"] for row in rows] == [False, late]


async def test_what_is_parked_waits_again_and_the_box_is_told(site: Any, senders: PlayedSenders) -> None:
    await site.db.write(lambda conn: outbox.take(conn, "cloud", 1, 0))
    await site.db.write(lambda conn: outbox.park(conn, "cloud", ["row-1"], "no"))
    answer = await site.ask("POST", "/targets/cloud/unpark")
    assert (answer.status, await answer.json()) == (200, {"unparked": 1})
    assert site.changed == ["targets"]
    row = await shown(site)
    assert (row["parked"], row["waiting"]) == (0, 1)
    assert (await site.ask("POST", "/targets/nobody/unpark")).status == 404
    assert (await site.ask("POST", "/targets/cloud/unpark", "installer")).status == 403


async def test_a_target_is_tried_as_it_was_filled_in_and_nothing_is_stored(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_actions, "PATIENCE_S", 2.0)
    body = {"kind": "redis", "url": "redis://127.0.0.1:1", "token": "s3cret-word"}
    answer = await site.ask("POST", "/targets/cache/try", json=body)
    said = await answer.json()
    assert (
        answer.status == 200
        and said["probe"]["ok"] is False
        and "refuses the connection" in said["probe"]["detail"]
    )
    assert said["probe"]["hint"].startswith("check the address and the port")
    assert "s3cret-word" not in await answer.text()
    assert await site.db.read(targets.list_targets) == []
    wrong = await site.ask("POST", "/targets/cache/try", json=body | {"options": {"stream": ""}})
    assert (wrong.status, (await wrong.json())["error"]["field"]) == (400, "options.stream")


async def test_a_stored_secret_is_not_tried_at_another_server(site: Any, senders: PlayedSenders) -> None:
    answer = await site.ask("POST", "/targets/cloud/try", json={"url": "https://stranger.example/in"})
    assert (answer.status, (await answer.json())["error"]["field"]) == (400, "token")


async def test_a_stored_target_is_probed_with_its_secret(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []
    known = target_actions.registry.make

    def make(given: Any) -> Any:
        seen.append(given.secret)
        return known(given)

    monkeypatch.setattr(target_actions.registry, "make", make)
    sealed = site.box.sealer.seal(b"s3cret-token", "target/local")
    there = Target("local", "http://127.0.0.1:1/in")
    await site.db.write(lambda conn: targets.put(conn, there, sealed))
    said = await (await site.ask("POST", "/targets/local/probe")).json()
    assert said["probe"]["ok"] is False and seen == ["s3cret-token"]
    assert (await site.ask("POST", "/targets/nobody/probe")).status == 404


async def test_a_target_of_any_kind_is_put_with_its_options_and_policy(site: Any) -> None:
    policy = {"kinds": {"event": {"least_severity": "warning"}}, "budget": {"day_bytes": 5_000_000}}
    body = {
        "kind": "mqtt", "url": "mqtts://broker.example", "options": {"topic": "a/{kind}"}, "policy": policy,
    }  # fmt: skip
    answer = await site.ask("PUT", "/targets/broker", json=body)
    assert answer.status == 200, await answer.text()
    target = (await (await site.ask("GET", "/targets/broker")).json())["target"]
    assert (target["kind"], target["options"]) == ("mqtt", {"topic": "a/{kind}"})
    assert target["policy"]["budget"]["day_bytes"] == 5_000_000
    for wrong, field in (
        ({"options": {"topic": "a/#"}}, "options.topic"),
        ({"url": "mqtt://broker.example"}, "url"),
        ({"policy": {"budget": {"day_bytes": 1, "hour_bytes": 2}}}, "policy.budget.hour_bytes"),
        ({"policy": {"kinds": {"gossip": {}}}}, "policy.kinds"),
    ):
        refused = await site.ask("PUT", "/targets/broker", json=body | wrong)
        assert (refused.status, (await refused.json())["error"]["field"]) == (400, field), wrong


@pytest.mark.parametrize("kind", [k for k in KINDS if k.fields], ids=lambda kind: kind.kind)
def test_the_fields_of_a_kind_are_its_options(kind: Any) -> None:
    room = importlib.import_module(f"appliance.sync.targets.{kind.kind}")
    if kind.kind == "s3":
        room = importlib.import_module("appliance.sync.targets.s3.bucket")
    names = re.compile(rf"{kind.kind}options", re.IGNORECASE)
    options = next((found for name, found in vars(room).items() if names.fullmatch(name)), None)
    known = {} if options is None else {one.name: one for one in msgspec.structs.fields(options)}
    fields = {one.name.removeprefix("options."): one for one in kind.fields if "." in one.name}
    assert set(fields) == set(known)
    for name, one in fields.items():
        assert one.is_required == known[name].required
        if one.kind == "choice":
            assert {choice.value for choice in one.choices} == {str(v) for v in get_args(known[name].type)}
            assert one.choices[0].value == str(known[name].default)  # first: what holds where none is chosen
        elif not one.is_required and known[name].default != "" and one.example:
            assert one.example == str(known[name].default)


def test_every_order_and_every_kind_of_row_has_its_words() -> None:
    assert {kind for kind, _, _ in connections_words.ORDERS} == set(get_args(Permission))
    said = {kind for sent in connections_words.SENT for kind in sent.kinds}
    assert said == ROW_KINDS - {"command_result"}  # an answer to the hub is always sent


async def test_the_tunnel_says_what_to_do_next(site: Any) -> None:
    async def view() -> Any:
        response = await site.ask("GET", "/tunnel", "installer")
        return msgspec.json.decode(await response.read(), type=TunnelAnswer).tunnel

    off = await view()
    assert (off.state, off.is_configured, off.hint) == ("off", False, tunnel.NOT_ENROLLED)
    refused = await site.ask("POST", "/tunnel/up")
    assert refused.status == 409
    await site.db.write(lambda conn: hub_link.put(conn, HubLink("hub", "box-1", bytes(32), 0)))
    assert (await view()).hint == tunnel.NONE_OFFERED
    await site.db.write(lambda conn: kept.configure(conn, site.box.sealer, CONFIG))
    waiting = await view()
    assert (waiting.wanted, waiting.is_running, waiting.hint) == (True, False, tunnel.NOBODY)
    turn = state.Turn.take(site.box.data_path)
    try:
        now_ns = site.clock.now_ns()
        found = TunnelState(
            "probe fails", now_ns, "", STEPS["probe fails"], now_ns - 40 * SECOND_NS, "203.0.113.7:51820",
            public_key="k",
        )  # fmt: skip
        state.write(site.box.data_path, found)
        sick = await view()
    finally:
        turn.close()
    assert (sick.state, sick.hint, sick.handshake_age_s) == ("probe fails", STEPS["probe fails"], 40.0)
    assert (sick.address, sick.endpoint) == ("10.99.0.7/32", "203.0.113.7:51820")
    for who in ("viewer", "operator"):
        assert (await site.ask("GET", "/tunnel", who)).status == 403


async def test_the_tunnel_is_switched_and_its_keys_rotated_by_an_admin(site: Any) -> None:
    await site.db.write(lambda conn: kept.configure(conn, site.box.sealer, CONFIG))
    assert (await site.ask("POST", "/tunnel/down", "installer")).status == 403
    down = (await (await site.ask("POST", "/tunnel/down")).json())["tunnel"]
    assert down["wanted"] is False and (await site.db.read(kept.wanted)).on is False
    up = (await (await site.ask("POST", "/tunnel/up")).json())["tunnel"]
    assert up["wanted"] is True
    before = await site.db.read(lambda conn: kept.keys(conn, site.box.sealer))
    new = (await (await site.ask("POST", "/tunnel/rotate", json={})).json())["tunnel"]
    after = await site.db.read(lambda conn: kept.keys(conn, site.box.sealer))
    assert (before.phase, after.phase, after.current) == ("steady", "announced", before.current)
    assert (new["rotation"], new["next_key"]) == ("announced", after.next_public)
    other = await site.ask("POST", "/tunnel/rotate", json={"acknowledged": PEER_KEY})
    assert other.status in (400, 409)
    used = await site.ask("POST", "/tunnel/rotate", json={"acknowledged": new["next_key"]})
    now = await site.db.read(lambda conn: kept.keys(conn, site.box.sealer))
    assert used.status == 200 and (now.phase, now.public) == ("trying", new["next_key"])
    assert now.current not in await used.text()
    entries = (await (await site.ask("GET", "/audit")).json())["audit"]
    assert [row["thing"] for row in entries if row["thing"].startswith("tunnel")] == [
        "tunnel/keys", "tunnel/keys", "tunnel", "tunnel",
    ]  # fmt: skip


async def test_the_box_shows_its_public_keys_and_no_other(site: Any) -> None:
    shown = (await (await site.ask("GET", "/identity", "installer")).json())["identity"]
    again = (await (await site.ask("GET", "/identity", "installer")).json())["identity"]
    assert shown == again and re.fullmatch(r"[0-9a-f]{64}", shown["fingerprint"])
    keys = await site.db.read(lambda conn: kept.keys(conn, site.box.sealer))
    assert shown["tunnel_key"] == keys.public and keys.current not in str(shown)
    hub = (await (await site.ask("GET", "/hub")).json())["hub"]
    assert hub["identity"] == shown["fingerprint"]
    picture = await site.ask("GET", "/identity.svg", "installer")
    assert picture.content_type == "image/svg+xml" and "<svg" in await picture.text()
    assert (await site.ask("GET", "/identity", "operator")).status == 403
