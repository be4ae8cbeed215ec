"""What the judge looks at, from outside of the daemon: the disks, the screen, the database.

Whether a camera is recorded is read off its files, not off what the daemon says of itself.
"""

import http.client
import json
import os
import ssl
from pathlib import Path
from typing import Any

from appliance.base import config as configuration
from appliance.base.errors import ApplianceError
from appliance.store import carrying_back
from appliance.system.update.verdict import Seen

ANSWER_S = 10.0
STREAM = "main"
ANALYSIS = "analysis"  # the check's name in /health/ready


def volumes(box: Path) -> tuple[Path, ...]:
    """Where the box records, by its bootstrap file."""
    try:
        return configuration.load({}, data_dir=box).volumes
    except ApplianceError:
        return (box / "recordings",)


def newest_files(box: Path) -> dict[str, tuple[str, int, int]]:
    """Camera -> its newest file of the main stream: path, bytes, when it was changed (ns). Days and hours
    are folders that sort by time, so that only the newest are opened."""
    found: dict[str, tuple[str, int, int]] = {}
    for volume in volumes(box):
        for camera in _folders(volume):
            file = _newest(camera / STREAM)
            if file is None:
                continue
            stat = file.stat()
            if camera.name not in found or found[camera.name][2] < stat.st_mtime_ns:
                found[camera.name] = (str(file), stat.st_size, stat.st_mtime_ns)
    return found


def cameras_writing(box: Path, since_ns: int) -> frozenset[str]:
    """Whose newest file was changed since."""
    return frozenset(name for name, (_, _, changed_ns) in newest_files(box).items() if changed_ns >= since_ns)


class Observer:
    """``look`` every few seconds; a camera writes where its newest file is another one, or grew, since the
    look before."""

    def __init__(self, box: Path, port: int) -> None:
        self._box, self._port = box, port
        self._before: dict[str, tuple[str, int, int]] = {}

    def look(self, at_s: float) -> Seen:
        now = newest_files(self._box)
        writing = frozenset(
            name for name, (path, size, _) in now.items()
            if name in self._before and (path, size) != self._before[name][:2]
        )  # fmt: skip
        self._before = now
        checks = self._checks()
        detector = checks is not None and checks.get(ANALYSIS) == "ok"
        return Seen(at_s, writing, checks is not None, detector, self._migrated())

    def screen_answers(self) -> bool:
        return self._checks() is not None

    def _checks(self) -> dict[str, str] | None:
        """Name -> status, of /health/ready; None: the screen does not answer."""
        # The box's own certificate, over loopback: there is nobody between.
        unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        link = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=ANSWER_S, context=unchecked)
        try:
            link.request("GET", "/health/ready")
            body: Any = json.loads(link.getresponse().read(1_000_000))
            return {str(check["name"]): str(check["status"]) for check in body["checks"]}
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return None
        finally:
            link.close()

    def _migrated(self) -> bool:
        path = self._box / "appliance.db"
        try:
            return carrying_back.version_of(path) == carrying_back.KNOWN[path.name]
        except ApplianceError:
            return False


def _newest(stream: Path) -> Path | None:
    """STREAM/YYYY-MM-DD/HH/FILE."""
    for day in reversed(_folders(stream)):
        for hour in reversed(_folders(day)):
            files = [entry for entry in _entries(hour) if entry.is_file(follow_symlinks=False)]
            if files:
                return Path(max(files, key=lambda entry: entry.name).path)
    return None


def _folders(folder: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in _entries(folder) if entry.is_dir(follow_symlinks=False))


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError:
        return []
