"""Settings that a hub changes: previewed, versioned, and undone by themselves unless it is heard again."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.store import commands, hub_link, settings, targets
from appliance.store.cameras import KEEP
from appliance.store.targets import Target
from appliance.sync.control import document
from appliance.sync.control.permissions import EXTRAS

NOWHERE = "http://127.0.0.1:9"  # discard: nobody answers


@pytest.fixture(autouse=True)
def allowed(request):
    """Whatever a patch may touch, so that it can be seen to be undone; ``test_permissions`` takes it away."""
    if "bench" in request.fixturenames:
        request.getfixturevalue("bench").allow(*hub_link.AT_FIRST, *EXTRAS)


@pytest.fixture
def version(bench):
    return lambda: bench.db.read_now(lambda conn: document.version(document.read(conn)))


@pytest.fixture
def patch(bench, hub, version):
    """The hub patches; based on what is there now."""

    def signed(patch, **more):
        return hub.signed("patch_settings", {"patch": patch, "based_on": version(), **more})

    return signed


def name_of(bench) -> str:
    return bench.db.read_now(settings.load).site.name


def hub_url(bench) -> str:
    return bench.db.read_now(lambda conn: targets.get(conn, "hub")).url


async def test_a_preview_says_what_would_change_and_changes_nothing(bench, hub, version):
    before = bench.everything("audit", "outbox", "outbox_counts", "commands", "sqlite_sequence")
    body = {"patch": {"site": {"name": "North"}, "retention": {"days": 7}}, "preview": True}
    await bench.take(hub.signed("patch_settings", body))
    assert bench.everything("audit", "outbox", "outbox_counts", "commands", "sqlite_sequence") == before
    (answer,) = bench.results()
    assert answer["state"] == "done" and answer["result"]["settings_version"] == version()
    assert answer["result"]["changes"] == [
        {"field": "retention.days", "before": 30.0, "after": 7.0},
        {"field": "site.name", "before": "Site", "after": "North"},
    ]
    assert answer["result"]["settings"]["targets"]["hub"]["url"] == hub.url
    assert "url" not in answer["result"]["settings"]["targets"]["cloud"]
    assert bench.changed == []


async def test_a_change_stays_once_the_hub_is_heard_after_it(bench, hub, patch):
    hub.waiting.append(patch({"site": {"name": "North"}}, confirm_s=30))
    bench.start()
    await bench.until(lambda: bench.states() == ["pending", "confirmed"])
    await bench.run_for(40)
    assert name_of(bench) == "North" and bench.changed == ["settings"]
    assert [row["state"] for row in bench.audit("commanded")] == ["pending", "confirmed"]
    assert bench.rows("SELECT state FROM commands") == [("confirmed",)]
    ids = bench.rows("SELECT id FROM outbox WHERE kind = 'command_result'")
    assert len(set(ids)) == 2, "each answer is a row of its own"


async def test_a_change_that_cuts_the_box_off_undoes_itself(bench, hub, patch):
    before = bench.everything("audit", "outbox", "outbox_counts", "commands", "sqlite_sequence")
    hub.waiting.append(patch({"targets": {"hub": {"url": NOWHERE}}}))
    bench.start()
    await bench.until(lambda: bench.states() == ["pending"])
    assert hub_url(bench) == NOWHERE
    began_ns, asked = bench.clock.monotonic_ns(), len(hub.polls)
    await bench.until(lambda: bench.clock.monotonic_ns() - began_ns > 290e9, tick_s=1)
    assert hub_url(bench) == NOWHERE and len(hub.polls) == asked
    await bench.until(lambda: bench.states() == ["pending", "undone"], tick_s=1)
    assert bench.clock.monotonic_ns() - began_ns < 310e9
    assert hub_url(bench) == hub.url and bench.changed == ["targets", "targets"]
    assert bench.everything("audit", "outbox", "outbox_counts", "commands", "sqlite_sequence") == before
    assert bench.results()[-1]["result"]["undone"] == ["targets.hub.url"]
    assert bench.audit("commanded")[-1]["state"] == "undone"
    await bench.until(lambda: len(hub.polls) > asked, tick_s=1)


async def test_a_link_that_comes_back_before_the_deadline_confirms(bench, hub, patch):
    async def the_link_goes(noun: str) -> None:
        hub.is_down = True

    bench.control._obeying._changed = the_link_goes
    hub.waiting.append(patch({"site": {"name": "North"}}))
    bench.start()
    await bench.until(lambda: bench.states() == ["pending"])
    await bench.run_for(270)  # the pauses would have grown to minutes
    hub.is_down = False
    await bench.until(lambda: len(bench.states()) == 2, tick_s=0.5)
    assert bench.states() == ["pending", "confirmed"]


async def test_a_hub_that_switches_itself_off_is_back_after_a_while(bench, hub, patch):
    hub.waiting.append(patch({"targets": {"hub": {"enabled": False}}}, confirm_s=60))
    bench.start()
    await bench.until(lambda: bench.states() == ["pending", "undone"], tick_s=1)
    assert bench.db.read_now(lambda conn: targets.get(conn, "hub")).enabled


@pytest.mark.parametrize("off_s", [1, 200, 10_000])
async def test_a_restart_in_between_changes_nothing_of_it(bench, hub, patch, off_s):
    hub.waiting.append(patch({"targets": {"hub": {"url": NOWHERE}}}))
    bench.start()
    await bench.until(lambda: bench.states() == ["pending"])
    await bench.stop()
    bench.clock.tick(off_s)
    await bench.restart()
    began_ns = bench.clock.monotonic_ns()
    await bench.until(lambda: bench.states() == ["pending", "undone"], tick_s=1)
    assert hub_url(bench) == hub.url
    took_s = (bench.clock.monotonic_ns() - began_ns) / 1e9
    assert abs(took_s - max(0, 300 - off_s)) < 20


async def test_a_clock_that_was_set_back_does_not_put_it_off_for_ever(bench, hub, patch):
    hub.waiting.append(patch({"targets": {"hub": {"url": NOWHERE}}}))
    bench.start()
    await bench.until(lambda: bench.states() == ["pending"])
    await bench.stop()
    bench.clock.set_ns(bench.clock.now_ns() - 365 * 86_400 * 10**9)
    await bench.restart()
    began_ns = bench.clock.monotonic_ns()
    await bench.until(lambda: bench.states() == ["pending", "undone"], tick_s=1)
    assert bench.clock.monotonic_ns() - began_ns <= 310e9


async def test_a_restart_confirms_what_is_heard_after_it(bench, hub, patch):
    await bench.take(patch({"site": {"name": "North"}}))
    await bench.restart()
    await bench.until(lambda: bench.states() == ["pending", "confirmed"])
    assert name_of(bench) == "North"


async def test_what_was_asked_before_the_change_does_not_confirm_it(bench, hub, patch):
    hub.is_down = True
    bench.start()
    asked_ns = bench.clock.monotonic_ns()
    await bench.run_for(5)
    await bench.take(patch({"site": {"name": "North"}}))
    bench.control.trials.heard(asked_ns)  # a long poll that had been on its way
    await bench.run_for(10)
    assert bench.states() == ["pending"]
    bench.control.trials.heard(bench.clock.monotonic_ns())
    await bench.until(lambda: bench.states() == ["pending", "confirmed"], tick_s=0)


async def test_nothing_is_confirmed_while_it_is_being_put_into_force(bench, hub, patch):
    bench.start()
    trials = bench.control.trials

    async def slowly(noun: str) -> None:
        trials.heard(bench.clock.monotonic_ns())
        for _ in range(20):
            bench.clock.tick(0.1)
            await asyncio.sleep(0)
        hub.is_down = True

    bench.control._obeying._changed = slowly
    await bench.take(patch({"site": {"name": "North"}}, confirm_s=30))
    await bench.until(lambda: bench.states() == ["pending", "undone"], tick_s=1)


async def test_what_a_person_set_meanwhile_is_not_undone(bench, hub, patch):
    hub.is_down = True
    bench.start()
    await bench.take(patch({"site": {"name": "North", "time_zone": "Europe/Oslo"}}, confirm_s=30))

    def by_hand(conn) -> None:
        found = settings.load(conn)
        mine = type(found.site)(name="Mine", time_zone=found.site.time_zone)
        settings.save(conn, type(found)(found.retention, mine, found.night))

    bench.db.write_now(by_hand)
    await bench.until(lambda: bench.states() == ["pending", "undone"], tick_s=1)
    site = bench.db.read_now(settings.load).site
    assert (site.name, site.time_zone) == ("Mine", "Etc/UTC")


async def test_a_patch_of_something_else_than_what_is_there_is_a_conflict(bench, hub, patch, version):
    late = patch({"site": {"name": "North"}})
    bench.db.write_now(
        lambda conn: targets.put(conn, Target("cloud", "https://cloud.example/in", enabled=False), KEEP)
    )
    await bench.take(late)
    assert bench.states() == ["refused"] and "changed since" in bench.results()[0]["message"]
    assert name_of(bench) == "Site"
    await bench.take(hub.signed("patch_settings", {"patch": {"site": {"name": "North"}}}))
    assert "based on" in bench.results()[-1]["message"]


async def test_one_trial_at_a_time(bench, patch):
    await bench.take(patch({"site": {"name": "North"}}))
    await bench.take(patch({"site": {"name": "South"}}))
    assert bench.states() == ["pending", "refused"] and name_of(bench) == "North"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"site": {"name": ""}}, "name is 1 to 100"),
        ({"site": {"nmae": "x"}}, "no setting 'site.nmae'"),
        ({"users": {}}, "no setting 'users'"),
        ({"site": "North"}, "parts of its own"),
        ({"retention": {"days": -1}}, "out of range"),
        ({"retention": {"days": "long"}}, "Expected"),
        ({"targets": {"new": {"enabled": True}}}, "no setting 'targets.new'"),
        ({"targets": {"hub": None}}, "at the box"),
        ({"targets": None}, "at the box"),
        ({"targets": {"cloud": {"url": "https://evil.example"}}}, "no setting 'targets.cloud.url'"),
        ({"targets": {"hub": {"url": "http://hub.example"}}}, "plain HTTP"),
        ({"targets": {"hub": {"url": "https://u:p@hub.example"}}}, "password"),
        ({"targets": {"hub": {"enabled": "no"}}}, "Expected"),
        ({"targets": {"hub": {"ca": "none"}}}, "no certificate"),
    ],
)
async def test_a_patch_that_makes_no_sense_is_refused_as_a_whole(bench, hub, patch, change, words):
    for preview in (True, False):
        before = bench.everything("audit", "outbox", "outbox_counts", "commands", "sqlite_sequence")
        await bench.take(patch({"night": {"from": "21:00"}} | change, preview=preview))
        assert bench.states()[-1] == "refused" and words in bench.results()[-1]["message"]
        assert bench.everything("audit", "outbox", "outbox_counts", "commands", "sqlite_sequence") == before


async def test_a_patch_that_changes_nothing_is_done_at_once(bench, patch):
    await bench.take(patch({"site": {"name": "Site"}}))
    assert bench.states() == ["done"] and bench.rows("SELECT * FROM settings_trial") == []


async def test_what_a_target_gets_is_a_setting_too(bench, hub, patch, version):
    before = version()
    policy = {"kinds": {"clip": {"on": False}}, "budget": {"day_bytes": 1_000_000}}
    await bench.take(patch({"targets": {"cloud": {"policy": policy}}}, confirm_s=30))
    found = bench.db.read_now(lambda conn: targets.get(conn, "cloud")).policy
    assert not found.kinds["clip"].on and found.budget.day_bytes == 1_000_000
    hub.is_down = True
    bench.start()
    await bench.until(lambda: bench.states() == ["pending", "undone"], tick_s=1)
    assert bench.db.read_now(lambda conn: targets.get(conn, "cloud")).policy.kinds == {}
    assert version() == before
    for odd in ({"kinds": {"clips": {}}}, {"budget": {"day_byte": 1}}, {"kinds": {"clip": {"lane": 99}}}):
        await bench.take(patch({"targets": {"cloud": {"policy": odd}}}))
        assert bench.states()[-1] == "refused"


async def test_null_is_the_default(bench, patch):
    await bench.take(patch({"retention": {"days": 7, "max_bytes": 5_000_000}}))
    trial = bench.db.read_now(commands.trial)
    assert len(json.loads(trial.changes)) == 2
    bench.db.write_now(lambda conn: commands.end_trial(conn, trial.command_id))
    await bench.take(patch({"retention": None}))
    assert bench.db.read_now(settings.load).retention.days == 30


LEAF = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=3) | st.lists(st.integers(0, 3))
)
PART = st.fixed_dictionaries({"a": LEAF, "b": LEAF})
MAP = st.dictionaries(st.sampled_from("pq"), PART)  # where parts come and go
DOCUMENT = st.fixed_dictionaries({"x": PART, "y": MAP, "z": st.fixed_dictionaries({"x": PART})})


@given(DOCUMENT, DOCUMENT, DOCUMENT)
def test_what_is_undone_is_as_it_was_and_what_others_did_stays(before, after, later):
    changes = document.differences(before, after)
    assert document.undone(after, changes) == before
    theirs = {change.path for change in document.differences(after, later)}
    ours = {change.path: change.before for change in changes}
    for change in document.differences(later, document.undone(later, changes)):
        assert change.path not in theirs and change.after == ours[change.path]


@given(DOCUMENT)
def test_a_version_is_of_the_content_alone(found):
    again = json.loads(json.dumps(dict(reversed(found.items()))))
    assert document.version(found) == document.version(again) < 1 << 48
    assert document.version(found | {"x": "other"}) != document.version(found | {"x": "another"})
