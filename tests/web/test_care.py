"""The support bundle over HTTP: for admins, noted before it leaves."""

from typing import Any


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
