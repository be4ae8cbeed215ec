import asyncio
import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.store import settings
from appliance.store.database import Database, foreign

ADD = "INSERT INTO settings (key, value) VALUES (?, '1')"


def add(key: str):
    return lambda conn: conn.execute(ADD, (key,)).rowcount


def keys(conn: sqlite3.Connection) -> list[str]:
    return [row["key"] for row in conn.execute("SELECT key FROM settings ORDER BY key")]


@pytest.fixture
def db(tmp_path):
    found = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield found
    found.close()


async def test_a_write_is_there_for_the_next_reader(db):
    assert await db.write(add("a")) == 1
    assert await db.read(keys) == ["a"]


async def test_what_fails_leaves_nothing_and_is_raised_in_the_caller(db):
    def half(conn):
        conn.execute(ADD, ("a",))
        raise KeyError("changed my mind")

    with pytest.raises(KeyError):
        await db.write(half)
    assert await db.read(keys) == []
    assert await db.write(add("b")) == 1


async def test_a_constraint_is_a_conflict(db):
    await db.write(add("a"))
    with pytest.raises(ApplianceError) as refused:
        await db.write(add("a"))
    assert refused.value.kind == "conflict"


async def test_a_reader_cannot_write_and_sees_one_state(db):
    with pytest.raises(ApplianceError):
        await db.read(add("a"))
    entered, go_on = threading.Event(), threading.Event()

    def twice(conn):
        first = keys(conn)
        entered.set()
        assert go_on.wait(30)
        return first, keys(conn)

    reading = asyncio.create_task(db.read(twice))
    await asyncio.to_thread(entered.wait, 30)
    await db.write(add("a"))
    go_on.set()
    assert await reading == ([], [])


async def test_writes_of_many_tasks_and_threads_are_all_there(db):
    threads = [threading.Thread(target=lambda n=n: db.write_now(add(f"t{n}"))) for n in range(20)]
    for thread in threads:
        thread.start()
    await asyncio.gather(*(db.write(add(f"a{n}")) for n in range(50)))
    for thread in threads:
        thread.join()
    assert len(await db.read(keys)) == 70


@contextlib.contextmanager
def held(db):
    """The writer is busy, so that all that is submitted within waits together."""
    let_go = threading.Event()
    first = db.submit(lambda conn: let_go.wait(20))
    try:
        yield
    finally:
        let_go.set()
        first.result(20)


def commits(path) -> int:
    """How often the log of this file was synced is not told; each commit ends with a frame that says so."""
    wal = path.with_name(path.name + "-wal").read_bytes()
    page = int.from_bytes(wal[8:12], "big")
    return sum(wal[at + 4 : at + 8] != b"\0\0\0\0" for at in range(32, len(wal), page + 24))


@pytest.fixture
def hurried(tmp_path):
    """Where what waits together is committed together."""
    found = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL", together=64)
    yield found
    found.close()


def test_what_waits_together_is_one_commit(hurried):
    db = hurried
    db.write_now(add("first"))
    before = commits(db.path)
    with held(db):
        futures = [db.submit(add(f"k{number:02d}")) for number in range(20)]
    assert [future.result(20) for future in futures] == [1] * 20
    assert len(db.read_now(keys)) == 21
    assert commits(db.path) - before <= 4  # not 20; the writer may have let go before the last came in


@given(parts=st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), min_size=1, max_size=12))
def test_together_or_one_after_the_other_is_the_same(tmp_path_factory, parts):
    """Each part: a key, and whether it fails after it has written; a key twice is a conflict."""

    def part(key, fails):
        def work(conn):
            conn.execute(ADD, (key,))
            if fails:
                raise ValueError(key)
            return key

        return work

    path = tmp_path_factory.mktemp("db") / "appliance.db"
    with contextlib.closing(Database.open(path, "appliance", synchronous="NORMAL", together=5)) as db:
        with held(db):
            futures = [db.submit(part(*each)) for each in parts]
        there: set[str] = set()
        for (key, fails), future in zip(parts, futures, strict=True):
            error = future.exception(20)
            if key in there:
                assert isinstance(error, ApplianceError) and error.kind == "conflict"
            elif fails:
                assert isinstance(error, ValueError)
            else:
                assert error is None and future.result() == key
                there.add(key)
        assert set(db.read_now(keys)) == there


