"""What a person may not see is not on any page, not even as a name."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_person_limited_to_one_camera_finds_no_trace_of_others(page, box, sign_in):
    event = (await box.order(do="event", camera="yard", severity="warning"))["id"]
    await sign_in(page, "limited")
    assert await page.locator(".tile").count() == 1
    for path in ("/", "/events", "/alerts", "/settings", "/events?camera_id=yard"):
        await page.goto(path)
        text = await page.content()
        assert "Yard" not in text and "z-yard" not in text, path
    for path in ("/cameras/yard", f"/events/{event}", "/settings/cameras/yard/zones"):
        answer = await page.goto(path)
        assert answer.status == 404, path
        assert "Yard" not in await page.content(), path


@pytest.mark.parametrize("path", ["/settings/cameras/new", "/settings/cameras/yard", "/settings/users"])
async def test_pages_above_ones_role_say_so(page, sign_in, path):
    await sign_in(page, "viewer")
    answer = await page.goto(path)
    assert answer.status == 403
    assert "role" in await page.locator(".empty").inner_text()


async def test_input_that_makes_no_sense_is_a_page_and_no_traceback(page, sign_in):
    await sign_in(page)
    for path, status in {
        "/events?cursor=%00%ff": 400,
        "/events?date=0001-01-01": 400,
        "/events/../../etc/passwd": 404,
        "/events/'%20OR%201=1": 404,
        "/events?camera_id='%20OR%201=1&severity=%3Cb%3E": 200,
        "/alerts?status=%00&cursor=x": 400,
    }.items():
        answer = await page.request.get(path)
        assert answer.status == status, (path, answer.status)
        text = await answer.text()
        assert "Traceback" not in text and "sqlite" not in text.lower(), path
