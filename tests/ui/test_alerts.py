"""The live column, the sound of critical alerts, acknowledging and resolving."""

import asyncio

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_critical_alert_appears_rings_and_is_acknowledged_with_a_key(page, box, sign_in, until):
    await sign_in(page, "operator")
    await page.click("#wall-title")  # a gesture: now the browser allows sound
    before = int(await page.locator("[data-open-alerts]").inner_text())
    event = (await box.order(do="event", camera="reception"))["id"]
    row = page.locator(f'#events [data-event-id="{event}"]')
    await row.wait_for()
    assert "Person entered doorway" in await row.inner_text()
    await until(page, "document.body.classList.contains('ringing')")
    await until(page, f"document.querySelector('[data-open-alerts]').textContent === '{before + 1}'")
    await until(page, f"document.title.startsWith('({before + 1}) ')")
    await page.locator("#announce", has_text="critical alert, Reception").wait_for(state="attached")
    await page.goto("/events")  # another page does not silence it
    await until(page, "document.body.classList.contains('ringing')")
    await page.goto("/")
    await row.wait_for()
    tile = page.locator('.tile[data-camera="reception"]')
    await until(page, "document.querySelector('[data-camera=reception]').dataset.alarm === 'critical'")
    card = page.locator(".card.alert", has=page.locator(f'a[href="/events/{event}"]'))
    await card.focus()
    await page.keyboard.press("a")
    await card.wait_for(state="detached")
    await until(page, "!document.body.classList.contains('ringing')")
    assert await tile.get_attribute("data-alarm") is None


async def test_the_key_acknowledges_only_what_is_on_the_page_and_says_what(page, box, sign_in):
    older, newer = [
        (await box.order(do="event", camera="reception", severity="critical"))["id"] for _ in range(2)
    ]

    async def known() -> dict[str, dict[str, str]]:
        answer = await page.request.get("/api/v1/alerts?limit=1000")
        return {alert["event_id"]: alert for alert in (await answer.json())["alerts"]}

    await sign_in(page, then="/settings")
    await page.keyboard.press("a")
    await page.locator(".toast", has_text="No open alert on this page").wait_for()
    await page.goto("/alerts")
    await page.keyboard.press("a")
    await page.locator(".toast", has_text="Acknowledged").filter(has_text="Person entered doorway").wait_for()
    alerts = await known()
    assert (alerts[newer]["status"], alerts[older]["status"]) == ("acknowledged", "new")
    await page.goto("/")
    top = page.locator("#open .card").first
    await page.locator(f'#open [data-alert-id="{alerts[older]["id"]}"]').wait_for()
    wanted = await top.get_attribute("data-alert-id")
    await page.keyboard.press("a")
    await page.locator(f'#open [data-alert-id="{wanted}"]').wait_for(state="detached")


async def test_a_list_that_has_not_come_is_no_all_clear(page, box, sign_in, until):
    await box.order(do="event", camera="reception", severity="critical")
    may_come = asyncio.Event()

    async def late(route) -> None:
        await may_come.wait()
        await route.continue_()

    await page.route("**/api/v1/alerts?*", late)
    await sign_in(page)
    drawn = await page.evaluate("document.body.dataset.drawnAlerts")
    made = await box.order(do="event", camera="yard", severity="critical")
    await page.locator(f'#open a[href="/events/{made["id"]}"]').first.wait_for(state="attached")
    assert await page.locator("#open-none").inner_text() == "Loading…"
    assert await page.locator("[data-open-alerts]").inner_text() == drawn
    may_come.set()
    await until(page, f"document.querySelector('[data-open-alerts]').textContent === '{int(drawn) + 1}'")
    await until(page, "document.querySelector('#open-none').textContent !== 'Loading…'")


async def test_a_link_that_swallows_everything_is_said_and_mends_by_itself(page, box, sign_in):
    hurry = """const real = window.setTimeout;
        window.setTimeout = (work, ms, ...more) => real(work, ms > 1000 ? ms / 20 : ms, ...more);
        const deadline = AbortSignal.timeout.bind(AbortSignal);
        AbortSignal.timeout = (ms) => deadline(ms / 20);"""
    await page.add_init_script(hurry)
    await sign_in(page, then="/events")
    banner = page.locator("#connection")
    await page.route("**/clock", lambda route: None)  # nobody answers, and nobody refuses
    await banner.wait_for(state="visible")
    await page.unroute("**/clock")
    await banner.wait_for(state="hidden")


async def test_what_happened_while_the_line_was_cut_is_not_missed_nor_twice(page, box, sign_in, until):
    await sign_in(page)
    await page.locator("#events li").first.wait_for()
    cut = "import('/static/journal.js').then(m => { m.journal.socket.close(); })"
    await until(page, "import('/static/journal.js').then(m => m.journal.connected)")
    await page.evaluate(cut)
    ids = [(await box.order(do="event", camera="yard", severity="info"))["id"] for _ in range(3)]
    for event in ids:
        await page.locator(f'#events [data-event-id="{event}"]').wait_for()
        assert await page.locator(f'#events [data-event-id="{event}"]').count() == 1