def test_who_fills_the_disk_fails_alone(hurried):
    """SQLite takes back the whole transaction there: what the others did is done again."""
    db = hurried
    db.write_now(add("before"))
    runs = []

    def fill(conn):
        runs.append(conn.execute("PRAGMA page_count").fetchone()[0])
        conn.execute(f"PRAGMA max_page_count={runs[0] + 2}")
        conn.execute("INSERT INTO settings (key, value) VALUES ('big', ?)", ('"' + "x" * 1_000_000 + '"',))

    with held(db):
        futures = [db.submit(work) for work in (add("a"), fill, add("b"))]
    errors = [future.exception(20) for future in futures]
    assert errors[0] is None and errors[1].kind == "exhausted" and errors[2] is None
    assert set(db.read_now(keys)) == {"before", "a", "b"}
    assert len(runs) == 2  # together, then alone


async def test_nobody_is_told_before_it_is_committed(hurried):
    db = hurried
    with held(db):
        tasks = [asyncio.ensure_future(db.write(add(f"k{number}"))) for number in range(5)]
        await asyncio.sleep(0)
    for number, task in enumerate(tasks):
        await task
        assert f"k{number}" in db.read_now(keys)


def test_an_offer_never_waits_and_says_no_when_full(tmp_path):
    db = Database.open(tmp_path / "x.db", "appliance", synchronous="NORMAL", bound=3)
    hold = threading.Event()
    try:
        db.submit(lambda conn: hold.wait(30))
        taken = [db.offer(add(f"k{n}")) for n in range(10)]
        assert taken[:2] == [True, True]
        assert taken[-1] is False
        assert sum(taken) <= 4
    finally:
        hold.set()
        db.close()
    assert db.offer(add("late")) is False


def test_closing_finishes_what_waits_together(hurried):
    with held(hurried):
        futures = [hurried.submit(add(f"k{number}")) for number in range(100)]
        closing = threading.Thread(target=hurried.close)
        closing.start()
    closing.join(20)
    assert [future.result(0) for future in futures] == [1] * 100


async def test_closing_finishes_what_was_taken(tmp_path):
    db = Database.open(tmp_path / "x.db", "appliance", synchronous="NORMAL")
    for n in range(200):
        db.offer(add(f"k{n}"))
    db.close()
    db.close()
    again = Database.open(tmp_path / "x.db", "appliance", synchronous="NORMAL")
    assert len(again.read_now(keys)) == 200
    again.close()
    with pytest.raises(ApplianceError, match="closed"):
        again.write_now(add("x"))


def test_files_are_for_the_owner_only(db):
    for path in db.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


@pytest.mark.parametrize(("synchronous", "level"), [("FULL", 2), ("NORMAL", 1)])
def test_the_writer_syncs_as_it_was_told(tmp_path, synchronous, level):
    db = Database.open(tmp_path / "x.db", "appliance", synchronous=synchronous)

    def pragmas(conn):
        return [
            conn.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "foreign_keys")
        ]

    assert db.write_now(pragmas) == [level, "wal", 1]
    db.close()


