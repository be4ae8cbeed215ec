"""The sector of tries: what we write GRUB reads, and what GRUB does to it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.system.update import boot
from appliance.system.update.boot import (
    FACTORY,
    SECTOR_BYTES,
    SIZE_BYTES,
    BootSector,
    BootState,
    answer,
    decode,
    encode,
    other,
)

ROOT = Path(__file__).resolve().parents[3]
slots = st.sampled_from(["A", "B"])
states = st.builds(
    BootState, st.sampled_from([("A", "B"), ("B", "A")]), st.tuples(st.integers(0, 3), st.integers(0, 3))
)


@given(states)
def test_written_and_read_it_is_the_same_and_all_of_it_is_one_sector(state):
    block = encode(state)
    assert decode(block) == state
    assert len(block) == SIZE_BYTES and set(block[SECTOR_BYTES:]) == {ord("#")}


@given(st.binary(max_size=2000))
def test_a_broken_sector_is_as_shipped_or_sense(block):
    found = decode(block)
    assert all(0 <= tries <= 3 for tries in found.tries) and sorted(found.order) == ["A", "B"]


@given(states, slots)
def test_a_slot_that_is_never_confirmed_is_left_after_three_starts(state, slot):
    """Where the other one can be booted at all."""
    state = state.first(slot)
    if state.tries_of(other(slot)) == 0:
        state = state.with_tries(other(slot), 3)
    booted = []
    for _ in range(4):
        booted.append(state.next_slot())
        state = state.booted()
    assert booted == [slot] * 3 + [other(slot)]


@given(states)
def test_something_always_boots(state):
    assert state.next_slot() in ("A", "B")


def test_grub_s_script_does_what_next_slot_says():
    """No GRUB here: that its script takes one try off, three at most, and names what we write."""
    text = (ROOT / "firmware/boot/grub.cfg").read_text()
    assert re.findall(r'"\$tries" = "(\d)" \]; then set left=(\d)', text) == [
        ("3", "2"),
        ("2", "1"),
        ("1", "0"),
    ]
    assert "load_env --file $state order A_TRIES B_TRIES" in text
    assert "save_env --file $state order A_TRIES B_TRIES" in text


def test_rauc_s_questions(tmp_path):
    path = tmp_path / "state"
    path.write_bytes(bytes(4096) + encode(FACTORY) + bytes(4096))  # in a file system of its own
    sector = BootSector(path)
    assert answer(sector, ["get-primary"]) == "A"
    assert (answer(sector, ["get-state", "A"]), answer(sector, ["get-state", "B"])) == ("good", "bad")
    answer(sector, ["set-state", "B", "good"])
    answer(sector, ["set-primary", "B"])
    assert answer(sector, ["get-primary"]) == "B" and sector.read().order == ("B", "A")
    answer(sector, ["set-state", "B", "bad"])
    assert answer(sector, ["get-primary"]) == "A"
    assert path.read_bytes()[:4096] == bytes(4096) == path.read_bytes()[-4096:]
    for words in (["get-state", "C"], ["set-state", "A", "so so"], []):
        with pytest.raises(ApplianceError):
            answer(sector, words)


def test_a_disk_without_the_sector(tmp_path):
    with pytest.raises(ApplianceError, match="two slots"):
        BootSector(tmp_path / "none").read()
    (tmp_path / "other").write_bytes(bytes(5000))
    with pytest.raises(ApplianceError, match="no sector"):
        BootSector(tmp_path / "other").write(FACTORY)


@pytest.mark.parametrize(
    ("said", "slot"),
    [("root=PARTLABEL=aries-b rauc.slot=B ro quiet\n", "B"), ("rauc.slot=A", "A"), ("ro quiet\n", None),
     ("rauc.slot=AB", None)],
)  # fmt: skip
def test_grub_tells_the_kernel_which_slot_it_is(tmp_path, said, slot):
    (tmp_path / "cmdline").write_text(said)
    assert boot.booted(tmp_path / "cmdline") == slot
    assert boot.booted(tmp_path / "nothing") is None
