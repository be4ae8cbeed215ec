"""Cameras: a row each, for ever. Deleting one archives it; its id is never given out again."""

import enum
import sqlite3
from typing import Literal

import msgspec

from appliance.base.model import Camera

_decode = msgspec.json.Decoder(Camera).decode


class Keep(enum.Enum):
    """``update(..., secret=KEEP)``: the stored credentials stay as they are."""

    KEEP = "keep"


KEEP: Literal[Keep.KEEP] = Keep.KEEP


def list_cameras(conn: sqlite3.Connection, *, archived: bool = False) -> list[Camera]:
    """In the order they were added; the archived ones only where asked for."""
    rows = conn.execute(
        "SELECT body FROM cameras WHERE ? OR archived_ns IS NULL ORDER BY created_ns, id", (archived,)
    )
    return [_decode(row["body"]) for row in rows]


def get(conn: sqlite3.Connection, camera_id: str) -> Camera | None:
    """The camera, archived or not (then ``archived_ns`` is set)."""
    row = conn.execute("SELECT body FROM cameras WHERE id = ?", (camera_id,)).fetchone()
    return None if row is None else _decode(row["body"])


def taken_ids(conn: sqlite3.Connection) -> set[str]:
    """Every id that was ever given out."""
    return {row["id"] for row in conn.execute("SELECT id FROM cameras")}


def insert(conn: sqlite3.Connection, camera: Camera, secret: bytes | None) -> None:
    """``secret``: msgpack of ``Credentials``, sealed under ``secret_name(camera.id)``."""
    conn.execute(
        "INSERT INTO cameras (id, name, enabled, body, secret, created_ns, archived_ns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            camera.id,
            camera.name,
            camera.enabled,
            msgspec.json.encode(camera).decode(),
            secret,
            camera.created_ns,
            camera.archived_ns,
        ),
    )


def update(conn: sqlite3.Connection, camera: Camera, secret: bytes | Keep | None) -> None:
    """Replace all but the id; the pinned certificate goes when the device's address changes."""
    before = get(conn, camera.id)
    conn.execute(
        "UPDATE cameras SET name = ?, enabled = ?, body = ?, archived_ns = ? WHERE id = ?",
        (camera.name, camera.enabled, msgspec.json.encode(camera).decode(), camera.archived_ns, camera.id),
    )
    if not isinstance(secret, Keep):
        conn.execute("UPDATE cameras SET secret = ? WHERE id = ?", (secret, camera.id))
    if before is not None and before.rtsp_url != camera.rtsp_url:
        set_tls_pin(conn, camera.id, None)


def move(conn: sqlite3.Connection, camera: Camera) -> None:
    """The same device at another address: its credentials and its pinned certificate stay."""
    conn.execute(
        "UPDATE cameras SET body = ? WHERE id = ?", (msgspec.json.encode(camera).decode(), camera.id)
    )


def archive(conn: sqlite3.Connection, camera_id: str, now_ns: int) -> None:
    """Deleted by a person: no longer recorded, credentials forgotten, footage left to age out."""
    camera = get(conn, camera_id)
    if camera is None or camera.archived_ns is not None:
        return
    update(conn, msgspec.structs.replace(camera, enabled=False, archived_ns=now_ns), None)


def secret(conn: sqlite3.Connection, camera_id: str) -> bytes | None:
    """The sealed credentials."""
    row = conn.execute("SELECT secret FROM cameras WHERE id = ?", (camera_id,)).fetchone()
    return None if row is None else row["secret"]


def secret_name(camera_id: str) -> str:
    """What the credentials are sealed under, so that they fit no other camera."""
    return f"camera/{camera_id}"


def tls_pin(conn: sqlite3.Connection, camera_id: str) -> str | None:
    """SHA-256 (hex) of the certificate that an rtsps camera showed first."""
    row = conn.execute("SELECT tls_pin FROM cameras WHERE id = ?", (camera_id,)).fetchone()
    return None if row is None else row["tls_pin"]


def set_tls_pin(conn: sqlite3.Connection, camera_id: str, pin: str | None) -> None:
    conn.execute("UPDATE cameras SET tls_pin = ? WHERE id = ?", (pin, camera_id))
