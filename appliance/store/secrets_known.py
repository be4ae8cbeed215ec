"""Everything that this box keeps secret, in the forms that text may show it: to be blotted out."""

import base64
import sqlite3
from collections.abc import Iterator

from appliance.base.errors import ApplianceError
from appliance.store.sealing import Sealer

# table -> what its ``secret`` is sealed under, before the row's id; a table that is not there is passed over
_SEALED = {"cameras": "camera/", "targets": "target/", "channels": "channel/"}


def sealed_secrets(conn: sqlite3.Connection, sealer: Sealer) -> Iterator[bytes]:
    """What lies sealed in the rows, opened. What this box's key does not open is passed over."""
    tables = {row["name"] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table, prefix in _SEALED.items():
        if table not in tables:
            continue
        for row in conn.execute(f"SELECT id, secret FROM {table} WHERE secret IS NOT NULL"):
            yield from _opened(sealer, row["secret"], f"{prefix}{row['id']}")
    for row in conn.execute("SELECT sealed FROM identity"):
        yield from _opened(sealer, row["sealed"], "identity")
    for row in conn.execute("SELECT value FROM settings WHERE key = 'tunnel_keys'"):
        yield from _opened(sealer, base64.b64decode(row["value"]), "tunnel/keys")


def hashes(conn: sqlite3.Connection) -> Iterator[str]:
    """Of passwords and sessions: not the secrets, and still nothing that leaves the box."""
    for row in conn.execute("SELECT password_hash FROM users"):
        yield row["password_hash"]
    for row in conn.execute("SELECT token_hash FROM sessions"):
        yield bytes(row["token_hash"]).hex()


def forms(secret: bytes) -> Iterator[str]:
    """As text, hex and base64."""
    try:
        yield secret.decode()
    except UnicodeDecodeError:
        pass
    yield secret.hex()
    yield base64.b64encode(secret).decode()


def _opened(sealer: Sealer, sealed: bytes, name: str) -> Iterator[bytes]:
    try:
        yield sealer.open(bytes(sealed), name)
    except ApplianceError:
        return
