"""What can be checked of looks by rule: contrast, labels, sizes for thumbs, nothing beside the screen."""

import re

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = (
    "/",
    "/events",
    "/alerts",
    "/cameras/yard",
    "/settings",
    "/settings/cameras/new",
    "/settings/cameras/yard",
    "/settings/cameras/yard/zones",
    "/settings/users",
    "/settings/notifications",
    "/settings/care",
    "/settings/site",
    "/settings/health",
    "/settings/connections",
    "/settings/connections/new",
    "/settings/connections/new/mqtt",
    "/models",
)

TEXT = ("text", "text-2", "accent", "critical", "warning", "info")
ON_GROUND = ("critical", "warning", "info", "accent")


def tokens(root, theme):
    css = (root / "ui/static/css/tokens.css").read_text()
    return dict(re.findall(rf"--([a-z0-9-]+):[^;]*var\(--in-{theme}, (#[0-9a-f]{{6}})\)", css))


def luminance(colour):
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    bright, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_words_can_be_read(root, theme):
    found = tokens(root, theme)
    for ground in ("ground", "surface", "raised"):
        for name in TEXT:
            assert contrast(found[name], found[ground]) >= 4.5, (name, ground)
        for name in ("edge", "focus"):  # borders of fields, focus rings
            assert contrast(found[name], found[ground]) >= 3, (name, ground)
    for name in ON_GROUND:
        assert contrast(found[name], found[f"{name}-ground"]) >= 4.5, name
    assert contrast(found["on-accent"], found["accent"]) >= 4.5
    assert contrast(found["text-2"], found["critical-ground"]) >= 4.5


@pytest.mark.parametrize("chosen", [None, "dark", "light"])
@pytest.mark.parametrize("preferred", ["dark", "light"])
async def test_the_screen_is_as_chosen_and_else_as_preferred(page, root, preferred, chosen):
    await page.emulate_media(color_scheme=preferred)
    await page.goto("/login")
    if chosen:
        await page.evaluate("theme => document.documentElement.dataset.theme = theme", chosen)
    for name, colour in tokens(root, chosen or preferred).items():
        shown = await page.evaluate(
            """name => { const e = document.body.appendChild(document.createElement("i"));
                e.style.color = `var(--${name})`; return getComputedStyle(e).color }""",
            name,
        )
        assert shown == f"rgb({', '.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))})", name
    assert await page.evaluate("getComputedStyle(document.documentElement).colorScheme") == (
        chosen or preferred
    )


NAMELESS = """() => [...document.querySelectorAll("a, button, input, select, textarea, [role=slider], img")]
    .filter(e => e.checkVisibility({visibilityProperty: true}) && !e.closest("[aria-hidden=true], template"))
    .filter(e => e.tagName === "IMG" ? !e.hasAttribute("alt")
        : !(e.getAttribute("aria-label") || e.innerText?.trim() || e.title
            || [...(e.labels ?? [])].some(l => l.innerText.trim() || l.textContent.trim())))
    .map(e => e.outerHTML.slice(0, 120))"""

THUMBED = "a.button, button, select, input, .rail > *, .row, .event, .tabs a"
SMALL = f"""() => [...document.querySelectorAll("{THUMBED}")]
    .filter(e => e.checkVisibility() && !e.matches("[type=checkbox], [type=radio], .spread, .strip"))
    .map(e => [e, e.getBoundingClientRect()])
    .filter(([, r]) => r.width > 1 && (r.height < 44 || r.width < 44))
    .map(([e]) => e.outerHTML.slice(0, 120))"""


async def test_every_control_has_a_name_and_every_page_one_heading(page, sign_in):
    await sign_in(page)
    for path in PAGES:
        await page.goto(path)
        assert await page.evaluate(NAMELESS) == [], path
        assert await page.locator("h1:visible").count() == 1, path
        assert await page.locator("main").count() == 1
        ids = await page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids)), path


async def test_a_phone_shows_everything_within_reach_of_a_thumb(browser, box, sign_in, slow_answers):
    context = await browser.new_context(
        base_url=box.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    await slow_answers(context)
    page = await context.new_page()
    await sign_in(page)
    for path in PAGES:
        await page.goto(path)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, f"{path} is {wide} px wide"
        assert await page.evaluate(SMALL) == [], path
    await context.close()


async def test_the_first_tab_skips_to_the_content_and_focus_is_seen(page, sign_in):
    await sign_in(page, then="/events")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    await page.keyboard.press("Tab")
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"


async def test_the_theme_is_remembered_by_the_server(page, sign_in):
    await page.emulate_media(color_scheme="dark")
    await sign_in(page, then="/events")
    await page.click("#theme")
    assert await page.evaluate("document.documentElement.dataset.theme") == "light"
    await page.reload()
    assert await page.evaluate("document.documentElement.getAttribute('data-theme')") == "light"
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(236, 239, 240)"


async def test_help_opens_with_a_question_mark_and_closes_with_escape(page, sign_in):
    await sign_in(page, then="/events")
    await page.keyboard.press("?")
    assert await page.locator("#help").is_visible()
    await page.keyboard.press("Escape")
    assert not await page.locator("#help").is_visible()


async def test_nothing_moves_for_those_who_asked_for_stillness(page, sign_in):
    await page.emulate_media(reduced_motion="reduce")
    await sign_in(page)
    moving = await page.evaluate("document.getAnimations().length")
    assert moving == 0


async def test_no_markup_holds_script_or_style(root):
    for template in (root / "ui/templates").glob("*.html"):
        text = template.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), template.name
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text), template.name
        assert "|safe" not in text.replace(" ", ""), template.name
        assert "//" not in re.sub(r"rtsp://", "", text), f"{template.name} fetches from elsewhere"
    for script in (root / "ui/static").rglob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", script.read_text()
        )
