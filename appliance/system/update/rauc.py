"""RAUC, asked as a program: what a bundle is, how the slots are, write, which boots next.

Looking at a bundle needs nobody's leave; the rest goes over D-Bus to ``rauc.service``, which is root.
Its words for people are ours: RAUC's own go into the log.
"""

import logging
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from appliance.base.errors import ApplianceError
from appliance.system.update.boot import Slot, other, slot_of
from appliance.system.update.judging import Manifest

log = logging.getLogger(__name__)

CONFIG = Path("/etc/rauc/system.conf")
KEYRING = Path("/etc/rauc/keyring.pem")
ANSWER_S = 300.0  # on a slow and busy box a look at the slots alone starts five programs
TURNS = 10
TOO_SLOW = "Timeout was reached"  # of RAUC's client, after 25 s: its service is at it, behind what records
MAGIC = b"hsqs"  # a bundle is a squashfs with a signature behind it
Fault = Literal["wrong_key", "tampered", "no_bundle"]
_PERCENT = re.compile(r"^ *(\d{1,3})% ")
_FAULTS: tuple[tuple[Fault, tuple[str, ...]], ...] = (
    ("wrong_key", ("certificate verify error", "unable to get local issuer", "self-signed certificate",
                   "self signed certificate", "unable to get issuer")),
    ("tampered", ("digest failure", "Invalid checksum", "bundle size", "signature verification failed",
                  "verity", "Input/output error", "No such file or directory in squashfs", "squashfs",
                  "failed to decompress", "Failed to mount", "checksum")),
)  # fmt: skip


class _Image(msgspec.Struct):
    size: int = 0


class _Info(msgspec.Struct):
    compatible: str
    version: str | None = None
    images: list[dict[str, _Image]] = []


class _Slot(msgspec.Struct):
    state: str
    device: str = ""
    bootname: str | None = None
    boot_status: str | None = None


class _Status(msgspec.Struct):
    compatible: str
    slots: list[dict[str, _Slot]]
    booted: str | None = None


class Slots(msgspec.Struct, frozen=True):
    """``good``: slots that may be booted. ``device``: of the slot that does not run."""

    compatible: str
    booted: Slot
    good: frozenset[Slot]
    device: str


class Rauc:
    """``options`` stand behind the program's name, ``environ`` beside ours: tests have a bus of their own."""

    def __init__(
        self,
        options: tuple[str, ...] = (),
        environ: Mapping[str, str] | None = None,
        keyring: Path = KEYRING,
        program: str = "rauc",
    ) -> None:
        self._options, self._environ, self._keyring = options, dict(environ or {}), keyring
        self._program = program

    def manifest(self, bundle: Path) -> Manifest | Fault:
        """What ``bundle`` says of itself, its signature looked at; or what is wrong with that. A changed byte
        of the content is found when it is written only (RAUC, "verity"). Raises ``OSError``."""
        with bundle.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return "no_bundle"
        done = self._ask("--keyring", str(self._keyring), "info", "--output-format=json", str(bundle))
        if done.returncode != 0:
            return fault_of(done.stderr)
        try:
            found = msgspec.json.decode(done.stdout, type=_Info)
        except msgspec.DecodeError:
            return "no_bundle"
        size = sum(image.size for images in found.images for image in images.values())
        return Manifest(found.compatible, found.version or "", size)

    def slots(self) -> Slots:
        """Raises ``unavailable`` where this is no box of two slots."""
        done = self._ask("status", "--output-format=json")
        try:
            if done.returncode != 0:
                raise ValueError(_last(done.stderr))
            found = msgspec.json.decode(done.stdout, type=_Status)
            named = {slot_of(s.bootname): s for each in found.slots for s in each.values() if s.bootname}
            booted = next(name for name, slot in named.items() if slot.state == "booted")
        except (ValueError, StopIteration, ApplianceError, msgspec.DecodeError) as error:
            raise ApplianceError(
                "unavailable", f"RAUC does not say how the boot slots are: {error}",
                "only a box that was made from an image has two; see `systemctl status rauc`",
            ) from error  # fmt: skip
        good = frozenset(name for name, slot in named.items() if slot.boot_status == "good")
        return Slots(found.compatible, booted, good, named[other(booted)].device)

    def install(self, bundle: Path, on_percent: Callable[[int], None] = lambda _: None) -> None:
        """Into the slot that does not run; that is not bootable from the first byte on. Raises ``invalid``
        for content that is not what was signed, else ``unavailable``."""
        words = [self._program, *self._options, "install", "--progress", str(bundle)]
        said: list[str] = []
        with subprocess.Popen(
            words,
            env=os.environ | self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if (found := _PERCENT.match(line)) is not None:
                    on_percent(int(found[1]))
                said.append(line)
        if child.returncode == 0:
            return
        text = "".join(said)
        log.warning("rauc install: %s", text[-2000:])
        fault = fault_of(text)
        if fault == "no_bundle":
            raise ApplianceError(
                "unavailable", f"it could not be written: {_last(text)}", "see the log of rauc"
            )
        reason = (
            "signed with a key that this box does not know" if fault == "wrong_key" else "not what was signed"
        )
        raise ApplianceError(
            "invalid", f"its content is {reason}", "fetch it again, from its maker", field="bundle"
        )

    def boot_next(self, slot: Slot, booted: Slot) -> None:
        self._must("status", "mark-active", "booted" if slot == booted else "other")

    def mark(self, slot: Slot, booted: Slot, verdict: Literal["good", "bad"]) -> None:
        self._must("status", f"mark-{verdict}", "booted" if slot == booted else "other")

    def _must(self, *words: str) -> None:
        done = self._ask(*words)
        if done.returncode != 0:
            raise ApplianceError(
                "unavailable", f"rauc {' '.join(words)}: {_last(done.stderr)}", "see `systemctl status rauc`"
            )

    def _ask(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """All that is asked may be asked again: it says how things are, or makes them so."""
        for _ in range(TURNS):
            done = self._ask_once(*words)
            if done.returncode == 0 or TOO_SLOW not in done.stderr:
                break
            log.warning("rauc %s: %s; asked again", " ".join(words), _last(done.stderr))
        return done

    def _ask_once(self, *words: str) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(
                [self._program, *self._options, *words], env=os.environ | self._environ,
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
                timeout=ANSWER_S,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise ApplianceError(
                "unavailable", "this box takes no updates: the program rauc is not installed",
                "only a box that was made from an image has two boot slots",
            ) from error  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ApplianceError(
                "unavailable", "rauc does not answer", "see `systemctl status rauc`"
            ) from error


def fault_of(said: str) -> Fault:
    """RAUC's words (1.8), sorted."""
    for fault, signs in _FAULTS:
        if any(sign in said for sign in signs):
            return fault
    return "no_bundle"


def _last(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no word")[:300]
