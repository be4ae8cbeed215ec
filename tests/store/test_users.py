"""Users: names without case, hashes that stay inside, admins that are counted."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.base.errors import ApplianceError
from appliance.base.model import User
from appliance.store import sessions, users
from appliance.store.database import Database
from appliance.store.sessions import Session

BOB = User("u-1", "Bob", "operator", camera_ids=("gate", "yard"), must_change_password=True, created_ns=7)
ADA = User("u-2", "ada", "admin")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    for user in (BOB, ADA):
        database.write_now(lambda c, user=user: users.insert(c, user, f"hash of {user.username}"))
    yield database
    database.close()


def test_what_goes_in_comes_out(db: Database) -> None:
    assert db.read_now(users.list_users) == [ADA, BOB]
    assert db.read_now(lambda c: users.get(c, "u-1")) == BOB
    assert db.read_now(lambda c: users.by_name(c, "bOB")) == BOB
    assert db.read_now(lambda c: users.by_name(c, "bob' --")) is None
    assert db.read_now(lambda c: users.password_hash(c, "u-1")) == "hash of Bob"


def test_names_are_unique_without_case(db: Database) -> None:
    with pytest.raises(ApplianceError) as caught:
        db.write_now(lambda c: users.insert(c, msgspec.structs.replace(BOB, id="u-3", username="BOB"), "h"))
    assert caught.value.kind == "conflict"


def test_update_leaves_the_password_and_set_password_the_rest(db: Database) -> None:
    after = msgspec.structs.replace(BOB, camera_ids=None, disabled=True, must_change_password=False)
    db.write_now(lambda c: users.update(c, after))
    assert db.read_now(lambda c: users.get(c, "u-1")) == after
    assert db.read_now(lambda c: users.password_hash(c, "u-1")) == "hash of Bob"
    db.write_now(lambda c: users.set_password(c, "u-1", "new", must_change=True))
    assert db.read_now(lambda c: users.get(c, "u-1")) == msgspec.structs.replace(
        after, must_change_password=True
    )
    assert db.read_now(lambda c: users.password_hash(c, "u-1")) == "new"


def test_only_admins_who_can_sign_in_count(db: Database) -> None:
    assert db.read_now(users.admin_count) == 1
    db.write_now(lambda c: users.update(c, msgspec.structs.replace(ADA, disabled=True)))
    assert db.read_now(users.admin_count) == 0


def test_sessions_go_with_their_user(db: Database) -> None:
    session = Session("s", "u-1", "cookie", b"hash", "f", 0, 10)
    db.write_now(lambda c: sessions.insert(c, session))
    assert db.write_now(lambda c: users.delete(c, "u-1")) is True
    assert db.write_now(lambda c: users.delete(c, "u-1")) is False
    assert db.read_now(lambda c: sessions.get(c, "s")) is None
