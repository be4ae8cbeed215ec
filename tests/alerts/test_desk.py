import msgspec
import pytest

from appliance.alerts.desk import Desk
from appliance.base.errors import ApplianceError
from appliance.base.model import User
from appliance.store import outbox_counts
from appliance.store.policy import Policy

BOB = User("u1", "bob", "operator")


@pytest.fixture
async def alert(yard):
    yard.add_target()
    intake = yard.intake()
    await intake.accept(yard.findings(intake, 0.2, 0.6))
    await intake.close()
    return yard.alerts()[0]


@pytest.fixture
def waits():
    return []


@pytest.fixture
def desk(yard, waits):
    return Desk(yard.db, yard.clock, yard.bell, observe_ack_s=waits.append)


async def test_acknowledging_says_who_and_when_to_everybody(yard, alert, desk, waits):
    yard.clock.tick(7)
    owed = yard.db.read_now(lambda c: outbox_counts.figures(c, "cloud")).owed
    got = await desk.acknowledge(alert.id, BOB, " on my way ")
    assert (got.status, got.acknowledged_by, got.acknowledged_ns) == (
        "acknowledged",
        "bob",
        yard.clock.now_ns(),
    )
    assert got.notes == ("on my way",) and waits == [7.0]
    assert yard.alerts() == [got]
    row = yard.journal()[-1]
    assert (row.type, row.data["status"], row.id) == ("alert", "acknowledged", yard.bell.newest)
    assert yard.db.read_now(lambda c: outbox_counts.figures(c, "cloud")).owed == owed + 1
    assert yard.db.read_now(lambda c: outbox_counts.figures(c, "cloud", "alert_update")).waiting == 1


async def test_resolving_a_new_one_acknowledges_it_too(yard, alert, desk, waits):
    got = await desk.resolve(alert.id, BOB, "false_alarm")
    assert (got.status, got.resolution, got.resolved_by, got.acknowledged_by) == (
        "resolved", "false_alarm", "bob", "bob",
    )  # fmt: skip
    assert len(waits) == 1


async def test_notes_pile_up(alert, desk):
    await desk.acknowledge(alert.id, BOB, "one")
    assert (await desk.resolve(alert.id, BOB, "test", "two")).notes == ("one", "two")


async def test_twice_is_a_conflict_and_changes_nothing(yard, alert, desk):
    await desk.acknowledge(alert.id, BOB)
    for call in (desk.acknowledge(alert.id, BOB, "again"),):
        with pytest.raises(ApplianceError) as caught:
            await call
        assert caught.value.kind == "conflict"
    await desk.resolve(alert.id, BOB, "test")
    before = (yard.alerts(), yard.journal())
    for call in (desk.acknowledge(alert.id, BOB), desk.resolve(alert.id, BOB, "test")):
        with pytest.raises(ApplianceError) as caught:
            await call
        assert caught.value.kind == "conflict"
    assert before == (yard.alerts(), yard.journal())


async def test_what_one_may_not_see_is_not_there(alert, desk):
    for who, which in ((BOB, "nope"), (User("u2", "eve", "operator", camera_ids=("yard",)), alert.id)):
        with pytest.raises(ApplianceError) as caught:
            await desk.acknowledge(which, who)
        assert caught.value.kind == "not_found"


async def test_a_note_as_long_as_a_book_is_refused(alert, desk):
    with pytest.raises(ApplianceError) as caught:
        await desk.acknowledge(alert.id, BOB, "x" * 2001)
    assert (caught.value.kind, caught.value.field) == ("invalid", "note")


async def test_what_a_person_judged_is_a_sample_for_who_asked_for_samples(yard, alert, desk):
    def owed(kind="sample"):
        return yard.db.read_now(lambda c: outbox_counts.figures(c, "cloud", kind)).owed

    yard.add_target(kind="hub", policy=msgspec.convert({"kinds": {"sample": {"on": True}}}, Policy))
    await desk.acknowledge(alert.id, BOB)
    assert owed() == 0
    await desk.resolve(alert.id, BOB, "false_alarm")
    assert owed() == 1


@pytest.mark.parametrize(
    ("policy", "resolution"),
    [(Policy(), "true_alarm"), (msgspec.convert({"kinds": {"sample": {"on": True}}}, Policy), "test")],
)
async def test_nobody_gets_a_sample_unasked_and_a_test_teaches_nothing(yard, alert, desk, policy, resolution):
    yard.add_target(kind="hub", policy=policy)
    await desk.resolve(alert.id, BOB, resolution)
    assert yard.db.read_now(lambda c: outbox_counts.figures(c, "cloud", "sample")).owed == 0
