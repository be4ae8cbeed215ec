"""From a camera's own event to an event, an alert and a relay, with real devices of the simulator."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from appliance.alerts.bell import JournalBell
from appliance.alerts.intake import Intake
from appliance.alerts.stills import Stills
from appliance.base.clock import BoxClock
from appliance.base.errors import not_found
from appliance.base.model import Camera, Credentials, Rule
from appliance.daemon.devices.behind_cameras import BehindCameras
from appliance.rules.engine import Engine
from appliance.store import alerts, cameras, events, rules
from appliance.store.database import Database

DEADLINE_S = 10.0


class Yard:
    """One box without pictures, and the fleet's cameras in it."""

    def __init__(self, folder: Path, fleet: Any) -> None:
        self.db = Database.open(folder / "appliance.db", "appliance", synchronous="FULL")
        self.fleet, self.clock = fleet, BoxClock()
        self.engine = Engine([], [])
        stills = Stills(folder / "stills", self._no_still)
        self.intake = Intake(
            self.db, self.clock, self.engine, stills, JournalBell(), device_id="box", records=lambda _: False
        )
        credentials = Credentials(fleet.user, fleet.password)
        self.behind = BehindCameras(
            self.db, self.clock, "box", self.intake,
            statuses=dict, credentials=lambda _: credentials, moved=self._moved, ring=lambda _: None,
        )  # fmt: skip
        self.intake.on_alarm = self.behind.relays.fire
        for camera in fleet.cameras:
            row = Camera(camera.name, camera.name, camera.main)
            self.db.write_now(lambda conn, row=row: cameras.insert(conn, row, None))

    async def _no_still(self, *words: Any) -> bytes:
        raise not_found("picture", "gate")

    async def _moved(self) -> None:
        return None

    async def rule(self, *made: Rule) -> None:
        for one in made:
            await self.db.write(lambda conn, one=one: rules.insert(conn, one))
        self.intake.replace(made, [])
        await self.behind.apply()

    def events(self) -> list[Any]:
        return self.db.read_now(lambda conn: events.page(conn, events.EventFilter(), 10))[0]

    def alerts(self) -> list[Any]:
        return self.db.read_now(lambda conn: alerts.page(conn, alerts.AlertFilter(), 10))[0]

    def switched(self, camera: str) -> list[list[Any]]:
        """[relay, is active] of all that its relays were told."""
        return list(self.fleet.order(camera, "status")["switched"])

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not is_so():
                await asyncio.sleep(0.05)


@pytest.fixture
async def yard(tmp_path: Path, six_cameras: Any) -> AsyncIterator[Yard]:
    made = Yard(tmp_path, six_cameras)
    running = asyncio.create_task(made.intake.run())
    yield made
    await made.behind.own_events.close()
    await made.behind.relays.close()
    await made.behind.devices.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await made.intake.close()
    made.db.close()


def own(kind: Any, source: str, **fields: Any) -> Rule:
    base = {"id": f"{kind}-{source}", "name": kind, "kind": kind, "camera_ids": ("cam01",), "cooldown_s": 0}
    return Rule(**(base | {"params": {"source": source}} | fields))


async def test_a_tampered_camera_alerts_and_closes_the_relay_of_another(yard: Yard) -> None:
    relay = {"kind": "relay", "camera_id": "cam02", "relay": "RelayOutput_2", "seconds": 1}
    await yard.rule(own("tamper", "camera", actions=(relay,)), own("motion", "input", severity="info"))
    assert yard.behind.own_events.heard == {"cam01"}
    order, before = yard.fleet.order, len(yard.switched("cam02"))
    await yard.until(lambda: order("cam01", "status")["subscriptions"] == 1)
    order("cam01", "tamper", "on")
    await yard.until(lambda: len(yard.switched("cam02")) >= before + 2)
    assert yard.switched("cam02")[before:] == [[1, True], [1, False]]
    (event,) = yard.events()
    assert (event.type, event.camera_id, event.end_ns, event.track_id) == ("tamper", "cam01", None, None)
    assert [alert.event_id for alert in yard.alerts()] == [event.id]
    order("cam01", "tamper", "off")
    await yard.until(lambda: yard.events()[0].end_ns is not None)
    order("cam01", "input", "on")
    await yard.until(lambda: len(yard.events()) == 2)
    assert len(yard.alerts()) == 1  # for information only
    order("cam01", "input", "off")


async def test_listening_ends_with_the_rule_and_what_was_open_is_over(yard: Yard) -> None:
    await yard.rule(own("motion", "camera"))
    await yard.until(lambda: yard.fleet.order("cam01", "status")["subscriptions"] == 1)
    yard.fleet.order("cam01", "motion", "on")
    await yard.until(lambda: len(yard.events()) == 1)
    await yard.db.write(lambda conn: rules.delete(conn, "motion-camera"))
    await yard.behind.apply()
    await yard.until(lambda: yard.events()[0].end_ns is not None)
    assert yard.behind.own_events.heard == set()
    assert yard.fleet.order("cam01", "status")["subscriptions"] == 0
    yard.fleet.order("cam01", "motion", "off")


async def test_a_box_that_died_in_a_pulse_opens_the_relay_when_it_starts(yard: Yard) -> None:
    await yard.behind.devices.set_relay("cam01", "RelayOutput_1", True)
    action = {"kind": "relay", "camera_id": "cam01", "relay": "RelayOutput_1", "seconds": 1}
    rule = own("tamper", "camera", actions=(action,))
    await yard.rule(rule)
    before = len(yard.switched("cam01"))
    async with AsyncExitStack() as stack:
        await yard.behind.start(stack)
        yard.behind.relays.fire(rule)  # an alert at once: the pulse comes after
        await yard.until(lambda: len(yard.switched("cam01")) >= before + 3)
    assert yard.switched("cam01")[before:] == [[0, False], [0, True], [0, False]]


async def test_a_stop_leaves_no_relay_closed(yard: Yard) -> None:
    action = {"kind": "relay", "camera_id": "cam01", "relay": "RelayOutput_1", "seconds": 600}
    yard.behind.relays.fire(own("tamper", "camera", actions=(action,)))
    await yard.until(lambda: yard.fleet.order("cam01", "status")["relays"] == [True])
    await yard.behind.relays.close()
    assert yard.fleet.order("cam01", "status")["relays"] == [False]
    yard.behind.relays.fire(own("tamper", "camera", actions=(action,)))
    await asyncio.sleep(0)
    assert yard.fleet.order("cam01", "status")["relays"] == [False]
