"""Signing in, and out, and replacing a claim code."""

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_stranger_is_led_to_the_sign_in_and_back(page, box):
    await page.goto(f"{box.url}/events?severity=critical")
    assert "/login?next=" in page.url
    await page.fill("#sign-in [name=username]", "viewer")
    await page.fill("#sign-in [name=password]", box.password)
    await page.press("#sign-in [name=password]", "Enter")
    await page.wait_for_url("**/events?severity=critical")


async def test_a_wrong_password_is_said_with_its_hint(page):
    await page.goto("/login")
    await page.fill("#sign-in [name=username]", "nobody")
    await page.fill("#sign-in [name=password]", "not the password")
    await page.click("#sign-in button")
    problem = page.locator("#sign-in .problem")
    await problem.wait_for(state="visible")
    assert "Wrong user name or password" in await problem.inner_text()
    assert await problem.get_attribute("role") == "alert"
    assert await page.locator("#sign-in button").is_enabled()


async def test_after_signing_in_nobody_is_led_to_another_site(page):
    for target in ("//evil.example/", "https://evil.example/", "/\\evil.example", "/%0aevil"):
        await page.goto(f"/login?next={target}")
        assert await page.evaluate("document.body.dataset.next") == "/", target


async def test_a_claim_code_must_be_replaced_before_anything_is_seen(page, box_with):
    own = await box_with("--cameras", "1", "--events", "0")
    await page.goto(f"{own.url}/login")
    await page.fill("#sign-in [name=username]", "newcomer")
    await page.fill("#sign-in [name=password]", own.password)
    await page.click("#sign-in button")
    await page.locator("#replace").wait_for(state="visible")
    await page.fill("#replace [name=password]", "three quiet horses")
    await page.fill("#replace [name=again]", "three quiet cows")
    await page.click("#replace button")
    assert "not the same" in await page.locator("#replace .problem").inner_text()
    # The page is led here again whatever it asks for.
    other = await page.context.new_page()
    await other.goto(f"{own.url}/")
    assert other.url == f"{own.url}/password"
    await page.fill("#replace [name=again]", "three quiet horses")
    await page.click("#replace button")
    await page.wait_for_url(f"{own.url}/")
    assert await page.locator(".tile").count() == 1


async def test_signing_out_ends_it(page, sign_in):
    await sign_in(page, "viewer")
    await page.click(".rail [data-sign-out]")
    await page.wait_for_url("**/login")
    await page.goto("/")
    assert "/login" in page.url


async def test_who_is_signed_in_changes_the_own_password(page, box_with, sign_in):
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, at=own, then="/settings")
    await page.get_by_role("link", name="Change password").click()
    assert "claim code" not in (await page.locator("#replace").inner_text()).lower()
    await page.fill("#replace [name=current]", "not the password")
    for name in ("password", "again"):
        await page.fill(f"#replace [name={name}]", "three other horses")
    await page.press("#replace [name=again]", "Enter")
    await page.locator("#replace .problem:not([hidden])").wait_for()
    await page.fill("#replace [name=current]", own.password)
    await page.press("#replace [name=again]", "Enter")
    await page.wait_for_url(f"{own.url}/")
    answer = await page.request.post(
        f"{own.url}/api/v1/auth/login", data={"username": "admin", "password": "three other horses"}
    )
    assert answer.ok
