"""The wizard's own pages on a telephone: from the code to the end, and what goes wrong on the way."""

import signal

import pytest

from appliance.base.clock import BoxClock
from provisioning.record import Record
from provisioning.wizard import available

pytestmark = [pytest.mark.long, pytest.mark.browser]

PASSWORD = "a walk in the harbour"


async def test_from_the_code_to_the_end(wizard_on, phone, tmp_path):
    data = tmp_path / "box"
    for name in set(available()) - {"administrator", "site"}:
        Record(data, BoxClock()).mark(name, "skipped")
    wizard = await wizard_on(data)
    await phone.scan(wizard.url, wizard.code)
    assert wizard.code not in phone.page.url  # nor in what is shown to the next who holds it
    await phone.is_at("administrator")
    await phone.type("[name=password]", PASSWORD)
    await phone.go()
    await phone.is_at("site")
    assert await phone.page.input_value("[name=time_zone]") == "Europe/Berlin"  # the telephone's
    await phone.type("[name=name]", "Harbour")
    await phone.go()
    await phone.page.wait_for_url("**/finish")
    await phone.tap("#finish")
    await phone.page.wait_for_selector("#after:not([hidden])")
    assert wizard.fingerprint in await phone.page.inner_text("#print")
    assert await wizard.process.wait() == 0
    assert phone.taps == 7


async def test_a_wrong_code_is_told_and_the_pause_is_counted(wizard_on, phone, tmp_path):
    wizard = await wizard_on(tmp_path / "box")
    await phone.page.goto(f"{wizard.url}/steps/site")
    for _ in range(5):
        await phone.page.fill("[name=code]", "2222-2222")
        await phone.tap("button[type=submit]")
        await phone.page.wait_for_selector(".problem:not([hidden])")
        assert "not the code" in await phone.page.inner_text(".problem")
        await phone.page.evaluate("document.querySelector('.problem').hidden = true")
    await phone.page.fill("[name=code]", wizard.code)
    await phone.tap("button[type=submit]")
    await phone.page.wait_for_selector("button[type=submit]:disabled")
    assert "Wait" in await phone.page.inner_text("button[type=submit]")


async def test_what_is_refused_stands_at_its_field(wizard_on, phone, tmp_path):
    wizard = await wizard_on(tmp_path / "box")
    await phone.scan(wizard.url, wizard.code)
    await phone.is_at("administrator")
    await phone.type("[name=password]", "short")
    await phone.tap("#continue")
    await phone.page.wait_for_selector("[name=password][aria-invalid=true]")
    assert "too short" in await phone.page.inner_text("#step .problem")
    await phone.type("[name=password]", "passwordpassword")
    await phone.tap("#continue")
    await phone.page.wait_for_selector("#step .problem:has-text('too easy')")
    assert not await phone.page.is_visible("#sheet"), "at the field, before anything is planned"
    assert (await wizard_state(wizard, phone))["state"] == "todo"


async def test_a_lost_connection_is_said_and_work_goes_on(wizard_on, phone, tmp_path):
    wizard = await wizard_on(tmp_path / "box")
    await phone.scan(wizard.url, wizard.code)
    await phone.is_at("administrator")
    await phone.type("[name=password]", PASSWORD)
    await phone.tap("#continue")
    await phone.tap("#sheet-go")
    await phone.page.context.set_offline(True)
    await phone.page.wait_for_selector("#connection:not([hidden])")
    await phone.page.context.set_offline(False)
    await phone.page.wait_for_url("**/steps/site", timeout=30_000)


async def test_the_page_comes_back_to_work_that_it_left(wizard_on, phone, tmp_path):
    wizard = await wizard_on(tmp_path / "box")
    await phone.scan(wizard.url, wizard.code)
    await phone.is_at("administrator")
    await phone.type("[name=password]", PASSWORD)
    await phone.tap("#continue")
    await phone.page.wait_for_selector("#sheet-go:visible")
    async with phone.page.expect_response("**/apply"):
        await phone.tap("#sheet-go")
    await phone.page.reload()
    await phone.page.wait_for_url("**/steps/site", timeout=30_000)
    await phone.page.goto(f"{wizard.url}/steps/administrator")  # as if it had ended while nobody looked
    await phone.tap("#go-on")
    await phone.page.wait_for_url("**/steps/site")


