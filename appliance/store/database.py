"""One SQLite file: a writer thread, a small pool of readers.

``await db.write(fn)`` runs ``fn(connection)`` inside a transaction on the writer and returns its result once
that is committed; an exception takes back all that ``fn`` did and is raised in the caller. With ``together``
what waits is committed as one, so that a hundred callers wait for one sync of the disk, not for a hundred;
then ``fn`` may be run twice, and must be made for it.
``await db.read(fn)`` runs on a connection that cannot write. ``db.offer(fn)`` is for the recording path: it
never waits (R9) and says whether the work was taken.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import os
import queue
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from appliance.base.errors import ApplianceError

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Item = tuple[Work[Any], concurrent.futures.Future[Any]]
Migration = Callable[[sqlite3.Connection], None]

READERS = 3
FULL_BYTES = 65_536  # with less, SQLite cannot even begin
BUSY_TIMEOUT_MS = 5_000  # only a command beside the daemon can make the writer wait
_SCHEMAS = Path(__file__).with_name("schema")


class Database:
    """Open it with ``Database.open``; close it with ``close`` (waits for what was taken)."""

    def __init__(
        self, path: Path, synchronous: Literal["FULL", "NORMAL"], bound: int = 1_000, together: int = 1
    ) -> None:
        self.path = path
        self._together = together
        self._synchronous = synchronous
        self._work: queue.Queue[Item | None] = queue.Queue()
        self._bound = bound
        self._closed = False
        self._readers: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._pool = concurrent.futures.ThreadPoolExecutor(READERS, f"read-{path.stem}")
        self._writer = threading.Thread(target=self._run, name=f"write-{path.stem}", daemon=True)

    @classmethod
    def open(
        cls,
        path: Path,
        schema: str,
        *,
        synchronous: Literal["FULL", "NORMAL"],
        migrations: tuple[Migration, ...] = (),
        bound: int = 1_000,
        together: int = 1,
        schemas: Path = _SCHEMAS,
    ) -> "Database":
        """Open or create ``path`` with ``<schemas>/<schema>.sql``, then apply ``migrations``. ``together``:
        how many writes may be one commit.

        ``PRAGMA user_version`` counts the applied migrations. Before the first pending one the
        file is copied to ``<name>.v<N>.bak``, so that the old version can still start.
        Raises ``data_loss`` where the file is damaged, ``exhausted`` where the disk is full.
        """
        db = cls(path, synchronous, bound, together)
        old_umask = os.umask(0o077)
        try:
            with contextlib.closing(db._connect()) as connection:
                _prepare(connection, path, schemas / f"{schema}.sql", migrations)
            for _ in range(READERS):
                db._readers.put(db._connect(read_only=True))
        except sqlite3.Error as error:
            raise foreign(error, path) from error
        finally:
            os.umask(old_umask)
        db._writer.start()
        return db

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in one transaction on the writer."""
        return await asyncio.wrap_future(self.submit(work))

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` on a read-only connection; it sees one consistent state."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.read_now, work)

    def submit(self, work: Work[T]) -> concurrent.futures.Future[T]:
        """For threads: like ``write``, but returns the future."""
        if self._closed:
            raise ApplianceError("unavailable", f"{self.path.name} is closed", "the box is stopping")
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._work.put((work, future))
        return future

    def offer(self, work: Work[Any], on_done: Callable[[bool], None] | None = None) -> bool:
        """For the recording path: take ``work`` if the queue has room, and never wait.

        A failure is logged; False (full or closed) means the work was not taken. ``on_done`` is
        called in the writer's thread: True where the work is committed.
        """
        if self._closed or self._work.qsize() >= self._bound:
            return False
        try:
            future = self.submit(work)
        except ApplianceError:
            return False  # closed in between
        future.add_done_callback(self._log_failure)
        if on_done is not None:
            future.add_done_callback(lambda done: on_done(not done.cancelled() and done.exception() is None))
        return True

    def read_now(self, work: Work[T]) -> T:
        """``read`` for threads and commands: blocks."""
        connection = self._readers.get()
        try:
            connection.execute("BEGIN")
            return work(connection)
        except sqlite3.Error as error:
            raise foreign(error, self.path) from error
        finally:
            connection.rollback()
            self._readers.put(connection)

    def write_now(self, work: Work[T]) -> T:
        """``write`` for threads and commands: blocks until it is on disk."""
        return self.submit(work).result()

    def data_version(self) -> int:
        """Changes when another process has written (``PRAGMA data_version``)."""

        def version(connection: sqlite3.Connection) -> int:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

        return self.write_now(version)

    def answers(self) -> None:
        """Raises what a reader meets: ``data_loss`` where the file is damaged."""
        self.read_now(lambda connection: connection.execute("PRAGMA schema_version").fetchone())

    def close(self) -> None:
        """Finish what was taken, then close. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._work.put(None)
        self._writer.join()
        self._pool.shutdown()
        while not self._readers.empty():
            self._readers.get().close()

    def _connect(self, read_only: bool = False) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA query_only={int(read_only)}")
        return connection

    def _run(self) -> None:
        connection = self._connect()
        while items := self._waiting():
            if len(items) == 1 or not self._as_one(connection, items):
                for item in items:
                    self._alone(connection, *item)
        connection.close()

    def _waiting(self) -> list[Item]:
        """The next one, or what waits together; none: closed."""
        items: list[Item] = []
        while not items or (len(items) < self._together and not self._work.empty()):
            item = self._work.get()
            if item is None:
                if items:
                    self._work.put(None)  # nothing comes behind it
                break
            if item[1].set_running_or_notify_cancel():
                items.append(item)
        return items

    def _alone(
        self, connection: sqlite3.Connection, work: Work[Any], future: concurrent.futures.Future[Any]
    ) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException as error:  # it is the caller's, whatever it is; the writer goes on
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            future.set_exception(self._mapped(error))
        else:
            future.set_result(result)

    def _as_one(self, connection: sqlite3.Connection, items: list[Item]) -> bool:
        """One commit for all of them; who fails takes back its own part only. False: SQLite took back all of
        it (a disk that is full), nothing is there and nobody was told."""
        answers: list[Callable[[], None]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for work, future in items:
                connection.execute("SAVEPOINT part")
                try:
                    result = work(connection)
                except BaseException as error:  # the caller's, as in ``_alone``
                    connection.execute("ROLLBACK TO part")  # fails where there is no transaction any more
                    answers.append(partial(future.set_exception, self._mapped(error)))
                else:
                    answers.append(partial(future.set_result, result))
                connection.execute("RELEASE part")
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return False
        for answer in answers:
            answer()
        return True

    def _mapped(self, error: BaseException) -> BaseException:
        return foreign(error, self.path) if isinstance(error, sqlite3.Error) else error

    def _log_failure(self, future: concurrent.futures.Future[Any]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            log.warning("a row for %s was not written: %s", self.path.name, error)


@contextlib.contextmanager
def rehearsal(conn: sqlite3.Connection) -> Iterator[None]:
    """Inside a transaction: all that is written within is taken back at the end."""
    conn.execute("SAVEPOINT rehearsal")
    try:
        yield
    finally:
        conn.execute("ROLLBACK TO rehearsal")
        conn.execute("RELEASE rehearsal")


def foreign(error: sqlite3.Error, path: Path) -> ApplianceError:
    """SQLite's errors in our words, in one place."""
    name = getattr(error, "sqlite_errorname", "") or ""
    text = f"{path.name}: {error}"
    if name.startswith("SQLITE_FULL"):
        return ApplianceError("exhausted", text, "free space on the system disk")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return ApplianceError("data_loss", text, "run `appliance check --repair`, or restore a backup")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ApplianceError("unavailable", text, "another command is writing; try again")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        hint = "this user must be able to write that file and its folder: is the disk read-only?"
        return ApplianceError("unavailable", text, hint)
    if name.startswith("SQLITE_IOERR"):  # also where the shared memory beside the file found no room
        if _is_full(path.parent):
            return ApplianceError(
                "exhausted", f"{path.name}: no space is left", "free space on the system disk"
            )
        return ApplianceError("unavailable", text, "the system disk gives errors: see `dmesg`, test the disk")
    if name.startswith("SQLITE_CONSTRAINT"):
        return ApplianceError("conflict", text, "it exists already, or something it needs does not")
    return ApplianceError("internal", text, "look at the log around this time")


def _prepare(
    connection: sqlite3.Connection, path: Path, schema: Path, migrations: tuple[Migration, ...]
) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(migrations) + 1:
        raise ApplianceError(
            "conflict",
            f"{path.name} was written by a newer version (schema {version})",
            f"install that version again, or restore {path.name}.v{len(migrations) + 1}.bak",
        )
    if version == 0:
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements(schema.read_text()):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(migrations) + 1}")
        connection.execute("COMMIT")
    elif version <= len(migrations):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy2(path, path.with_name(f"{path.name}.v{version}.bak"))
        for number in range(version, len(migrations) + 1):
            connection.execute("BEGIN IMMEDIATE")
            migrations[number - 1](connection)
            connection.execute(f"PRAGMA user_version={number + 1}")
            connection.execute("COMMIT")


def statements(script: str) -> list[str]:
    """A script, one statement after the other."""
    found, pending = [], ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:
        return False
