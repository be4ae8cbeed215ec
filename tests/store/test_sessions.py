"""Sessions: found by hash and kind, used once, revoked by family or person."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.base.model import User
from appliance.store import sessions, users
from appliance.store.database import Database
from appliance.store.sessions import Session, token_hash

COOKIE = Session("s-1", "u-1", "cookie", token_hash("a"), "f-1", 0, 100, csrf="c", address="10.0.0.1")
REFRESH = Session("s-2", "u-1", "refresh", token_hash("b"), "f-1", 0, 200)
OTHER = Session("s-3", "u-1", "bearer", token_hash("c"), "f-2", 0, 50)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    database.write_now(lambda c: users.insert(c, User("u-1", "bob", "viewer"), "h"))
    for session in (COOKIE, REFRESH, OTHER):
        database.write_now(lambda c, session=session: sessions.insert(c, session))
    yield database
    database.close()


def left(db: Database) -> list[str]:
    return [s.id for s in (COOKIE, REFRESH, OTHER) if db.read_now(lambda c, id_=s.id: sessions.get(c, id_))]


def test_a_token_is_good_for_its_own_kind_only(db: Database) -> None:
    assert db.read_now(lambda c: sessions.find(c, "cookie", token_hash("a"))) == COOKIE
    assert db.read_now(lambda c: sessions.find(c, "bearer", token_hash("a"))) is None
    assert db.read_now(lambda c: sessions.find(c, "cookie", token_hash("A"))) is None


def test_a_refresh_token_is_used_once(db: Database) -> None:
    assert db.write_now(lambda c: sessions.use(c, "s-2", 7)) is True
    assert db.write_now(lambda c: sessions.use(c, "s-2", 8)) is False
    assert db.read_now(lambda c: sessions.get(c, "s-2")) == msgspec.structs.replace(REFRESH, used_ns=7)


def test_families_and_people_are_revoked(db: Database) -> None:
    db.write_now(lambda c: sessions.revoke_user(c, "u-1", but_family="f-1"))
    assert left(db) == ["s-1", "s-2"]
    db.write_now(lambda c: sessions.revoke_family(c, "f-1"))
    assert left(db) == []


def test_everything_of_a_person_is_revoked(db: Database) -> None:
    db.write_now(lambda c: sessions.revoke_user(c, "u-1"))
    assert left(db) == []


def test_a_family_lives_while_anything_of_it_can_be_used(db: Database) -> None:
    def lives(now_ns: int) -> bool:
        return db.read_now(lambda c: sessions.family_lives(c, "f-1", now_ns))

    assert lives(0) and lives(199) and not lives(200)
    db.write_now(lambda c: sessions.use(c, "s-2", 7))
    assert lives(99) and not lives(100)
    assert not db.read_now(lambda c: sessions.family_lives(c, "nowhere", 0))


def test_sliding_and_pruning(db: Database) -> None:
    db.write_now(lambda c: sessions.extend(c, "s-1", 300))
    assert db.write_now(lambda c: sessions.prune(c, 200)) == 2
    assert left(db) == ["s-1"]
