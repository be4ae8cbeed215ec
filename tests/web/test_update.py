"""/system/update over HTTP: an admin uploads, everybody sees, an admin says the word."""

import hashlib
import io
import json

import pytest

from appliance.store import audit
from appliance.system.update import record as records
from appliance.system.update.inbox import Inbox
from appliance.system.update.judging import Manifest
from appliance.system.update.record import Places, Record
from appliance.system.update.release import Release

PATH = "/system/update"


class Looked:
    """RAUC's look at a bundle: its first word is its version."""

    def manifest(self, bundle):
        version = bundle.read_bytes().split()[0].decode(errors="replace")
        return Manifest("here", version) if version[0].isdigit() else "wrong_key"


@pytest.fixture
def places(site, tmp_path):
    made = Places(tmp_path / "of-update")
    made.box.mkdir()
    site.box.updates = Inbox(made, Looked(), Release("1.0", "here"), site.clock, watched=())
    return made


async def upload(site, content, who="admin"):
    answer = await site.ask("POST", f"{PATH}?name=new.raucb", who, data=io.BytesIO(content))
    return answer.status, await answer.json()


async def test_from_upload_to_the_wish_with_an_audit_row_for_each(site, places) -> None:
    content = b"1.1 " + bytes(3_000_000)  # more than a JSON body may be
    status, body = await upload(site, content)
    offered = body["update"]["offered"]
    assert status == 201 and (offered["version"], offered["name"]) == ("1.1", "new.raucb")
    assert (await site.ask("GET", PATH, "viewer")).status == 200
    answer = await site.ask("POST", f"{PATH}/install", json={})
    assert answer.status == 200 and (await answer.json())["update"]["asked"]
    wish = json.loads(places.wish.read_bytes())
    assert (
        wish["sha256"] == hashlib.sha256(content).hexdigest()
        and wish["by"] == "admin"
        and not wish["allow_older"]
    )
    rows = await site.db.read(lambda conn: audit.page(conn, 100, None)[0])
    assert [row.detail["what"] for row in rows if row.thing == "update"] == ["installed", "offered"]


async def test_only_an_admin(site, places) -> None:
    for who in ("viewer", "operator", "installer"):
        assert (await upload(site, b"1.1 x", who))[0] == 403
        assert (await site.ask("POST", f"{PATH}/install", who, json={})).status == 403
        assert (await site.ask("DELETE", PATH, who)).status == 403


async def test_refusals_are_the_box_s_words(site, places) -> None:
    status, body = await upload(site, b"strangers bundle")
    assert status == 400 and "does not know" in body["error"]["message"] and body["error"]["hint"]
    status, body = await upload(site, b"0.9 x")
    assert status == 201 and body["update"]["offered"]["needs_word"]
    assert (await site.ask("POST", f"{PATH}/install", json={})).status == 400
    assert (await site.ask("POST", f"{PATH}/install", json={"allow_older": True})).status == 200


async def test_why_the_box_went_back_stands_on_the_page(site, places) -> None:
    back = Record(
        "back", "A", "1.0", "1.1", began_ns=1, ended_ns=2, reason="not recorded: yard", hint="call us"
    )
    records.write(places, back)
    state = (await (await site.ask("GET", PATH, "viewer")).json())["update"]
    assert (state["phase"], state["reason"], state["to_version"]) == ("back", "not recorded: yard", "1.1")
    page = await (await site.client.get("/settings/update", headers=await site.bearer("viewer"))).text()
    assert "not recorded: yard" in page and "An admin can install" in page


async def test_a_box_without_updates_says_so(site) -> None:
    site.box.updates = None
    assert (await site.ask("GET", PATH)).status == 503
