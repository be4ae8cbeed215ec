"""Which device a camera is: its serial, MAC and the like, learnt while it worked.

Known for the host it was learnt at: where a person enters another address the row speaks of another
device, and counts for nothing until it is learnt again.
"""

import sqlite3

import msgspec


class CameraIdentity(msgspec.Struct, frozen=True):
    """``host``: where it was learnt, as in the camera's address. ``onvif_url``: of its device service, None
    where it speaks no ONVIF. The others None where the device does not say."""

    camera_id: str
    host: str
    learnt_ns: int
    serial: str | None = None
    mac: str | None = None
    endpoint: str | None = None
    onvif_url: str | None = None

    @property
    def is_known(self) -> bool:
        """There is something to recognise the device by."""
        return bool(self.serial or self.mac or self.endpoint)


def get(conn: sqlite3.Connection, camera_id: str) -> CameraIdentity | None:
    row = conn.execute(
        "SELECT camera_id, host, learnt_ns, serial, mac, endpoint, onvif_url FROM camera_identities"
        " WHERE camera_id = ?",
        (camera_id,),
    ).fetchone()
    return None if row is None else CameraIdentity(**dict(row))


def all_of(conn: sqlite3.Connection) -> dict[str, CameraIdentity]:
    """By camera."""
    rows = conn.execute(
        "SELECT camera_id, host, learnt_ns, serial, mac, endpoint, onvif_url FROM camera_identities"
    )
    return {row["camera_id"]: CameraIdentity(**dict(row)) for row in rows}


def put(conn: sqlite3.Connection, identity: CameraIdentity) -> None:
    """Insert or replace."""
    conn.execute(
        "INSERT OR REPLACE INTO camera_identities"
        " (camera_id, host, learnt_ns, serial, mac, endpoint, onvif_url) VALUES (?,?,?,?,?,?,?)",
        (
            identity.camera_id,
            identity.host,
            identity.learnt_ns,
            identity.serial,
            identity.mac,
            identity.endpoint,
            identity.onvif_url,
        ),
    )
