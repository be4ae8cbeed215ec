"""Connections: targets and their figures, a target's form, the hub, the tunnel; by mouse, keys and thumb."""

import re

import pytest
import pytest_asyncio

from appliance.store import policy
from appliance.web.pages import connection_words as connections_words

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOME = "/settings/connections"
INVITATION = "aries-enrol:1?url=https%3A%2F%2F127.0.0.1%3A1&code=ABCD-2345"
PLACES = (HOME, f"{HOME}/new", f"{HOME}/new/s3", f"{HOME}/new/mqtt", f"{HOME}/targets/archive")
THINGS = "button, a, input, select, textarea, summary, p, dt, dd"
OVERLAPS = """(things) => {
    const shown = [...document.querySelectorAll(things)].filter((e) => e.closest("main")
        && e.checkVisibility() && !e.closest(".hidden, .day") && e.getBoundingClientRect().width > 1);
    const over = [];
    for (const [n, a] of shown.entries()) for (const b of shown.slice(n + 1)) {
        if (a.contains(b) || b.contains(a)) continue;
        const [p, q] = [a.getBoundingClientRect(), b.getBoundingClientRect()];
        const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        if (wide > 2 && high > 2) over.push([a.outerHTML.slice(0, 90), b.outerHTML.slice(0, 90)]);
    }
    return over;
}"""
ASK = "document.querySelector('#connections').dispatchEvent(new Event('changed'))"
UNFOLD = "for (const one of document.querySelectorAll('main details')) one.open = true"


@pytest_asyncio.fixture(loop_scope="session")
async def own(box_with):
    """For a test that changes something."""
    return await box_with("--cameras", "1", "--events", "0", "--targets")


async def look(page, path):
    """The page asks again, now, and has the answer."""
    async with page.expect_response(f"**/api/v1/{path}"):
        await page.evaluate(ASK)


def row(page, target):
    return page.locator(f'[data-target="{target}"]')


async def test_each_target_says_how_it_stands(page, connected, sign_in):
    await sign_in(page, at=connected, then=HOME)
    await row(page, "cloud").wait_for()
    cloud = await row(page, "cloud").inner_text()
    assert "Waiting" in cloud and "0 of 40 acknowledged · 40 waiting, the oldest for" in cloud
    assert "The target is there, but in trouble itself, HTTP 503. Nothing to do here: it is tried" in cloud
    assert re.search(r"Since \d\d:.*It is tried again in \d+ s, at \d\d:", cloud)
    office = row(page, "office")
    words = await office.inner_text()
    assert "Cannot be reached" in words and "refuses the connection: nothing listens" in words
    assert re.search(r"Check the address and the port.*Since .*, for \d+ min\. It is tried again ", words)
    assert await office.locator(".check-mark").get_attribute("data-status") == "degraded"
    broker = await row(page, "site-broker").inner_text()
    assert "Some was refused" in broker and "3 parked: the target refused them" in broker
    assert "2 × Too long: 1204411 bytes" in broker and "1,231 of 1,234 acknowledged" in broker
    assert "Switched off" in await row(page, "archive").inner_text()
    assert "s3cret" not in await page.content()
    await row(page, "cloud").locator("summary", has_text="Figures by kind").click()
    table = await row(page, "cloud").locator("table").inner_text()
    assert "Alerts" in table and "Events" in table and "All" in table


async def test_an_installer_sees_how_far_it_is_and_not_where_it_goes(page, connected, sign_in):
    await sign_in(page, "installer", at=connected, then=HOME)
    await row(page, "cloud").wait_for()
    text = await page.locator("main").inner_text()
    assert "40 waiting" in text and "cloud.example" not in text and "503" not in text
    assert await page.locator("#targets button, #targets a").count() == 0
    for path in (f"{HOME}/new", f"{HOME}/targets/cloud"):
        assert (await page.goto(f"{connected.url}{path}")).status == 403
    await page.context.clear_cookies()
    await sign_in(page, "operator", at=connected, then="/settings")
    assert await page.get_by_role("link", name="Connections").count() == 0
    assert (await page.goto(f"{connected.url}{HOME}")).status == 403


