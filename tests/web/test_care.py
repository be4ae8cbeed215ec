"""The support bundle over HTTP: for admins, noted before it leaves."""

from typing import Any

import pytest

from appliance.base.errors import ApplianceError
from appliance.base.model import User
from appliance.web.care import BackupBody
from appliance.web.care_port import CareState, Job, OnStick


async def test_an_admin_downloads_it_and_that_is_noted(site: Any) -> None:
    async def made() -> bytes:
        return b"\x1f\x8b a bundle"

    site.box.support = made
    answer = await site.ask("GET", "/system/support", "admin")
    assert (answer.status, answer.content_type) == (200, "application/gzip")
    assert await answer.read() == b"\x1f\x8b a bundle"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="support-')
    entries = (await (await site.ask("GET", "/audit", "admin")).json())["audit"]
    assert any((e["action"], e["thing"]) == ("exported", "support") for e in entries)


async def test_nobody_else_does(site: Any) -> None:
    assert (await site.ask("GET", "/system/support", "installer")).status == 403
    site.box.support = None  # a box that is run without the part
    assert (await site.ask("GET", "/system/support", "admin")).status == 503


class PlayedCare:
    """Remembers what was asked of it."""

    def __init__(self, folder: Any) -> None:
        self.asked: list[Any] = []
        self.path = folder / "support.tar.gz"
        self.refused: ApplianceError | None = None

    async def state(self) -> CareState:
        stick = OnStick("/media/sdb1", "sdb1", 16 * 10**9, 15 * 10**9, True, 0, "")
        job = Job("support", "working", "2026-01-20T14:30:00.000Z", step="journal.txt", done=3, all=18)
        return CareState(job, None, None, [stick])

    async def make_support(self) -> None:
        self._asked("support")

    async def back_up(self, folder: str, passphrase: str, by: User) -> None:
        self._asked((folder, passphrase, by.username))

    async def ask_reset(self, footage: str, by: User) -> None:
        self._asked((footage, by.username))

    async def call_off_reset(self, by: User) -> None:
        self._asked(f"call off: {by.username}")

    def bundle(self) -> Any:
        if not self.path.exists():
            raise ApplianceError("not_found", "no support bundle was made yet", "make one first")
        return self.path

    def _asked(self, what: Any) -> None:
        if self.refused is not None:
            raise self.refused
        self.asked.append(what)


@pytest.fixture
def care(site: Any, tmp_path: Any) -> PlayedCare:
    site.box.care = PlayedCare(tmp_path)
    return site.box.care


async def test_it_is_made_first_and_taken_then(site: Any, care: Any) -> None:
    missing = await site.ask("GET", "/system/support/bundle.tar.gz", "admin")
    assert missing.status == 404 and (await missing.json())["error"]["hint"]
    made = await site.ask("POST", "/system/support", "admin")
    assert made.status == 201 and care.asked == ["support"]
    job = (await made.json())["care"]["support"]
    assert (job["phase"], job["step"], job["done"], job["all"]) == ("working", "journal.txt", 3, 18)
    care.path.write_bytes(b"\x1f\x8b a bundle")
    answer = await site.ask("GET", "/system/support/bundle.tar.gz", "admin")
    assert (answer.status, answer.content_type) == (200, "application/gzip")
    assert await answer.read() == b"\x1f\x8b a bundle"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="support-')
    entries = (await (await site.ask("GET", "/audit", "admin")).json())["audit"]
    assert any((e["action"], e["thing"]) == ("exported", "support") for e in entries)


async def test_a_backup_is_begun_and_a_second_one_is_not(site: Any, care: Any) -> None:
    body = {"folder": "/media/sdb1", "passphrase": "four dull words here"}
    begun = await site.ask("POST", "/system/backup", "admin", json=body)
    assert begun.status == 201 and care.asked == [("/media/sdb1", "four dull words here", "admin")]
    assert "four dull words" not in await begun.text()
    care.refused = ApplianceError("conflict", "a backup is being made", "wait until it is done")
    again = await site.ask("POST", "/system/backup", "admin", json=body)
    assert again.status == 409 and (await again.json())["error"]["hint"] == "wait until it is done"
    for wrong in ({}, {"folder": "/media/sdb1"}, body | {"to": "x"}, body | {"passphrase": "x" * 1001}):
        assert (await site.ask("POST", "/system/backup", "admin", json=wrong)).status == 400
    assert len(care.asked) == 1 and "dull" not in repr(BackupBody(**body))


async def test_a_reset_is_asked_for_and_called_off(site: Any, care: Any) -> None:
    asked = await site.ask("POST", "/system/reset", "admin", json={"footage": "keep"})
    assert asked.status == 201 and care.asked == [("keep", "admin")]
    assert (await site.ask("DELETE", "/system/reset", "admin")).status == 204
    for wrong in ({}, {"footage": "some"}, {"footage": "keep", "now": True}):
        assert (await site.ask("POST", "/system/reset", "admin", json=wrong)).status == 400
    assert care.asked == [("keep", "admin"), "call off: admin"]


async def test_care_is_an_admins(site: Any, care: Any) -> None:
    asked = [("GET", "/system/care"), ("POST", "/system/support"), ("POST", "/system/backup")]
    asked += [
        ("GET", "/system/support/bundle.tar.gz"),
        ("POST", "/system/reset"),
        ("DELETE", "/system/reset"),
    ]
    for method, path in asked:
        assert (await site.ask(method, path, "installer", json={})).status == 403
    site.box.care = None
    assert (await site.ask("GET", "/system/care", "admin")).status == 503
