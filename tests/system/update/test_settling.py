"""After power went at any moment: what the record and the slot say, and what is to be done."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from appliance.system.update import record as records
from appliance.system.update.boot import FACTORY, other
from appliance.system.update.record import MOVING, Phase, Places, Record
from appliance.system.update.settling import UNBOOTED, settle

phases = st.sampled_from(get_args(Phase))
slots = st.sampled_from(["A", "B"])


@given(phases, slots, slots)
def test_settled_twice_is_settled_once(phase, from_slot, booted):
    first = settle(Record(phase, from_slot, reason="why"), booted, 5)
    again = settle(first.record, booted, 6)
    assert again.record == first.record
    assert again.act in (first.act, "nothing")


@given(phases, slots)
def test_in_the_old_slot_nothing_stays_under_way(phase, slot):
    assert settle(Record(phase, slot), slot, 5).record.phase not in MOVING


@given(slots)
def test_in_the_new_slot_it_is_judged_wherever_the_power_went(slot):
    for phase in ("switching", "trial"):
        assert settle(Record(phase, slot), other(slot), 5).act == "judge"
    assert settle(Record("going_back", slot), other(slot), 5).act == "finish_going_back"


def test_what_never_started_says_so_and_what_was_found_out_is_kept():
    assert settle(Record("trial", "A"), "A", 5).record.reason == UNBOOTED
    found = settle(Record("going_back", "A", reason="not recorded: yard"), "A", 5)
    assert (found.act, found.record.phase, found.record.reason) == ("close", "back", "not recorded: yard")


@given(st.integers(0, 8), st.booleans())
def test_power_cut_after_any_step_of_an_update_leaves_a_slot_that_is_judged_or_known(cut, starts):
    """The steps of ``Installer`` and ``Judge`` as they touch the sector and the record, cut off after any of
    them; ``starts``: the new version comes up far enough to be judged (good then)."""
    record, sector = Record(from_slot="A", from_version="1"), FACTORY
    steps = [
        ("record", "writing"), ("sector", lambda s: s.with_tries("B", 0)), ("record", "switching"),
        ("sector", lambda s: s.first("B")), ("record", "trial"), ("boot", None),
    ]  # fmt: skip
    for kind, what in steps[:cut]:
        if kind == "record":
            record = Record(what, "A", "1")
        elif kind == "sector":
            sector = what(sector)
    booted = sector.next_slot()
    if booted == "B" and not starts:
        for _ in range(3):
            sector = sector.booted()
        booted = sector.next_slot()
    settled = settle(record, booted, 9)
    if booted == "A":
        assert settled.record.phase in ("none", "failed", "back")
        assert settled.act in ("nothing", "close")
    else:
        assert settled.act == "judge"


def test_the_record_is_whole_or_the_one_before(tmp_path):
    places = Places(tmp_path / "box")
    assert records.read(places) == Record()
    records.write(places, Record("good", to_version="2"))
    partial = places.record.with_name("record.json.new")
    partial.write_text('{"phase": "tri')  # power went while the next one was written
    assert records.read(places).phase == "good"
    records.write(places, Record("trial"))
    assert records.read(places).phase == "trial" and not partial.exists()
