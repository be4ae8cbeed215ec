"""Connections for the browser: targets with rows in the real outbox, senders whose states are played, a hub
that was enrolled at, a tunnel whose state lies where its program would write it."""

from pathlib import Path
from typing import Any

import msgspec

from appliance.base.clock import SECOND_NS, BoxClock
from appliance.base.ids import uuid7
from appliance.store import commands, hub_link, outbox, targets
from appliance.store.hub_link import HubLink
from appliance.store.policy import KindPolicy, Policy
from appliance.store.sealing import Sealer
from appliance.store.targets import Target
from appliance.sync import faults
from appliance.sync.sender import SenderState
from appliance.system.tunnel import kept, state
from appliance.system.tunnel.config import TunnelConfig
from appliance.system.tunnel.state import STEPS, TunnelState

PEER_KEY = "YGVTpl7R2eFJXFSlTwCp3Z8NBcMgEGrdlqp4RiVqk2Y="
COMMAND_KEY = bytes(range(32))


class PlayedSenders:
    def __init__(self, clock: BoxClock) -> None:
        now_ns = clock.now_ns()
        busy, gone = str(faults.of_status(503)), str(faults.of(ConnectionRefusedError(111, "")))
        self.known: dict[str, SenderState] = {
            "cloud": SenderState(
                busy, now_ns - 3_000 * SECOND_NS, now_ns + 42 * SECOND_NS, failing_ns=now_ns - 20 * SECOND_NS,
                answered=True,
            ),
            "office": SenderState(
                gone, None, now_ns + 61 * SECOND_NS, "open", failing_ns=now_ns - 300 * SECOND_NS
            ),
            "site-broker": SenderState(None, now_ns - 4 * SECOND_NS),
        }  # fmt: skip

    def states(self) -> dict[str, SenderState]:
        return self.known


class PlayedControl:
    def __init__(self, clock: BoxClock) -> None:
        self.state = Heard(clock.now_ns() - 12 * SECOND_NS)


class Heard(msgspec.Struct, frozen=True):
    heard_ns: int | None
    error: str | None = None


def fill_targets(conn: Any, sealer: Sealer, now_ns: int) -> None:
    """One that waits, one that never worked, one that has parked rows, one that is switched off."""
    secret = sealer.seal(b"s3cret-word-of-the-cloud", "target/cloud")
    targets.put(conn, Target("cloud", "https://cloud.example/ingest"), secret)
    targets.put(
        conn,
        Target("site-broker", "mqtts://127.0.0.1:1", "mqtt", options={"topic": "site/{kind}"}),
        None,
    )
    keys = {"access_key_id": "AKIAEXAMPLE", "endpoint": "https://minio.example:9000"}
    policy = Policy(kinds={"clip": KindPolicy(lane=7)}, quota_bytes=123_456_789_012_345)
    off = Target("archive", "s3://footage/site-7", "s3", enabled=False, options=keys, policy=policy)
    targets.put(conn, off, sealer.seal(b"s3cret-word-of-the-bucket", "target/archive"))
    for n in range(40):
        kind = ("event", "event", "alert", "alert_update", "ledger")[n % 5]
        at_ns = now_ns - (50 - n) * 60 * SECOND_NS
        outbox.enqueue(conn, ["cloud"], uuid7(at_ns), kind, b"{}", at_ns)
    targets.put(conn, Target("office", "https://office.example/in"), None)
    outbox.enqueue(conn, ["office"], uuid7(now_ns), "event", b"{}", now_ns)
    body = b'{"id":"0198c0de-7a7e-7000-8000-000000000001","camera_id":"front-gate"}'
    ids = [uuid7(now_ns - n * SECOND_NS) for n in range(1234)]
    for id_ in ids:
        outbox.enqueue(conn, ["site-broker"], id_, "event", body, now_ns - 700 * SECOND_NS)
    outbox.take(conn, "site-broker", len(ids), now_ns)
    outbox.acknowledge(conn, "site-broker", ids[3:])
    outbox.park(conn, "site-broker", ids[:2], "too long: 1204411 bytes, 1000000 fit")
    outbox.park(conn, "site-broker", ids[2:3], "not authorised to publish here")


def enrol(conn: Any, sealer: Sealer, now_ns: int) -> None:
    """As ``sync.enrol`` leaves it behind."""
    targets.put(
        conn,
        Target("hub", "https://10.99.0.1:8443", "hub"),
        sealer.seal(b"s3cret-word-of-the-hub", "target/hub"),
    )
    since_ns = now_ns - 20 * 86_400 * SECOND_NS
    hub_link.put(conn, HubLink("hub", "0198c0de-7a7e-7000-8000-000000000007", COMMAND_KEY, since_ns))
    for n, (kind, order_state, message) in enumerate(
        (
            ("ping", "done", ""),
            ("fetch_clip", "done", "42 s of Front gate, 5.1 MB"),
            ("install_model", "refused", "this box's admin has not allowed 'install_model'"),
            ("patch_settings", "undone", "the hub was not heard within 5 minutes"),
        ),
        1,
    ):
        at_ns = now_ns - (5 - n) * 3_600 * SECOND_NS
        row = commands.CommandRow(
            uuid7(at_ns), "k", n, kind, "ada@hub", "{}", order_state, message, at_ns,
            at_ns + 60 * SECOND_NS, at_ns + SECOND_NS,
        )  # fmt: skip
        commands.insert(conn, row)


class PlayedTunnel:
    """Holds the turn and writes the state, as the program that runs the tunnel does."""

    def __init__(self, folder: Path, clock: BoxClock) -> None:
        self._folder, self._clock = folder, clock
        self._turn: state.Turn | None = None

    def configure(self, conn: Any, sealer: Sealer) -> None:
        config = TunnelConfig("10.99.0.7/32", PEER_KEY, "hub.example:51820", ("10.99.0.1/32",))
        kept.configure(conn, sealer, config)

    def write(self, word: Any, conn: Any, sealer: Sealer) -> None:
        now_ns = self._clock.now_ns()
        self._turn = self._turn or state.Turn.take(self._folder)
        keys = kept.ensure_keys(conn, sealer)
        found = TunnelState(
            word, now_ns - 7_300 * SECOND_NS, "", STEPS[word], now_ns - 451 * SECOND_NS, "203.0.113.7:51820",
            "kernel", "this kernel has WireGuard", keys.public, keys.phase, 1, 0,
        )  # fmt: skip
        state.write(self._folder, found)

    def stop(self) -> None:
        if self._turn is not None:
            self._turn.close()
            self._turn = None
