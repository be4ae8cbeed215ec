"""A format of the wrong disk is impossible: made-up machines whose disks are swapped, pulled, plugged and
mounted by somebody else between any two of our own moves.

A law over all of them: what was emptied, if anything, was the one disk with the serial that was typed, not of
the system, not in use, and the same at the moment of the format as when it was looked at.
"""

import itertools
from contextlib import contextmanager

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.system.disks import erase
from appliance.system.disks.found import Disk, Disks, Part

OWN = "box-1"
SERIALS = ("WD-1", "WD-2", "SN-1", "SN-2", "")
NAMES = ("sda", "sdb", "sdc", "sdd")


class Real:
    """A disk in somebody's hand. What its label says never changes."""

    def __init__(self, serial, size, owner):
        self.serial, self.size, self.owner = serial, size, owner
        self.system = self.mounted = self.read_only = self.wiped = False


class MadeUp:
    """Slots (sda, sdb ...) with disks in them. Before each move of ``erase`` the next of ``meanwhile``
    happens. As in the kernel: a slot's number is not given away while its device is held."""

    def __init__(self, disks, meanwhile):
        self.slots = dict(zip(NAMES, disks, strict=False))
        self.spare = [Real("WD-1", 1, ""), Real("WD-2", 2, "")]
        self.seqs = {id(disk): number for number, disk in enumerate(disks)}
        self.count = itertools.count(100)
        self.meanwhile = iter(meanwhile)
        self.held = None
        self.tried, self.emptied = [], []
        self.meant = None

    def happen(self):
        what, *which = next(self.meanwhile, ("nothing",))
        here = [name for name in self.slots if name != self.held]
        if what == "swap" and len(here) > 1:
            one, other = here[which[0] % len(here)], here[which[1] % len(here)]
            self.slots[one], self.slots[other] = self.slots[other], self.slots[one]
            for name in (one, other):
                self.seqs[id(self.slots[name])] = next(self.count)
        elif what == "pull" and here:
            self.spare.append(self.slots.pop(here[which[0] % len(here)]))
        elif what == "plug" and self.spare:
            free = [name for name in NAMES if name not in self.slots and name != self.held]
            if free:
                disk = self.spare.pop(which[0] % len(self.spare))
                self.slots[free[0]] = disk
                self.seqs[id(disk)] = next(self.count)
        elif what == "replace" and here:  # by another with the same label
            name = here[which[0] % len(here)]
            twin = Real(self.slots[name].serial, self.slots[name].size, self.slots[name].owner)
            self.seqs[id(twin)] = next(self.count)
            self.slots[name], gone = twin, self.slots[name]
            self.spare.append(gone)
        elif what == "mount" and self.slots:
            list(self.slots.values())[which[0] % len(self.slots)].mounted = True

    def _disk(self, name, disk):
        number = f"8:{16 * NAMES.index(name)}"
        points = ("/media/stick",) if disk.mounted else ()  # a root may lie on an overlay: no mount tells
        part = Part(name, number, disk.size, mounted=points, owner=disk.owner)
        return Disk(
            name, f"/dev/{name}", number, self.seqs[id(disk)], disk.serial, "Model", disk.size, "hdd",
            read_only=disk.read_only, system=disk.system, parts=(part,),
        )  # fmt: skip

    def look(self):
        self.happen()
        found = tuple(self._disk(name, disk) for name, disk in sorted(self.slots.items()))
        if self.meant is None:
            self.system_known = any(disk.system for disk in self.slots.values())
            self.meant = {
                seen.key: {id(it) for name, it in self.slots.items() if self._disk(name, it).key == seen.key}
                for seen in found
            }
        return Disks(found, any(disk.system for disk in self.slots.values()))

    @contextmanager
    def hold(self, node):
        self.happen()
        name = node.removeprefix("/dev/")
        if name not in self.slots:
            raise ApplianceError("conflict", "gone", "look again")
        disk = self.slots[name]
        self.held = name
        self.busy_when_held = [it for it in self.slots.values() if it.mounted or it.read_only]
        self.serials_when_held = [it.serial for it in self.slots.values()]
        try:
            here = self._disk(name, disk)
            yield erase.Held(here.number, here.seq, f"held:{name}")
        finally:
            self.held = None

    def run(self, *words):
        """wipefs and mkfs claim the device for themselves: they refuse what is in use."""
        self.happen()
        disk = self.slots[words[-1].removeprefix("held:")]
        self.tried.append(disk)
        if disk.mounted or disk.system or disk.read_only:
            raise ApplianceError("unavailable", "device or resource busy", "")
        self.emptied.append(disk)
        return ""