async def test_nothing_is_sent_anywhere_and_says_so(page, sign_in):
    await sign_in(page, then=HOME)
    await page.get_by_text("Nothing is sent anywhere. Add a target").wait_for()
    await page.get_by_text("This box belongs to no hub.").wait_for()
    await page.locator("#tunnel", has_text="Enrol the box at its hub first").wait_for()
    assert await page.locator("#tunnel-actions").is_hidden()


async def test_a_target_is_added_by_keyboard_and_wrong_fields_say_so(page, box_with, sign_in):
    own = await box_with("--cameras", "0")
    await sign_in(page, at=own, then=HOME)
    await page.get_by_role("link", name="Add a target").focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Choose MQTT broker").focus()
    await page.keyboard.press("Enter")
    await page.locator("[name=id]").focus()
    await page.keyboard.type("site-broker")
    await page.keyboard.press("Tab")
    await page.keyboard.type("mqtt://broker.example")
    await page.keyboard.press("Enter")
    problem = page.locator("#target-form .problem")
    await problem.wait_for()
    assert "could read this" in await problem.inner_text()
    assert await page.locator("[name=url]").get_attribute("aria-invalid") == "true"
    assert await page.evaluate("document.activeElement.name") == "url"
    await page.fill("[name=url]", "mqtts://broker.example:8883")
    await page.fill('[name="options.topic"]', "site/#")
    await page.press('[name="options.topic"]', "Enter")
    await page.locator('[name="options.topic"][aria-invalid=true]').wait_for()
    said, field = await problem.bounding_box(), await page.locator('[name="options.topic"]').bounding_box()
    assert 0 <= said["y"] - field["y"] - field["height"] < 60
    await page.fill('[name="options.topic"]', "site/{kind}")
    await page.fill("[name=token]", "s3cret-word")
    await page.fill('[name="options.username"]', "box")
    await page.press("[name=token]", "Enter")
    await page.wait_for_url(f"**{HOME}")
    await row(page, "site-broker").wait_for()
    await row(page, "site-broker").get_by_role("link", name="Edit").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/targets/site-broker")
    assert await page.input_value('[name="options.topic"]') == "site/{kind}"
    assert "s3cret-word" not in await page.content()
    answer = await page.request.get(f"{own.url}/api/v1/targets/site-broker")
    target = (await answer.json())["target"]
    assert target["has_token"] and target["options"] == {"topic": "site/{kind}", "username": "box",
        "schema": "2", "stills": "none", "subscribers": "required"}  # fmt: skip


async def test_a_stored_target_is_tested_where_it_stands(page, connected, sign_in):
    await sign_in(page, at=connected, then=HOME)
    await row(page, "site-broker").get_by_role("button", name="Test").click()
    said = row(page, "site-broker").locator(".report", has_text="Tested at")
    await said.wait_for()
    assert re.match(
        r"Tested at \d\d:\d\d:\d\d\. It does not work\. The target refuses the connection",
        await said.inner_text(),
    )


async def test_a_second_target_of_one_name_does_not_take_the_place_of_the_first(page, connected, sign_in):
    await sign_in(page, at=connected, then=f"{HOME}/new/https")
    await page.fill("[name=id]", "cloud")
    await page.fill("[name=url]", "https://other.example/in")
    await page.click("[type=submit]")
    await page.get_by_text("There is a target cloud already").wait_for()
    assert await page.locator("[name=id]").get_attribute("aria-invalid") == "true"


