"""Two boxes at one hub: neither reads, writes or guesses anything of the other's."""

import hashlib
import os

import pytest

DATA = os.urandom(1000)


async def test_no_token_and_no_lie_opens_the_door(served):
    box = await served.box("box-a")
    good = box.token
    other = f"box-b.{good.partition('.')[2]}"
    lies = (
        "",
        "x",
        good[:-1],
        other,
        good.upper(),
        "box-a.",
        "box-a." + "x" * 300,
        "é" * 10,
        "' OR 1=1 --.x",
    )
    for token in lies:
        box.token = token
        assert (await box.beat())[0] in (400, 401), token
    box.token = good
    assert (await box.beat())[0] == 200
    response = await box.raw("POST", "/heartbeat", b"{}", Authorization=f"Basic {good}")
    assert response.status == 401


async def test_a_box_cannot_read_or_write_anything_of_anothers(served):
    a, b = await served.box("box-a"), await served.box("box-b")
    await a.batch(a.row("e1"), a.row("e2"))
    await a.begin("c1", DATA)
    await a.chunk("c1", 0, DATA[:400])
    # in its own name b finds nothing
    assert (await b.counts()) == {}
    assert (await b.ask("POST", "/missing", {"ids": ["e1", "e2", "c1"]}))[1]["ids"] == ["e1", "e2", "c1"]
    assert (await b.ask("GET", "/uploads/c1"))[0] == 404
    assert (await b.chunk("c1", 400, DATA[400:]))[0] == 404
    assert (await b.beat())[1]["rows"] == 0
    # and in a's name it may not speak
    status, said = await b.ask("POST", "/batch", {"device_id": "box-a", "batch": [a.row("e3")]})
    assert (status, said["error"]["kind"]) == (403, "denied")
    # what it sends under the same ids is its own
    await b.batch(b.row("e1", body={**b.row("e1")["body"], "camera_id": "b-cam"}))
    await b.begin("c1", b"mine")
    await b.chunk("c1", 0, b"mine")
    assert (await a.ask("GET", "/uploads/c1"))[1]["received_bytes"] == 400
    assert (await a.chunk("c1", 400, DATA[400:]))[1]["state"] == "complete"
    person = await served.person("ann")
    _, said = await person.ask("GET", "/events")
    cameras = {(e["box_id"], e["event"]["id"]): e["event"]["camera_id"] for e in said["events"]}
    assert cameras == {("box-a", "e1"): "gate", ("box-a", "e2"): "gate", ("box-b", "e1"): "b-cam"}
    for box_id, content in (("box-a", DATA), ("box-b", b"mine")):
        assert (await person.ask("GET", f"/uploads/{box_id}/c1/file"))[1] == content


async def test_what_a_box_says_of_itself_changes_nothing_of_anothers(served):
    a, b = await served.box("box-a"), await served.box("box-b")
    alert = {"id": "a1", "event_id": "e1", "camera_id": "gate", "severity": "critical", "status": "new",
             "created_at": a.row("x")["created_at"]}  # fmt: skip
    await a.batch(a.row("e1"), a.row("a1", "alert", alert))
    await b.batch(
        b.row("u1", "alert_update", {**alert, "status": "resolved"}, at_s=9),
        b.row("u2", "event_update", {**a.row("e1")["body"], "camera_id": "forged"}),
    )
    person = await served.person("ann")
    _, said = await person.ask("GET", "/alerts?box_id=box-a")
    assert [a["alert"]["status"] for a in said["alerts"]] == ["new"]
    assert (await person.ask("GET", "/events/box-a/e1"))[1]["event"]["event"]["camera_id"] == "gate"


@pytest.mark.parametrize("path", ["/batch", "/heartbeat", "/missing"])
@pytest.mark.parametrize("places", ["embedded"], indirect=True)
async def test_a_body_of_a_stranger_is_not_even_read(served, path):
    await served.box("box-a")
    response = await served.client.post(f"/api/v1/box{path}", data=b"x" * 1000)
    assert response.status == 401


async def test_a_token_is_stored_as_its_hash_alone(served):
    from appliance.hub.store.steps import every

    box = await served.box("box-a")
    rows = await served.hub.store.read(lambda: every("SELECT * FROM boxes"))
    assert bytes(rows[0]["token_hash"]) == hashlib.sha256(box.token.encode()).digest()
    assert box.token.partition(".")[2] not in repr(rows)
