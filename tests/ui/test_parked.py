"""What a target refused, on the page: sent again or given up, all of it or row by row."""

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOME = "/settings/connections"


@pytest_asyncio.fixture(loop_scope="session")
async def own(box_with):
    return await box_with("--cameras", "1", "--events", "0", "--targets")


def row(page, target):
    return page.locator(f'[data-target="{target}"]')


async def test_what_is_parked_is_sent_again_with_one_button(page, own, sign_in):
    await sign_in(page, at=own, then=HOME)
    await row(page, "site-broker").get_by_role("button", name="Try all again").click()
    await page.locator(".toast", has_text="3 wait again").wait_for()
    await row(page, "site-broker").locator(".check-mark", has_text="Delivering").wait_for()
    assert await row(page, "site-broker").locator(".reasons").is_hidden()


async def test_what_is_parked_is_listed_sent_again_or_given_up_one_by_one(page, own, sign_in):
    async def figures():
        answer = await page.request.get(f"{own.url}/api/v1/targets/site-broker")
        return (await answer.json())["target"]

    await sign_in(page, at=own, then=HOME)
    broker = row(page, "site-broker")
    await broker.locator("summary", has_text="Show them").click()
    rows = broker.locator(".parked-rows li")
    await rows.nth(2).wait_for()
    first = await rows.first.inner_text()
    assert "Event · Front gate · " in first and "Tried once" in first and "Not authorised to publish" in first
    assert await rows.first.get_by_role("link", name="look at it").get_attribute("href") == (
        "/events/0198c0de-7a7e-7000-8000-000000000001"
    )
    await rows.first.get_by_role("button", name="Discard").click()
    await page.keyboard.press("Escape")
    assert (await figures())["parked"] == 3
    await rows.first.get_by_role("button", name="Discard").click()
    assert "Recordings and events stay on this box" in await page.locator("#sure-text").inner_text()
    await page.click("#sure-yes")
    await page.locator(".toast", has_text="Discarded").wait_for()
    await rows.nth(2).wait_for(state="detached")
    await rows.first.get_by_role("button", name="Try again").click()
    await page.locator(".toast", has_text="It waits again").wait_for()
    await broker.get_by_text("1 parked: the target refused it").wait_for()
    await rows.nth(1).wait_for(state="detached")
    await rows.first.wait_for()
    found = await figures()
    assert (found["parked"], found["waiting"], found["owed"]) == (1, 2, 1234)
    await broker.get_by_role("button", name="Discard all").click()
    await page.click("#sure-yes")
    await rows.first.wait_for(state="hidden")
    found = await figures()
    assert (found["parked"], found["waiting"]) == (0, 3)


async def test_only_an_admin_may_do_something_about_it(page, own, sign_in):
    await sign_in(page, "installer", at=own, then=HOME)
    await row(page, "site-broker").get_by_text("so they wait for an admin").wait_for()
    assert await row(page, "site-broker").locator("button").count() == 0
    assert await page.get_by_text("Show them").count() == 0
