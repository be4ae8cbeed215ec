"""People: what they may do, and of which sites they may know. The password's hash is read by
``password_hash`` alone."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from appliance.hub.store.steps import Found, Steps, every, listed, one, run

Role = Literal["viewer", "operator", "admin"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "admin")

# To be put after WHERE: the boxes (aliased ``b``) whose site the user ``$1`` may see. Neither half depends on
# the box, so that a database asks each once.
SEEN = (
    "((SELECT u.all_sites FROM users u WHERE u.id = $1) = 1"
    " OR b.site_id IN (SELECT s.site_id FROM user_sites s WHERE s.user_id = $1))"
)


class Person(msgspec.Struct, frozen=True):
    """``site_ids`` None: all, also those to come. A box of no site is seen by those who see all."""

    id: str
    username: str
    role: Role
    site_ids: tuple[str, ...] | None = None
    must_change_password: bool = False
    disabled: bool = False
    created_ns: int = 0


def listed_users() -> Steps[list[Person]]:
    rows = yield from every(
        "SELECT id, username, role, all_sites, must_change_password, disabled, created_ns FROM users"
        " ORDER BY folded"
    )
    sites = yield from every("SELECT user_id, site_id FROM user_sites ORDER BY site_id")
    return [_person(row, [s["site_id"] for s in sites if s["user_id"] == row["id"]]) for row in rows]


def get(user_id: str) -> Steps[Person | None]:
    row = yield from one(
        "SELECT id, username, role, all_sites, must_change_password, disabled, created_ns FROM users"
        " WHERE id = $1",
        user_id,
    )
    if row is None:
        return None
    sites = yield from every("SELECT site_id FROM user_sites WHERE user_id = $1 ORDER BY site_id", user_id)
    return _person(row, [site["site_id"] for site in sites])


def by_name(username: str) -> Steps[Person | None]:
    """Upper and lower case do not matter."""
    row = yield from one("SELECT id FROM users WHERE folded = $1", username.casefold())
    return None if row is None else (yield from get(row["id"]))


def password_hash(user_id: str) -> Steps[str | None]:
    row = yield from one("SELECT password_hash FROM users WHERE id = $1", user_id)
    return None if row is None else str(row["password_hash"])


def put(person: Person, hashed: str) -> Steps[None]:
    """A new one. Raises ``conflict`` where the name is taken."""
    yield from run(
        "INSERT INTO users (id, username, folded, role, all_sites, must_change_password, disabled,"
        " created_ns, password_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        person.id, person.username, person.username.casefold(), person.role, int(person.site_ids is None),
        int(person.must_change_password), int(person.disabled), person.created_ns, hashed,
    )  # fmt: skip
    yield from _set_sites(person.id, person.site_ids or ())


def change(person: Person) -> Steps[None]:
    """All but the password."""
    yield from run(
        "UPDATE users SET role = $2, all_sites = $3, disabled = $4 WHERE id = $1",
        person.id, person.role, int(person.site_ids is None), int(person.disabled),
    )  # fmt: skip
    yield from _set_sites(person.id, person.site_ids or ())


def set_password(user_id: str, hashed: str, *, must_change: bool) -> Steps[None]:
    yield from run(
        "UPDATE users SET password_hash = $2, must_change_password = $3 WHERE id = $1",
        user_id, hashed, int(must_change),
    )  # fmt: skip


def delete(user_id: str) -> Steps[bool]:
    """With all sessions; the audit keeps the name."""
    row = yield from one("DELETE FROM users WHERE id = $1 RETURNING id", user_id)
    return row is not None


def admin_count() -> Steps[int]:
    """Admins that can sign in: the last one is not to be taken away."""
    row = yield from one(
        "SELECT count(*) AS admins FROM users WHERE role = 'admin' AND disabled = 0 AND all_sites = 1"
    )
    return 0 if row is None else int(row["admins"])


def _set_sites(user_id: str, site_ids: Sequence[str]) -> Steps[None]:
    yield from run("DELETE FROM user_sites WHERE user_id = $1", user_id)
    yield from run(
        "INSERT INTO user_sites (user_id, site_id) SELECT $1, id FROM sites WHERE id IN EACH($2)",
        user_id, listed(list(site_ids)),
    )  # fmt: skip


def _person(row: Found, site_ids: list[str]) -> Person:
    return Person(
        row["id"], row["username"], row["role"], None if row["all_sites"] else tuple(site_ids),
        bool(row["must_change_password"]), bool(row["disabled"]), row["created_ns"],
    )  # fmt: skip