def test_the_next_version_snapshots_then_migrates_and_the_old_one_refuses(tmp_path):
    path = tmp_path / "appliance.db"
    old = Database.open(path, "appliance", synchronous="FULL")
    old.write_now(add("before"))
    old.close()

    def rename(conn):
        conn.execute("ALTER TABLE settings RENAME COLUMN value TO content")

    new = Database.open(path, "appliance", synchronous="FULL", migrations=(rename,))
    new.read_now(lambda conn: conn.execute("SELECT content FROM settings").fetchone())
    new.close()
    assert (tmp_path / "appliance.db.v1.bak").is_file()
    Database.open(path, "appliance", synchronous="FULL", migrations=(rename,)).close()
    with pytest.raises(ApplianceError, match="newer version") as refused:
        Database.open(path, "appliance", synchronous="FULL")
    assert refused.value.kind == "conflict"
    os.replace(tmp_path / "appliance.db.v1.bak", path)
    back = Database.open(path, "appliance", synchronous="FULL")
    assert back.read_now(keys) == ["before"]
    back.close()


def test_a_migration_that_fails_changes_nothing(tmp_path):
    path = tmp_path / "appliance.db"
    Database.open(path, "appliance", synchronous="FULL").close()

    def broken(conn):
        conn.execute("DROP TABLE settings")
        conn.execute("this is no statement")

    for _ in range(2):
        with pytest.raises(ApplianceError):
            Database.open(path, "appliance", synchronous="FULL", migrations=(broken,))
    again = Database.open(path, "appliance", synchronous="FULL")
    assert again.read_now(keys) == []
    again.close()


@pytest.mark.parametrize("content", [b"not a database at all, by far" * 100, b"\0" * 4096])
def test_a_damaged_file_is_data_loss_with_a_hint(tmp_path, content):
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(ApplianceError) as refused:
        Database.open(tmp_path / "x.db", "appliance", synchronous="FULL")
    assert refused.value.kind == "data_loss"
    assert refused.value.hint


def test_data_version_changes_when_another_process_writes(db):
    before = db.data_version()
    db.write_now(add("own"))
    assert db.data_version() == before
    program = (
        "import sqlite3, sys\n"
        "conn = sqlite3.connect(sys.argv[1])\n"
        "conn.execute(\"INSERT INTO settings VALUES ('other', '1')\")\n"
        "conn.commit()"
    )
    subprocess.run([sys.executable, "-c", program, str(db.path)], check=True)
    assert db.data_version() != before
    assert "other" in db.read_now(keys)


def test_a_kill_costs_no_committed_row(tmp_path):
    program = (
        "import sys, pathlib\n"
        "from appliance.store.database import Database\n"
        "db = Database.open(pathlib.Path(sys.argv[1]), 'appliance', synchronous='FULL')\n"
        "n = 0\n"
        "while True:\n"
        "    key = f'{n:09d}'\n"
        "    db.write_now(lambda conn: conn.execute(\"INSERT INTO settings VALUES (?, '1')\", (key,)))\n"
        "    print(n, flush=True)\n"
        "    n += 1\n"
    )
    path = tmp_path / "x.db"
    child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if int(line) == 40:
            break
    child.kill()
    told = [int(line) for line in child.stdout.read().splitlines() if line.isdigit()]
    child.stdout.close()
    child.wait()
    db = Database.open(path, "appliance", synchronous="FULL")
    assert len(db.read_now(keys)) >= max(told, default=40) + 1
    db.close()


@given(st.text(max_size=300))
def test_no_text_is_more_than_text(tmp_path_factory, text):
    """SQL in every string field: a value is bound, whatever it says."""
    path = tmp_path_factory.mktemp("db") / "x.db"
    db = Database.open(path, "appliance", synchronous="NORMAL")
    try:
        text = text.replace("\ud800", "")
        db.write_now(lambda conn: settings.set_value(conn, text, text))
        assert db.read_now(lambda conn: settings.get_value(conn, text)) == text
        assert db.read_now(keys) == [text]
    finally:
        db.close()


@pytest.mark.parametrize(("free_bytes", "kind"), [(0, "exhausted"), (1 << 30, "unavailable")])
def test_a_failing_disk_is_told_from_a_full_one(monkeypatch, tmp_path, free_bytes, kind):
    usage = shutil.disk_usage(tmp_path)._replace(free=free_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
    told = foreign(error, tmp_path / "appliance.db")
    assert told.kind == kind
    assert "disk" in told.hint
