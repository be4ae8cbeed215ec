"""The three databases and the box's key, opened together and closed in reverse."""

import logging
import stat
from pathlib import Path
from types import TracebackType

from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.media.check.check import open_archive
from appliance.media.check.repair import move_aside
from appliance.store import migrations
from appliance.store.database import Database
from appliance.store.sealing import Sealer

log = logging.getLogger(__name__)

APPLIANCE, ARCHIVE, TRACKS = "appliance.db", "archive.db", "tracks.db"


class Stores:
    """``appliance`` is precious; ``archive`` and ``tracks`` can be made again."""

    def __init__(self, appliance: Database, archive: Database, tracks: Database, sealer: Sealer) -> None:
        self.appliance = appliance
        self.archive = archive
        self.tracks = tracks
        self.sealer = sealer

    @classmethod
    def open(cls, config: Config) -> "Stores":
        """Open or create all of them in ``data_dir``, which must exist.

        Raises ``data_loss`` where one is damaged, ``exhausted`` where the disk is full.
        """
        sealer = open_sealer(config)
        config.secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(config.secrets_dir)
        opened: list[Database] = []
        try:
            opened.append(appliance := open_appliance(config.data_dir))
            archive, _ = open_archive(config.data_dir / ARCHIVE, appliance, config.volumes)
            opened.append(archive)
            opened.append(tracks := _open_tracks(config.data_dir / TRACKS))
        except BaseException:  # whatever stops us, writer threads must not outlive it
            for database in reversed(opened):
                database.close()
            raise
        return cls(appliance, archive, tracks, sealer)

    def close(self) -> None:
        for database in (self.tracks, self.archive, self.appliance):
            database.close()

    def __enter__(self) -> "Stores":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.close()


def open_sealer(config: Config) -> Sealer:
    elsewhere = config.secret_path
    return Sealer.from_dir(config.secrets_dir) if elsewhere is None else Sealer.from_file(elsewhere)


def open_appliance(data_dir: Path) -> Database:
    return Database.open(
        data_dir / APPLIANCE, "appliance", synchronous="FULL", migrations=migrations.APPLIANCE
    )


def _open_tracks(path: Path) -> Database:
    """A damaged one is moved aside: what is kept in it never is a reason not to record."""
    try:
        return Database.open(path, "tracks", synchronous="NORMAL", migrations=migrations.TRACKS)
    except ApplianceError as error:
        if error.kind != "data_loss":
            raise
    log.error("%s is damaged: it is moved aside and begun anew", path.name)
    move_aside(path)
    return Database.open(path, "tracks", synchronous="NORMAL", migrations=migrations.TRACKS)


def _close_to_others(folder: Path) -> None:
    """A copy or a careless command may have opened the secrets to every user of the machine."""
    for path in (folder, *folder.iterdir()):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            log.warning("%s could be read by others (mode %04o): it is closed to them", path, mode)
            try:
                path.chmod(mode & 0o700)
            except OSError as error:
                log.error("%s stays open to others: %s", path, error.strerror)
