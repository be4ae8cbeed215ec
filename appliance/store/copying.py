"""Copies of a database beside a running daemon, and a look at whether a copy is whole."""

import re
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
            complaints = [row[0] for row in connection.execute("PRAGMA quick_check")]
            found = next((text for text in complaints if not _is_mistaken(connection, text)), "ok")
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise foreign(error, path) from error
    if found != "ok":
        raise ApplianceError("data_loss", f"{path.name} is damaged: {found}", "use another backup")


def _is_mistaken(connection: sqlite3.Connection, complaint: str) -> bool:
    """SQLite before 3.41 looks into the wrong column of a WITHOUT ROWID table whose key is not its first
    columns, and tells of a NULL that is not there (Debian 12 has 3.40.1). The rows are asked instead."""
    if complaint == "ok":
        return True
    found = re.fullmatch(r"NULL value in (\w+)\.(\w+)", complaint)
    if found is None:
        return False
    table, column = found.groups()
    # Not IS NULL: of a NOT NULL column SQLite knows the answer without looking.
    asked = f"SELECT 1 FROM {table} WHERE typeof({column}) = 'null' LIMIT 1"
    return connection.execute(asked).fetchone() is None
