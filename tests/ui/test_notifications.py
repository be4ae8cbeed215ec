"""Channels on the admin's page: added, tried, changed without their secret, deleted."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_channel_is_added_tried_changed_and_deleted(page, box_with, sign_in) -> None:
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, "admin", at=own, then="/settings/notifications")
    await page.locator("text=Nobody is told").wait_for()
    await page.fill("[name=name]", "Guards <1>")
    await page.fill("[name=to]", "guard at site")
    await page.fill("[name=from]", "box@site.test")
    await page.fill("[name=host]", "127.0.0.1")
    await page.fill("[name=port]", "9")
    await page.fill("[name=username]", "box")
    await page.fill("[name=secret]", "s3cret-word")
    await page.click("#channel-form [type=submit]")
    problem = page.locator("#channel-form .problem")
    await problem.wait_for(state="visible")
    assert "no mail address" in await problem.inner_text()
    await page.fill("[name=to]", "guard@site.test, chief@site.test")
    await page.check("[name=quiet]")
    await page.click("#channel-form [type=submit]")
    row = page.locator("[data-channel]", has_text="Guards <1>")
    await row.wait_for()
    assert "guard@site.test, chief@site.test" in await row.inner_text()
    await row.get_by_role("button", name="Test").click()
    await row.locator("text=nothing listens there").wait_for()
    await row.get_by_role("button", name="Change").click()
    assert await page.input_value("[name=port]") == "9" and await page.is_checked("[name=quiet]")
    assert await page.input_value("[name=secret]") == "" and "s3cret-word" not in await page.content()
    await page.fill("[name=name]", "Night guards")
    await page.click("#channel-form [type=submit]")
    row = page.locator("[data-channel]", has_text="Night guards")
    await row.wait_for()
    await row.get_by_role("button", name="Delete").click()
    await row.get_by_role("button", name="Delete now?").click()
    await page.locator("text=Nobody is told").wait_for()


async def test_only_an_admin_decides_who_is_told(page, sign_in) -> None:
    await sign_in(page, "installer", then="/settings")
    assert not await page.locator(".tabs a", has_text="Notifications").count()
    answer = await page.goto("/settings/notifications")
    assert answer.status == 403
