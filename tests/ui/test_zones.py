"""Zones, lines and masks on a camera's picture: drawn, changed, taken away."""

import pytest
import pytest_asyncio

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_zone_and_a_line_are_drawn_and_watched_by_a_rule(page, box_with, sign_in):
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, "installer", at=own, then="/settings/cameras/front-gate/zones")
    canvas = await page.locator("#canvas").bounding_box()

    async def click(x, y):
        await page.mouse.click(canvas["x"] + x * canvas["width"], canvas["y"] + y * canvas["height"])

    await page.click("[data-draw=line]")
    await click(0.2, 0.5)
    await click(0.8, 0.5)
    await page.fill("#zone-form [name=name]", "Threshold")
    await page.click("#zone-form [type=submit]")
    await page.locator("#zone-list strong", has_text="Threshold").wait_for()
    await page.click("[data-draw=polygon]")
    for x, y in ((0.1, 0.1), (0.4, 0.1), (0.4, 0.4), (0.1, 0.1)):
        await click(x, y)
    await page.fill("#zone-form [name=name]", "Corner")
    await page.click("#zone-form [type=submit]")
    await page.locator("#zone-list strong", has_text="Corner").wait_for()
    await page.click("details summary")
    await page.fill("#rule-form [name=name]", "Over the threshold")
    await page.select_option("#rule-form [name=kind]", "line_cross")
    await page.select_option("#rule-form [name=direction]", "forward")
    await page.click("#rule-form [type=submit]")
    await page.locator("[data-rule]", has_text="Over the threshold").wait_for()
    answer = await page.request.get(f"{own.url}/api/v1/zones")
    line = next(z for z in (await answer.json())["zones"] if z["name"] == "Threshold")
    assert line["kind"] == "line"
    assert line["points"][0] == pytest.approx([0.2, 0.5], abs=0.01)
    answer = await page.request.get(f"{own.url}/api/v1/rules")
    rule = next(r for r in (await answer.json())["rules"] if r["name"] == "Over the threshold")
    assert rule["params"] == {"direction": "forward"} and rule["zone_ids"] == [line["id"]]


async def test_a_mask_is_drawn_and_taken_away(page, box_with, sign_in):
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, "installer", at=own, then="/settings/cameras/front-gate/zones")
    canvas = await page.locator("#canvas").bounding_box()

    async def masks():
        answer = await page.request.get(f"{own.url}/api/v1/cameras/front-gate")
        return (await answer.json())["camera"]["detect"]["masks"]

    for left in (0.1, 0.6):
        await page.click("[data-draw=mask]")
        for x, y in ((left, 0.1), (left + 0.2, 0.1), (left + 0.2, 0.4), (left, 0.1)):
            await page.mouse.click(canvas["x"] + x * canvas["width"], canvas["y"] + y * canvas["height"])
        assert not await page.is_visible("#zone-form [name=name]"), "a mask has no name"
        await page.click("#zone-form [type=submit]")
        await page.locator("#mask-list li").nth(int(left > 0.5)).wait_for()
        await page.locator("#drawing .mask").nth(int(left > 0.5)).wait_for(state="attached")
    await page.click("[data-draw=mask]")
    await page.mouse.click(canvas["x"] + 5, canvas["y"] + 5)
    await page.keyboard.press("Enter")
    assert "three corners" in await page.locator("#how").inner_text()
    for x, y in ((0.9, 0.1), (0.9, 0.9)):
        await page.mouse.click(canvas["x"] + x * canvas["width"], canvas["y"] + y * canvas["height"])
    await page.keyboard.press("Enter")
    assert await page.is_visible("#zone-form"), "closed, to be looked at, and not kept yet"
    await page.click("#cancel")
    assert len(await masks()) == 2
    first, second = await masks()
    assert first[0] == pytest.approx([0.1, 0.1], abs=0.01) and len(first) == len(second) == 3
    delete = page.locator("#mask-list [data-delete-mask]").first
    await delete.click()
    await delete.click()
    await page.locator("#mask-list li").nth(1).wait_for(state="detached")
    assert await masks() == [second]


class Picture:
    """The picture with what is drawn over it; places are shares of it."""

    def __init__(self, page, box, url: str) -> None:
        self.page, self._box, self._url = page, box, url

    async def place(self, x, y):
        return self._box["x"] + x * self._box["width"], self._box["y"] + y * self._box["height"]

    async def draw(self, kind, *places):
        await self.page.click(f"[data-draw={kind}]")
        for place in places:
            await self.page.mouse.click(*await self.place(*place))

    async def save(self, name):
        await self.page.fill("#zone-form [name=name]", name)
        await self.page.click("#zone-form [type=submit]")
        await self.page.locator("#zone-list strong", has_text=name).wait_for()

    async def pull(self, handle, x, y):
        found = await self.page.locator(handle).bounding_box()
        await self.page.mouse.move(found["x"] + found["width"] / 2, found["y"] + found["height"] / 2)
        await self.page.mouse.down()
        await self.page.mouse.move(*await self.place(x - 0.05, y))
        await self.page.mouse.move(*await self.place(x, y))
        await self.page.mouse.up()

    async def zones(self):
        answer = await self.page.request.get(f"{self._url}/api/v1/zones")
        found = (await answer.json())["zones"]
        return {zone["name"]: zone for zone in found if zone["camera_id"] == "front-gate"}


