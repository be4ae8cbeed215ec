"""The lamps show health, and the mains raise an alarm once; sysfs and UPS are stood in for."""

import asyncio

import pytest

from appliance.daemon.health import Health
from appliance.daemon.outside import Lamps, Mains
from appliance.system.ups import Power


@pytest.fixture
def relay(tmp_path):
    folder = tmp_path / "gpio17"
    folder.mkdir()
    (folder / "value").write_text("0")
    return folder


class Site:
    def __init__(self, clock) -> None:
        self.health = Health(clock)
        self.status = "ok"
        self.health.add(lambda: [("camera", self.status, "")])


async def test_the_relay_is_closed_unless_something_fails_or_nobody_is_here(clock, relay):
    site = Site(clock)
    lamps = Lamps(site.health, clock, None, relay)
    turning = asyncio.create_task(lamps.run_relay())
    seen = []
    for status in ("starting", "ok", "degraded", "failing", "ok"):
        site.health.started = status != "starting"
        site.status = status
        await clock.advance(3)
        seen.append((relay / "value").read_text())
    assert seen == ["0", "1", "1", "0", "1"]
    turning.cancel()
    await asyncio.gather(turning, return_exceptions=True)
    assert (relay / "value").read_text() == "0"


async def test_the_led_shows_health(clock, tmp_path):
    for name, text in (("brightness", "0"), ("max_brightness", "1"), ("trigger", "")):
        (tmp_path / name).write_text(text)
    site = Site(clock)
    site.health.started, site.status = True, "failing"
    turning = asyncio.create_task(Lamps(site.health, clock, tmp_path, None).run_led())
    changes, before = 0, ""
    for _ in range(80):
        await clock.advance(0.05, 0.05)
        now = (tmp_path / "brightness").read_text()
        changes += now != before
        before = now
    assert changes > 15  # in 4 s
    turning.cancel()
    await asyncio.gather(turning, return_exceptions=True)
    assert (tmp_path / "brightness").read_text() == "0"


async def test_a_lamp_that_is_not_there_is_a_finding_and_nothing_else(clock, tmp_path):
    site = Site(clock)
    lamps = Lamps(site.health, clock, None, tmp_path / "gone")
    turning = asyncio.create_task(lamps.run_relay())
    await clock.advance(60)
    assert not turning.done()
    assert lamps.findings() == [("lamps", "degraded", "gone cannot be switched")]
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "value").write_text("0")
    await clock.advance(10)
    assert lamps.findings() == []
    turning.cancel()
    await asyncio.gather(turning, return_exceptions=True)


MAINS, BATTERY, LOW = Power("mains", 100), Power("battery", 60, 600), Power("low", 9, 60)


async def alarms(clock, *looks: Power | None) -> tuple[list[str], list]:
    """What is raised when the UPS says so, one after the other; and the findings at the end."""
    coming, raised = list(looks), []

    async def look() -> Power | None:
        return coming.pop(0)

    mains = Mains(clock, lambda type_, metadata: raised.append(type_), look)
    while coming:
        await mains.run_once()
    return raised, mains.findings()


async def test_a_box_without_a_ups_says_nothing_of_it(clock):
    assert await alarms(clock, None, None) == ([], [])


async def test_a_power_cut_is_told_once_and_so_is_its_end(clock):
    raised, found = await alarms(clock, MAINS, BATTERY, BATTERY, BATTERY, LOW, LOW)
    assert raised == ["power_lost", "battery_low"]
    assert found == [
        ("ups", "failing", "the battery is almost empty: the box stops, 9 % charged, 1 min left")
    ]


async def test_mains_that_flicker_raise_nothing_or_one(clock):
    assert (await alarms(clock, MAINS, BATTERY, MAINS, BATTERY, MAINS))[0] == []
    assert (await alarms(clock, MAINS, BATTERY, BATTERY, MAINS, BATTERY, BATTERY))[0] == ["power_lost"]


async def test_after_mains_that_came_back_the_next_cut_is_told_again(clock):
    one = (MAINS, BATTERY, BATTERY)
    assert (await alarms(clock, *one, MAINS, *one))[0] == ["power_lost", "power_lost"]


async def test_a_ups_whose_cable_is_out_is_degraded(clock):
    assert (await alarms(clock, MAINS, None))[1] == [("ups", "degraded", "the UPS does not answer")]
