"""/targets/{id}/parked: looked at, sent again, given up; by admins, and in the audit log."""

from typing import Any

import msgspec
import pytest

from appliance.base.clock import rfc3339
from appliance.store import outbox, outbox_counts, targets
from appliance.store.targets import Target
from appliance.web.connections.parked import ParkedAnswer

ROWS = (
    ("row-1", "event", b'{"id":"e-1","camera_id":"gate"}'),
    ("row-2", "alert", b'{"id":"a-1","event_id":"e-1","camera_id":"gate"}'),
    ("row-3", "metrics", b"{}"),
    ("row-4", "ledger", b'{"camera_id":7}'),
)


@pytest.fixture
async def refused(site: Any) -> None:
    """All of ``cloud``'s rows are parked; one more waits."""
    now_ns = site.clock.now_ns()

    def work(conn: Any) -> None:
        targets.put(conn, Target("cloud", "https://cloud.example/in"), None)
        for row_id, kind, body in ROWS:
            outbox.enqueue(conn, ["cloud"], row_id, kind, body, now_ns)
        outbox.take(conn, "cloud", 10, now_ns)
        outbox.park(conn, "cloud", [row[0] for row in ROWS], "cloud.example says no")
        outbox.enqueue(conn, ["cloud"], "row-9", "event", b"{}", now_ns)

    await site.db.write(work)


async def listed(site: Any, query: str = "") -> ParkedAnswer:
    response = await site.ask("GET", f"/targets/cloud/parked{query}")
    assert response.status == 200, await response.text()
    return msgspec.json.decode(await response.read(), type=ParkedAnswer)


async def figures(site: Any) -> tuple[int, int]:
    """(parked, waiting), and D6."""
    found = await site.db.read(lambda conn: outbox_counts.figures(conn, "cloud"))
    assert (
        found.owed
        == 5
        == found.acknowledged + found.tombstoned + found.waiting + found.in_flight + found.parked
    )
    return found.parked, found.waiting


async def audited(site: Any) -> list[Any]:
    rows = (await (await site.ask("GET", "/audit")).json())["audit"]
    return [(row["username"], row["detail"]) for row in rows if row["thing"] == "target/cloud"]


async def test_each_row_says_what_it_is_and_why_it_stands_there(site: Any, refused: None) -> None:
    found = await listed(site)
    assert (found.total, found.next_cursor) == (4, None)
    assert {row.reason for row in found.parked} == {"cloud.example says no"}
    about = {row.id: (row.kind, row.camera_id, row.event_id, row.attempts) for row in found.parked}
    assert about == {
        "row-1": ("event", "gate", "e-1", 1),
        "row-2": ("alert", "gate", "e-1", 1),
        "row-3": ("metrics", None, None, 1),
        "row-4": ("ledger", None, None, 1),
    }
    assert found.parked[0].created_at == rfc3339(site.clock.now_ns())
    first = await listed(site, "?limit=3")
    rest = await listed(site, f"?limit=3&cursor={first.next_cursor}")
    assert [row.id for row in (*first.parked, *rest.parked)] == [row.id for row in found.parked]
    assert (await site.ask("GET", "/targets/cloud/parked?cursor=nonsense")).status == 400


async def test_one_is_sent_again_and_the_box_is_told(site: Any, refused: None) -> None:
    answer = await site.ask("POST", "/targets/cloud/parked/row-2/unpark")
    assert (answer.status, await answer.json()) == (200, {"unparked": 1})
    assert site.changed == ["targets"] and await figures(site) == (3, 2)
    assert (await site.ask("POST", "/targets/cloud/parked/row-2/unpark")).status == 404
    assert await audited(site) == [("admin", {"unparked": 1, "row": "row-2", "kind": "alert"})]


async def test_one_is_given_up_and_a_tombstone_waits(site: Any, refused: None) -> None:
    answer = await site.ask("DELETE", "/targets/cloud/parked/row-1")
    assert answer.status == 204 and site.changed == ["targets"] and await figures(site) == (3, 2)
    now_ns = site.clock.now_ns()
    taken = await site.db.write(lambda conn: outbox.take(conn, "cloud", 10, now_ns))
    (grave,) = [row for row in taken if row.is_tombstone]
    assert grave.id == "row-1" and msgspec.json.decode(grave.body)["reason"].startswith(
        "given up by a person"
    )
    assert await audited(site) == [("admin", {"discarded": 1, "row": "row-1", "kind": "event"})]
    await site.db.write(lambda conn: outbox.park(conn, "cloud", ["row-1"], "no tombstones here"))
    (row,) = [row for row in (await listed(site)).parked if row.id == "row-1"]
    assert row.is_tombstone and row.reason == "no tombstones here"
    refused_twice = await site.ask("DELETE", "/targets/cloud/parked/row-1")
    assert (
        refused_twice.status == 409 and "remove the target" in (await refused_twice.json())["error"]["hint"]
    )
    assert (await site.ask("DELETE", "/targets/cloud/parked/row-9")).status == 404  # it waits


async def test_all_are_given_up_and_nothing_else(site: Any, refused: None) -> None:
    assert (await site.ask("DELETE", "/targets/cloud/parked")).status == 204
    assert await figures(site) == (0, 5) and (await listed(site)).total == 0
    assert await audited(site) == [("admin", {"discarded": 4})]
    assert (await site.ask("DELETE", "/targets/cloud/parked")).status == 204
    assert len(await audited(site)) == 1  # nothing was done


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("DELETE", ""), ("POST", "/row-1/unpark"), ("DELETE", "/row-1")],
)
async def test_it_is_an_admin_s_and_of_a_target_that_is_there(
    site: Any, refused: None, method: str, path: str
) -> None:
    for who in ("installer", "operator", "viewer"):
        assert (await site.ask(method, f"/targets/cloud/parked{path}", who)).status == 403
    assert (await site.ask(method, f"/targets/nobody/parked{path}")).status == 404
    assert await figures(site) == (4, 1)
