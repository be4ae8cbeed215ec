"""Which slot boots, and how many tries each has left: one sector, read by GRUB, written by both.

The format is GRUB's environment block (GRUB manual, 15.2): a line of its own, ``name=value`` lines, filled up
with ``#`` to 1024 bytes. All that we say lies in the first 512, the sector that a disk writes whole or not at
all. GRUB takes one try off before it boots a slot; ``confirm`` gives all of them back.

As a program (``boot-slot``) it is RAUC's custom boot loader backend (RAUC manual, "Custom"):
``get-primary``, ``set-primary NAME``, ``get-state NAME``, ``set-state NAME good|bad``.
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

import msgspec

from appliance.base.errors import ApplianceError, invalid

Slot = Literal["A", "B"]
SLOTS: tuple[Slot, ...] = get_args(Slot)
TRIES = 3
SIZE_BYTES = 1024
SECTOR_BYTES = 512
LONGEST_BYTES = 1 << 20
MAGIC = "# GRUB Environment Block\n"
STATE = Path("/dev/disk/by-partlabel/aries-state")
_LINE = re.compile(r"(\w+)=([^\n#]*)")


class BootState(msgspec.Struct, frozen=True):
    """``order``: which is wanted first. ``tries``: of A and of B, 0..3; 0: not to be booted while the other
    has some."""

    order: tuple[Slot, Slot] = ("A", "B")
    tries: tuple[int, int] = (TRIES, 0)

    def tries_of(self, slot: Slot) -> int:
        return self.tries[SLOTS.index(slot)]

    def with_tries(self, slot: Slot, tries: int) -> "BootState":
        a, b = self.tries
        return msgspec.structs.replace(self, tries=(tries, b) if slot == "A" else (a, tries))

    def first(self, slot: Slot) -> "BootState":
        """``slot`` is wanted from the next boot on, with all its tries."""
        order: tuple[Slot, Slot] = ("A", "B") if slot == "A" else ("B", "A")
        return msgspec.structs.replace(self.with_tries(slot, TRIES), order=order)

    def next_slot(self) -> Slot:
        """What GRUB would boot now (``firmware/boot/grub.cfg`` does the same)."""
        return next((slot for slot in self.order if self.tries_of(slot) > 0), self.order[0])

    def booted(self) -> "BootState":
        """What GRUB leaves behind after it has chosen."""
        slot = self.next_slot()
        return self.with_tries(slot, max(0, self.tries_of(slot) - 1))


FACTORY = BootState()


def booted(cmdline: Path = Path("/proc/cmdline")) -> Slot | None:
    """The slot that this kernel came from, as GRUB told it; None: not by our GRUB."""
    try:
        found = re.search(r"(?:^| )rauc\.slot=([AB])(?: |$)", cmdline.read_text().strip())
    except OSError:
        return None
    return slot_of(found[1]) if found else None


def other(slot: Slot) -> Slot:
    return "B" if slot == "A" else "A"


def encode(state: BootState) -> bytes:
    """1024 bytes, all of what is said in the first 512."""
    text = f"{MAGIC}order={' '.join(state.order)}\nA_TRIES={state.tries[0]}\nB_TRIES={state.tries[1]}\n"
    return text.encode().ljust(SIZE_BYTES, b"#")


def decode(block: bytes) -> BootState:
    """What makes no sense is as shipped, so that a box with a broken sector boots, as GRUB would."""
    text = block[:SIZE_BYTES].decode(errors="replace")
    if not text.startswith(MAGIC):
        return FACTORY
    said = dict(_LINE.findall(text))
    order: tuple[Slot, Slot] = ("B", "A") if said.get("order", "").split() == ["B", "A"] else ("A", "B")
    return BootState(order, (_tries(said.get("A_TRIES"), TRIES), _tries(said.get("B_TRIES"), 0)))


def _tries(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and re.fullmatch("[0-3]", text) else otherwise


class BootSector:
    """``path``: the partition, or a file in tests. The block is where its first line stands at the beginning
    of a sector; the file system around it is GRUB's business. Raises ``unavailable`` where there is none."""

    def __init__(self, path: Path = STATE) -> None:
        self._path = path

    def read(self) -> BootState:
        with self._opened(os.O_RDONLY) as descriptor:
            return decode(os.pread(descriptor, SIZE_BYTES, self._where(descriptor)))

    def write(self, state: BootState) -> None:
        """On the disk when this returns."""
        with self._opened(os.O_RDWR) as descriptor:
            os.pwrite(descriptor, encode(state), self._where(descriptor))
            os.fsync(descriptor)

    def confirm(self, slot: Slot) -> None:
        """It works: all its tries again."""
        self.write(self.read().with_tries(slot, TRIES))

    @contextlib.contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        try:
            descriptor = os.open(self._path, flags | os.O_CLOEXEC)
            try:
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ApplianceError("unavailable", f"{self._path}: {error.strerror}", _HINT) from error

    def _where(self, descriptor: int) -> int:
        """Bytes from the beginning."""
        text = os.pread(descriptor, LONGEST_BYTES, 0)
        at = text.find(MAGIC.encode())
        while at >= 0 and at % SECTOR_BYTES:
            at = text.find(MAGIC.encode(), at + 1)
        if at < 0:
            raise ApplianceError("unavailable", f"{self._path}: no sector of tries in it", _HINT)
        return at


_HINT = "this box was not made from an image with two slots, or this is not root"


def slot_of(name: str) -> Slot:
    """Raises ``invalid``."""
    if name == "A":
        return "A"
    if name == "B":
        return "B"
    raise invalid(f"no slot {name[:20]!r}", "A or B", field="slot")


def answer(sector: BootSector, words: Sequence[str]) -> str:
    """RAUC's question, and what to print. Raises ``invalid`` for one that it has not."""
    state = sector.read()
    match list(words):
        case ["get-primary"]:
            return state.next_slot()
        case ["set-primary", name]:
            sector.write(state.first(slot_of(name)))
            return ""
        case ["get-state", name]:
            return "good" if state.tries_of(slot_of(name)) else "bad"
        case ["set-state", name, ("good" | "bad") as verdict]:
            sector.write(state.with_tries(slot_of(name), TRIES if verdict == "good" else 0))
            return ""
    raise invalid(f"not a question of RAUC's: {' '.join(words)[:80]!r}", "see the module", field="words")


def main() -> int:
    try:
        said = answer(BootSector(), sys.argv[1:])
    except ApplianceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