async def test_the_first_alert_of_a_quiet_box_is_counted(page, box_with, sign_in):
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, at=own)
    await page.locator("#open-none", has_text="Nothing waits for you").wait_for()
    assert not await page.locator(".rail .count").is_visible()
    await page.locator("#events-none", has_text="No events yet").wait_for()
    await own.order(do="event", camera="front-gate", severity="warning")
    await page.locator(".rail .count").wait_for(state="visible")
    await page.locator("[data-open-alerts]", has_text="1").wait_for()
    assert not await page.evaluate("document.body.classList.contains('ringing')")  # only critical ones ring


async def test_a_viewer_sees_alerts_and_cannot_acknowledge(page, box, sign_in):
    await sign_in(page, "viewer")
    await page.locator(".card.alert").first.wait_for()
    assert await page.locator(".acknowledge:visible").count() == 0
    await page.goto("/alerts")
    assert await page.locator("[data-acknowledge]").count() == 0


async def test_what_a_camera_says_is_text_and_never_markup(page, box, sign_in):
    await sign_in(page)
    evil = '<img src=x onerror="window.owned=1">'
    event = (await box.order(do="event", camera="yard", severity="info", class_name=evil))["id"]
    row = page.locator(f'#events [data-event-id="{event}"]')
    await row.wait_for()
    assert evil in (await row.locator(".title").inner_text()).replace("&", "&")
    await page.goto(f"/events/{event}")
    assert evil in await page.locator("h1").inner_text()
    assert await page.evaluate("window.owned") is None


async def test_an_event_page_plays_its_clip_at_the_moment_and_takes_a_decision(page, box, sign_in, until):
    event = (await box.order(do="event", camera="front-gate"))["id"]
    await sign_in(page, "operator", then=f"/events/{event}")
    bar = page.locator("#bar")
    await bar.wait_for()
    moment = float(await bar.get_attribute("data-moment"))
    assert moment == pytest.approx(5.5, abs=0.05)  # 5 s before, and the key frame before that
    await page.click("#to-moment")
    await until(page, "document.querySelector('#clip').currentTime > 4.2")
    lit = await page.evaluate(
        """() => { const c = document.createElement('canvas'); c.width = 64; c.height = 36;
            const x = c.getContext('2d'); x.drawImage(document.querySelector('#clip'), 0, 0, 64, 36);
            return x.getImageData(0, 0, 64, 36).data.reduce((sum, v, i) => sum + (i % 4 < 3 ? v : 0), 0); }"""
    )
    assert lit > 64 * 36 * 3 * 40  # a picture, not a black frame
    await page.fill("#decide textarea", "the baker <b>again</b>")
    await page.click("#acknowledge")
    note = page.locator("#story .note")
    await note.wait_for()
    assert await note.inner_text() == "the baker <b>again</b>"
    await page.wait_for_load_state("load")  # the page loaded again; now its script listens
    await page.click("[data-resolve=false_alarm]")
    await page.get_by_text("Resolved", exact=True).wait_for()
    assert "false alarm" in await page.locator("#story").inner_text()
    assert await page.locator("#decide").count() == 0


async def test_the_rest_of_a_clip_comes_by_itself(page, box, sign_in, until):
    event = (await box.order(do="event", camera="front-gate"))["id"]
    whole = False

    async def clip(route):
        answer = await route.fetch()
        await route.fulfill(
            response=answer, headers={**answer.headers, "x-clip-complete": "1" if whole else "0"}
        )

    await page.route("**/clip.mp4*", clip)
    await sign_in(page, then=f"/events/{event}")
    await page.locator("#clip-note", has_text="the rest comes by itself").wait_for()
    await until(page, "document.querySelector('#clip').readyState > 0")
    await page.evaluate("document.querySelector('#clip').currentTime = 2")
    whole = True
    await until(page, "document.querySelector('#clip-note').textContent === ''")
    await until(page, "document.querySelector('#clip').readyState > 0")
    assert await page.evaluate("document.querySelector('#clip').currentTime") == pytest.approx(2, abs=0.2)


async def test_events_lead_from_one_to_the_next(page, sign_in):
    await sign_in(page, then="/events")
    ids = await page.evaluate("[...document.querySelectorAll('a.event')].map(a => a.dataset.eventId)")
    await page.goto(f"/events/{ids[2]}")
    await page.keyboard.press(".")
    await page.wait_for_url(f"**/events/{ids[1]}")
    await page.keyboard.press(",")
    await page.wait_for_url(f"**/events/{ids[2]}")
    await page.keyboard.press(",")
    await page.wait_for_url(f"**/events/{ids[3]}")


