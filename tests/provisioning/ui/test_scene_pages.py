"""The pages of cameras, zones and people on a telephone, with the box's own daemon and simulated cameras."""

import pytest

pytestmark = [pytest.mark.long, pytest.mark.browser, pytest.mark.timeout(300)]
PASSWORD = "a walk in the harbour"
SIM = "sim://{}?fps=5&size=320x180&gop=5"


@pytest.fixture
def furnished(wizard_on, phone, tmp_path):
    async def begin(*names: str):
        wizard = await wizard_on(tmp_path / "box")
        await phone.scan(wizard.url, wizard.code)
        await wizard.claim()
        await wizard.carry_out("administrator", {"name": "admin", "password": PASSWORD})
        cameras = [{"name": name, "rtsp_url": SIM.format(name.lower())} for name in names]
        done = await wizard.carry_out("cameras", {"camera": cameras})
        assert done["running"]["error"] is None
        await phone.scan(wizard.url, wizard.code)  # the next claim takes the session over
        return wizard

    return begin


async def test_zones_are_drawn_with_a_finger_and_stand_there_the_next_time(furnished, phone) -> None:
    wizard = await furnished("Gate", "Yard")
    page = phone.page
    await page.goto(f"{wizard.url}/steps/zones")
    await phone.is_at("zones")
    await page.wait_for_function("document.querySelector('#backdrop').naturalWidth > 0")
    await phone.tap(".template:has-text('Entrance')")
    box = await page.locator("[data-corner='0']").bounding_box()
    await page.mouse.move(box["x"] + 22, box["y"] + 22)
    await page.mouse.down()
    await page.mouse.move(box["x"] - 20, box["y"] + 12, steps=4)
    await page.mouse.up()
    await phone.tap("[data-camera='yard']")
    await phone.tap(".template:has-text('Perimeter')")
    await page.locator("[data-corner='1']").press("ArrowUp")
    assert await page.inner_text("#continue") == "Draw 2 zones"
    await phone.go()
    await page.goto(f"{wizard.url}/steps/zones")
    await phone.is_at("zones")
    assert "Gate: Entrance" in await page.inner_text("#list") and "Yard: Perimeter" in await page.inner_text(
        "#list"
    )
    found = await page.evaluate("fetch('/api/steps/zones').then(a => a.json())")
    zones = {zone["name"]: zone["points"] for zone in found["found"]["zones"]}
    assert zones["Entrance"][0][0] < 0.3 and zones["Perimeter"][1][1] == 0.61
    await phone.tap("#continue")
    await page.locator("#sheet-title", has_text="Nothing to change").wait_for()


async def test_people_are_added_and_a_channel_that_fails_is_mended_on_the_spot(furnished, phone) -> None:
    wizard = await furnished("Gate")
    page = phone.page
    await page.goto(f"{wizard.url}/steps/people")
    await phone.is_at("people")
    await phone.tap("#add-user summary")
    await phone.type("[name=username]", "guard")
    await page.fill("[name=password]", "short")
    await phone.tap("#take-user")
    await page.locator("[data-part=user] .problem:not([hidden])").wait_for()
    await phone.type("[name=password]", "three small words here")
    await phone.tap("#take-user")
    await phone.tap("#add-hook summary")
    await phone.type("[name=hook-name]", "Control room")
    await phone.type("[name=hook-url]", "http://127.0.0.1:9/in")
    await phone.tap("#continue")  # what was typed is meant, too
    await page.locator("#sheet[open] >> text=Tell Control room").wait_for()
    await phone.tap("#sheet-go")
    bad = page.locator(".check-row[data-ok='0']")
    await bad.wait_for()
    assert "Control room" in await bad.inner_text() and "nothing listens" in await bad.inner_text()
    await phone.tap("#sheet-back")
    page.on("dialog", lambda dialog: dialog.dismiss())
    await phone.tap("#continue")
    await page.locator("#sheet[open]").wait_for()
    await phone.tap("#sheet-go")
    assert "admin" in await page.inner_text("#users")


async def test_a_camera_that_is_known_by_its_address_shows_what_it_sends(furnished, phone) -> None:
    wizard = await furnished("Gate")
    page = phone.page
    await page.route(
        "**/ask/scan", lambda route: route.fulfill(json={"seen": []})
    )  # not the machine's network
    await page.goto(f"{wizard.url}/steps/cameras")
    await phone.is_at("cameras")
    await page.locator("[data-state=known]", has_text="Gate").first.wait_for()
    await phone.tap("#more summary")
    await phone.type("[name=rtsp_url]", SIM.format("yard"))
    await phone.tap("#look")
    card = page.locator("#cameras > li", has_text="320×180")
    await card.wait_for()
    assert await page.inner_text("#continue") == "Add 1 camera"
    assert await card.locator("input.camera-name").input_value() == "Camera yard"
    await phone.go()


async def test_a_slip_in_the_password_of_all_cameras_is_typed_again_once(
    furnished, phone, start_fleet
) -> None:
    fleet = start_fleet(
        3, faults={2: "clock-1970", 3: "wrong-password"}, words=["--main=320x180@5", "--sub=160x90@5"]
    )
    wizard = await furnished("Gate")
    page = phone.page
    await page.goto(f"{wizard.url}/steps/cameras")
    await phone.is_at("cameras")
    await phone.tap("#more summary")
    await phone.type("[name=network]", fleet.network)
    await phone.tap("#scan")
    form = page.locator("#sign-in")
    await form.wait_for()
    await page.fill("[name=username]", fleet.user)
    await page.fill("[name=password]", "not the one")
    await phone.tap("#enter")
    await form.locator(".problem", has_text="All 3 cameras refuse this user name or password").wait_for()
    assert await page.locator("[data-code]").evaluate_all(
        "all => [...new Set(all.map(one => one.dataset.code))]"
    ) == ["wrong_password"]
    assert await page.locator("#set-all-right").is_hidden()
    await page.fill("[name=password]", fleet.password)
    await phone.tap("#enter")
    await page.locator("#cameras > [data-state=bad]", has_text="Password refused").wait_for()
    await page.locator("#set-all-right:not([hidden])").wait_for()
    assert await form.is_hidden()  # one that has another password has its own field
    assert await page.locator("details", has_text="Another password").count() == 1
    too_wide = "all => all.filter(one => one.offsetWidth > one.parentElement.clientWidth).length"
    assert await page.locator("table.streams").evaluate_all(too_wide) == 0
    fleet.order(fleet.cameras[1].name, "fault", "silent")  # somebody trips over its cable
    await phone.tap("#set-all-right")
    card = page.locator(f'#cameras > [data-address="{fleet.cameras[1].address}"]')
    await card.locator("[data-kind=bad]", has_text="Not set right").wait_for()
