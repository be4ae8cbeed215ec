"""A slot is good only when it records: laws over anything that can be seen."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.system.update.verdict import Rules, Seen, Watch, look, reasons

RULES = Rules(steady_s=60, deadline_s=300)
CAMERAS = frozenset({"yard", "gate"})
seen = st.builds(
    Seen, st.just(0.0), st.frozensets(st.sampled_from(["yard", "gate", "new"])), st.booleans(), st.booleans(),
    st.booleans(),
)  # fmt: skip
histories = st.lists(st.tuples(st.floats(0.5, 40), seen), min_size=1, max_size=60)


def play(history, expected=CAMERAS):
    at_s, watch, past = 0.0, Watch(), []
    for step_s, each in history:
        at_s += step_s
        now = Seen(at_s, each.writing, each.screen, each.detector, each.migrated)
        past.append(now)
        watch, verdict = look(watch, now, expected, RULES)
        if verdict.decision != "wait":
            return verdict, past
    return verdict, past


@given(histories)
def test_good_only_after_a_minute_on_end_in_which_every_camera_wrote(history):
    verdict, past = play(history)
    if verdict.decision == "good":
        last = [each for each in past if each.at_s >= past[-1].at_s - RULES.steady_s]
        assert all(
            each.writing >= CAMERAS and each.screen and each.detector and each.migrated for each in last
        )
        assert past[-1].at_s - next(e.at_s for e in past if e in last) <= RULES.steady_s


@given(histories)
def test_back_only_at_the_deadline_or_after_a_minute_of_nothing_and_with_reasons(history):
    verdict, past = play(history)
    if verdict.decision == "back":
        assert verdict.reasons
        last = [each for each in past if each.at_s > past[-1].at_s - RULES.steady_s]
        nothing = all(each.screen and not each.writing & CAMERAS for each in last)
        assert past[-1].at_s >= RULES.deadline_s or (nothing and past[-1].at_s >= RULES.steady_s)


@given(histories)
def test_by_the_deadline_it_is_decided(history):
    verdict, past = play(history)
    assert verdict.decision != "wait" or past[-1].at_s < RULES.deadline_s


@given(seen)
def test_it_is_well_exactly_when_there_is_no_reason_against_it(each):
    well = each.writing >= CAMERAS and each.screen and each.detector and each.migrated
    assert (not reasons(each, CAMERAS)) == well


def test_one_camera_that_stops_for_one_look_begins_the_minute_anew():
    well = Seen(0, CAMERAS, True, True, True)
    gap = Seen(0, frozenset({"yard"}), True, True, True)
    verdict, _ = play([(10, well)] * 5 + [(10, gap)] + [(10, well)] * 6)
    assert verdict.decision == "wait"
    assert play([(10, well)] * 5 + [(10, gap)] + [(10, well)] * 7)[0].decision == "good"


def test_a_slot_in_which_nothing_is_recorded_is_not_waited_for_until_the_deadline():
    nothing = Seen(0, frozenset({"new"}), True, True, True)
    assert play([(10, nothing)] * 6)[0].decision == "wait"
    verdict, _ = play([(10, nothing)] * 7)
    assert (verdict.decision, verdict.reasons) == ("back", ("not recorded: gate, yard",))
    one = Seen(0, frozenset({"gate"}), True, True, True)  # a camera may have been unplugged meanwhile
    starting = Seen(0, frozenset(), False, True, True)  # and a database of years is not migrated in a minute
    for patient in (one, starting):
        assert play([(10, patient)] * 29)[0].decision == "wait"


def test_reasons_name_the_camera():
    assert reasons(Seen(0, frozenset({"gate"}), True, True, True), CAMERAS) == ("not recorded: yard",)


def test_a_box_without_cameras_needs_its_screen():
    verdict, _ = play([(10, Seen(0, frozenset(), True, True, True))] * 8, frozenset())
    assert verdict.decision == "good"
