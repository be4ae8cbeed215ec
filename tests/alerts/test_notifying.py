"""Alerts on their way to channels: once in effect, the gravest first, whatever the channels do."""

import asyncio
from typing import Any

import pytest

from appliance.alerts.channels import Given
from appliance.alerts.notifying import Notifying
from appliance.alerts.record import record_of_box
from appliance.base.errors import ApplianceError
from appliance.base.model import Schedule, ScheduleWindow
from appliance.base.settings import Settings, SiteSettings
from appliance.store import channels, settings
from appliance.store.channels import Channel
from appliance.store.sealing import Sealer

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Played:
    """A channel that notes what it is sent; ``fails``: what it raises, while it is there."""

    wants_still = False

    def __init__(self, given: Given) -> None:
        self.given = given
        self.sent: list[tuple[str, str]] = []
        self.tried = 0
        self.fails: ApplianceError | None = None
        self.hangs = False
        self.closed = False
        self.stills: list[bytes | None] = []

    async def send(self, notice: Any, key: str) -> str:
        self.tried += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails is not None:
            raise self.fails
        self.sent.append((notice.title, key))
        self.stills.append(notice.still)
        return "taken"

    async def close(self) -> None:
        self.closed = True


class Office:
    """A yard with channels."""

    def __init__(self, yard) -> None:
        self.yard = yard
        self.peers: dict[str, Played] = {}
        self.stills: dict[str, bytes] = {}
        self.wants_still = False
        self.sealer = Sealer(bytes(32))
        self.notifying = Notifying(yard.db, self.sealer, yard.clock, "box", self.still, self.make)
        yard.bell.listen(self.notifying.wake)

    async def still(self, event_id: str, boxed: bool) -> bytes | None:
        return self.stills.get("any")

    def make(self, given: Given) -> Played:
        made = self.peers[given.channel.id] = Played(given)
        made.wants_still = self.wants_still
        return made

    def add(self, id_: str = "mail", **fields: Any) -> None:
        sealed = self.sealer.seal(b"sesame-open", channels.secret_name(id_))
        channel = Channel(id_, id_.title(), fields.pop("kind", "mail"), **fields)
        self.yard.db.write_now(lambda c: channels.put(c, channel, sealed))
        self.notifying.reload()

    async def happen(self, what: str = "storage_full", severity="critical") -> None:
        now_ns = self.yard.clock.now_ns()
        metadata = {"rule_name": what}
        newest = await self.yard.db.write(
            lambda c: record_of_box(c, what, metadata, now_ns, "box", severity=severity)
        )
        self.yard.bell.ring(newest)

    def states(self) -> list[str]:
        def look(conn):
            rows = conn.execute("SELECT state FROM notifications ORDER BY created_ns, key").fetchall()
            return [row["state"] for row in rows]

        return self.yard.db.read_now(look)

    async def wait_for(self, id_: str) -> Played:
        await self.yard.until(lambda: id_ in self.peers)
        return self.peers[id_]