async def test_what_is_sent_and_how_much_is_kept_to_the_byte(page, own, sign_in):
    async def stored():
        answer = await page.request.get(f"{own.url}/api/v1/targets/archive")
        return (await answer.json())["target"]["policy"]

    await sign_in(page, at=own, then=f"{HOME}/targets/archive")
    before = await stored()
    await page.click("[type=submit]")
    await page.wait_for_url(f"**{HOME}")
    assert await stored() == before  # what nobody touched is as it was
    await page.goto(f"{own.url}{HOME}/targets/archive")
    await page.click("#policy summary")
    clips = page.locator(".sent li", has_text="from the main stream")
    await clips.locator("[data-on]").uncheck()
    await page.locator(".sent li", has_text="Events").locator("select").select_option("critical")
    await page.fill('[name="policy.budget.day_bytes"]', "2.5")
    await page.fill('[name="policy.budget.hour_bytes"]', "3")
    await page.check('[name="policy.budget.metered"]')
    await page.click("#add-window")
    await page.locator(".rate-window .day", has_text="Sun").locator("input").uncheck(force=True)
    await page.locator('.rate-window [data-part="rate"]').fill("64")
    await page.click("[type=submit]")
    await page.locator('[name="policy.budget.hour_bytes"][aria-invalid=true]').wait_for()
    await page.fill('[name="policy.budget.hour_bytes"]', "")
    await page.click("[type=submit]")
    await page.wait_for_url(f"**{HOME}")
    after = await stored()
    budget = after["budget"]
    assert (budget["day_bytes"], budget["hour_bytes"], budget["metered"]) == (2_500_000, None, True)
    days = ["mon", "tue", "wed", "thu", "fri", "sat"]
    assert budget["windows"] == [{"days": days, "from": "22:00", "to": "06:00", "bytes_per_s": 8000}]
    assert after["kinds"]["clip"]["on"] is False
    assert after["kinds"]["event"]["least_severity"] == after["kinds"]["event_update"]["least_severity"]
    assert after["kinds"]["event"]["least_severity"] == "critical" and "still" not in after["kinds"]
    assert after["quota_bytes"] == before["quota_bytes"] and after["kinds"]["clip"]["lane"] == 7


async def test_a_target_is_tried_before_it_is_kept_and_deleted_after_a_question(page, own, sign_in):
    await sign_in(page, at=own, then=f"{HOME}/new/redis")
    await page.fill("[name=id]", "cache")
    await page.fill("[name=url]", "redis://127.0.0.1:1/0")
    await page.click("#try")
    await page.locator("#report[data-kind=bad]").wait_for()
    assert "It does not work" in await page.locator("#report").inner_text()
    await page.goto(f"{own.url}{HOME}/targets/archive")
    await page.click("#remove")
    assert await page.evaluate("document.activeElement.id") == "keep"
    await page.keyboard.press("Escape")
    await page.click("#remove")
    await page.click("#remove-now")
    await page.wait_for_url(f"**{HOME}")
    await row(page, "cloud").wait_for()
    assert await row(page, "archive").count() == 0


async def test_an_enrolment_that_fails_says_why_at_its_field(page, box_with, sign_in):
    own = await box_with("--cameras", "0")
    await sign_in(page, "installer", at=own, then=HOME)
    await page.fill("[name=invitation]", "no invitation at all")
    await page.click("#enrol-form [type=submit]")
    await page.locator("[name=invitation][aria-invalid=true]").wait_for()
    problem = page.locator("#enrol-form .problem")
    assert "This is no invitation of a hub" in await problem.inner_text()
    await page.fill("[name=invitation]", "")
    await page.click("#typed summary")
    await page.fill("[name=url]", "https://127.0.0.1:1")
    await page.fill("[name=code]", "!")
    await page.click("#enrol-form [type=submit]")
    await page.locator("[name=code][aria-invalid=true]").wait_for()
    await page.fill("[name=code]", "ABCD-2345")
    await page.click("#enrol-form [type=submit]")
    await page.get_by_text("The hub refuses the connection").wait_for()
    assert await page.get_by_text("This box belongs to no hub.").is_visible()


