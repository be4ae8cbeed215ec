"""A database that a newer version wrote, for an older one: the copy from before, with what came since.

For each table of the copy: created by the same words in both, the newer content is taken whole; else, where
it is history (rows that are only added to), its rows come over in the columns that both know; else the copy's
content stays (settings and the like as they were before the update). What cannot come over lies in the newer
file, which is kept.
"""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

import msgspec

from appliance.store import migrations
from appliance.store.database import foreign

HISTORY = ("events", "alerts", "audit", "gaps", "locks", "blind_spans")
KNOWN: dict[str, int] = {
    "appliance.db": len(migrations.APPLIANCE) + 1,
    "archive.db": 1,
    "tracks.db": len(migrations.TRACKS) + 1,
}


class Carried(msgspec.Struct, frozen=True):
    """``rows``: history that came over one by one; ``left``: tables that stay as they were before."""

    whole: tuple[str, ...] = ()
    rows: int = 0
    left: tuple[str, ...] = ()


def version_of(path: Path) -> int:
    """``PRAGMA user_version``; 0: no database there. Raises ``data_loss`` where it is damaged."""
    if not path.exists():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as conn:
            return int(conn.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        raise foreign(error, path) from error


def is_newer(path: Path) -> bool:
    """Than this version can open."""
    return version_of(path) > KNOWN[path.name]


def one_file(path: Path) -> None:
    """What lies in its -wal comes into ``path``. Nobody may have it open."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as conn:
            conn.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise foreign(error, path) from error


def copy_file(path: Path, target: Path) -> None:
    """One consistent state of ``path``, beside whoever has it open; whole or not there. Any version."""
    partial = target.with_name(target.name + ".new")
    partial.unlink(missing_ok=True)
    try:
        with (
            contextlib.closing(sqlite3.connect(path)) as source,
            contextlib.closing(sqlite3.connect(partial)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise foreign(error, path) from error
    _sync(partial)
    partial.rename(target)
    _sync(target.parent)


def carry_back(copy: Path, newer: Path, kept: Path) -> Carried:
    """``newer`` becomes one that this version opens; as it was it lies under ``kept``. Cut off at any point,
    ``newer`` is the one or the other, and this may be done again. Raises ``data_loss``, ``exhausted``."""
    one_file(newer)
    made = newer.with_name(newer.name + ".back")
    try:
        shutil.copyfile(copy, made)
        carried = _carry(made, newer)
    except sqlite3.Error as error:
        raise foreign(error, made) from error
    shutil.copystat(newer, made)
    if os.geteuid() == 0:
        found = newer.stat()
        os.chown(made, found.st_uid, found.st_gid)
    _sync(made)
    kept.unlink(missing_ok=True)
    os.link(newer, kept)
    made.rename(newer)
    _sync(newer.parent)
    return carried


def _carry(made: Path, newer: Path) -> Carried:
    whole, left, rows = [], [], 0
    with contextlib.closing(sqlite3.connect(made, isolation_level=None)) as conn:
        conn.execute("ATTACH ? AS newer", (str(newer),))
        conn.execute("BEGIN")
        old, new = _tables(conn, "main"), _tables(conn, "newer")
        for name, text in old.items():
            if new.get(name) == text:
                conn.execute(f'DELETE FROM main."{name}"')
                conn.execute(f'INSERT INTO main."{name}" SELECT * FROM newer."{name}"')
                whole.append(name)
            elif name in HISTORY and name in new:
                rows += _rows(conn, name)
            else:
                left.append(name)
        conn.execute("COMMIT")
    return Carried(tuple(whole), rows, tuple(left))


def _rows(conn: sqlite3.Connection, name: str) -> int:
    """Rows of ``newer``; of a row that both have, the newer state."""
    known = set(_columns(conn, "newer", name))
    both = ", ".join(f'"{column}"' for column in _columns(conn, "main", name) if column in known)
    done = conn.execute(f'INSERT OR REPLACE INTO main."{name}" ({both}) SELECT {both} FROM newer."{name}"')
    return done.rowcount


def _tables(conn: sqlite3.Connection, schema: str) -> dict[str, str]:
    rows = conn.execute(
        f"SELECT name, sql FROM {schema}.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return {str(name): " ".join(str(sql).split()) for name, sql in rows}


def _columns(conn: sqlite3.Connection, schema: str, name: str) -> list[str]:
    return [str(row[1]) for row in conn.execute(f'PRAGMA {schema}.table_info("{name}")')]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
