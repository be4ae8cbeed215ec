"""What outlives a power cut: a name is there for good once its folder was synced (fsync(2), notes)."""

import os
from pathlib import Path


def fsync_folder(folder: Path) -> None:
    """Blocks. Raises ``OSError``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
