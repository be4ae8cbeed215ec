"""A file that is there to be deleted: on a full disk it is freed first, so that the box starts.

SQLite cannot open a database in WAL mode on a disk without a single free page, and a box that
does not start cannot delete old footage. 64 MB (or 5 % of a smaller disk) buys the room for that.
"""

import logging
import os
from pathlib import Path

from appliance.system.disk import usage

log = logging.getLogger(__name__)

NAME = ".ballast"
LARGEST_BYTES = 64_000_000
SHARE = 0.05
FULL_BYTES = 16_000_000  # less free than this is a full disk
FULL_SHARE = 0.02  # ... but 16 MB free of 64 is not full
ROOM_FACTOR = 3  # make it again only where three times its size is free: no see-saw


def free(data_dir: Path) -> int:
    """At start: delete the ballast if the disk is full. The bytes that were freed, 0 if none."""
    path = data_dir / NAME
    try:
        if usage(data_dir).free_bytes >= _full_below(data_dir):
            return 0
        freed = path.stat().st_blocks * 512
        path.unlink()
    except FileNotFoundError:
        log.error("the disk of %s is full and no ballast is left: free some space on it", data_dir)
        return 0
    log.error("the disk of %s is full: freed %d MB of ballast to start at all", data_dir, freed // 1_000_000)
    return freed


def fill(data_dir: Path) -> bool:
    """Make the ballast if there is none and room for it. True where it is there afterwards."""
    path = data_dir / NAME
    if path.exists():
        return True
    size = size_for(data_dir)
    if usage(data_dir).free_bytes < max(ROOM_FACTOR * size, _full_below(data_dir) + size):
        return False
    partial = path.with_name(f"{NAME}.new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)  # real blocks, not a hole
    except OSError as error:
        partial.unlink(missing_ok=True)
        log.warning("no ballast could be laid on %s: %s", data_dir, error.strerror)
        return False
    finally:
        os.close(descriptor)
    partial.rename(path)
    return True


def size_for(data_dir: Path) -> int:
    """Bytes of ballast that fit this disk."""
    return min(LARGEST_BYTES, int(usage(data_dir).total_bytes * SHARE))


def _full_below(data_dir: Path) -> int:
    return min(FULL_BYTES, int(usage(data_dir).total_bytes * FULL_SHARE))
