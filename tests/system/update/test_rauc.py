"""RAUC behind recording, on a machine that has hardly any time for it."""

import pytest

from appliance.base.errors import ApplianceError
from appliance.system.update import rauc as module
from appliance.system.update.rauc import Rauc

SAID = 'error calling D-Bus method "GetSlotStatus": Timeout was reached'


@pytest.fixture
def played(tmp_path):
    """``make(times, words)``: a RAUC that fails so often with these words; and how often it was asked."""
    asked = tmp_path / "asked"

    def make(times: int, words: str) -> Rauc:
        program = tmp_path / "rauc"
        program.write_text(
            f"#!/bin/sh\necho $2 >> {asked}\nif [ $(wc -l < {asked}) -le {times} ]; then\n"
            f"echo '{words}' >&2; exit 1; fi\n"
        )
        program.chmod(0o755)
        return Rauc(program=str(program))

    return make, lambda: asked.read_text().split()


def test_who_is_too_slow_for_its_own_client_is_asked_again(played):
    make, asked = played
    make(3, SAID).boot_next("B", "A")
    assert asked() == ["mark-active"] * 4


def test_but_not_for_ever_and_not_where_it_said_no(played):
    make, asked = played
    with pytest.raises(ApplianceError, match="Timeout was reached"):
        make(1000, SAID).mark("B", "A", "good")
    assert len(asked()) == module.TURNS
    with pytest.raises(ApplianceError, match="No such slot"):
        make(1000, "No such slot").mark("B", "A", "good")
    assert len(asked()) == module.TURNS + 1
