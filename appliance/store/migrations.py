"""What turns an older database into the newest: one function each, in order, for ever.

``schema/*.sql`` is the newest form, which a new database begins with. A migration may meet a table that
is there already: then it does nothing.
"""

import sqlite3
from typing import Final

from appliance.store.database import Migration


def tracker_memory(conn: sqlite3.Connection) -> None:
    conn.execute(
        "CREATE TABLE IF NOT EXISTS tracker_memory (camera_id TEXT PRIMARY KEY, time_ns INTEGER NOT NULL,"
        " body BLOB NOT NULL) WITHOUT ROWID"
    )


TRACKS: Final[tuple[Migration, ...]] = (tracker_memory,)
