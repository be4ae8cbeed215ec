"""The models' page: what looks and why, a change as it goes, how sure it is by camera."""

import re

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_viewer_reads_what_looks_and_on_what(page, sign_in):
    await sign_in(page, "viewer", then="/models")
    now = await page.locator("#now").inner_text()
    assert "deimv2-femto" in now and "Looking" in now
    assert "ONNX Runtime on CPU: no GPU" in now and "Chosen by the box" in now
    assert await page.locator("[data-activate]").count() == 0
    assert await page.get_by_text("An admin can change which model looks").is_visible()
    rows = page.locator("#list [data-model]")
    assert await rows.count() == 4
    strict = page.locator('[data-model="site-yolo11"]')
    assert "AGPL-3.0" in await strict.inner_text() and "complete source code" in await strict.inner_text()
    absent = page.locator('[data-model="yolox-nano"]')
    assert "Not installed" in await absent.inner_text()
    assert "appliance models install yolox-nano" in await absent.inner_text()
    assert await page.locator('.tabs [aria-current="page"]').inner_text() == "Models"


async def test_every_camera_says_how_sure_it_is_the_worst_first(page, sign_in):
    await sign_in(page, "viewer", then="/models")
    await page.locator("#cameras .check-mark").first.wait_for()
    rows = await page.locator("#cameras li").all_inner_texts()
    assert "Front gate" in rows[0] and "Less sure" in rows[0] and "0.64 was expected" in rows[0]
    assert "0.46" in rows[0] and "usual 0.64" in rows[0] and "person 46,000" in rows[0]
    words = [re.search("As usual|Learning|Nothing seen", row)[0] for row in rows[1:]]
    assert sorted(words) == ["As usual", "Learning", "Nothing seen"]
    label = await page.locator("#cameras .spark").first.get_attribute("aria-label")
    assert label.endswith("0.62, 0.52")


async def test_of_cameras_one_may_not_see_nothing_is_said(page, sign_in):
    await sign_in(page, "limited", then="/models")
    await page.locator("#cameras .check-mark").first.wait_for()
    assert await page.locator("#cameras li").count() == 1
    assert "Yard" not in await page.content()


async def test_a_change_is_asked_for_by_keyboard_and_seen_to_its_end(page, box_with, sign_in, until):
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, at=own, then="/models")
    await page.locator('[data-activate="site-yolo11"]').focus()
    await page.keyboard.press("Enter")
    await page.locator("#sure[open]").wait_for()
    await page.keyboard.press("Escape")
    assert await page.locator("#sure[open]").count() == 0
    await page.keyboard.press("Enter")
    await page.select_option("#sure [name=shadow_s]", "60")
    await page.focus("#sure [type=submit]")
    await page.keyboard.press("Enter")
    text = page.locator("#change-text")
    await until(page, "document.querySelector('#change-text').textContent.includes('takes over in 0:5')")
    assert (await text.inner_text()).startswith("site-yolo11 looks beside deimv2-femto")
    await until(page, "document.querySelector('#change-facts').textContent.includes('93.4 %')")
    assert "21.7 ms" in await page.locator("#change-facts").inner_text()
    assert "Both look" in await page.locator('#steps [aria-current="step"]').inner_text()
    assert await page.locator('[data-model="site-yolo11"] .model-state').inner_text() == "Being tried"
    await own.order(do="model", phase="rolled_back", reason="4 of 20 batches took more than 200 ms")
    await until(page, "document.querySelector('#change-text').textContent.includes('was rolled back')")
    assert "4 of 20 batches took more than 200 ms. deimv2-femto looks again." in await text.inner_text()
    assert await page.locator("#change-meter").is_hidden()
    assert await page.locator('[data-model="deimv2-femto"] .model-state').inner_text() == "In use"
    assert "Chosen by the box" in await page.locator("#now").inner_text()


async def test_without_a_shadow_it_looks_at_once(page, box_with, sign_in, until):
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, at=own, then="/models")
    await page.locator('[data-activate="motion"]').click()
    await page.select_option("#sure [name=shadow_s]", "0")
    await page.click("#sure [type=submit]")
    await until(page, "document.querySelector('#change-text').textContent.includes('took over')")
    await until(page, "document.querySelector('[data-now=name]').textContent === 'motion'")
    assert await page.locator('[data-model="motion"] [data-activate]').is_disabled()
    answer = await page.request.get(f"{own.url}/api/v1/models")
    assert (await answer.json())["chosen"] == "motion"


async def test_figures_that_are_old_say_so_until_there_are_new_ones(page, box_with, sign_in):
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, at=own, then="/models")
    await own.order(do="deaf", deaf=True)
    stale = page.locator("#stale")
    await stale.wait_for()
    assert re.match(r"What you see is of \d\d:\d\d:\d\d\. This box runs without", await stale.inner_text())
    await page.locator('[data-activate="motion"]').click()
    await page.click("#sure [type=submit]")
    problem = page.locator("#sure .problem")
    await problem.wait_for()
    assert "without analysis" in await problem.inner_text()
    await page.click("#sure-not")
    answer = await page.request.get(f"{own.url}/models")
    assert answer.status == 503 and "without analysis" in await answer.text()
    await own.order(do="deaf", deaf=False)
    await stale.wait_for(state="hidden")


async def test_an_admin_installs_a_known_model_and_a_file(page, box_with, sign_in, tmp_path):
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, "viewer", at=own, then="/models")
    assert not await page.locator("[data-install], #install-file").count()
    await page.context.clear_cookies()
    await sign_in(page, at=own, then="/models")
    await page.click("[data-install=yolox-nano]")
    told = page.locator("#installing")
    await told.get_by_text("yolox-nano is being installed").wait_for()
    await told.get_by_text("yolox-nano was installed").wait_for()
    await page.locator("[data-activate=yolox-nano]:focus").wait_for()  # where Install was pressed
    await page.wait_for_load_state("load")
    await page.click(".from-file summary")
    pack = tmp_path / "yard.zip"
    pack.write_bytes(b"zip" * 10_000)
    await page.set_input_files("#install-file [name=file]", pack)
    await page.click("#install-file [type=submit]")
    await told.get_by_text("was not accepted").wait_for()
    await page.set_input_files("#install-file [name=file]", pack)
    await page.check("#install-file [name=accept]")
    await page.click("#install-file [type=submit]")
    await page.locator("[data-model=yard]").wait_for()
