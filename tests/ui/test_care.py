"""Care on the admin's page: a stick comes, a backup is made and told, a bundle is made and taken."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

GB = 10**9
STICK = {
    "folder": "/media/sdb1", "name": "sdb1", "size_bytes": 16 * GB, "free_bytes": 15 * GB,
    "writable": True, "backups": 0, "newest": "",
}  # fmt: skip
NAME = "aries-0190a1b2-20260120T143000Z.backup"


async def test_a_backup_from_the_stick_that_comes_to_the_one_that_went_away(page, box_with, sign_in) -> None:
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, "admin", at=own, then="/settings/care")
    assert "Never backed up" in await page.inner_text("#last")
    assert not await page.locator("#backup [type=submit]").is_visible()
    locked = STICK | {"folder": "/media/sdc1", "name": "sdc1", "writable": False}
    await own.order(do="care", sticks=[STICK, locked])
    await page.locator("text=15.0 GB free of 16.0 GB").wait_for()
    assert await page.is_disabled("[value='/media/sdc1']") and await page.is_checked("[value='/media/sdb1']")
    await page.fill("[name=passphrase]", "four dull words here")
    await page.fill("[name=again]", "four dull words there")
    await page.click("#backup [type=submit]")
    await page.locator("text=These are two different ones").wait_for()
    await page.fill("[name=again]", "four dull words here")
    await page.click("#backup [type=submit]")
    job = page.locator("#backup-job")
    await job.locator("text=It begins in a moment").wait_for()
    assert await page.is_disabled("#support [type=submit]") and not await page.is_visible("#backup")
    assert await page.input_value("[name=passphrase]") == ""
    writing = {"phase": "working", "step": "writing", "done": 24 * 10**6, "all": 48 * 10**6}
    await own.order(do="care", backup=writing | {"ended_at": None})
    await job.locator("text=24 MB of 48 MB").wait_for()
    assert 50 < float((await job.locator("i").get_attribute("style")).split(":")[1].strip(" %;")) < 70
    done = {"phase": "done", "folder": "/media/sdb1", "name": NAME, "size_bytes": 48 * 10**6}
    await own.order(do="care", backup=done, last_age_s=1)
    await job.get_by_text(f"/media/sdb1/{NAME}").wait_for()
    assert "Backed up just now" in await page.inner_text("#last")
    gone = {"phase": "failed", "message": "/media/sdb1 went away while it was written", "hint": "plug it in"}
    await own.order(do="care", backup=gone, sticks=[], last_age_s=100 * 86_400)
    await job.get_by_text("/media/sdb1 went away while it was written. Plug it in.").wait_for()
    await page.locator("text=None is plugged in").wait_for()
    assert "100 d ago" in await page.inner_text("#last")
    assert await page.get_attribute("#last", "data-kind") == "old"


async def test_a_bundle_is_made_and_taken(page, box_with, sign_in) -> None:
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, "admin", at=own, then="/settings/care")
    await page.click("#support [type=submit]")
    job = page.locator("#support-job")
    await job.locator("text=It begins in a moment").wait_for()
    await own.order(do="care", support={"phase": "working", "step": "journal.txt", "done": 15, "all": 18})
    await job.locator("text=16 of 18, journal.txt").wait_for()
    await own.order(do="care", support={"phase": "done", "size_bytes": 412_000, "parts": 18})
    await job.locator("text=412 kB, 18 files").wait_for()
    async with page.expect_download() as coming:
        await job.locator("a").click()
    found = await coming.value
    assert found.suggested_filename.startswith("support-")


async def test_care_is_the_admins(page, sign_in) -> None:
    await sign_in(page, "installer", then="/settings")
    assert not await page.locator(".tabs a", has_text="Care").count()
    assert (await page.goto("/settings/care")).status == 403
