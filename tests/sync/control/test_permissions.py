"""What cannot be undone from afar is not done from afar, unless the box's admin has said so."""

import pytest

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.store import commands, hub_link, retention_held, settings, targets
from appliance.store.cameras import KEEP
from appliance.store.policy import Policy
from appliance.store.targets import Target
from appliance.sync.control import document, permissions
from appliance.web.pages.connection_words import ORDERS


@pytest.fixture
def order(bench, hub):
    """The hub patches; the box's answer."""

    async def patched(patch, **more):
        version = bench.db.read_now(lambda conn: document.version(document.read(conn)))
        await bench.take(hub.signed("patch_settings", {"patch": patch, "based_on": version, **more}))
        return bench.results()[-1]

    return patched


DESTROYS = [
    ({"retention": {"days": 1}}, "retention.days"),
    ({"retention": {"event_days": 1}}, "retention.event_days"),
    ({"retention": {"max_bytes": 1_000_000}}, "retention.max_bytes"),
    ({"retention": {"reserve_percent": 90}}, "retention.reserve_percent"),
    ({"retention": {"reserve_bytes": 1 << 50}}, "retention.reserve_bytes"),
    ({"targets": {"hub": {"policy": {"quota_bytes": 0}}}}, "targets.hub.policy.quota_bytes"),
    ({"targets": {"hub": {"policy": {"body_days": 0.1}}}}, "targets.hub.policy.body_days"),
    ({"targets": {"hub": {"policy": {"journal_days": 0.1}}}}, "targets.hub.policy.journal_days"),
]
OTHERS = [
    ("change_clock", {"site": {"time_zone": "Pacific/Kiritimati"}}, "site.time_zone"),
    ("change_clock", {"night": {"from": "12:00"}}, "night.from"),
    ("change_targets", {"targets": {"cloud": {"enabled": False}}}, "targets.cloud.enabled"),
    ("change_targets", {"targets": {"cloud": {"policy": {"quota_bytes": 0}}}}, "targets.cloud.policy"),
    ("move_hub", {"targets": {"hub": {"url": "https://thief.example"}}}, "targets.hub.url"),
]
ALL = [("shorten_retention", *each) for each in DESTROYS] + OTHERS


@pytest.mark.parametrize(("extra", "patch", "field"), ALL)
async def test_what_no_undoing_mends_is_refused_by_default(bench, order, extra, patch, field):
    before = bench.everything("audit", "outbox", "outbox_counts", "commands", "sqlite_sequence")
    for preview in (True, False):
        answer = await order({"site": {"name": "North"}} | patch, preview=preview)
        assert answer["state"] == "refused" and field in answer["message"]
        assert permissions.NAMES[extra] in answer["message"], "the next step, as the box's screen names it"
    assert bench.everything("audit", "outbox", "outbox_counts", "commands", "sqlite_sequence") == before
    assert bench.changed == []


@pytest.mark.parametrize(("extra", "patch", "field"), ALL)
async def test_each_needs_its_own_permission_and_no_other(bench, order, extra, patch, field):
    bench.allow(*hub_link.AT_FIRST, *(set(permissions.EXTRAS) - {extra}))
    assert (await order(patch))["state"] == "refused"
    bench.allow("patch_settings", extra)
    assert (await order(patch))["state"] == "pending"


async def test_what_keeps_more_needs_no_permission(bench, order):
    def small(conn) -> None:
        found = settings.load(conn)
        less = type(found.retention)(7, 5_000_000, 50, 3_000_000_000, 7)
        settings.save(conn, type(found)(less, found.site, found.night))
        targets.put(conn, Target("hub", "http://127.0.0.1:9", "hub", policy=Policy(body_days=1)), KEEP)

    bench.db.write_now(small)
    more = {"days": 8, "max_bytes": None, "reserve_percent": 5, "reserve_bytes": 2_000_000_000}
    keeps = {"policy": {"quota_bytes": 1 << 40, "body_days": None}}
    answer = await order({"retention": more | {"event_days": 30}, "targets": {"hub": keeps}})
    assert answer["state"] == "pending" and len(answer["result"]["changes"]) == 7


async def test_a_permission_is_no_order(bench, hub):
    bench.allow(*permissions.EXTRAS)
    for extra in permissions.EXTRAS:
        await bench.take(hub.signed(extra))
        assert bench.audit("refused")[-1]["reason"] == "unknown_kind"


def test_each_has_its_line_on_the_screen():
    assert set(permissions.EXTRAS) <= {kind for kind, _, _ in ORDERS}
    assert not set(permissions.EXTRAS) & set(hub_link.AT_FIRST)


async def test_what_is_made_shorter_deletes_nothing_for_a_day(bench, order):
    bench.allow(*hub_link.AT_FIRST, "shorten_retention")

    def in_force():
        now_ns = bench.clock.now_ns()
        return bench.db.read_now(lambda conn: retention_held.in_force(conn, now_ns))

    before = in_force()
    answer = await order({"retention": {"days": 1, "max_bytes": 1_000_000}})
    until_ns = bench.clock.now_ns() + 86_400 * SECOND_NS
    assert answer["state"] == "pending" and answer["result"]["deletes_from"] == rfc3339(until_ns)
    assert bench.audit("commanded")[-1]["deletes_from"] == rfc3339(until_ns)
    bench.db.write_now(lambda conn: commands.end_trial(conn, answer["command_id"]))  # the hub was heard
    bench.clock.tick(80_000)
    assert in_force() == before
    await order({"retention": {"days": 0.5}})
    bench.clock.tick(80_000)
    assert in_force() == before, "a second change begins its own day"
    bench.clock.tick(7_000)
    assert (in_force().days, in_force().max_bytes) == (0.5, 1_000_000)