@pytest_asyncio.fixture(loop_scope="session")
async def picture(page, box_with, sign_in):
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, "installer", at=own, then="/settings/cameras/front-gate/zones")
    await page.locator("[data-draw=polygon]:enabled").wait_for()
    return Picture(page, await page.locator("#canvas").bounding_box(), own.url)


SQUARE = ((0.1, 0.1), (0.4, 0.1), (0.4, 0.4), (0.1, 0.4), (0.1, 0.1))


async def test_a_zone_s_corners_are_moved_before_it_is_kept_and_after(page, picture):
    await picture.draw("polygon", *SQUARE)
    await picture.pull("[data-corner='2']", 0.5, 0.5)
    await picture.save("Yard")
    before = (await picture.zones())["Yard"]
    assert before["points"][2] == pytest.approx([0.5, 0.5], abs=0.01)
    await page.click("[data-change-zone]")
    assert await page.input_value("#zone-form [name=name]") == "Yard"
    assert not await page.is_visible("#undo"), "there is nothing to be undone yet"
    await picture.pull("[data-corner='0']", 0.2, 0.2)
    await picture.pull("[data-edge='3']", 0.15, 0.3)
    await page.locator("[data-corner='1']").focus()
    await page.keyboard.press("Shift+ArrowRight")
    await page.keyboard.press("ArrowDown")
    await picture.save("Courtyard")
    after = (await picture.zones())["Courtyard"]
    assert after["id"] == before["id"]
    wanted = [(0.2, 0.2), (0.42, 0.105), (0.5, 0.5), (0.1, 0.4), (0.15, 0.3)]
    assert [pytest.approx(point, abs=0.01) for point in wanted] == [tuple(p) for p in after["points"]]


async def test_a_corner_is_taken_away_by_key_but_never_one_of_three(page, picture):
    await picture.draw("polygon", *SQUARE)
    await page.locator("[data-corner='3']").focus()
    for _ in range(3):
        await page.keyboard.press("Delete")
    assert await page.locator(".corner-handle").count() == 3
    await page.locator("[data-edge='0']").focus()
    await page.keyboard.press("Enter")
    assert await page.locator(".corner-handle").count() == 4
    await picture.save("Yard")
    points = (await picture.zones())["Yard"]["points"]
    assert points[1] == pytest.approx([0.25, 0.1], abs=0.01)


async def test_a_corner_that_is_pulled_onto_its_neighbour_goes_away(page, picture):
    await picture.draw("polygon", *SQUARE)
    await picture.pull("[data-corner='2']", 0.395, 0.105)
    assert await page.locator(".corner-handle").count() == 3
    await picture.pull("[data-corner='2']", 0.395, 0.105)
    assert await page.locator(".corner-handle").count() == 3, "the last three stay"
    await page.click("#cancel")


async def test_what_is_changed_can_be_left_as_it_was(page, picture):
    await picture.draw("line", (0.2, 0.5), (0.8, 0.5))
    await picture.save("Threshold")
    await page.click("[data-change-zone]")
    assert await page.locator(".edge-handle").count() == 0, "a line has two ends"
    await picture.pull("[data-corner='1']", 0.8, 0.9)
    await page.keyboard.press("Escape")
    assert await page.locator(".corner-handle").count() == 0 and not await page.is_visible("#zone-form")
    assert (await picture.zones())["Threshold"]["points"][1] == pytest.approx([0.8, 0.5], abs=0.01)
    await picture.draw("polygon", *SQUARE)
    await page.fill("#zone-form [name=name]", "Threshold")
    await page.click("#zone-form [type=submit]")
    await page.locator("#zone-form .problem", has_text="already").wait_for()
    assert (await picture.zones())["Threshold"]["kind"] == "line"


async def test_a_mask_is_changed(page, picture):
    await picture.draw("mask", *SQUARE)
    await page.click("#zone-form [type=submit]")
    await page.locator("#mask-list li").wait_for()
    await page.click("[data-change-mask]")
    await picture.pull("[data-corner='0']", 0.05, 0.05)
    await page.click("#zone-form [type=submit]")
    await page.locator("#zone-form").wait_for(state="hidden")
    await page.locator("[data-draw=mask]:enabled").wait_for()
    answer = await page.request.get(f"{picture._url}/api/v1/cameras/front-gate")
    (mask,) = (await answer.json())["camera"]["detect"]["masks"]
    assert len(mask) == 4 and mask[0] == pytest.approx([0.05, 0.05], abs=0.01)
