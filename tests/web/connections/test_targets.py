"""Policy and options of a target over the API."""

import pytest

from appliance.store import outbox


async def put(site, **fields):
    answer = await site.ask("PUT", "/targets/hub", json={"url": "https://hub.example/"} | fields)
    return answer.status, await answer.json()


POLICY = {
    "kinds": {"clip": {"least_severity": "critical"}, "sample": {"on": False}},
    "budget": {
        "day_bytes": 50_000_000,
        "windows": [{"days": ["mon"], "from": "22:00", "to": "06:00", "bytes_per_s": 100_000}],
    },
    "quota_bytes": 1_000_000_000,
}


async def test_a_policy_is_kept_shown_whole_and_not_undone_by_who_does_not_know_it(site) -> None:
    status, body = await put(site, kind="hub", policy=POLICY)
    shown = body["target"]["policy"]
    assert status == 200 and body["target"]["kind"] == "hub"
    assert shown["budget"]["windows"] == POLICY["budget"]["windows"] and shown["journal_days"] == 30
    assert shown["kinds"]["clip"] == {"on": True, "least_severity": "critical", "lane": None}
    status, body = await put(site, kind="hub", enabled=False)
    assert status == 200 and body["target"]["policy"] == shown
    status, body = await put(site, kind="hub", policy={})
    assert body["target"]["policy"]["quota_bytes"] == 20_000_000_000


@pytest.mark.parametrize(
    ("policy", "field"),
    [({"kinds": {"clips": {}}}, "policy.kinds"), ({"kinds": {"clip": {"lane": 8}}}, "policy.kinds"),
     ({"budget": {"day_bytes": -1}}, "policy.budget.day_bytes"), ({"quota": 1}, "policy"),
     ({"budget": {"day_bytes": 1, "hour_bytes": 2}}, "policy.budget.hour_bytes"),
     ({"budget": {"windows": [{"days": ["mon"], "from": "25:00", "to": "06:00", "bytes_per_s": 1}]}},
      "policy.budget.windows[0].from")],
)  # fmt: skip
async def test_nonsense_is_refused_with_its_field(site, policy, field) -> None:
    status, body = await put(site, kind="hub", policy=policy)
    assert status == 400 and body["error"]["kind"] == "invalid" and body["error"]["hint"]
    assert body["error"]["field"].startswith(field), body


async def test_figures_by_lane_and_kind_and_what_was_refused(site) -> None:
    await put(site, kind="hub")

    def work(conn) -> None:
        outbox.enqueue(conn, ["hub"], "a", "alert", b"{}", 0, lane=0)
        outbox.enqueue(conn, ["hub"], "m", "metrics", b"{}", 0)
        outbox.take(conn, "hub", 1, 0)
        outbox.park(conn, "hub", ["a"], "body.type is missing")

    await site.db.write(work)
    target = (await (await site.ask("GET", "/targets/hub")).json())["target"]
    assert [(row["lane"], row["kind"], row["waiting"], row["parked"]) for row in target["lanes"]] == [
        (0, "alert", 0, 1), (6, "metrics", 1, 0),
    ]  # fmt: skip
    assert target["refused"] == [{"id": "a", "kind": "alert", "reason": "body.type is missing"}]
    assert (target["owed"], target["bytes"]) == (2, 4)


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"kind": "pigeon"}, "kind"), ({"kind": "redis", "url": "redis://u:secret@h/"}, "url"),
     ({"kind": "hub", "url": "http://hub.example/"}, "url"), ({"options": {"topic": "x"}}, "options")],
)  # fmt: skip
async def test_addresses_and_options_are_checked_by_kind(site, fields, field) -> None:
    status, body = await put(site, **fields)
    assert status == 400 and body["error"]["field"].startswith(field), body
    assert "secret" not in str(body)


async def test_a_stored_token_does_not_follow_an_endpoint_to_a_stranger(site) -> None:
    options = {"access_key_id": "key", "endpoint": "https://s3.example"}
    status, body = await put(site, kind="s3", url="s3://footage/box", token="secret", options=options)
    assert status == 200, body
    status, body = await put(
        site, kind="s3", url="s3://footage/box", options=options | {"endpoint": "https://evil.example"}
    )
    assert status == 400 and body["error"]["field"] == "token"
