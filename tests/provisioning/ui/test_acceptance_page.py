"""The acceptance on a telephone: measure, walk by ear, sign, download; on a box with two cameras."""

import io

import pytest

from appliance.base.clock import BoxClock
from provisioning.record import Record
from provisioning.report.kept import Reports
from provisioning.report.seal import verify
from provisioning.wizard import available

pytestmark = [pytest.mark.long, pytest.mark.browser]

PASSWORD = "a walk in the harbour"


@pytest.fixture
async def at_the_end(wizard_on, phone, tmp_path):
    """A box with an administrator and two cameras; the telephone stands at the last step."""
    data = tmp_path / "box"
    for name in set(available()) - {"administrator", "acceptance"}:
        Record(data, BoxClock()).mark(name, "skipped")
    wizard = await wizard_on(data)
    await wizard.claim()
    await wizard.carry_out("administrator", {"password": PASSWORD})
    await wizard.http.close()
    await wizard.end()
    from provisioning.daemon import BoxDaemon

    daemon = BoxDaemon(data, BoxClock())
    for name in ("Gate", "Yard"):
        body = {"name": name, "rtsp_url": f"sim://{name.lower()}?fps=10&size=320x180"}
        await daemon.ask("POST", "/cameras", body)
    await daemon.close()
    wizard = await wizard_on(data)
    await phone.scan(wizard.url, wizard.code)
    await phone.is_at("acceptance")
    return phone, data


async def draw(phone, selector):
    box = await phone.page.locator(selector).bounding_box()
    mouse = phone.page.mouse
    await phone.page.locator(selector).scroll_into_view_if_needed()
    box = await phone.page.locator(selector).bounding_box()
    await mouse.move(box["x"] + 30, box["y"] + 60)
    await mouse.down()
    for number in range(1, 12):
        await mouse.move(box["x"] + 30 + 20 * number, box["y"] + 60 + (25 if number % 2 else -25))
    await mouse.up()
    phone.taps += 1


async def test_from_start_to_a_signed_report(at_the_end, shots):
    phone, data = at_the_end
    page = phone.page
    await page.wait_for_selector("#live tbody tr")
    await page.evaluate("""() => { // ten seconds are enough here
        document.querySelector("[name=minutes]").append(new Option("short", "0.1", true, true)); }""")
    await shots("1-before")
    await phone.type("[name=installer]", "Ravi")
    await phone.tap("#measure")
    await page.wait_for_selector("#lines li")
    await shots("2-measuring")
    await page.wait_for_selector("#report:not([hidden])", timeout=90_000)
    await shots("3-report")

    await phone.tap("#walk")
    for name in ("Gate", "Yard"):
        await page.wait_for_selector(f"#seen li[data-seen]:has-text('{name}')", timeout=60_000)
    assert int(await page.evaluate("document.body.dataset.beeps")) >= 2
    await shots("4-walking")
    await phone.tap("#walk")
    await page.wait_for_selector("#walk:has-text('Start')", timeout=60_000)
    assert "2 of 2 cameras saw" in await page.inner_text("#walk-note")

    assert await page.is_hidden("#plug")
    await phone.tap("#cut")
    await page.wait_for_selector("#plug:not([hidden])")
    await shots("5-plug")
    await phone.tap("#cut-off")
    await page.wait_for_selector("#plug", state="hidden")

    assert await page.is_disabled("#sign")
    await phone.type("[name=customer]", "A. Kundin")
    await draw(phone, "#pad")
    await shots("6-signing")
    await phone.tap("#sign")
    await page.wait_for_selector("#signed:has-text('Signed by A. Kundin')")
    async with page.expect_download() as waiting:
        await phone.tap("[data-file='report.pdf']")
    paper = await (await waiting.value).path()
    found = verify(paper.read_bytes())
    report = Reports(data).newest().report
    assert report.signature.name == "A. Kundin" and len(report.signature.strokes[0]) > 5
    assert report.installer == "Ravi" and report.result("walk").state == "passed"
    assert found.fingerprint == report.site.fingerprint
    pypdf = pytest.importorskip("pypdf")
    text = " ".join(one.extract_text() for one in pypdf.PdfReader(io.BytesIO(paper.read_bytes())).pages)
    assert "A. Kundin" in text and found.report_sha256 in text
    await shots("7-signed")
    await phone.tap("#continue")
    await page.wait_for_url("**/finish", timeout=30_000)
    assert phone.taps <= 16


@pytest.fixture
def shots(phone, tmp_path):
    """A picture of the whole page, to be looked at: ``SHOTS=folder``."""
    import os
    from pathlib import Path

    folder = os.environ.get("SHOTS")

    async def take(name: str) -> None:
        if folder:
            await phone.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)

    return take
