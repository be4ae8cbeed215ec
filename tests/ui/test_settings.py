"""The installer's pages: cameras, zones, rules, people, the site."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_camera_is_added_changed_and_removed(page, box_with, sign_in):
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, "installer", at=own, then="/settings/cameras/new")
    await page.fill("[name=name]", "Cellar <1>")
    await page.fill("[name=rtsp_url]", "gopher://10.0.0.9/")
    await page.click("[type=submit]")
    problem = page.locator("#camera-form .problem")
    await problem.wait_for(state="visible")
    assert await page.locator("[name=rtsp_url]").get_attribute("aria-invalid") == "true"
    await page.fill("[name=rtsp_url]", "rtsp://bob:s3cret-word@10.0.0.9/main")
    await page.press("[name=rtsp_url]", "Enter")
    await page.locator("#report[data-kind=bad]").wait_for()  # asked first: nobody learns it from the wall
    await page.locator("[type=submit]", has_text="Add it all the same").click()
    await page.wait_for_url("**/settings")
    row = page.locator(".rows li", has_text="Cellar <1>")
    assert "s3cret-word" not in await page.content()
    await row.get_by_role("link", name="Edit").click()
    await page.fill("[name=name]", "Wine cellar")
    assert await page.input_value("[name=username]") == "bob"
    await page.click("[type=submit]")
    await page.wait_for_url("**/settings")
    await page.locator(".rows li", has_text="Wine cellar").get_by_role("link", name="Edit").click()
    await page.click("#remove")
    await page.click("#remove-now")
    await page.wait_for_url("**/settings")
    assert await page.locator(".rows li").count() == 1


async def test_the_test_of_a_camera_says_why_it_fails(page, sign_in):
    await sign_in(page, "installer", then="/settings/cameras/new")
    await page.fill("[name=rtsp_url]", "rtsp://10.0.0.9/main")
    await page.click("#test")
    await page.locator("#report[data-kind=bad]").wait_for()
    assert "camera test" in (await page.locator("#report").inner_text()).lower()


async def test_people_are_added_by_an_admin_only(page, sign_in):
    await sign_in(page, "operator")
    answer = await page.goto("/settings/users")
    assert answer.status == 403
    assert "admin role" in await page.locator(".empty").inner_text()
    await page.context.clear_cookies()
    await sign_in(page, "admin", then="/settings/users")
    await page.fill("#user-form [name=username]", "night-guard")
    await page.fill("#user-form [name=password]", "short")
    assert not await page.evaluate("document.querySelector('#user-form').checkValidity()")
    await page.fill("#user-form [name=password]", "a long enough one")
    await page.check("#user-form [value=operator]")
    await page.click("#user-form [type=submit]")
    await page.locator("#users", has_text="night-guard").wait_for()
    await page.wait_for_load_state("load")  # the page loads again after adding; then its script listens
    line = page.locator("#users li", has_text="night-guard")
    assert "Must set a password" in await line.inner_text(), "an admin knows nobody's password but their own"
    delete = line.locator("[data-delete]")
    await delete.click()
    await delete.click()
    await page.locator("#users", has_text="night-guard").wait_for(state="detached")


async def test_an_admin_gives_a_new_password_and_says_which_cameras(page, box_with, sign_in):
    own = await box_with("--cameras", "2")
    await sign_in(page, "admin", at=own, then="/settings/users")
    assert await page.locator("#users li", has_text="(you)").locator("details").count() == 0
    line = page.locator("#users li[data-name=operator]")
    await line.locator("summary").click()
    await line.locator("[data-password] [name=password]").fill("passwordpassword")
    await line.locator("[data-password] [type=submit]").click()
    await line.locator("[data-password] .problem", has_text="too easy").wait_for()
    await line.locator("[data-password] [name=password]").fill("a lantern on the pier")
    await line.locator("[data-password] [type=submit]").click()
    await page.locator("#toasts", has_text="one sign-in").wait_for()
    await line.locator("[data-role]").select_option("viewer")
    assert await line.locator("[data-save-role]").is_visible(), "choosing is not saving"
    await line.locator("[data-save-role]").click()
    await page.locator("#toasts", has_text="operator is viewer now").wait_for()
    await line.locator("[name=all]").uncheck()
    first = line.locator("[name=camera]").first
    await first.check()
    camera_id = await first.get_attribute("value")
    async with page.expect_event("framenavigated"):  # the page loads again once it is kept
        await line.locator("[data-cameras] [type=submit]").click()
    await page.wait_for_load_state("load")
    answer = await page.request.get(f"{own.url}/api/v1/users")
    person = next(u for u in (await answer.json())["users"] if u["username"] == "operator")
    assert person["camera_ids"] == [camera_id] and person["must_change_password"]
    assert person["role"] == "viewer"
    await line.locator("summary").click()
    await line.locator("[data-bar]").click()
    await page.locator("#users li[data-name=operator]", has_text="Disabled").wait_for()


async def test_the_site_keeps_its_time_zone(page, box_with, sign_in):
    own = await box_with("--cameras", "0", "--zone", "Etc/UTC")
    await sign_in(page, at=own, then="/settings/site")
    await page.fill("[name=time_zone]", "Mars/Olympus")
    await page.click("[type=submit]")
    await page.locator("#site-form .problem").wait_for(state="visible")
    await page.fill("[name=time_zone]", "Asia/Kathmandu")
    await page.click("[type=submit]")
    await page.locator("html[data-time-zone='Asia/Kathmandu']").wait_for()
    assert await page.locator("text=time zone is not set").count() == 0


async def test_health_shows_what_is_wrong_first(page, sign_in):
    await sign_in(page, "viewer", then="/settings/health")
    first = page.locator("#checks li .check-mark").first
    await first.wait_for()
    assert await first.inner_text() == "Failing"
    assert "since" in await page.locator("#checks li").first.inner_text()


async def test_on_a_phone_the_words_stand_beside_the_field_they_are_about(page, sign_in):
    await page.set_viewport_size({"width": 390, "height": 844})
    await sign_in(page, "installer", then="/settings/cameras/new")
    await page.fill("[name=name]", "Cellar")
    await page.fill("[name=rtsp_url]", "gopher://10.0.0.9/")
    await page.press("[name=rtsp_url]", "Enter")
    problem = page.locator("#camera-form .problem")
    await problem.wait_for(state="visible")
    said, field = await problem.bounding_box(), await page.locator("[name=rtsp_url]").bounding_box()
    assert 0 <= said["y"] - (field["y"] + field["height"]) < 60
    assert said["y"] + said["height"] < 844


async def test_a_page_is_found_where_people_look_for_it(page, sign_in):
    await sign_in(page, "viewer", then="/settings/models")
    assert page.url.endswith("/models") and not page.url.endswith("/settings/models")
