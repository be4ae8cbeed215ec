"""Somebody on a slow line is quicker than the page's scripts."""

import asyncio
import re

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORM = re.compile(r"<form\b[^>]*>")


@pytest_asyncio.fixture(loop_scope="session")
async def held(page):
    """Scripts that come late: ``held.set()`` lets them through."""
    may_come = asyncio.Event()

    async def late(route) -> None:
        if "early.js" not in route.request.url:
            await may_come.wait()
        await route.continue_()

    await page.route("**/static/**/*.js", late)
    await page.route("**/static/*.js", late)
    yield may_come
    may_come.set()


async def sign_in_slowly(page, own, path):
    answer = await page.request.post(
        f"{own.url}/api/v1/auth/login", data={"username": "admin", "password": own.password}
    )
    assert answer.ok
    await page.goto(f"{own.url}{path}", wait_until="commit")


async def test_a_form_that_is_sent_too_early_is_sent_when_somebody_listens(page, box_with, held):
    own = await box_with("--cameras", "0", "--events", "0")
    await sign_in_slowly(page, own, "/settings/cameras/new")
    await page.fill("[name=name]", "Cellar")
    await page.fill("[name=rtsp_url]", "rtsp://10.0.0.9/main")
    await page.fill("[name=password]", "s3cret-word")
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    await page.locator("[name=password]").press("Enter")
    await page.locator("#camera-form [aria-busy=true]").wait_for()
    assert page.url.endswith("/settings/cameras/new")
    held.set()
    send = page.locator("[type=submit]", has_text="Add it all the same")  # it was asked, and is not there
    await send.click()
    await page.wait_for_url("**/settings")
    await page.locator(".rows li", has_text="Cellar").wait_for()
    assert not [address for address in addresses if "s3cret-word" in address]


async def test_a_button_pressed_too_early_is_pressed_once_when_somebody_listens(page, box, held):
    await sign_in_slowly(page, box, "/settings")
    for _ in range(2):
        await page.click("button[data-help]")
    assert not await page.locator("dialog[open]").count()
    held.set()
    await page.locator("dialog[open]").wait_for()


async def test_no_form_but_a_search_writes_what_was_typed_into_an_address(root):
    for template in (root / "ui" / "templates").rglob("*.html"):
        text = template.read_text()
        for form in FORM.finditer(text):
            assert 'method="' in form[0], f"{template.name}: {form[0]} is sent as a query"
            if 'method="get"' in form[0]:
                assert "password" not in text[form.end() : text.index("</form>", form.end())]
