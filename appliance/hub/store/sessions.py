"""Sign-ins of people: cookies and bearer tokens. Only hashes of the secrets are stored."""

from typing import Literal

import msgspec

from appliance.hub.store import users
from appliance.hub.store.steps import Steps, one, run
from appliance.hub.store.users import Person

SessionKind = Literal["cookie", "bearer"]


class Session(msgspec.Struct, frozen=True):
    """``family``: of one sign-in; signing out ends all of it. ``csrf`` is of cookies only."""

    id: str
    user_id: str
    kind: SessionKind
    token_hash: bytes
    csrf: str
    family: str
    created_ns: int
    expires_ns: int
    address: str


def add(session: Session) -> Steps[None]:
    yield from run(
        "INSERT INTO sessions (id, user_id, kind, token_hash, csrf, family, created_ns, expires_ns, address)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *msgspec.structs.astuple(session),
    )


def find(kind: SessionKind, hashed: bytes, now_ns: int) -> Steps[tuple[Person, Session] | None]:
    """None where it is unknown, revoked or expired, or its user gone or disabled."""
    row = yield from one(
        "SELECT id, user_id, kind, token_hash, csrf, family, created_ns, expires_ns, address FROM sessions"
        " WHERE token_hash = $1 AND kind = $2 AND expires_ns > $3",
        hashed, kind, now_ns,
    )  # fmt: skip
    if row is None:
        return None
    person = yield from users.get(row["user_id"])
    return None if person is None or person.disabled else (person, Session(**row))


def extend(session_id: str, expires_ns: int) -> Steps[None]:
    """Cookies slide."""
    yield from run("UPDATE sessions SET expires_ns = $2 WHERE id = $1", session_id, expires_ns)


def revoke_family(family: str) -> Steps[None]:
    yield from run("DELETE FROM sessions WHERE family = $1", family)


def revoke_user(user_id: str, but_family: str = "") -> Steps[None]:
    """All sign-ins of a person, where wanted except the one that asks."""
    yield from run("DELETE FROM sessions WHERE user_id = $1 AND family <> $2", user_id, but_family)


def prune(now_ns: int) -> Steps[None]:
    yield from run("DELETE FROM sessions WHERE expires_ns <= $1", now_ns)
