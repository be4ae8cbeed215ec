"""A wish to install, carried out as root: look, write, copy the databases, start the other slot."""

import contextlib
import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.store import carrying_back
from appliance.system.update import record as records
from appliance.system.update.boot import other
from appliance.system.update.judging import Facts, Manifest, refusal
from appliance.system.update.observing import cameras_writing
from appliance.system.update.rauc import Rauc
from appliance.system.update.record import MOVING, Places, Record, Wish
from appliance.system.update.release import Release

log = logging.getLogger(__name__)

DATABASES = ("appliance.db", "tracks.db")
CHUNK_BYTES = 1 << 20
FULL_HINT = "free space on the system disk, then offer it again"
BASELINE_NS = 120 * 1_000_000_000  # a camera recorded before: it wrote within so long


class Installer:
    """``reboot`` is called last. One at a time: systemd starts it once."""

    def __init__(
        self, places: Places, rauc: Rauc, release: Release, clock: Clock, reboot: Callable[[], None]
    ) -> None:
        self._places, self._rauc, self._release = places, rauc, release
        self._clock, self._reboot = clock, reboot

    def obey(self, wish: Wish) -> Record:
        """What came of it, as it is recorded. Refusals and failures are in it, in words; the box reboots
        where it is ``trial``."""
        before = records.read(self._places)
        made = Record(began_ns=self._clock.now_ns(), by=wish.by)
        taken = None
        try:
            taken = self._take(wish)
            made = self._accepted(wish, taken, before, made)
            self._places.bundle.unlink(missing_ok=True)  # not before: cut off until here, it is begun anew
            made = self._write(taken, made)
            return self._switch(made)
        except ApplianceError as error:
            return self._over(before, made, error)
        except OSError as error:
            stopped = ApplianceError("exhausted", f"it stopped: {error.strerror}", FULL_HINT)
            return self._over(before, made, stopped)
        finally:
            if taken is not None:
                taken.unlink(missing_ok=True)
                self._places.bundle.unlink(missing_ok=True)

    def _over(self, before: Record, made: Record, error: ApplianceError) -> Record:
        phase: records.Phase = "failed" if made.phase in MOVING else "refused"
        made = msgspec.structs.replace(
            made, phase=phase, reason=error.message, hint=error.hint, ended_ns=self._clock.now_ns()
        )
        log.warning("the update was %s: %s", phase, error)
        if before.phase not in MOVING:  # what is under way is not forgotten for a second wish
            self._keep(made)
        return made

    def _take(self, wish: Wish) -> Path:
        """Out of the daemon's folder into ours, so that nobody else changes it any more; and it is the one
        that was looked at. Copied: the two folders are mounts of their own."""
        self._places.own.mkdir(mode=0o755, exist_ok=True)
        own, digest = self._places.taken, hashlib.sha256()
        own.unlink(missing_ok=True)
        try:
            descriptor = os.open(self._places.bundle, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            raise ApplianceError("not_found", "no bundle waits here", "offer it again") from error
        try:
            with os.fdopen(descriptor, "rb") as source, own.open("xb") as target:
                own.chmod(0o600)
                while chunk := source.read(CHUNK_BYTES):
                    digest.update(chunk)
                    target.write(chunk)
        except OSError as error:
            own.unlink(missing_ok=True)
            raise ApplianceError("exhausted", f"it cannot be taken: {error.strerror}", FULL_HINT) from error
        if digest.hexdigest() != wish.sha256:
            own.unlink(missing_ok=True)
            self._places.bundle.unlink(missing_ok=True)
            raise ApplianceError(
                "conflict", "another bundle lies there than the one that was looked at", "offer it again"
            )
        return own

    def _accepted(self, wish: Wish, bundle: Path, before: Record, made: Record) -> Record:
        found = self._rauc.manifest(bundle)
        slots = self._rauc.slots()
        manifest = found if isinstance(found, Manifest) else None
        facts = Facts(
            manifest, self._release.version, slots.compatible, size_of(Path(slots.device)),
            shutil.disk_usage(self._places.own).free, self._database_bytes(), before.phase in MOVING,
            "" if isinstance(found, Manifest) else found,
        )  # fmt: skip
        made = msgspec.structs.replace(
            made, from_slot=slots.booted, from_version=self._release.version,
            to_version=manifest.version if manifest else "",
        )  # fmt: skip
        refused = refusal(facts, allow_older=wish.allow_older)
        if refused is not None:
            raise refused
        return self._keep(msgspec.structs.replace(made, phase="writing"))

    def _write(self, bundle: Path, made: Record) -> Record:
        now = made

        def percent(done: int) -> None:
            nonlocal now
            if done != now.percent:
                now = self._keep(msgspec.structs.replace(now, percent=done))

        self._rauc.install(bundle, percent)
        return now

    def _switch(self, made: Record) -> Record:
        copies = self._places.copies
        shutil.rmtree(copies, ignore_errors=True)
        copies.mkdir(mode=0o700)
        for name in DATABASES:
            if (self._places.box / name).exists():
                carrying_back.copy_file(self._places.box / name, copies / name)
        writing = cameras_writing(self._places.box, self._clock.now_ns() - BASELINE_NS)
        made = self._keep(msgspec.structs.replace(made, phase="switching", cameras=tuple(sorted(writing))))
        self._rauc.boot_next(other(made.from_slot), made.from_slot)
        made = msgspec.structs.replace(made, phase="trial")
        with contextlib.suppress(OSError):  # no way back from here, and "switching" is judged as well
            self._keep(made)
        self._reboot()
        return made

    def _keep(self, made: Record) -> Record:
        records.write(self._places, made)
        return made

    def _database_bytes(self) -> int:
        paths = (self._places.box / name for name in DATABASES)
        return sum(path.stat().st_size for path in paths if path.exists())


def size_of(device: Path) -> int:
    """Bytes of a block device or a file; 0: nobody says."""
    try:
        with device.open("rb") as file:
            return file.seek(0, os.SEEK_END)
    except OSError:
        return _sysfs_size(device)


def _sysfs_size(device: Path) -> int:
    """Without the right to open it (sysfs says sectors of 512)."""
    try:
        return int(Path("/sys/class/block", device.resolve().name, "size").read_text()) * 512
    except (OSError, ValueError):
        return 0


def read_wish(places: Places) -> Wish:
    """Raises ``invalid`` where it makes no sense, ``not_found`` where there is none."""
    try:
        descriptor = os.open(places.wish, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            return msgspec.json.decode(file.read(10_000), type=Wish)
    except FileNotFoundError as error:
        raise ApplianceError(
            "not_found", "nobody wished for an update", "offer a bundle on the screen"
        ) from error
    except (OSError, msgspec.DecodeError) as error:
        raise ApplianceError(
            "invalid", f"the wish makes no sense: {error}", "offer the bundle again"
        ) from error
