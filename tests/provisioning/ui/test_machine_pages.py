"""The pages of network and storage on a telephone: ports of a namespace, and disks that are made up."""

import json

import pytest

from appliance.base.clock import BoxClock
from provisioning.record import Record
from provisioning.wizard import available

pytestmark = [pytest.mark.long, pytest.mark.browser]

PASSWORD = "a walk in the harbour"
HEALTH = {"passed": True, "hours": 20_000, "celsius": 38, "worn_percent": None, "bad_sectors": 0, "why": ""}


def disk(key: str, **more) -> dict:
    found = {
        "key": key, "name": "sdb", "model": "WDC WD40PURX", "kind": "hdd", "size_bytes": 4_000_787_030_016,
        "system": False, "health": HEALTH, "on_it": ["ntfs “BACKUP”, 4 TB"], "why_not": "", "phrase": key,
        "usable": False, "owner": "", "volume": False,
    }  # fmt: skip
    return found | more


FOUND = {
    "disks": [
        disk(
            "SYS-1",
            model="Samsung 980",
            kind="nvme",
            system=True,
            phrase="",
            why_not="the machine runs from it",
        ),
        disk("WD-1"),
        disk(
            "WD-2", owner="foreign", phrase="ERASE WD-2", health=HEALTH | {"passed": False, "bad_sectors": 9}
        ),
        disk("WD-3", owner="own", phrase="", usable=True, volume=True),
    ],
    "need": {"cameras": 4, "bits_per_s": 18_000_000, "estimated": False},
    "system_bytes": 100_000_000_000,
    "can_encrypt": True,
    "now": {"disks": [{"disk": "WD-3", "format": "", "encrypt": False}], "system_disk": True},
}


@pytest.fixture
async def signed_in(wizard_on, phone, tmp_path):
    """Behind the administrator's step, with all others passed over."""
    data = tmp_path / "box"
    for name in set(available()) - {"administrator"}:
        Record(data, BoxClock()).mark(name, "skipped")
    wizard = await wizard_on(data)
    await phone.scan(wizard.url, wizard.code)
    await phone.is_at("administrator")
    await phone.type("[name=password]", PASSWORD)
    await phone.go()
    return wizard


async def test_ports_are_understood_and_a_slip_stands_at_its_field(signed_in, phone):
    await phone.page.goto(f"{signed_in.url}/steps/network")
    await phone.is_at("network")
    assert "another root" in await phone.page.inner_text("#backend")
    card = phone.page.locator("[data-port]").first
    await card.locator("[data-is=role]").select_option("uplink")
    await card.locator("[data-is=how]").select_option("fixed")
    await card.locator("[data-is=address]").fill("10.0.0.2/24")
    await card.locator("[data-is=gateway]").fill("10.0.1.1")
    await phone.tap("#continue")
    await phone.page.wait_for_selector("[data-is=gateway][aria-invalid=true]")
    await card.locator("[data-is=gateway]").fill("10.0.0.1")
    await phone.tap("#continue")
    await phone.page.wait_for_selector("#sheet[open] .change")
    assert "address 10.0.0.2/24, gateway 10.0.0.1" in await phone.page.inner_text("#sheet")


async def test_disks_say_what_they_are_and_the_days_follow_the_choice(signed_in, phone):
    async def made_up(route):
        answer = await route.fetch()
        await route.fulfill(response=answer, body=json.dumps(await answer.json() | {"found": FOUND}))

    await phone.page.route("**/api/steps/storage", made_up)
    await phone.page.goto(f"{signed_in.url}/steps/storage")
    await phone.is_at("storage")
    cards = phone.page.locator("[data-disk]")
    system, plain, foreign = (cards.nth(number) for number in range(3))
    assert not await system.locator("[data-use]").is_visible()
    assert "2.3 years" in await plain.inner_text() and "failing" in await foreign.inner_text()
    days = phone.page.locator("#days")
    assert "20 days of footage for 4 cameras" in await days.inner_text()  # one disk and the system's
    await plain.locator("[data-is=use]").select_option("format")
    assert "type WD-1" in await plain.inner_text()
    assert "40 days" in await days.inner_text()
    await foreign.locator("[data-is=use]").select_option("format")
    assert "Another box's footage" in await foreign.inner_text()
    assert "type ERASE WD-2" in await foreign.inner_text()
    async with phone.page.expect_request("**/api/steps/storage/plan") as asked:
        await phone.tap("#continue")
    assert (await asked.value).post_data_json["given"] == {
        "disks": [
            {"disk": "WD-1", "format": "WD-1", "encrypt": False},
            {"disk": "WD-2", "format": "ERASE WD-2", "encrypt": False},
            {"disk": "WD-3", "format": "", "encrypt": False},
        ],
        "system_disk": True,
    }
    await phone.page.wait_for_selector("#step .problem:not([hidden])")  # this machine has none of them
