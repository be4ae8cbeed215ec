"""Against msgspec itself: its words may change with its version."""

from typing import Annotated

import msgspec
import pytest

from appliance.base.wording import of_people


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=5)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 1
    to: Annotated[list[str], msgspec.Meta(min_length=2, max_length=3)] | None = None
    on: bool = True


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "this is missing"),
        ({"name": ""}, "this is empty"),
        ({"name": "toolong"}, "this is too long: at most 5 characters"),
        ({"name": "a", "port": 99_999}, "this is out of range: at most 65535"),
        ({"name": "a", "port": 0}, "this is out of range: at least 1"),
        ({"name": "a", "port": "x"}, "this is to be a whole number"),
        ({"name": "a", "to": ["b"]}, "this is too short: at least 2 of them"),
        ({"name": "a", "to": 7}, "this is to be a list"),
        ({"name": "a", "on": "yes"}, "this is to be true or false"),
        ({"name": "a", "other": 1}, None),
    ],
)
def test_a_person_reads_no_types(given, words) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(given, Wanted)
    assert of_people(str(caught.value).partition(" - at ")[0]) == words
