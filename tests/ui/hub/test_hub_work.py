"""A remote admin's and an operator's work in a real browser, on a real hub whose boxes answer."""

import asyncio
import re

import pytest

from appliance.sync.protocol.invitation import parse

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_claim_code_is_replaced_at_the_first_sign_in(open_page, empty_hub):
    hub = empty_hub
    page = await open_page(hub.url)
    await page.goto("/events?severity=info")
    assert page.url.startswith(f"{hub.url}/login?next=")
    await page.keyboard.type("newcomer")
    await page.keyboard.press("Tab")
    await page.keyboard.type("wrong one")
    await page.keyboard.press("Enter")
    await page.get_by_text("wrong user name or password").wait_for()
    await page.fill("#sign-in [name=password]", "once and never again")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="Choose your password").wait_for()
    assert (await page.request.get("/api/v1/boxes")).status == 403  # nothing else opens before
    for name in ("password", "again"):
        await page.fill(f"#replace [name={name}]", "three unrelated words")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/events?severity=info")
    await page.get_by_text("No event").first.wait_for()


async def test_an_empty_hub_says_what_to_do(open_page, empty_hub, sign_in):
    page = await open_page(empty_hub.url)
    await sign_in(page, at=empty_hub)
    for path, words in (
        ("/", "No boxes yet"), ("/events", "No events yet"), ("/alerts", "Nothing waits for you"),
        ("/clips", "No clips yet"), ("/delivery", "Nothing is owed yet"),
        ("/rollouts", "No boxes, so no versions"),
        ("/?view=map", "No site has coordinates"),
    ):  # fmt: skip
        await page.goto(path)
        assert await page.get_by_role("heading", name=words).is_visible(), path


async def test_the_fleet_by_keyboard_alone(page, sign_in, until):
    await sign_in(page)
    await page.keyboard.press("/")
    await page.keyboard.type("warehouse")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/?q=warehouse")
    assert await page.locator("tr[data-box]").count() == 1
    await page.goto("/")
    await page.locator("#box-0199-box-2").focus()  # the worst, so the first
    await page.keyboard.press("ArrowDown")
    assert await page.evaluate("document.activeElement.id") == "box-0199-box-0"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/boxes/0199-box-0")
    await page.keyboard.press("l")
    await page.wait_for_url("**/alerts")


async def test_the_page_stays_new_and_keeps_the_focus(page, hub, sign_in, refresh):
    await sign_in(page, then="/events")
    before = await page.locator("a.event").count()
    chosen = page.locator("a.event").nth(2)
    await chosen.focus()
    id_ = await chosen.get_attribute("id")
    await hub.order(do="event", box=5)
    await refresh(page)
    assert await page.locator("a.event").count() == min(50, before + 1)
    assert await page.evaluate("document.activeElement.id") == id_


async def test_a_hub_that_is_gone_is_said_with_the_age_of_what_one_sees(
    open_page, empty_hub, sign_in, refresh
):
    hub = empty_hub
    page = await open_page(hub.url)
    await sign_in(page, at=hub)
    await hub.order(do="deaf", deaf=True)
    await refresh(page)
    strip = page.locator("#connection")
    assert await strip.is_visible()
    first = await strip.inner_text()
    assert re.search(r"No connection to the hub: it does not answer\. What you see is \d+ s old", first)
    assert await page.get_by_text("No boxes yet").is_visible()  # what was seen is still there
    await strip.filter(has_not_text=first).wait_for()  # it grows older
    await hub.order(do="deaf", deaf=False)
    await refresh(page)
    assert not await strip.is_visible()
    await hub.order(do="break", broken=True)
    await refresh(page)
    assert "it answers 503" in await strip.inner_text()
    await page.reload()
    assert await page.get_by_role("heading", name="This hub cannot answer just now").is_visible()
    await hub.order(do="break", broken=False)


async def test_a_ping_goes_out_and_its_answer_comes_back(page, hub, sign_in, refresh):
    await sign_in(page, "operator", then="/boxes/0199-box-4")
    await page.get_by_role("button", name="Ping").click()
    await page.locator("[data-order-state=waiting]").wait_for()
    assert (await hub.order(do="answer", box=4, state="done"))["count"] == 1
    await refresh(page)
    assert await page.locator("[data-order-state=done]").get_by_text("Ping").is_visible()


