import pytest

from appliance.base.errors import ApplianceError
from appliance.store import copying, settings
from appliance.store.database import Database


@pytest.fixture
def db(tmp_path):
    found = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield found
    found.close()


def test_a_copy_is_one_file_with_one_state_and_needs_no_wal(db, tmp_path):
    for number in range(100):
        db.write_now(lambda conn, number=number: settings.set_value(conn, f"k{number}", number))
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "copy.db"
    copying.copy_to(db, target)
    db.write_now(lambda conn: settings.set_value(conn, "later", 1))
    assert [path.name for path in target.parent.iterdir()] == ["copy.db"]
    copying.must_be_whole(target)
    again = Database.open(target, "appliance", synchronous="FULL")
    assert again.read_now(lambda conn: settings.get_value(conn, "k99")) == 99
    assert again.read_now(lambda conn: settings.get_value(conn, "later")) is None
    again.close()


def test_a_copy_is_taken_while_the_box_writes(db, tmp_path):
    futures = [db.submit(lambda conn, n=n: settings.set_value(conn, f"k{n}", n)) for n in range(300)]
    copying.copy_to(db, tmp_path / "copy.db")
    for future in futures:
        future.result(30)
    copying.must_be_whole(tmp_path / "copy.db")


def test_damage_is_found(db, tmp_path):
    for number in range(200):
        db.write_now(lambda conn, number=number: settings.set_value(conn, f"key {number}", "x" * 200))
    target = tmp_path / "copy.db"
    copying.copy_to(db, target)
    data = bytearray(target.read_bytes())
    for page in range(2, 20):
        data[page * 4096 : page * 4096 + 100] = bytes(100)
    target.write_bytes(data)
    with pytest.raises(ApplianceError) as refused:
        copying.must_be_whole(target)
    assert refused.value.kind == "data_loss"
    target.write_bytes(b"nothing of the kind")
    with pytest.raises(ApplianceError):
        copying.must_be_whole(target)
