"""Users. The password's hash (argon2id, encoded form) is read by ``password_hash`` alone."""

import sqlite3
from typing import Any

import msgspec

from appliance.base.model import User


def list_users(conn: sqlite3.Connection) -> list[User]:
    rows = conn.execute("SELECT * FROM users ORDER BY username COLLATE NOCASE")
    return [_user(row) for row in rows]


def get(conn: sqlite3.Connection, user_id: str) -> User | None:
    row = conn.execute("SELECT * FROM users WHERE id = ?", (user_id,)).fetchone()
    return None if row is None else _user(row)


def by_name(conn: sqlite3.Connection, username: str) -> User | None:
    """Upper and lower case do not matter (ASCII)."""
    row = conn.execute("SELECT * FROM users WHERE username = ?", (username,)).fetchone()
    return None if row is None else _user(row)


def password_hash(conn: sqlite3.Connection, user_id: str) -> str | None:
    row = conn.execute("SELECT password_hash FROM users WHERE id = ?", (user_id,)).fetchone()
    return None if row is None else row["password_hash"]


def insert(conn: sqlite3.Connection, user: User, hashed: str) -> None:
    """Raises a constraint error where the name is taken."""
    conn.execute(
        "INSERT INTO users (id, username, role, camera_ids, must_change_password, created_ns, disabled,"
        " password_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            user.id,
            user.username,
            user.role,
            _camera_ids(user),
            user.must_change_password,
            user.created_ns,
            user.disabled,
            hashed,
        ),
    )


def update(conn: sqlite3.Connection, user: User) -> None:
    """All but the password."""
    conn.execute(
        "UPDATE users SET username = ?, role = ?, camera_ids = ?, must_change_password = ?, disabled = ?"
        " WHERE id = ?",
        (
            user.username,
            user.role,
            _camera_ids(user),
            user.must_change_password,
            user.disabled,
            user.id,
        ),
    )


def set_password(conn: sqlite3.Connection, user_id: str, hashed: str, *, must_change: bool = False) -> None:
    conn.execute(
        "UPDATE users SET password_hash = ?, must_change_password = ? WHERE id = ?",
        (hashed, must_change, user_id),
    )


def delete(conn: sqlite3.Connection, user_id: str) -> bool:
    """With all sessions; the audit keeps the name. False where there was none."""
    return conn.execute("DELETE FROM users WHERE id = ?", (user_id,)).rowcount > 0


def admin_count(conn: sqlite3.Connection) -> int:
    """Admins that can sign in: the last one is not to be taken away."""
    row = conn.execute("SELECT count(*) AS n FROM users WHERE role = 'admin' AND NOT disabled").fetchone()
    return int(row["n"])


def _camera_ids(user: User) -> str | None:
    return None if user.camera_ids is None else msgspec.json.encode(user.camera_ids).decode()


def _user(row: sqlite3.Row) -> User:
    values: dict[str, Any] = dict(row)
    del values["password_hash"]
    if values["camera_ids"] is not None:
        values["camera_ids"] = msgspec.json.decode(values["camera_ids"])
    values["must_change_password"] = bool(values["must_change_password"])
    values["disabled"] = bool(values["disabled"])
    return msgspec.convert(values, User)
