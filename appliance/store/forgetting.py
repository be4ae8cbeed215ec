"""What is left of appliance.db when a box forgets whose it was, and keeps its footage."""

import contextlib
import os
import sqlite3
from pathlib import Path

import msgspec

from appliance.base.model import Camera
from appliance.store import migrations
from appliance.store.database import Database, foreign
from appliance.store.settings import DEVICE_ID

NOWHERE = "rtsp://forgotten.invalid/"
# Rows without which footage could be neither found nor told from a hole in it (R4 to R7).
_TABLES = ("gaps", "volumes", "garbage")
_KEYS = (DEVICE_ID, "alive_ns", "boot_id")


def footage_only(old: Path, new: Path, now_ns: int) -> None:
    """Make ``new`` (which is begun anew) from ``old``: volumes, gaps, what is to be deleted, and the names of
    the cameras, all of them archived, without address or password. No people, no sessions, no secrets, no
    events; nothing of those lies in its free pages either. ``old`` is not changed, and nobody may have it
    open. Raises ``data_loss`` where it is damaged.
    """
    for path in (new, *(new.with_name(f"{new.name}{end}") for end in ("-wal", "-shm"))):
        path.unlink(missing_ok=True)
    # Brought to the newest form first: both sides have the same columns then.
    Database.open(old, "appliance", synchronous="FULL", migrations=migrations.APPLIANCE).close()
    Database.open(new, "appliance", synchronous="FULL", migrations=migrations.APPLIANCE).close()
    try:
        with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as conn:
            conn.row_factory = sqlite3.Row
            conn.execute("ATTACH ? AS old", (str(old),))
            conn.execute("BEGIN IMMEDIATE")
            _copy(conn, now_ns)
            conn.execute("COMMIT")
            conn.execute("DETACH old")
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            conn.execute("PRAGMA journal_mode=DELETE")  # one file, to be renamed
    except sqlite3.Error as error:
        raise foreign(error, old) from error
    descriptor = os.open(new, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(conn: sqlite3.Connection, now_ns: int) -> None:
    for table in _TABLES:
        conn.execute(f"INSERT INTO main.{table} SELECT * FROM old.{table}")
    conn.execute("INSERT INTO main.locks SELECT * FROM old.locks WHERE owner = 'person'")
    conn.executemany(
        "INSERT INTO main.settings SELECT * FROM old.settings WHERE key = ?", [(key,) for key in _KEYS]
    )
    for row in conn.execute("SELECT * FROM old.cameras").fetchall():
        known = msgspec.json.decode(row["body"], type=Camera)
        archived_ns = row["archived_ns"] or now_ns
        camera = Camera(
            known.id, known.name, NOWHERE, enabled=False, retention_days=known.retention_days,
            created_ns=known.created_ns, archived_ns=archived_ns,
        )  # fmt: skip
        conn.execute(
            "INSERT INTO main.cameras (id, name, enabled, body, secret, tls_pin, created_ns, archived_ns)"
            " VALUES (?, ?, 0, ?, NULL, NULL, ?, ?)",
            (row["id"], row["name"], msgspec.json.encode(camera).decode(), row["created_ns"], archived_ns),
        )
