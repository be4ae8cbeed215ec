"""One camera: its main stream and its day."""

import itertools
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_main_stream_lives_and_the_day_shows_gaps_with_causes(page, sign_in, until):
    await sign_in(page, then="/cameras/front-gate")
    await page.locator("#live[data-picture=live]").wait_for()
    await until(page, "document.querySelector('#corner').textContent.startsWith('Live')")
    await page.locator('#spans [data-state="recorded"]').first.wait_for()
    await page.locator("#gaps summary").wait_for()
    await page.click("#gaps summary")
    assert "Camera offline" in await page.locator("#gap-list").inner_text()


async def test_a_click_on_the_strip_plays_from_there_and_leads_back_to_live(page, sign_in, until):
    await sign_in(page, then="/cameras/front-gate")
    recorded = page.locator('#spans [data-state="recorded"]').first
    await recorded.wait_for()
    area = await recorded.bounding_box()
    await page.mouse.click(area["x"] + area["width"] / 2, area["y"] + 20)
    await until(page, "document.querySelector('#replay').currentTime > 0.6")
    assert await page.locator("#live").is_hidden()
    assert "Recording" in await page.locator("#corner").inner_text()
    assert await page.locator("#playhead").is_visible()
    await page.click("#to-live")
    await page.locator("#live[data-picture=live]").wait_for()


async def test_what_plays_is_saved_from_the_moment_on_the_screen(page, sign_in, until):
    await sign_in(page, then="/cameras/front-gate")
    recorded = page.locator('#spans [data-state="recorded"]').first
    await recorded.wait_for()
    assert await page.locator("#keep").is_hidden()  # live pictures are no recording yet
    area = await recorded.bounding_box()
    await page.mouse.click(area["x"] + area["width"] / 2, area["y"] + 20)
    await until(page, "document.querySelector('#replay').currentTime > 0.2")
    await page.select_option("#keep-length", "30")
    async with page.expect_download() as found:
        await page.click("#save")
    download = await found.value
    query = dict(parse_qsl(urlsplit(download.url).query))
    start, end = (datetime.fromisoformat(query[name]) for name in ("start_time", "end_time"))
    assert 0 < (end - start).total_seconds() <= 30
    assert download.suggested_filename.startswith("front-gate-20")
    assert download.suggested_filename.endswith(".mp4")
    assert (await download.path()).stat().st_size > 1_000


async def test_the_strip_shows_the_last_hour_alone(page, sign_in, until):
    await sign_in(page, then="/cameras/front-gate")
    await page.locator('#spans [data-state="recorded"]').first.wait_for()
    await page.select_option("#zoom", "3600")
    await until(page, "document.querySelector('#strip').getAttribute('aria-valuemax') === '3600'")
    gap = "document.querySelector('#spans [data-state=gap]').style.width"
    await until(page, f"parseFloat({gap}) > 15")  # ten minutes of an hour
    await page.locator("#gaps summary", has_text="1 gap this hour").wait_for()
    hole = await page.locator("#spans [data-state=gap]").bounding_box()
    await page.mouse.click(hole["x"] + hole["width"] / 2, hole["y"] + 10)
    await page.locator("#under", has_text="What plays is the next recording").wait_for()


async def test_ten_minutes_are_seen_around_what_plays_and_turned_over(page, sign_in, until):
    await sign_in(page, then="/cameras/front-gate")
    recorded = page.locator('#spans [data-state="recorded"]').first
    await recorded.wait_for()
    await page.select_option("#zoom", "3600")
    await page.locator("#strip[aria-valuemax='3600']").wait_for()
    strip = await page.locator("#strip").bounding_box()
    await page.mouse.click(strip["x"] + strip["width"] * 0.75, strip["y"] + 20)  # 15 minutes ago
    await until(page, "document.querySelector('#replay').currentTime > 0.2")
    await page.select_option("#zoom", "600")
    await page.locator("#strip[aria-valuemax='600']").wait_for()
    middle = "parseFloat(document.querySelector('#playhead').style.left)"
    await until(page, f"{middle} > 40 && {middle} < 60")
    labels = await page.locator("#hours span").all_inner_texts()
    assert len(labels) >= 9, "a label for each minute"
    await page.get_by_role("button", name="The ten minutes before").click()
    await until(page, "document.querySelector('#playhead').hidden")
    assert not set(labels) & set(await page.locator("#hours span").all_inner_texts())
    await page.select_option("#zoom", "86400")
    await page.locator("#strip[aria-valuemax='86400']").wait_for()


async def test_the_strip_is_a_slider_for_keys_and_readers(page, sign_in, until):
    await sign_in(page, then="/cameras/front-gate")
    await page.locator('#spans [data-state="recorded"]').first.wait_for()
    await page.focus("#strip")
    await page.keyboard.press("ArrowLeft")
    assert "recorded" in await page.locator("#strip").get_attribute("aria-valuetext")
    await page.keyboard.press("Enter")
    await until(page, "document.querySelector('#replay').currentTime > 0.3")


async def test_a_camera_that_does_not_exist_is_a_page_with_a_way_on(page, sign_in):
    await sign_in(page)
    answer = await page.goto("/cameras/nowhere")
    assert answer.status == 404
    assert await page.locator(".empty a").get_attribute("href") == "/"


async def test_h265_that_the_browser_cannot_show_is_said(page, box_with, sign_in):
    own = await box_with("--cameras", "1", "--events", "0", "--codec", "h265")
    await sign_in(page, at=own)
    over = page.locator(".tile .over")
    await over.locator("text=H.265").wait_for()
    assert "Set its second stream to H.264" in await over.inner_text()


async def test_b_frames_are_shown_in_order(page, box_with, sign_in, until):
    own = await box_with("--cameras", "1", "--events", "0", "--bframes", "2")
    await sign_in(page, at=own)
    await page.evaluate(
        "() => { window.seen = []; addEventListener('frameshown', e => seen.push(e.detail.time_ms)); }"
    )
    await until(page, "seen.length > 30")
    seen = await page.evaluate("seen")
    assert seen == sorted(seen)
    steps = [b - a for a, b in itertools.pairwise(seen)]
    assert max(steps) < 100  # 66.7 ms each: no frame was left out