async def test_a_clip_is_ordered_by_the_camera_s_name_and_the_site_s_clock(page, hub, sign_in):
    await sign_in(page, "operator", then="/boxes/0199-box-5")
    await page.get_by_role("button", name="Fetch a clip…").click()
    form = page.locator("#clip-form")
    assert await form.get_by_text("in Europe/Lisbon; you read yours in Europe/Berlin").is_visible()
    camera, stream = form.get_by_label("Camera"), form.get_by_label("Stream")
    assert await camera.locator("option:not([disabled])").all_inner_texts() == ["Yard", "East gate"]
    assert await stream.input_value() == "sub"
    await camera.select_option(label="East gate")  # has no sub stream
    assert await stream.input_value() == "main"
    assert await stream.locator("option:not([disabled])").count() == 1
    await camera.select_option(label="Yard")
    assert await stream.input_value() == "sub"
    await page.fill("#clip-form [name=start]", "2026-01-20T14:30:00")
    await page.get_by_role("button", name="Order it").click()
    await page.locator("[data-order-state=waiting]").wait_for()
    orders = (await (await page.request.get("/api/v1/boxes/0199-box-5/commands")).json())["commands"]
    assert orders[0]["kind"] == "fetch_clip"
    asked = await hub.order(do="answer", box=5, state="refused", message="nothing is recorded in that span")
    body = asked["bodies"][0]
    assert (body["camera_id"], body["start_time"]) == ("yard", "2026-01-20T14:30:00.000Z")  # Lisbon's time
    assert (body["end_time"], body["stream"]) == ("2026-01-20T14:30:30.000Z", "sub")


async def test_of_a_box_that_tells_no_names_a_clip_is_ordered_by_id(page, hub, sign_in):
    await sign_in(page, "operator", then="/boxes/0199-box-1")
    await page.get_by_role("button", name="Fetch a clip…").click()
    await page.fill("#clip-form [name=camera_id]", "yard")
    await page.fill("#clip-form [name=start]", "2026-01-20T14:30:00")
    await page.get_by_role("button", name="Order it").click()
    await page.locator("[data-order-state=waiting]").wait_for()
    asked = await hub.order(do="answer", box=1, state="done")
    body = asked["bodies"][0]
    assert (body["camera_id"], body["stream"]) == ("yard", "main")  # what every camera has
    assert body["start_time"] == "2026-01-20T13:30:00.000Z"  # its site is at Oslo


async def test_the_commonest_settings_are_fields_with_their_present_values(page, hub, sign_in):
    await sign_in(page, then="/boxes/0199-box-4")
    await page.get_by_role("button", name="Change settings…").click()
    days = page.get_by_label("Recordings are kept for days")
    assert await days.is_disabled()
    await page.get_by_role("button", name="Read the present values").click()
    settings = {
        "retention": {"days": 30.0, "event_days": 90.0}, "site": {"name": "Depot", "time_zone": "Etc/UTC"},
        "night": {"from": "22:00", "to": "06:00"}, "targets": {},
    }  # fmt: skip
    result = {"settings": settings, "settings_version": 4711, "changes": []}
    async with asyncio.timeout(20):
        while not (await hub.order(do="answer", box=4, state="done", result=result))["count"]:
            await asyncio.sleep(0.05)
    await page.locator("#common:not([disabled])").wait_for()
    assert (await days.input_value(), await page.get_by_label("Night begins").input_value()) == (
        "30",
        "22:00",
    )
    await days.fill("14")
    await page.get_by_label("Its time zone").fill("Europe/Berlin")
    await page.get_by_role("button", name="Preview").click()
    async with asyncio.timeout(20):
        while not (said := await hub.order(do="answer", box=4, state="done", result=result))["count"]:
            await asyncio.sleep(0.05)
    assert said["bodies"][0]["patch"] == {"retention": {"days": 14}, "site": {"time_zone": "Europe/Berlin"}}
    assert said["bodies"][0]["preview"] is True


async def test_an_alert_is_acknowledged_on_its_event_s_page(page, hub, sign_in, refresh):
    told = await hub.order(do="event", box=4, severity="critical")
    await sign_in(page, "operator", then=f"/events/0199-box-4/{told['id']}")
    card = page.locator(f"[data-alert='{told['alert']}']")
    await card.get_by_role("button", name="Acknowledge").click()
    await page.locator(f"[data-alert='{told['alert']}'][data-step=sent]").wait_for()
    await hub.order(do="answer", box=4, state="done")
    await hub.order(do="alert_status", box=4, alert=told["alert"], status="acknowledged")
    await refresh(page)
    assert await card.get_by_text("Acknowledged at the box").is_visible()