async def test_the_list_filters_and_says_when_nothing_matches(page, sign_in):
    await sign_in(page, then="/events")
    await page.select_option("select[name=severity]", "warning")
    await page.wait_for_url("**/events?severity=warning")
    levels = await page.evaluate("[...document.querySelectorAll('a.event')].map(a => a.dataset.severity)")
    assert levels and set(levels) == {"warning"}
    await page.goto("/events?date=2001-01-01")
    assert "No event matches" in await page.locator(".empty").inner_text()
    await page.goto("/events?date=yesterday")
    assert "is not a day" in await page.locator(".empty").inner_text()


async def test_two_people_the_slower_one_is_told(page, box, sign_in, browser):
    event = (await box.order(do="event", camera="yard", severity="warning"))["id"]
    await sign_in(page, "operator", then=f"/events/{event}")
    await page.evaluate("WebSocket.prototype.send = null")
    await page.route(
        "**/ack",
        lambda route: route.fulfill(
            status=409,
            json={"error": {"kind": "conflict", "message": "already acknowledged by bob", "hint": ""}},
        ),
    )
    await page.click("#acknowledge")
    await page.locator(".toast", has_text="Somebody was faster").wait_for()


async def test_many_are_decided_at_once(page, box_with, sign_in):
    own = await box_with("--cameras", "2")
    await sign_in(page, "viewer", at=own, then="/alerts")
    assert not await page.locator("#many, [data-choose]").count(), "who may not decide is not asked to choose"
    await page.context.clear_cookies()
    for severity in ("critical", "warning", "warning"):
        await own.order(do="event", camera="gate", severity=severity)
    await sign_in(page, "operator", at=own, then="/alerts")
    total = await page.locator("[data-choose]").count()
    assert total >= 3 and f"{total} open" in await page.locator("#chosen").inner_text()
    assert not await page.locator("#many-acknowledge").is_visible()
    await page.locator("[data-choose]").first.check()
    assert await page.locator("#chosen").inner_text() == "1 chosen"
    await page.check("#choose-all")
    await page.click("#many-acknowledge")
    await page.locator(".toast", has_text="Acknowledged").wait_for()
    assert not await page.locator('[data-alert-id][data-status="new"]').count()
    await page.check("#choose-all")
    await page.select_option("#many-resolution", "test")
    await page.click("#many-resolve")
    assert await page.locator("#many-resolve").inner_text() == f"Really resolve {total}?"
    await page.click("#many-resolve")
    await page.locator(".toast", has_text=f"Resolved {total} alerts").wait_for()
    assert not await page.locator("[data-choose]").count()
    assert await page.locator("#chosen").inner_text() == "0 open"
    answer = await page.request.get(f"{own.url}/api/v1/alerts?limit=1000")
    alerts = (await answer.json())["alerts"]
    assert {alert["status"] for alert in alerts if alert["resolution"] == "test"} == {"resolved"}
    assert len([alert for alert in alerts if alert["resolution"] == "test"]) == total


async def test_what_somebody_else_decided_is_no_longer_chosen(page, box_with, sign_in):
    own = await box_with("--cameras", "2")
    await sign_in(page, "operator", at=own, then="/alerts")
    total = await page.locator("[data-choose]").count()
    await page.check("#choose-all")
    first = await page.locator("[data-alert-id]:has([data-choose])").first.get_attribute("data-alert-id")
    decided = await page.evaluate(
        """async (id) => {
          const { post } = await import("/static/api.js");
          return (await post(`/alerts/${id}/resolve`, { resolution: "test" })).alert.status;
        }""",
        first,
    )
    assert decided == "resolved"
    await page.locator("#chosen", has_text=f"{total - 1} chosen").wait_for()


async def test_what_is_chosen_stays_so_when_new_ones_are_shown(page, box_with, sign_in):
    own = await box_with("--cameras", "1", "--events", "0")
    await sign_in(page, "operator", at=own, then="/")
    for _ in range(2):
        await own.order(do="event", camera="front-gate", severity="warning")
    await page.goto(f"{own.url}/alerts")
    await page.locator("[data-choose]").nth(1).check()
    await page.locator("#chosen", has_text="1 chosen").wait_for()
    before = await page.locator("[data-alert-id]:has([data-choose]:checked)").get_attribute("data-alert-id")
    await own.order(do="event", camera="front-gate", severity="warning")
    await page.click("#newer a")
    await page.locator("[data-choose]").nth(2).wait_for()
    await page.locator("#chosen", has_text="1 chosen").wait_for()
    found = page.locator("[data-alert-id]:has([data-choose]:checked)")
    assert await found.get_attribute("data-alert-id") == before
    await page.reload()
    await page.locator("[data-choose]").nth(2).wait_for()
    assert not await page.locator("[data-choose]:checked").count(), "another visit begins anew"
