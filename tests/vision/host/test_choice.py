"""What the next worker loads."""

import pytest

from appliance.base.clock import SECOND_NS
from appliance.vision.host.choice import FAILURES, RETRY_S, Choice
from appliance.vision.messages import Trial


class Clock:
    def __init__(self):
        self.s = 1000.0

    def now_ns(self):
        return round(self.s * SECOND_NS)

    monotonic_ns = now_ns


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def choice(clock, told):
    return Choice(clock, "deimv2-femto", "auto", told.append)


def test_a_change_is_kept_when_it_has_proved_itself(choice, told):
    order = choice.begin("yolox-nano", "openvino", 60.0, "deimv2-femto")
    assert (order.choice, order.backend, order.shadow_s) == ("yolox-nano", "openvino", 60.0)
    for phase in ("loading", "shadow", "trial"):
        choice.heard(Trial("yolox-nano", phase, pictures=5, agreement=0.9))
        assert choice.now == ("deimv2-femto", "auto")
    choice.heard(Trial("yolox-nano", "active"))
    assert choice.now == ("yolox-nano", "openvino")
    assert [activation.phase for activation in told] == ["loading", "loading", "shadow", "trial", "active"]
    assert told[2].before == "deimv2-femto" and told[2].agreement == 0.9


def test_a_worker_that_ends_with_it_rolls_it_back(choice, told):
    choice.begin("yolox-nano", "auto", 60.0, "deimv2-femto")
    choice.heard(Trial("yolox-nano", "trial"))
    choice.worker_failed("segmentation fault", lived=True)
    assert told[-1].phase == "rolled_back" and "segmentation fault" in told[-1].reason
    assert choice.now == ("deimv2-femto", "auto")
    choice.heard(Trial("yolox-nano", "active"))  # too late
    assert choice.now == ("deimv2-femto", "auto")


def fail(choice, times, lived=False):
    for _ in range(times):
        choice.worker_failed("it hung", lived=lived)


def test_what_ends_every_worker_is_not_loaded_for_ever(choice, clock):
    fail(choice, FAILURES)
    assert choice.now == ("deimv2-femto", "onnxruntime")
    fail(choice, FAILURES)
    assert choice.now == ("motion", "auto") and "it hung" in choice.excuse
    fail(choice, FAILURES)
    assert choice.now == ("motion", "auto")
    assert choice.retry("motion") is None
    clock.s += RETRY_S + 1
    assert choice.retry("motion").choice == "deimv2-femto"
    assert choice.retry("motion") is None  # not again at once
    choice.heard(Trial("deimv2-femto", "refused", "still no memory"))
    assert choice.now == ("motion", "auto")
    clock.s += RETRY_S + 1
    choice.retry("motion")
    choice.heard(Trial("deimv2-femto", "active"))
    assert choice.now == ("deimv2-femto", "auto") and not choice.excuse


def test_what_really_ran_is_not_tried_twice(choice):
    """``auto`` took onnxruntime: there is nothing between that and no model."""
    for _ in range(FAILURES):
        choice.worker_failed("it hung", lived=False, backend="onnxruntime")
    assert choice.now == ("motion", "auto")
    assert (
        f"deimv2-femto on onnxruntime brought analysis down {FAILURES} times in a row: it hung"
        in choice.excuse
    )


def test_a_model_that_hangs_while_it_is_loaded_is_loaded_once(choice):
    choice.worker_failed("not loaded within 60 s", lived=False, backend="tensorrt", hopeless=True)
    assert choice.now == ("deimv2-femto", "onnxruntime")
    assert choice.excuse.startswith("deimv2-femto on tensorrt brought analysis down: not loaded")


def test_workers_that_lived_are_no_reason_to_step_down(choice):
    for _ in range(10):
        fail(choice, FAILURES - 1)
        fail(choice, 1, lived=True)
    assert choice.now == ("deimv2-femto", "auto")


def test_a_new_choice_forgets_all_that(choice):
    fail(choice, FAILURES)
    choice.choose("yolox-nano", "auto")
    assert choice.now == ("yolox-nano", "auto") and not choice.excuse


def test_an_upgrade_changes_nothing_of_what_people_chose(choice, told):
    order = choice.upgrade("deimv2-femto", "tensorrt", 30.0, "deimv2-femto")
    assert (order.choice, order.backend, order.only) == ("deimv2-femto", "tensorrt", True)
    assert choice.under_way
    choice.heard(Trial("deimv2-femto", "active"))
    assert choice.now == ("deimv2-femto", "auto") and not choice.under_way
    assert all(activation.own and activation.shadow_s == 30.0 for activation in told)


def test_people_s_own_changes_are_not_the_box_s(choice, told, clock):
    choice.begin("yolox-nano", "auto", 0.0, "deimv2-femto")
    choice.heard(Trial("yolox-nano", "refused"))
    assert not any(activation.own for activation in told)
    fail(choice, FAILURES)
    clock.s += RETRY_S + 1
    choice.retry("motion")
    assert told[-1].own