async def test_a_stopped_box_says_so_while_one_looks(page, hub, sign_in, refresh):
    await sign_in(page, then="/boxes/0199-box-5")
    await hub.order(do="beat", box=5, status="stopping", cameras=0)
    await refresh(page)
    assert await page.get_by_text("on purpose: it records nothing until it is started again").is_visible()
    await hub.order(do="beat", box=5, version="1.3.2")
    await refresh(page)
    assert await page.get_by_text("on purpose").count() == 0


async def test_settings_are_previewed_and_put_on_trial(page, hub, sign_in, refresh):
    await sign_in(page, then="/boxes/0199-box-1")
    await page.get_by_role("button", name="Change settings…").click()
    await page.get_by_text("As JSON").click()
    await page.fill("#patch-form textarea", "{nonsense")
    await page.get_by_role("button", name="Preview").click()
    await page.get_by_text("This is no JSON").wait_for()
    await page.fill("#patch-form textarea", '{"retention": {"days": 14}}')
    assert await page.locator("#apply").is_disabled()
    await page.get_by_role("button", name="Preview").click()
    changes = [{"field": "retention.days", "before": 30, "after": 14}]
    result = {"settings": {}, "settings_version": 4711, "changes": changes}
    async with asyncio.timeout(20):
        while not (await hub.order(do="answer", box=1, state="done", result=result))["count"]:
            await asyncio.sleep(0.05)
    await page.get_by_text("1 would change").wait_for()
    await page.locator("#apply:not([disabled])").click()
    await page.locator("[data-order-state=waiting]").wait_for()
    said = await hub.order(do="answer", box=1, state="pending", message="1 changed", result=result)
    assert said["bodies"][0]["based_on"] == 4711 and not said["bodies"][0].get("preview")
    await refresh(page)
    assert await page.get_by_text("keeps this only if it hears the hub again").is_visible()
    await hub.order(do="tell", box=1, command=said["ids"][0], state="undone", message="the hub was not heard")
    await refresh(page)
    assert await page.locator("[data-order-state=undone]").is_visible()


async def test_an_acknowledgement_travels_to_the_box_and_back(page, hub, sign_in, refresh):
    told = await hub.order(do="event", box=4, severity="critical")
    await sign_in(page, "operator", then="/alerts")
    row = page.locator(f"[data-alert='{told['alert']}']")
    button = row.get_by_role("button", name="Acknowledge")
    await button.focus()
    await page.keyboard.press("Enter")
    await page.locator(f"[data-alert='{told['alert']}'][data-step=sent]").wait_for()
    assert "on its way to the box" in await row.inner_text()
    assert await row.get_by_role("button").count() == 0
    assert (await hub.order(do="answer", box=4, state="done"))["bodies"][0]["by"] == "operator"
    await hub.order(do="alert_status", box=4, alert=told["alert"], status="acknowledged")
    await refresh(page)
    assert await row.get_by_text("Acknowledged at the box").is_visible()


async def test_a_refused_acknowledgement_says_why(page, hub, sign_in, refresh):
    told = await hub.order(do="event", box=5, severity="warning")
    await sign_in(page, "operator", then="/alerts")
    row = page.locator(f"[data-alert='{told['alert']}']")
    await row.get_by_role("button", name="Acknowledge").click()
    await page.locator(f"[data-alert='{told['alert']}'][data-step=sent]").wait_for()
    await hub.order(do="answer", box=5, state="refused", message="this box's admin has not allowed it")
    await refresh(page)
    assert await row.get_by_text("this box's admin has not allowed it").is_visible()


async def test_a_clip_that_is_partly_here_plays_and_says_how_much(page, sign_in, hub, refresh, until):
    upload = (await hub.order(do="begin", until=0.6))["id"]  # its own: others look at the one of the story
    await sign_in(page, then="/clips?state=partial")
    await page.locator(f"th.who a[href$='{upload}']").click()
    await page.locator("#clip").wait_for()
    await until(page, "document.querySelector('#clip').readyState >= 2")
    text = await page.locator("#clip-state").inner_text()
    assert re.search(r"\d+ kB of \d+ kB arrived", text)
    await page.evaluate(
        "() => { const v = document.querySelector('#clip'); v.muted = true; return v.play(); }"
    )
    await until(page, "document.querySelector('#clip').currentTime > 0.5")
    await hub.order(do="arrive", upload=upload, until=1.0)
    await refresh(page)
    assert "complete" in await page.locator("#clip-state").inner_text()
    await page.get_by_role("button", name="More has arrived").click()
    await until(
        page,
        "document.querySelector('#clip').duration > 9 && document.querySelector('#clip').readyState >= 2",
    )
    await page.evaluate("document.querySelector('#clip').currentTime = 9.5")
    await until(page, "document.querySelector('#clip').currentTime > 9.4")
    await until(page, "document.querySelector('#clip').readyState >= 2")


