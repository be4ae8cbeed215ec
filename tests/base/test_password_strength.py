"""What is refused as a password, and what is not: length counts, and not being what is tried first."""

import pytest

from appliance.base.errors import ApplianceError
from appliance.base.password_strength import LONGEST, SHORTEST, check_strength


@pytest.mark.parametrize(
    "password",
    [
        "x1" * (SHORTEST // 2 - 1),
        "ab cd " * LONGEST,
        "passwordpassword",
        "P@ssw0rd!2026",
        "!!letmein!!99",
        "1234567890",
        "9876543210",
        "qwertyuiop",
        "1q2w3e4r5t6z",
        "aaaabbbbcccc"[:10],
        "20262026202626",
        "Harbour-Master",  # the user's own name
        "harbour-masterharbour-master",
        "harbour-master!2026",
    ],
)
def test_what_is_tried_first_is_refused(password):
    with pytest.raises(ApplianceError) as caught:
        check_strength(password, "harbour-master", "new_password")
    assert (caught.value.kind, caught.value.field) == ("invalid", "new_password")
    assert caught.value.hint and password not in str(caught.value)


@pytest.mark.parametrize(
    "password",
    [
        "a walk in the harbour",
        "gruene Wolken 7",
        "correct horse battery",
        "密码很长但是不常见吧",
        "the harbour-master sings",
        "x" * 5 + "yzab9",
    ],
)
def test_a_sentence_is_taken(password):
    check_strength(password, "boss", "password")