@pytest.fixture
async def office(yard):
    made = Office(yard)
    task = asyncio.create_task(made.notifying.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_alert_is_told_once_and_its_secret_reaches_the_channel(office) -> None:
    office.add()
    peer = await office.wait_for("mail")
    await office.happen()
    await office.yard.until(lambda: office.states() == ["sent"])
    office.notifying.wake()
    await asyncio.sleep(0.01)
    assert len(peer.sent) == 1 and peer.given.secret == "sesame-open"
    figures = office.yard.db.read_now(lambda c: channels.figures(c, "mail"))
    assert figures.sent == 1 and figures.waiting == 0 and figures.sent_ns == office.yard.clock.now_ns()


async def test_an_alert_of_before_a_stop_is_told_afterwards_under_its_key(yard) -> None:
    office = Office(yard)
    office.add()
    await office.happen()
    (key,) = (
        r["key"] for r in yard.db.read_now(lambda c: c.execute("SELECT key FROM notifications").fetchall())
    )
    task = asyncio.create_task(office.notifying.run())
    await yard.until(lambda: office.states() == ["sent"])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert office.peers["mail"].sent == [("storage_full", key)] and office.peers["mail"].closed


async def test_silence_is_tried_again_after_1_to_300_s_and_the_gravest_goes_first(office) -> None:
    office.add()
    peer = await office.wait_for("mail")
    peer.fails = ApplianceError("unavailable", "the mail server is silent", "wait")
    await office.happen("first", "warning")
    await office.yard.until(lambda: peer.tried == 1)
    assert office.notifying.state("mail").error.startswith("the mail server is silent")
    for pause_s in (1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300):
        before = peer.tried
        await office.yard.until(lambda: bool(office.yard.clock._sleepers))
        office.yard.clock.tick(pause_s * 0.75)
        await asyncio.sleep(0.005)
        assert peer.tried == before, "not sooner than it says"
        office.yard.clock.tick(pause_s * 0.25)
        await office.yard.until(lambda before=before: peer.tried == before + 1)
    peer.fails = None
    await office.happen("second", "critical")  # a critical one waits for nothing
    await office.yard.until(lambda: office.states() == ["sent", "sent"])
    assert [title for title, _ in peer.sent] == ["second", "first"]
    assert office.notifying.state("mail").since_ns is None


async def test_a_refusal_waits_for_a_person_and_goes_once_it_is_mended(office) -> None:
    office.add()
    peer = await office.wait_for("mail")
    peer.fails = ApplianceError("denied", "wrong password", "enter it again")
    await office.happen()
    await office.yard.until(lambda: office.states() == ["refused"])
    assert peer.tried == 1
    office.yard.clock.tick(61)
    ((name, status, detail),) = office.notifying.findings()
    assert (name, status) == ("notifications", "degraded") and "wrong password (enter it again)" in detail
    office.yard.db.write_now(lambda c: channels.wait_again(c, "mail", 0))
    office.add("mail", options={"mended": True})  # another channel now: made anew
    await office.yard.until(lambda: office.states() == ["sent"])


async def test_a_dead_channel_delays_no_other_and_no_alert(office) -> None:
    office.add("dead")
    office.add("alive", kind="webhook")
    dead, alive = await office.wait_for("dead"), await office.wait_for("alive")
    dead.hangs = True
    for number in range(3):
        await office.happen(f"alarm {number}")
    await office.yard.until(lambda: len(alive.sent) == 3)
    assert len(office.yard.alerts()) == 3 and not dead.sent
    assert [row.type for row in office.yard.journal()].count("alert") == 3  # what the screen rings for


async def test_quiet_hours_hold_for_all_but_what_is_critical(office) -> None:
    now = Schedule((ScheduleWindow(DAYS, "22:00", "07:00"),))
    site = Settings(site=SiteSettings("Depot", "Asia/Tokyo"))  # 14:30 UTC is 23:30 there
    office.yard.db.write_now(lambda c: settings.save(c, site))
    office.add("night", quiet=now)
    peer = await office.wait_for("night")
    await office.happen("yawn", "warning")
    await office.happen("fire", "critical")
    await office.yard.until(lambda: sorted(office.states()) == ["quiet", "sent"])
    assert [title for title, _ in peer.sent] == ["fire"]


async def test_a_channel_hears_from_its_least_severity_on_and_off_hears_nothing(office) -> None:
    office.add("grave", least_severity="critical")
    office.add("off", enabled=False)
    await office.wait_for("grave")
    await office.happen("yawn", "warning")
    await office.happen("fire", "critical")
    await office.yard.until(lambda: office.states() == ["sent"])
    assert "off" not in office.peers


async def test_news_of_yesterday_is_not_told(yard) -> None:
    office = Office(yard)
    office.add()
    await office.happen()
    yard.clock.tick(86_401)
    task = asyncio.create_task(office.notifying.run())
    await yard.until(lambda: office.states() == ["late"])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not office.peers["mail"].sent


async def test_a_picture_that_comes_a_moment_later_goes_with_it(office) -> None:
    office.wants_still = True
    office.add()
    peer = await office.wait_for("mail")
    intake = office.yard.intake(office.yard.rule(severity="critical"))
    await intake.accept(office.yard.findings(intake, 0.2, 0.6))
    await office.yard.until(lambda: bool(office.yard.clock._sleepers))
    office.stills["any"] = b"jpeg"
    office.yard.clock.tick(0.3)
    await office.yard.until(lambda: bool(peer.sent))
    assert peer.stills == [b"jpeg"] and peer.sent[0][0] == "Enter (gate)"


async def test_a_channel_that_is_taken_away_is_closed_and_owed_nothing(office) -> None:
    office.add()
    peer = await office.wait_for("mail")
    peer.hangs = True
    await office.happen()
    await office.yard.until(lambda: peer.tried == 1)
    office.yard.db.write_now(lambda c: channels.delete(c, "mail"))
    office.notifying.reload()
    await office.yard.until(lambda: peer.closed)
    assert office.states() == [] and office.notifying.findings() == []