async def test_a_wizard_that_is_gone_is_said(wizard_on, phone, tmp_path):
    wizard = await wizard_on(tmp_path / "box")
    await phone.scan(wizard.url, wizard.code)
    await phone.is_at("administrator")
    await phone.type("[name=password]", PASSWORD)
    wizard.process.send_signal(signal.SIGKILL)
    await wizard.process.wait()
    await phone.tap("#continue")
    await phone.page.wait_for_selector("#connection:not([hidden])")
    assert "does not answer" in await phone.page.inner_text("#step .problem")
    assert await phone.page.input_value("[name=password]") == PASSWORD  # nothing is typed twice


async def test_what_was_typed_outlives_a_reload_and_a_password_does_not(wizard_on, phone, tmp_path):
    wizard = await wizard_on(tmp_path / "box")
    await phone.scan(wizard.url, wizard.code)
    await phone.is_at("administrator")
    await phone.page.fill("[name=name]", "boss")
    await phone.page.fill("[name=password]", PASSWORD)
    await phone.page.reload()
    await phone.is_at("administrator")
    assert await phone.page.input_value("[name=name]") == "boss"
    assert await phone.page.input_value("[name=password]") == ""
    assert PASSWORD not in await phone.page.evaluate("JSON.stringify(sessionStorage)")
    await phone.page.fill("[name=password]", PASSWORD)
    await phone.go()
    await phone.is_at("site")
    assert await phone.page.evaluate("sessionStorage.length") == 0  # that step is done
    await phone.type("[name=name]", "Harbour")
    await phone.page.check("[name='clock.kind'][value=hand]")
    await phone.page.reload()
    await phone.is_at("site")
    assert await phone.page.input_value("[name=name]") == "Harbour"
    assert await phone.page.is_checked("[name='clock.kind'][value=hand]")
    assert not await phone.page.is_visible("[data-for=ntp]")  # what depends on it follows


async def test_no_field_that_may_hold_a_login_is_kept(wizard_on, phone, tmp_path):
    wizard = await wizard_on(tmp_path / "box")
    await phone.scan(wizard.url, wizard.code)
    await phone.is_at("administrator")
    put = """names => {
      const form = document.querySelector('#step');
      for (const name of names) {
        const field = Object.assign(document.createElement('input'), { name, value: 'HIDDEN' });
        form.append(field);
        field.dispatchEvent(new Event('input', { bubbles: true }));
      }
      return JSON.stringify(sessionStorage);
    }"""
    fields = [
        "address",
        "rtsp_url",
        "sub_url",
        "url",
        "hook-url",
        "hook-secret",
        "mail-secret",
        "code",
        "passphrase",
    ]
    assert "HIDDEN" not in await phone.page.evaluate(put, fields)
    assert "HIDDEN" in await phone.page.evaluate(put, ["plain"])


async def test_a_scanned_code_that_is_refused_is_no_longer_being_used(wizard_on, phone, tmp_path):
    wizard = await wizard_on(tmp_path / "box")
    await phone.page.goto(f"{wizard.url}/#2222-2222")
    await phone.page.wait_for_selector(".problem:not([hidden])")
    assert "being used" not in await phone.page.inner_text("#how")
    phone.complaints[:] = [one for one in phone.complaints if "401" not in one and "403" not in one]


async def test_a_telephone_that_lost_the_box_to_another_is_told(wizard_on, phone_with, chromium, tmp_path):
    first, second = await phone_with(chromium), await phone_with(chromium)
    wizard = await wizard_on(tmp_path / "box")
    await first.scan(wizard.url, wizard.code)
    await first.is_at("administrator")
    await second.scan(wizard.url, wizard.code)
    await second.page.locator(".toast", has_text="another phone was").wait_for()
    await first.page.fill("[name=password]", PASSWORD)
    await first.tap("#continue")
    await first.page.locator("[role=status]", has_text="Another phone entered the code").wait_for()
    await first.page.wait_for_function(
        "/, \\d\\d:\\d\\d$/.test(document.querySelector('time').textContent)"
    )  # by this phone's clock, once the page's script is there; before it is UTC, and says so
    first.complaints[:] = [one for one in first.complaints if "401" not in one]


async def wizard_state(wizard, phone):
    answer = await phone.page.request.get(f"{wizard.url}/api/steps")
    return (await answer.json())["steps"][0]
