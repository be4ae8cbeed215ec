from pathlib import Path

import pytest

from appliance.base.model import Box, TrackPoint
from appliance.store import tracks
from appliance.store.database import Database
from appliance.store.tracks import Track, TrackSample


@pytest.fixture
def db(tmp_path: Path):
    opened = Database.open(tmp_path / "tracks.db", "tracks", synchronous="NORMAL")
    yield opened
    opened.close()


def track(id_: str, *times_ns: int, confidence: float = 0.5) -> Track:
    samples = tuple(TrackSample(t, 0.1, 0.2, 0.3, 0.4, confidence) for t in times_ns)
    return Track(id_, "gate", "person", confidence, times_ns[0], times_ns[-1], samples)


def test_parts_of_a_long_track_become_one_row(db):
    db.write_now(lambda c: tracks.put(c, track("w-1", 1, 2)))
    db.write_now(lambda c: tracks.put(c, track("w-1", 3, 4, confidence=0.9)))
    got = db.read_now(lambda c: tracks.get(c, "w-1"))
    assert [sample.time_ns for sample in got.samples] == [1, 2, 3, 4]
    assert (got.start_ns, got.end_ns, got.confidence) == (1, 4, 0.9)
    assert got.samples[0].bbox == Box(0.1, 0.2, 0.3, 0.4)


def test_the_past_is_asked_by_overlap(db):
    db.write_now(lambda c: [tracks.put(c, t) for t in (track("a", 1, 5), track("b", 6, 9))])
    find = lambda start, end: db.read_now(  # noqa: E731
        lambda c: [t.id for t in tracks.between(c, ["gate", "yard"], start, end)]
    )
    assert find(0, 10) == ["a", "b"]
    assert find(5, 6) == ["a"]
    assert find(9, 20) == ["b"]
    assert db.write_now(lambda c: tracks.prune(c, 6)) == 1
    assert find(0, 10) == ["b"]


def test_presences_replace_each_other(db):
    point = TrackPoint("gate", "w-1", 7, "person", 0.5, Box(0, 0, 0.5, 0.5), stationary=True)
    db.write_now(lambda c: tracks.save_presences(c, [point]))
    assert db.read_now(tracks.presences) == [point]
    db.write_now(lambda c: tracks.save_presences(c, []))
    assert db.read_now(tracks.presences) == []
