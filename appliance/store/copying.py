"""Copies of a database beside a running daemon, and a look at whether a copy is whole."""

import sqlite3
from pathlib import Path

from appliance.base.errors import ApplianceError
from appliance.store.database import Database, foreign


def copy_to(database: Database, target: Path) -> None:
    """One consistent state of ``database`` as a file of its own (SQLite's online backup).

    The writer is not held up. ``target`` must not exist.
    """

    def work(conn: sqlite3.Connection) -> None:
        copy = sqlite3.connect(target)
        try:
            conn.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file: no -wal to forget
        finally:
            copy.close()

    database.read_now(work)


def must_be_whole(path: Path) -> None:
    """Raises ``data_loss`` where SQLite finds ``path`` damaged."""
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        try:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise foreign(error, path) from error
    if found != "ok":
        raise ApplianceError("data_loss", f"{path.name} is damaged: {found}", "use another backup")
