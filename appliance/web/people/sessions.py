"""Sign-ins: what is handed out, and who comes back with it.

One sign-in is a family of three: a cookie (slides over 12 h), a bearer token (15 min), a refresh
token (7 days, rotated at each use; one that comes twice takes the family with it).
"""

import secrets
import sqlite3
from dataclasses import dataclass

from appliance.base.clock import SECOND_NS
from appliance.base.ids import uuid7
from appliance.base.model import User
from appliance.store import sessions, users
from appliance.store.sessions import Session, SessionKind, token_hash

COOKIE_NS = 12 * 3600 * SECOND_NS
BEARER_NS = 900 * SECOND_NS
REFRESH_NS = 7 * 24 * 3600 * SECOND_NS
SLIDE_EVERY_NS = 300 * SECOND_NS  # a write per request would be one too many

_LIFE_NS: dict[SessionKind, int] = {"cookie": COOKIE_NS, "bearer": BEARER_NS, "refresh": REFRESH_NS}


@dataclass(frozen=True, slots=True)
class Who:
    """The person who asks, and by which session."""

    user: User
    session: Session


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """Secrets, on their way out; never stored, never logged."""

    user: User
    access: str
    refresh: str
    cookie: str | None = None
    csrf: str | None = None


def sign_in(conn: sqlite3.Connection, user: User, now_ns: int, address: str | None) -> Tokens:
    """A new family; what has expired is forgotten on the way."""
    sessions.prune(conn, now_ns)
    family = uuid7(now_ns)
    csrf = secrets.token_urlsafe(24)
    return Tokens(
        user,
        access=_issue(conn, user, "bearer", family, now_ns, address),
        refresh=_issue(conn, user, "refresh", family, now_ns, address),
        cookie=_issue(conn, user, "cookie", family, now_ns, address, csrf),
        csrf=csrf,
    )


def rotate(conn: sqlite3.Connection, refresh_token: str, now_ns: int, address: str | None) -> Tokens | None:
    """New bearer and refresh tokens for an unused, living one; None for anything else."""
    session = sessions.find(conn, "refresh", token_hash(refresh_token))
    if session is None or session.expires_ns <= now_ns:
        return None
    user = users.get(conn, session.user_id)
    if not sessions.use(conn, session.id, now_ns) or user is None or user.disabled:
        sessions.revoke_family(conn, session.family)
        return None
    return Tokens(
        user,
        access=_issue(conn, user, "bearer", session.family, now_ns, address),
        refresh=_issue(conn, user, "refresh", session.family, now_ns, address),
    )


def identify(conn: sqlite3.Connection, kind: SessionKind, token: str, now_ns: int) -> Who | None:
    """None where the token is unknown, revoked or expired, or its user gone or disabled."""
    session = sessions.find(conn, kind, token_hash(token))
    if session is None or session.expires_ns <= now_ns:
        return None
    user = users.get(conn, session.user_id)
    return None if user is None or user.disabled else Who(user, session)


def still_welcome(conn: sqlite3.Connection, who: Who, now_ns: int) -> User | None:
    """For open sockets: the user as they are now, None where the sign-in was revoked.

    A bearer token that merely ran out is not revoked: its family lives on in the refresh token.
    """
    user = users.get(conn, who.user.id)
    if user is None or user.disabled or not sessions.family_lives(conn, who.session.family, now_ns):
        return None
    return user


def slide(conn: sqlite3.Connection, session: Session, now_ns: int) -> None:
    sessions.extend(conn, session.id, now_ns + COOKIE_NS)


def due_to_slide(session: Session, now_ns: int) -> bool:
    return session.kind == "cookie" and session.expires_ns - now_ns < COOKIE_NS - SLIDE_EVERY_NS


def _issue(
    conn: sqlite3.Connection,
    user: User,
    kind: SessionKind,
    family: str,
    now_ns: int,
    address: str | None,
    csrf: str | None = None,
) -> str:
    token = secrets.token_urlsafe(32)
    session = Session(
        id=uuid7(now_ns),
        user_id=user.id,
        kind=kind,
        token_hash=token_hash(token),
        family=family,
        created_ns=now_ns,
        expires_ns=now_ns + _LIFE_NS[kind],
        csrf=csrf,
        address=address,
    )
    sessions.insert(conn, session)
    return token
