import typing

from appliance.base.errors import KINDS, ApplianceError, invalid, not_found


def test_the_kinds_are_the_contract_s():
    assert {
        "invalid",
        "not_found",
        "denied",
        "conflict",
        "unavailable",
        "exhausted",
        "data_loss",
        "internal",
    } == KINDS


def test_an_error_says_what_and_what_next():
    error = invalid("the zone has two points", "draw a third one", field="points")
    assert (error.kind, error.field) == ("invalid", "points")
    assert str(error) == "the zone has two points (draw a third one)"
    assert str(ApplianceError("internal", "odd")) == "odd"
    assert not_found("camera", "x").kind == "not_found"
    assert isinstance(error, typing.cast("type", Exception))
