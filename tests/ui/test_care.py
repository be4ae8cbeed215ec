"""Care on the admin's page: a stick comes, a backup is made and told, a bundle is made and taken."""

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="session")

AGAIN_MS = 2100  # of the page, and a little
GB = 10**9
STICK = {
    "folder": "/media/sdb1", "name": "sdb1", "size_bytes": 16 * GB, "free_bytes": 15 * GB,
    "writable": True, "backups": 0, "newest": "",
}  # fmt: skip
NAME = "aries-0190a1b2-20260120T143000Z.backup"


@pytest_asyncio.fixture(loop_scope="session")
async def order(box, page, sign_in):
    """``await order(backup={…})``: so the box is, and the page has looked. Nothing was made or plugged in
    yet."""

    async def tell(**what) -> None:
        await box.order(do="care", **what)
        await page.clock.fast_forward(AGAIN_MS)

    await box.order(do="care", new=True)
    await page.clock.install()
    await sign_in(page, "admin", then="/settings/care")
    yield tell
    await box.order(do="care", new=True)


async def test_a_backup_from_the_stick_that_comes_to_the_one_that_went_away(page, order) -> None:
    assert "Never backed up" in await page.inner_text("#last")
    assert not await page.locator("#backup [type=submit]").is_visible()
    locked = STICK | {"folder": "/media/sdc1", "name": "sdc1", "writable": False}
    await order(sticks=[STICK, locked])
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
    await order(backup=writing | {"ended_at": None})
    await job.locator("text=24 MB of 48 MB").wait_for()
    assert 50 < float((await job.locator("i").get_attribute("style")).split(":")[1].strip(" %;")) < 70
    done = {"phase": "done", "folder": "/media/sdb1", "name": NAME, "size_bytes": 48 * 10**6}
    await order(backup=done, last_age_s=1)
    await job.get_by_text(f"/media/sdb1/{NAME}").wait_for()
    assert "Backed up just now" in await page.inner_text("#last")
    gone = {"phase": "failed", "message": "/media/sdb1 went away while it was written", "hint": "plug it in"}
    await order(backup=gone, sticks=[], last_age_s=100 * 86_400)
    await job.get_by_text("/media/sdb1 went away while it was written. Plug it in.").wait_for()
    await page.locator("text=None is plugged in").wait_for()
    assert "100 d ago" in await page.inner_text("#last")
    assert await page.get_attribute("#last", "data-kind") == "old"


async def test_a_bundle_is_made_and_taken(page, order) -> None:
    await page.click("#support [type=submit]")
    job = page.locator("#support-job")
    await job.locator("text=It begins in a moment").wait_for()
    await order(support={"phase": "working", "step": "journal.txt", "done": 15, "all": 18})
    await job.locator("text=16 of 18, journal.txt").wait_for()
    await order(support={"phase": "done", "size_bytes": 412_000, "parts": 18})
    await job.locator("text=412 kB, 18 files").wait_for()
    async with page.expect_download() as coming:
        await job.locator("a").click()
    found = await coming.value
    assert found.suggested_filename.startswith("support-")


async def test_a_reset_is_asked_for_and_called_off_or_begins(page, order) -> None:
    async with page.expect_download() as coming:
        await page.click("#stick-file")
    found = await coming.value
    assert found.suggested_filename == "ARIES-RESET.txt"
    assert (await found.path()).read_text().strip() == await page.get_attribute("#stick-file", "data-id")
    await page.check("[name=footage][value=delete]")
    await page.click("#reset [type=submit]")
    job = page.locator("#reset-job")
    await job.locator("text=The recordings are deleted").wait_for()
    assert not await page.is_visible("#reset [type=submit]")
    other = {"phase": "waiting", "footage": "delete", "message": "this stick does not hold the file"}
    await order(reset=other)
    await job.locator("text=This stick does not hold the file").wait_for()
    await job.get_by_role("button", name="Call it off").click()
    await page.locator("#reset [type=submit]").wait_for()
    await order(reset={"phase": "begun", "footage": "keep"})
    await job.locator("text=The box forgets everything now. The recordings stay.").wait_for()
    assert "switch it off and on" in await job.inner_text()


async def test_care_is_the_admins(page, sign_in) -> None:
    await sign_in(page, "installer", then="/settings")
    assert not await page.locator(".tabs a", has_text="Care").count()
    assert (await page.goto("/settings/care")).status == 403
