"""What another process writes now: footage that is in files of the ring and not yet in the index.

For commands beside a running box. Nothing is changed: a file that a crash left is read as far as it is whole
and stays as it is, until the box's next start mends it.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

from appliance.base.clock import Clock
from appliance.base.model import Segment
from appliance.media.ring.index import Index, OpenSpan
from appliance.media.ring.recovery import unindexed_files
from appliance.media.ring.scan import scan_or_none
from appliance.media.ring.segment import Head, Key
from appliance.media.ring.volumes import Volumes
from appliance.store.database import Database


class Unindexed(NamedTuple):
    """``index.Writing``, from the file."""

    head: Head
    volume_id: str
    relative: str
    path: Path
    init_sha256: str
    keys: list[Key]
    progress: tuple[int, int]
    row: Segment | None = None


class DiskIndex(Index):
    """``open_spans`` of files, each time as they are then. Blocks: a few files are walked."""

    def __init__(self, archive_db: Database, volumes: Volumes, clock: Clock) -> None:
        super().__init__(archive_db)
        self._archive, self._volumes, self._clock = archive_db, volumes, clock

    def open_spans(self, camera_id: str, stream: str) -> list[OpenSpan]:
        found, now_ns = [], self._clock.now_ns()
        for volume in self._volumes.all:
            for path in unindexed_files(self._archive, volume, camera_id, stream, now_ns):
                made = _read(path, volume.id, str(path.relative_to(volume.root)))
                if made is not None:
                    end_ns = made.progress[1]
                    found.append(OpenSpan(camera_id, stream, made.head.start_ns, end_ns, made))
        return sorted(found, key=lambda span: span.start_ns)


def _read(path: Path, volume_id: str, relative: str) -> Unindexed | None:
    """None where nothing whole is in it."""
    found = scan_or_none(path)
    if found is None or not found.video:
        return None
    end_ns = found.footer.end_ns if found.footer else found.last_ns
    digest = hashlib.sha256(found.init).hexdigest()
    whole = (found.whole_bytes, max(end_ns, found.head.start_ns + 1))
    return Unindexed(found.head, volume_id, relative, path, digest, found.keys, whole)