DISK = st.builds(
    Real, st.sampled_from(SERIALS), st.integers(1, 3), st.sampled_from(("", "", OWN, "box-2", "?"))
)
MEANWHILE = st.one_of(
    st.just(("nothing",)),
    st.tuples(st.just("swap"), st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.just("pull"), st.integers(0, 3)),
    st.tuples(st.just("plug"), st.integers(0, 3)),
    st.tuples(st.just("replace"), st.integers(0, 3)),
    st.tuples(st.just("mount"), st.integers(0, 3)),
)


@st.composite
def tasks(draw):
    """(disks, what happens meanwhile, key, typed): mostly a disk that is there and what it asks for."""
    disks = draw(st.lists(DISK, min_size=1, max_size=4))
    system = draw(st.sampled_from((*range(len(disks)), 9)))
    for number, disk in enumerate(disks):
        disk.system, disk.mounted = number == system, draw(st.integers(0, 4)) == 4
    meant = draw(st.integers(0, len(disks) - 1))
    key = disks[meant].serial or f"{NAMES[meant]}-{meant}"
    typed = draw(st.sampled_from((key, key, key, f"ERASE {key}", "WD-2", "")))
    calm = st.one_of(st.just(("nothing",)), MEANWHILE)
    return disks, [draw(calm), draw(MEANWHILE), draw(calm), draw(calm), draw(calm)], key, typed


@settings(max_examples=200)
@given(tasks())
def test_only_what_was_typed_is_emptied(task):
    disks, meanwhile, key, typed = task
    machine = MadeUp(disks, meanwhile)
    try:
        with erase.held(machine, key, typed, OWN) as (_, path):
            erase.ext4(machine, path, "uuid", "label")
    except ApplianceError:
        pass
    assert len({id(disk) for disk in machine.tried}) <= 1
    for disk in machine.tried:
        assert id(disk) in machine.meant[key]  # that which bore this name when it was looked at first
        assert typed == (f"ERASE {key}" if disk.owner not in ("", OWN) else key)
        assert not disk.system
        assert disk not in machine.busy_when_held
        assert not disk.serial or machine.serials_when_held.count(disk.serial) == 1
        assert machine.system_known


@pytest.mark.parametrize(
    ("when", "what"),
    [(1, ("mount", 1)), (1, ("swap", 0, 1)), (1, ("replace", 1)), (1, ("pull", 1)), (2, ("mount", 1))],
)
def test_what_happens_between_the_two_looks_is_seen(when, what):
    """And nothing is tried then, not even what mkfs itself would refuse."""
    disks = [Real("SYSTEM", 2, ""), Real("WD-1", 1, "")]
    disks[0].system = True
    machine = MadeUp(disks, [("nothing",)] * when + [what])
    with pytest.raises(ApplianceError), erase.held(machine, "WD-1", "WD-1", OWN):
        pass
    assert machine.tried == []


@given(st.lists(DISK, min_size=2, max_size=4), st.data())
def test_the_one_that_is_meant_can_be_emptied(disks, data):
    """The law above is not kept by refusing everything."""
    disks[0].system = True
    for number, disk in enumerate(disks):
        disk.serial = f"S-{number}"
    meant = data.draw(st.sampled_from(disks[1:]))
    machine = MadeUp(disks, [])
    typed = meant.serial if meant.owner in ("", OWN) else f"ERASE {meant.serial}"
    with erase.held(machine, meant.serial, typed, OWN) as (_, path):
        erase.ext4(machine, path, "uuid", "label")
    assert {id(disk) for disk in machine.emptied} == {id(meant)}


@given(st.sampled_from(("seq", "serial", "size_bytes", "number")))
def test_another_disk_under_the_same_name_is_another(field):
    disk = Disk("sdb", "/dev/sdb", "8:16", 7, "WD-1", "", 10, "hdd")
    changed = {"seq": 8, "serial": "WD-2", "size_bytes": 11, "number": "8:32"}[field]
    assert not erase.same(disk, msgspec.structs.replace(disk, **{field: changed}))
    assert erase.same(disk, disk)
