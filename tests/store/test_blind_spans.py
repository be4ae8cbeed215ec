"""Blind spans grow, are cut, are looked at, and are forgotten."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.store import blind_spans, migrations
from appliance.store.blind_spans import Judged
from appliance.store.database import Database

S = 1_000_000_000


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    Database.open(
        tmp_path / "a.db", "appliance", synchronous="NORMAL", migrations=migrations.APPLIANCE
    ).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as made:
        made.row_factory = sqlite3.Row
        yield made


def add(conn, start_s, end_s, cause="worker_down", camera="gate") -> None:
    blind_spans.add(conn, camera, "main", round(start_s * S), round(end_s * S), cause)


def times(conn) -> list[tuple[float, float]]:
    return sorted((span.start_ns / S, span.end_ns / S) for span in blind_spans.waiting(conn))


def test_what_continues_a_span_makes_it_longer(conn) -> None:
    add(conn, 0, 10)
    add(conn, 10.9, 12)
    add(conn, 11.5, 15)
    add(conn, 15, 16, cause="overload")
    add(conn, 15, 17, camera="yard")
    add(conn, 18, 19)
    assert times(conn) == [(0, 15), (15, 16), (15, 17), (18, 19)]


def test_a_span_that_is_over_does_not_grow(conn) -> None:
    add(conn, 0, 10)
    (span,) = blind_spans.waiting(conn)
    blind_spans.progress(conn, span.id, 10 * S, 2)
    add(conn, 10, 12)
    assert times(conn) == [(10, 12)]
    done = blind_spans.get(conn, span.id)
    assert done is not None and (done.state, done.found, done.done_until_ns) == ("done", 2, 10 * S)


def test_a_span_that_grew_while_it_was_looked_at_is_not_done(conn) -> None:
    add(conn, 0, 10)
    (span,) = blind_spans.waiting(conn)
    add(conn, 10, 12)
    blind_spans.progress(conn, span.id, 10 * S, 0)
    (span,) = blind_spans.waiting(conn)
    assert (span.end_ns, span.done_until_ns, span.state) == (12 * S, 10 * S, "waiting")
    blind_spans.progress(conn, span.id, 5 * S, 0)  # never back
    assert blind_spans.waiting(conn)[0].done_until_ns == 10 * S


def test_the_newest_comes_first_and_a_long_one_in_parts(conn) -> None:
    add(conn, 0, 5)
    add(conn, 100, 125)
    add(conn, 200, 300, camera="removed")
    seen = []
    while (span := blind_spans.newest(conn, ["gate", "yard"], 10 * S, (0, 0))) is not None:
        seen.append((span.start_ns / S, span.end_ns / S))
        blind_spans.progress(conn, span.id, span.end_ns, 0)
    assert seen == [(115, 125), (105, 115), (100, 105), (0, 5)]
    assert times(conn) == [(200, 300)]
    assert blind_spans.newest(conn, [], S, (0, 0)) is None


def test_what_was_begun_is_not_cut_again(conn) -> None:
    add(conn, 0, 12)
    (span,) = blind_spans.waiting(conn)
    blind_spans.progress(conn, span.id, 4 * S, 1)
    again = blind_spans.newest(conn, ["gate"], 10 * S, (0, 0))
    assert again is not None and (again.id, again.done_until_ns, again.found) == (span.id, 4 * S, 1)


def test_gone_and_forgotten(conn) -> None:
    add(conn, 0, 10)
    add(conn, 20, 30)
    first, second = blind_spans.waiting(conn)
    blind_spans.gone(conn, first.id)
    blind_spans.prune(conn, 100 * S)
    assert blind_spans.get(conn, first.id) is None
    assert blind_spans.waiting(conn) == [second]


def test_a_sliver_is_blindness_only_where_it_continues_some(conn) -> None:
    add(conn, 0, 0.9)
    assert times(conn) == []
    add(conn, 10, 12)
    add(conn, 12, 12.5)
    assert times(conn) == [(10, 12.5)]


def test_spans_end_with_their_footage(conn) -> None:
    add(conn, 0, 10)
    add(conn, 20, 40)
    add(conn, 20, 40, camera="yard")
    blind_spans.forget_before(conn, "gate", "main", 30 * S)
    assert times(conn) == [(20, 40), (30, 40)]
    assert [span.done_until_ns // S for span in blind_spans.waiting(conn)] == [20, 30]


def test_how_far_was_looked(conn) -> None:
    blind_spans.save_judged(conn, [Judged("gate", "main", 5), Judged("yard", "sub", 6)])
    blind_spans.save_judged(conn, [Judged("gate", "main", 7)])
    assert blind_spans.judged(conn) == [Judged("gate", "main", 7)]


def test_an_older_database_gets_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    Database.open(path, "appliance", synchronous="NORMAL").close()
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.execute("DROP TABLE blind_spans")
        old.execute("DROP TABLE judged")
    new = Database.open(path, "appliance", synchronous="NORMAL", migrations=migrations.APPLIANCE)
    new.write_now(lambda c: add(c, 0, 2))
    fresh = Database.open(
        tmp_path / "new.db", "appliance", synchronous="NORMAL", migrations=migrations.APPLIANCE
    )

    def columns(c):
        names = ("blind_spans", "judged")
        return [
            [tuple(row)[1:] for row in c.execute(f"SELECT * FROM pragma_table_info('{name}')")]
            for name in names
        ]

    assert new.read_now(columns) == fresh.read_now(columns)
    new.close()
    fresh.close()
