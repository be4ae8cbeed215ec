"""What can be checked of the hub's looks by rule: width, thumbs, names, overlaps, hostile names."""

import re

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMELESS = """() => [...document.querySelectorAll("a, button, input, select, textarea, img")]
    .filter(e => e.checkVisibility({visibilityProperty: true}) && !e.closest("[aria-hidden=true], template"))
    .filter(e => e.tagName === "IMG" ? !e.hasAttribute("alt")
        : !(e.getAttribute("aria-label") || e.innerText?.trim() || e.textContent?.trim() || e.title
            || [...(e.labels ?? [])].some(l => l.textContent.trim())))
    .map(e => e.outerHTML.slice(0, 120))"""
THUMBED = "a.button, button, select, input, .rail > *, .event, .tabs a, .tally a, .grid .who > a"
SMALL = f"""() => [...document.querySelectorAll("{THUMBED}")]
    .filter(e => e.checkVisibility() && !e.matches("[type=checkbox], [type=radio], .spread, .strip"))
    .map(e => [e, e.getBoundingClientRect()])
    .filter(([, r]) => r.width > 1 && (r.height < 44 || r.width < 44))
    .map(([e, r]) => `${{r.width}}x${{r.height}} ` + e.outerHTML.slice(0, 120))"""
# Words that lie over other words: leaves of text whose boxes cut each other. Pictures, the rail at the
# bottom and what is hidden for all but readers are no part of it.
OVERLAPS = """() => {
    const leaves = [...document.querySelectorAll("main *")].filter(e => e.checkVisibility()
        && !e.closest(".hidden, svg, select, datalist, details:not([open]), dialog:not([open])")
        && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
    const range = document.createRange();
    const words = e => [...e.childNodes].filter(n => n.nodeType === 3 && n.data.trim());
    const boxes = leaves.flatMap(e => words(e).flatMap(n => {
        range.selectNodeContents(n);
        const own = e.getBoundingClientRect(), cut = getComputedStyle(e).overflowY !== "visible";
        return [...range.getClientRects()].map(r => [e, cut
            ? new DOMRect(r.left, r.top, r.width, Math.min(r.bottom, own.bottom) - r.top) : r]); }))
        .filter(([, r]) => r.width > 1 && r.height > 1);
    const found = [];
    for (const [i, [a, p]] of boxes.entries()) for (const [b, q] of boxes.slice(i + 1)) {
        const x = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const y = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        if (x > 2 && y > 4 && !a.contains(b) && !b.contains(a))
            found.push(`${a.textContent.trim()} | ${b.textContent.trim()}`.slice(0, 160));
    }
    return found.slice(0, 5); }"""
# What is wider than the card or button it stands in.
HOLDERS = ".button, .card, .tally a, .grid td, .grid th, .strip-of-figures > div"
SPILLED = f"""() => [...document.querySelector("main").querySelectorAll("{HOLDERS}")]
    .filter(e => e.checkVisibility() && e.clientWidth && e.scrollWidth > e.clientWidth + 1
        && getComputedStyle(e).overflowX === "visible")
    .map(e => e.outerHTML.slice(0, 140))"""


async def all_pages(page):
    events = (await (await page.request.get("/api/v1/events?limit=50")).json())["events"]
    grave = next(e for e in events if e["event"]["severity"] == "critical")
    odd = next(e for e in events if "<" in e["event"]["camera_id"])
    upload = (await (await page.request.get("/api/v1/uploads?state=partial")).json())["uploads"][0]
    return (
        "/", "/?view=map", "/?q=nothing", "/sites/berlin", "/sites/oslo", "/boxes/0199-box-0",
        "/boxes/0199-box-2",
        "/boxes/0199-box-3", "/events", f"/events/{grave['box_id']}/{grave['event']['id']}",
        f"/events/{odd['box_id']}/{odd['event']['id']}", "/alerts", "/clips",
        f"/clips/{upload['box_id']}/{upload['id']}", "/delivery", "/rollouts", "/settings/people",
        "/settings/sites", "/settings/codes", "/settings/audit", "/settings/account", "/boxes/none",
    )  # fmt: skip


OTHERS = [(390, "dark"), (1440, "light"), (1000, "dark"), (820, "light")]


@pytest.mark.parametrize(
    ("width", "theme"),
    [(390, "light"), (1440, "dark"), *(pytest.param(*other, marks=pytest.mark.long) for other in OTHERS)],
)
async def test_every_page_fits_reads_and_keeps_names_harmless(open_page, hub, sign_in, width, theme):
    page = await open_page(hub.url, width, theme)
    await sign_in(page)
    for path in await all_pages(page):
        await page.goto(path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert await page.evaluate(OVERLAPS) == [], path
        assert await page.evaluate(SPILLED) == [], path
        assert await page.evaluate(NAMELESS) == [], path
        if width == 390:
            assert await page.evaluate(SMALL) == [], path
        assert await page.locator("h1:visible").count() == 1, path
        ids = await page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids)), path
        assert await page.locator("[data-live]:not([id])").count() == 0, path
        assert await page.locator("img[src='x'], main script").count() == 0, path
        assert "Aries Edge hub" in await page.title(), path
    await page.goto("/")
    assert '<img src=x onerror="document.title=1">' in await page.locator("#box-0199-box-2").inner_text()


async def test_no_markup_holds_script_or_style(root):
    for template in (root / "ui/templates/hub").glob("*.html"):
        text = template.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), template.name
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text), template.name
        assert "|safe" not in text.replace(" ", ""), template.name
        assert "//" not in text, f"{template.name} fetches from elsewhere"


async def test_the_theme_is_remembered_and_help_opens(page, sign_in):
    await sign_in(page)
    await page.click("#theme")
    await page.reload()
    assert await page.evaluate("document.documentElement.dataset.theme") == "light"
    await page.keyboard.press("?")
    assert await page.locator("#help").is_visible()
    await page.keyboard.press("Escape")
    assert not await page.locator("#help").is_visible()
