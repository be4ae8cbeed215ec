"""From a carton to a signed hand-over: a telephone, twelve cameras of six makers, nothing typed twice.

Of the cameras one has another password, one speaks H.265 only, one has its clock in 1970, one is behind
another subnet, and one moves to a new address half-way (``--mixed``, and an order).
"""

import os

import pytest

from appliance.base.clock import BoxClock
from provisioning.record import Record
from provisioning.web.pages import has_page
from provisioning.wizard import available

pytestmark = [
    pytest.mark.long,
    pytest.mark.browser,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        not {"cameras", "zones", "acceptance"} <= set(available()), reason="not all steps are here yet"
    ),
]

PASSWORD = "a walk in the harbour"
MOST_TAPS = 60
MOST_PATIENCE_S = 900


class Walk:
    """The installer's way through the steps. Each method ends at the next page."""

    def __init__(self, phone, site) -> None:
        self.phone = phone
        self.site = site
        self.page = phone.page

    async def administrator(self) -> None:
        await self.phone.type("[name=password]", PASSWORD)
        await self.phone.go()

    async def site_and_clock(self) -> None:
        await self.phone.type("[name=name]", "Harbour")
        await self.phone.go()

    async def cameras(self) -> None:
        page, phone = self.page, self.phone
        await page.wait_for_selector("#sign-in:not([hidden])", timeout=60_000)
        await phone.type("#sign-in [name=password]", self.site.fleet["password"])
        await phone.tap("#enter")
        await page.wait_for_selector("#enter:not([aria-busy])", state="attached", timeout=120_000)
        await phone.tap("#more summary")  # the one behind another subnet
        await phone.type("[name=network]", "192.168.51.0/24")
        await phone.tap("#scan")
        await page.wait_for_selector("#scan:not([aria-busy])", state="attached", timeout=120_000)
        await phone.tap("#set-all-right")
        await page.wait_for_selector("#set-all-right:not([aria-busy])", state="attached", timeout=240_000)
        assert await page.locator("#cameras > li").count() >= 12
        await phone.go(findings=True)  # one camera has a password that nobody knows

    async def zones(self) -> None:
        await self.phone.go()

    async def people(self) -> None:
        await self.phone.go()

    async def acceptance(self) -> None:
        page, phone = self.page, self.phone
        await page.select_option("[name=minutes]", "1")
        phone.taps += 2  # open the list, choose
        await phone.tap("#measure")
        await page.wait_for_selector("#report:not([hidden])", timeout=600_000)
        await phone.type("[name=customer]", "Maria Harbour")
        pad = await page.locator("#pad").bounding_box()
        assert pad is not None
        await page.locator("#pad").scroll_into_view_if_needed()
        pad = await page.locator("#pad").bounding_box()
        await page.mouse.move(pad["x"] + 30, pad["y"] + 40)
        await page.mouse.down()
        for n in range(12):
            await page.mouse.move(pad["x"] + 30 + n * 20, pad["y"] + 40 + (n % 3) * 18)
        await page.mouse.up()
        phone.taps += 1
        await phone.tap("#sign")
        await page.wait_for_selector("#signed:not([hidden])", timeout=60_000)
        assert "Maria Harbour" in await page.inner_text("#signed")
        await phone.tap("#continue")
        await page.wait_for_url("**/finish", timeout=60_000)

    async def step(self, name: str) -> None:
        await self.phone.is_at(name)
        ways = {"site": self.site_and_clock}
        way = ways.get(name) or getattr(self, name, None)
        before = self.phone.taps
        if name == "remote":
            here = self.page.url
            await self.phone.tap("#skip")
            await self.page.wait_for_url(lambda url: url != here)
        elif way is None:
            await self.phone.go()
        else:
            await way()
        print(f"{name}: {self.phone.taps - before} taps")


async def test_with_a_telephone(site, wizard_on, phone_with, chromium, tmp_path, root, clock):
    import time

    await site.start_fleet(root, "--cameras", "12", "--mixed")
    names = [name for name in available() if has_page(name)]
    for name in set(available()) - set(names):
        print(f"LEFT OUT, it has no page: {name}")
        Record(tmp_path / "box", BoxClock()).mark(name, "skipped")
    wizard = await wizard_on(tmp_path / "box", *site.inside(site.box), listen="0.0.0.0:8443")
    phone = await phone_with(site.browser(chromium))
    walk = Walk(phone, site)
    began_s = time.monotonic()
    await phone.scan(site.url, wizard.code)
    for name in names:
        await walk.step(name)
        if name == "cameras":
            await site.order(camera="cam12", do="move")  # half-way
    await phone.tap("#finish")
    await phone.page.wait_for_selector("#after:not([hidden])", timeout=60_000)
    assert await wizard.process.wait() == 0
    took_s = time.monotonic() - began_s
    print(f"{phone.taps} taps, {len(phone.typed)} texts typed, {took_s:.0f} s")
    assert phone.taps <= MOST_TAPS
    assert len(set(phone.typed)) == len(phone.typed)
    assert took_s <= MOST_PATIENCE_S
    assert os.path.exists(tmp_path / "box" / "provisioned")