async def test_a_code_is_made_shown_once_and_revoked(page, sign_in, until):
    await sign_in(page, then="/settings/codes")
    await page.fill("#code-form [name=name]", "North gate")
    await page.select_option("#code-form [name=site_id]", "berlin")
    await page.get_by_role("button", name="Make a code").click()
    await page.locator("#made").wait_for()
    invitation = parse(await page.locator("#code-invitation").inner_text())
    assert invitation.code == await page.locator("#code-text").inner_text()
    assert invitation.code in await page.locator("#code-command").inner_text()
    await until(page, "document.querySelector('#code-qr').naturalWidth > 20")
    row = page.locator("#codes tr", has_text="North gate")
    await row.get_by_role("button", name="Revoke").click()
    await page.locator("#codes tr", has_text="North gate").get_by_text("Revoked").wait_for()
    assert invitation.code not in await page.locator("#codes").inner_text()


async def test_people_get_roles_and_sites(page, hub, open_page, sign_in):
    await sign_in(page, then="/settings/people")
    await page.fill("#person-form [name=username]", "night shift")
    await page.fill("#person-form [name=password]", "a first password")
    await page.get_by_label("Operator also").check()
    await page.locator("#person-form").get_by_label("All, also those to come").uncheck()
    await page.locator("#person-form").get_by_label("Porto").check()
    await page.get_by_role("button", name="Add", exact=True).click()
    row = page.locator("#people li", has_text="night shift")
    await row.wait_for()
    await page.wait_for_load_state("load")  # the page loaded again; now its script listens
    assert "Porto" in await row.inner_text()
    people = (await (await page.request.get("/api/v1/users")).json())["users"]
    made = next(person for person in people if person["username"] == "night shift")
    assert (made["role"], made["site_ids"]) == ("operator", ["porto"])
    await row.get_by_role("button", name="Delete").click()
    await row.get_by_role("button", name="Really delete?").click()
    await row.wait_for(state="detached")
    other = await open_page(hub.url)
    await sign_in(other, "porto")
    boxes = await other.evaluate("[...document.querySelectorAll('tr[data-box]')].map(e => e.dataset.box)")
    assert sorted(boxes) == ["0199-box-2", "0199-box-5"]


async def test_an_update_is_ordered_of_a_group_that_was_counted_first(page, hub, sign_in):
    await sign_in(page, then="/rollouts")
    assert await page.locator("#versions tbody tr").count() >= 3
    await page.fill("#update-form [name=version]", "1.4.0")
    await page.fill("#update-form [name=sha256]", "ab" * 32)
    await page.select_option("#update-form [name=site]", "berlin")
    await page.get_by_role("button", name="Count the boxes").click()
    await page.get_by_text("2 in the group, 1 on it already").wait_for()  # its two boxes; one runs it
    await page.get_by_role("button", name="Order 1.4.0 of 1 box").click()
    await page.get_by_text("Ordered of 1 of 1").wait_for()
    said = await hub.order(do="answer", box=4, state="refused", message="this box cannot update itself")
    assert said["bodies"][-1] == {"version": "1.4.0", "sha256": "ab" * 32, "url": ""}
    await page.goto("/boxes/0199-box-4")
    assert await page.get_by_text("this box cannot update itself").is_visible()


async def test_a_site_is_made_put_on_the_map_and_taken_away(page, sign_in):
    await sign_in(page, then="/settings/sites")
    await page.fill("#site-form [name=name]", "Far away")
    await page.fill("#site-form [name=time_zone]", "Europe/Nowhere")
    await page.get_by_role("button", name="Add", exact=True).click()
    await page.get_by_text("There is no such time zone").wait_for()
    await page.fill("#site-form [name=time_zone]", "Asia/Tokyo")
    await page.fill("#site-form [name=latitude]", "35.68")
    await page.fill("#site-form [name=longitude]", "139.69")
    await page.get_by_role("button", name="Add", exact=True).click()
    row = page.locator("#sites li", has_text="Far away")
    await row.wait_for()
    assert "Asia/Tokyo" in await row.inner_text() and "35.6800" in await row.inner_text()
    await row.get_by_role("button", name="Delete").click()
    await row.get_by_role("button", name="Really delete?").click()
    await row.wait_for(state="detached")
    await page.goto("/?view=map")
    link = page.locator("#map a", has=page.locator("[data-look=bad]"))
    await link.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/sites/porto")
