"""From a carton to a signed hand-over: a telephone, twelve cameras of six makers, nothing typed twice.

Of the cameras one has another password, one speaks H.265 only, one has its clock in 1970, one is behind
another subnet, and one moves to a new address half-way (``--mixed``, and an order).
"""

import asyncio
import json
import os
import sys

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

    async def network(self) -> None:
        """What is suggested is right: the port with the way out for people, the other for cameras. The
        telephone still reaches the box, and says so."""
        await self.phone.tap("#continue")
        await self.page.wait_for_selector("#sheet[open] #sheet-go:not([hidden])")
        print(await self.page.inner_text("#sheet-body"))
        await self.phone.tap("#sheet-go")
        await self.page.wait_for_selector("#sheet-go:has-text('keep it')", timeout=60_000)
        await self.phone.tap("#sheet-go")
        await self.page.wait_for_url("**/steps/storage", timeout=60_000)

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
        await phone.tap("#continue")  # what is signed needs no plan
        await page.wait_for_url("**/finish", timeout=60_000)

    async def moved(self, address: str) -> None:
        """What the box's daemon found again by itself: the camera records from its new address."""
        async with asyncio.timeout(180):
            while True:
                found = await self.page.evaluate("fetch('/api/box/cameras').then((answer) => answer.json())")
                states = {
                    one["rtsp_url"].split("/")[2].split(":")[0]: one["status"]["state"]
                    for one in found["cameras"]
                }
                if states.get(address) == "recording":
                    assert set(states.values()) == {"recording"}, states
                    return
                await asyncio.sleep(1)

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
        if name == "zones":  # half-way
            address = await site.move("cam12", 22, 200)
        if name == "remote":
            await walk.moved(address)
    await phone.tap("#finish")
    await phone.page.wait_for_selector("#after:not([hidden])", timeout=60_000)
    assert await wizard.process.wait() == 0
    took_s = time.monotonic() - began_s
    print(f"{phone.taps} taps, {len(phone.typed)} texts typed, {took_s:.0f} s")
    assert phone.taps <= MOST_TAPS
    assert len(set(phone.typed)) == len(phone.typed)
    assert took_s <= MOST_PATIENCE_S
    assert os.path.exists(tmp_path / "box" / "provisioned")


ANSWERS = """
go_on = true
[administrator]
password_env = "ADMIN_PASSWORD"
[site]
name = "Harbour"
time_zone = "Europe/Berlin"
[[network.ports]]
name = "up0"
roles = ["uplink"]
address = "192.168.10.1/24"
gateway = "192.168.10.254"
[[network.ports]]
name = "cam0"
roles = ["cameras"]
address = "192.168.50.1/24"
[storage]
[cameras]
networks = ["192.168.51.0/24"]
add_found = true
set_right = true
[[cameras.credentials]]
username = "admin"
password_env = "CAMERA_PASSWORD"
[zones]
[people]
[acceptance]
minutes = 0.2
"""


async def test_by_answers_twice(site, tmp_path, root):
    await site.start_fleet(root, "--cameras", "12", "--mixed")
    file = tmp_path / "answers.toml"
    file.write_text(ANSWERS)
    first = await _provision(site, tmp_path, root, file)
    kinds = [line["what"] for line in first]
    print(json.dumps([line for line in first if line["what"] in ("check", "end")], indent=1))
    assert kinds[-1] == "end" and first[-1]["it"]["changed"] > 12
    assert (tmp_path / "box" / "provisioned").exists()
    second = await _provision(site, tmp_path, root, file)
    assert [line["it"] for line in second if line["what"] == "change"] == []
    assert second[-1]["it"]["changed"] == 0


async def _provision(site, tmp_path, root, file) -> list[dict]:
    machine = tmp_path / "machine"
    machine.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *site.inside(site.box),
        *(sys.executable, "-m", "provisioning.cli", "--data", str(tmp_path / "box"), "--json"),
        *("--answers", str(file), "--root", str(machine), "--run", str(machine / "run")),
        cwd=root,
        env={
            **os.environ,
            "PYTHONPATH": str(root),
            "ADMIN_PASSWORD": PASSWORD,
            "CAMERA_PASSWORD": site.fleet["password"],
        },
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 600)
    assert process.returncode in (0, 1), said  # 1: a camera has a password that nobody knows
    return [json.loads(line) for line in said.splitlines()]
