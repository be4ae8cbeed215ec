"""One daemon per data directory: a lock that the kernel lets go of when its holder dies."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from appliance.base.errors import ApplianceError

LOCK_NAME = ".daemon.lock"


class Instance:
    """Held from ``hold`` to ``release``; children do not inherit it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def hold(cls, data_dir: Path) -> "Instance":
        """Raises ``conflict`` where a daemon (or a restore) works on ``data_dir`` already."""
        descriptor = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise ApplianceError(
                "conflict", f"a box is running on {data_dir} already", "stop it first, or use another --data"
            ) from error
        return cls(descriptor)

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "Instance":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.release()


def running(data_dir: Path) -> bool:
    """True while a daemon holds ``data_dir``."""
    if not (data_dir / LOCK_NAME).exists():
        return False
    try:
        Instance.hold(data_dir).release()
    except ApplianceError:
        return True
    return False