async def test_an_invitation_is_read_from_a_file_or_scanned(page, box_with, sign_in):
    own = await box_with("--cameras", "0")
    await page.add_init_script(
        f"""const found = [{{ rawValue: "{INVITATION}" }}];
        window.BarcodeDetector = class {{ async detect() {{ return found; }} }};
        Object.defineProperty(navigator, "mediaDevices", {{ value: {{ getUserMedia: async () => {{
            const canvas = document.createElement("canvas");
            canvas.getContext("2d").fillRect(0, 0, 9, 9);
            window.stream = canvas.captureStream(5);
            setInterval(() => canvas.getContext("2d").fillRect(0, 0, 9, 9), 50);
            return window.stream;
        }} }} }});"""
    )
    await sign_in(page, "installer", at=own, then=HOME)
    await page.get_by_text("This box belongs to no hub.").wait_for()
    file = {"name": "aries-enrol.txt", "mimeType": "text/plain", "buffer": f"{INVITATION}\n".encode()}
    await page.set_input_files("#file", file)
    field = page.locator("[name=invitation]")
    await page.locator("[name=invitation]:focus").wait_for()
    assert await field.input_value() == INVITATION
    await field.fill("")
    answer = await page.request.get(f"{own.url}{HOME}")
    assert "camera=(self)" in answer.headers["permissions-policy"]
    answer = await page.request.get(f"{own.url}/settings")
    assert "camera=()" in answer.headers["permissions-policy"]
    await page.click("#scan")
    await page.locator("#scanner").wait_for(state="hidden")
    await page.locator("[name=invitation]:focus").wait_for()
    assert await field.input_value() == INVITATION
    assert await page.evaluate("window.stream.getTracks().every((track) => track.readyState === 'ended')")


async def test_the_identity_shows_a_fingerprint_and_a_code(page, box_with, sign_in, until):
    own = await box_with("--cameras", "0")
    await sign_in(page, "installer", at=own, then=HOME)
    await page.click("#identity summary")
    await page.locator("#identity-facts", has_text=re.compile(r"[0-9a-f]{64}")).wait_for()
    await until(page, "document.querySelector('#identity-qr').naturalWidth > 0")


async def test_kinds_of_rows_have_one_name_on_both_sides(page, connected, sign_in):
    await sign_in(page, at=connected, then=HOME)
    names = await page.evaluate("import('/static/connections/figures.js').then((m) => m.KINDS)")
    assert set(names) == policy.KINDS
    assert all(names[sent.kinds[0]] == sent.name for sent in connections_words.SENT)
    one = await page.evaluate("import('/static/connections/figures.js').then((m) => m.ONE)")
    assert set(one) == policy.KINDS


async def test_what_the_hub_may_order_is_ticked_and_the_hub_left_after_a_question(page, own, sign_in):
    await own.order(do="hub")
    await sign_in(page, at=own, then=HOME)
    await page.get_by_text("In touch").wait_for()
    await page.click("#commands summary")
    orders = await page.locator("#commands-list").inner_text()
    assert "Change settings" in orders and "Undone" in orders and "by ada@hub" in orders
    assert await page.locator("#enrol-form").is_hidden()
    await page.locator("#allowed-form [value=patch_settings]").uncheck()
    await look(page, "hub")  # what is not saved yet stays as it was ticked
    assert not await page.locator("#allowed-form [value=patch_settings]").is_checked()
    await page.click("#allowed-form [type=submit]")
    await page.locator(".toast", has_text="Saved").wait_for()
    hub = (await (await page.request.get(f"{own.url}/api/v1/hub")).json())["hub"]
    assert hub["allowed"] == ["acknowledge_alert", "fetch_clip", "ping"]
    await page.click("#leave")
    await page.keyboard.press("Escape")
    assert await page.locator("#sure").is_hidden() and await page.locator("#leave").is_visible()
    await page.click("#leave")
    await page.click("#sure-yes")
    await page.get_by_text("This box belongs to no hub.").wait_for()


async def test_a_hub_that_is_silent_says_why_and_for_how_long(page, own, sign_in):
    await own.order(do="hub")
    await own.order(do="silence", since_s=60, error="the hub is silent (check the address)")
    await sign_in(page, at=own, then=HOME)
    state = page.locator("#hub-now .check-mark")
    await page.locator("#hub-now").get_by_text("Not heard").wait_for()
    assert await state.get_attribute("data-status") == "calm"  # a minute is nothing
    assert "The hub is silent. Check the address. What is owed" in await page.locator("#hub-now").inner_text()
    for since_s in (700, None):
        await own.order(do="silence", since_s=since_s, error="the hub is silent (check the address)")
        await look(page, "hub")
        await page.locator("#hub-now").get_by_text("Cannot be reached").wait_for()
        assert await state.get_attribute("data-status") == "degraded"


