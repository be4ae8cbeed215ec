"""The site's step: name, zone, clock."""

import pytest

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.system.clock_source import ClockSource
from provisioning.steps.site import Site, SiteGiven

GIVEN = SiteGiven("Harbour", "en", "Europe/Berlin", ClockSource("ntp", ("10.0.0.1",)))
CHRONY = "/etc/chrony/chrony.conf"


def nothing(_: str) -> None: ...


@pytest.fixture
def step():
    return Site()


async def test_done_twice_the_second_plan_is_empty(step, ground, daemon):
    assert len((await step.plan(ground, GIVEN)).changes) == 3
    await step.apply(ground, GIVEN, nothing)
    assert daemon.settings == {"site": {"name": "Harbour", "time_zone": "Europe/Berlin"}, "night": {}}
    assert "server 10.0.0.1" in ground.at(CHRONY).read_text()
    assert all(check.ok for check in await step.verify(ground, GIVEN))
    assert (await step.plan(ground, GIVEN)).changes == ()
    await step.apply(ground, GIVEN, nothing)
    assert daemon.asked.count(("PUT", "/settings")) == 1


async def test_the_clock_is_moved_by_what_the_telephone_is_ahead(step, ground, clock):
    given = SiteGiven(clock=ClockSource("hand", ()), clock_ahead_s=7200.0)
    plan = await step.plan(ground, given)
    assert any("2 hours ahead" in change.text for change in plan.changes) and plan.notes
    await step.apply(ground, given, nothing)
    (words,) = [words for words in ground.programs.words if words[0] == "date"]
    assert words[-1] == f"@{clock.now_ns() // SECOND_NS + 7200}.000000000"


async def test_a_second_of_difference_is_left_alone(step, ground):
    given = SiteGiven(clock=ClockSource("hand", ()), clock_ahead_s=0.9)
    assert not any("set the clock" in change.text for change in (await step.plan(ground, given)).changes)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (SiteGiven(""), "name"),
        (SiteGiven("x" * 101), "name"),
        (SiteGiven("a\nb"), "name"),
        (SiteGiven(time_zone="Mars/Olympus"), "time_zone"),
        (SiteGiven(clock=ClockSource("ntp", ())), "clock.servers"),
        (SiteGiven(clock=ClockSource("ntp", ("a b",))), "clock.servers"),
        (SiteGiven(clock_ahead_s=float("nan")), "clock_ahead_s"),
        (SiteGiven(clock_ahead_s=float("inf")), "clock_ahead_s"),
    ],
)
async def test_what_cannot_be_names_its_field(step, ground, given, field):
    with pytest.raises(ApplianceError) as caught:
        await step.plan(ground, given)
    assert caught.value.field == field


async def test_the_probe_offers_zones_and_the_box_s_time(step, ground):
    found = await step.probe(ground)
    assert "Europe/Berlin" in found.zones and found.languages == ("en",)
    assert found.now == "2026-01-20T14:30:00.000Z"


async def test_a_chrony_that_does_not_run_is_found(step, ground, monkeypatch):
    ground.at("/run/systemd/system").mkdir(parents=True)
    await step.apply(ground, GIVEN, nothing)
    site, clock_check = await step.verify(ground, GIVEN)
    assert site.ok and not clock_check.ok and "chrony" in clock_check.hint


async def test_a_name_that_did_not_arrive_is_found(step, ground):
    assert not (await step.verify(ground, GIVEN))[0].ok
