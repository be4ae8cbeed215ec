"""What a durable transaction costs: through the writer thread, against bare sqlite3 in one thread."""

import json
import sqlite3
import tempfile
import time
from pathlib import Path

from appliance.base.clock import ManualClock
from appliance.store import journal
from appliance.store.database import Database

ROWS = 2_000


def ours(folder: Path) -> float:
    """Rows per second, one transaction each, asked for one after the other."""
    database = Database.open(folder / "ours.db", "appliance", synchronous="FULL")
    now_ns = ManualClock().now_ns()
    began_s = time.perf_counter()
    for _ in range(ROWS):
        database.write_now(lambda conn: journal.append(conn, "system", None, now_ns, {"a": 1}))
    elapsed_s = time.perf_counter() - began_s
    database.close()
    return ROWS / elapsed_s


def bare(folder: Path) -> float:
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE journal (id INTEGER PRIMARY KEY, type, camera_id, time_ns, data)")
    began_s = time.perf_counter()
    for _ in range(ROWS):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO journal VALUES (NULL, 'system', NULL, 1, '{\"a\":1}')")
        connection.execute("COMMIT")
    elapsed_s = time.perf_counter() - began_s
    connection.close()
    return ROWS / elapsed_s


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        peer = bare(Path(name))
        value = ours(Path(name))
    figure = {"name": "durable transactions", "value": round(value), "unit": "1/s"}
    print(json.dumps(figure | {"peer": "sqlite3 in one thread", "peer_value": round(peer)}))
