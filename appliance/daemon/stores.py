"""The three databases and the box's key, opened together and closed in reverse."""

from pathlib import Path
from types import TracebackType

from appliance.base.config import Config
from appliance.media.check import open_archive
from appliance.store.database import Database
from appliance.store.sealing import Sealer

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
        sealer = Sealer.from_dir(config.secrets_dir)
        opened: list[Database] = []
        try:
            opened.append(appliance := open_appliance(config.data_dir))
            archive, _ = open_archive(config.data_dir / ARCHIVE, appliance, config.volumes)
            opened.append(archive)
            opened.append(tracks := Database.open(config.data_dir / TRACKS, "tracks", synchronous="NORMAL"))
        except BaseException:
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


def open_appliance(data_dir: Path) -> Database:
    return Database.open(data_dir / APPLIANCE, "appliance", synchronous="FULL")