async def test_the_tunnel_shows_its_next_step_and_is_switched(page, own, sign_in):
    await own.order(do="tunnel", state="probe fails")
    await sign_in(page, at=own, then=HOME)
    tunnel = page.locator("#tunnel")
    await tunnel.get_by_text("look at the hub").wait_for()
    text = await tunnel.inner_text()
    assert "10.99.0.7/32" in text and "203.0.113.7:51820" in text and "ago" in text
    await tunnel.get_by_role("button", name="New keys").click()
    await page.click("#sure-yes")
    await tunnel.get_by_text("Give the new public key to the hub's admin").wait_for()
    assert await tunnel.get_by_role("button", name="New keys").is_hidden()
    await tunnel.get_by_role("button", name="The hub takes the new key").click()
    await page.click("#sure-yes")
    await tunnel.get_by_text("Changing over to the new one").wait_for()
    await tunnel.get_by_role("button", name="Take it down").focus()
    await page.keyboard.press("Enter")
    await page.locator("#sure[open]").wait_for()
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await tunnel.get_by_role("button", name="Put it up").wait_for()
    assert await page.evaluate("document.activeElement.dataset.tunnel") == "up"
    await page.keyboard.press("Enter")
    await tunnel.get_by_role("button", name="Take it down").wait_for()
    await own.order(do="tunnel", state="stopped")
    await tunnel.get_by_text("Start it: systemctl start aries-tunnel").wait_for()


async def test_figures_that_are_old_say_so(page, connected, sign_in):
    await sign_in(page, at=connected, then=HOME)
    await row(page, "cloud").wait_for()
    await page.route("**/api/v1/deliveries", lambda route: route.abort())
    stale = page.locator("#stale")
    await page.evaluate(ASK)
    await stale.wait_for()
    assert re.match(r"What you see is of \d\d:\d\d:\d\d\. The box does not answer", await stale.inner_text())
    assert await row(page, "cloud").is_visible()
    await page.unroute("**/api/v1/deliveries")
    await page.evaluate(ASK)
    await stale.wait_for(state="hidden")


async def test_only_an_admin_is_told_calmly_that_something_waits(page, own, sign_in):
    await sign_in(page, at=own, then="/events")
    assert "Not everything has reached site-broker" in await page.locator("#late").inner_text()
    assert await page.locator("#late").get_attribute("data-kind") == "info"
    await page.context.clear_cookies()
    await sign_in(page, "operator", at=own, then="/settings/health")
    assert await page.locator("#late").count() == 0
    await page.locator("#status", has_text="Sent to cloud").wait_for()
    assert "cloud.example" not in await page.content()


@pytest.mark.parametrize(("width", "theme"), [(390, "dark"), (390, "light"), (1440, "dark"), (1440, "light")])
async def test_nothing_is_beside_the_screen_or_over_another(
    browser, connected, sign_in, width, theme, slow_answers
):
    await connected.order(do="hub")
    await connected.order(do="tunnel", state="no handshake since")
    context = await browser.new_context(viewport={"width": width, "height": 844}, color_scheme=theme)
    await slow_answers(context)
    page = await context.new_page()
    await sign_in(page, at=connected)
    for path in PLACES:
        await page.goto(f"{connected.url}{path}")
        if path == HOME:
            await row(page, "cloud").wait_for()
            await page.get_by_text("In touch").wait_for()
        await page.evaluate(UNFOLD)
        if path.endswith("/s3"):
            await page.click("#add-window")
        if path == HOME:
            await page.locator("#identity-facts", has_text="Device").wait_for()
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert await page.evaluate(OVERLAPS, THINGS) == [], path
    await context.close()
