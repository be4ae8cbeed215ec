"""Files made from the ring for the outbox (``daemon.materials``): tested here, where footage is made."""

import asyncio
import hashlib
import json
import random

import msgspec
import pytest

from appliance.alerts.stills import Stills
from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import ApplianceError
from appliance.base.ids import uuid7
from appliance.base.model import Box, Event
from appliance.daemon.materials import RingMaterials
from appliance.media.play import clip as clip_room
from appliance.media.play.archive import Archive
from appliance.media.ring.volume import DiskFault
from appliance.store import events
from appliance.store.outbox import OutboxRow


class Ring:
    """Materials over a box, as after a start: nothing is remembered but what is on disk."""

    def __init__(self, box) -> None:
        self.box = box
        self.pictures: list[bytes] = []
        self.boxed: list[bytes] = []  # where they are other ones
        self.stills = Stills(box.folder / "stills", self.still)
        self.restart()

    def restart(self) -> None:
        box = self.box
        self.archive = Archive(box.db, box.archive_db, box.volumes, box.index, box.clock, box.gaps)
        self.materials = RingMaterials(
            box.db, self.archive, box.volumes, self.stills, box.clock, box.folder / "made" / "here"
        )

    async def still(self, camera_id, time_ns, box) -> bytes:
        if not self.pictures:
            raise ApplianceError("unavailable", "no worker")
        return self.boxed[0] if box is not None and self.boxed else self.pictures[0]

    def row(
        self, kind: str, start_ns: int, end_ns: int, stream="main", event_id="e", attempts=0
    ) -> OutboxRow:
        span = {"start_time": rfc3339(start_ns), "end_time": rfc3339(end_ns)}
        body = {"event_id": event_id, "camera_id": "gate", **span, "stream": stream}
        id_ = f"{kind}-{stream}-{start_ns}-{end_ns}"
        return OutboxRow(id_, kind, json.dumps(body).encode(), self.box.clock.now_ns(), attempts, False)

    async def made(self, row: OutboxRow) -> tuple[object, bytes]:
        material = await self.materials.open(row)
        data = b"".join([piece async for piece in material.read(0, material.size_bytes)])
        assert len(data) == material.size_bytes
        assert hashlib.sha256(data).hexdigest() == material.sha256
        return material, data

    async def refused(self, row: OutboxRow) -> str:
        with pytest.raises(ApplianceError) as caught:
            await self.materials.open(row)
        return caught.value.kind


@pytest.fixture
def ring(box):
    box.add_camera(sub_url="rtsp://127.0.0.1/y")
    made = Ring(box)
    yield made
    made.archive.close()


@pytest.fixture
def hashed(monkeypatch) -> list[int]:
    """Sizes of the clips that were hashed."""
    from appliance.daemon import materials

    sizes: list[int] = []
    real = materials._sha256

    async def count(clip) -> str:
        sizes.append(clip.size_bytes)
        return await real(clip)

    monkeypatch.setattr(materials, "_sha256", count)
    return sizes


async def test_the_same_bytes_while_it_is_recorded_and_afterwards(ring, box, film_b, sound) -> None:
    box.segment_s = 3.0
    began_ns = box.clock.now_ns()
    box.play(film_b, end=None, sound=sound)
    rows = []
    for _ in range(20):
        start_ns = began_ns + random.Random(len(rows)).randrange(4 * SECOND_NS)
        rows.append(ring.row("clip", start_ns, start_ns + SECOND_NS - len(rows) * 7_000_000))
    before = [await ring.made(row) for row in rows]
    box.clock.tick(1)
    box.play(film_b)
    box.settle()
    ring.archive.close()
    ring.restart()
    ring.materials._path.unlink()
    for row, (material, data) in zip(rows, before, strict=True):
        again, same = await ring.made(row)
        assert same == data
        assert (again.sha256, again.mime, again.stream) == (material.sha256, "video/mp4", "main")


async def test_any_part_of_it_can_be_read_in_small_pieces(ring, box, film) -> None:
    began_ns = box.clock.now_ns()
    box.play(film)
    box.clock.tick(3)
    material, data = await ring.made(ring.row("clip", began_ns, began_ns + 6 * SECOND_NS))
    for offset, length in ((0, 1), (17, 70_000), (len(data) - 5, 5), (1000, len(data) - 1000)):
        pieces = [piece async for piece in material.read(offset, length)]
        assert b"".join(pieces) == data[offset : offset + length]
        assert max(map(len, pieces)) <= 65_536


async def test_it_waits_until_the_footage_is_there_and_settled(ring, box, film) -> None:
    began_ns = box.clock.now_ns()
    box.play(film, end=None)
    end_ns = box.clock.now_ns()
    assert await ring.refused(ring.row("clip", began_ns, end_ns + SECOND_NS)) == "unavailable"
    assert await ring.refused(ring.row("clip", began_ns, end_ns - SECOND_NS)) == "unavailable"
    await ring.made(ring.row("clip", began_ns, end_ns - 4 * SECOND_NS))
    box.clock.tick(3.5)  # no frame since: it may be silence, and it may be late
    assert await ring.refused(ring.row("clip", began_ns, end_ns + SECOND_NS // 10)) == "unavailable"


async def test_a_clock_that_was_set_back_by_a_day_keeps_no_clip_waiting(ring, box, film) -> None:
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    box.clock.tick(10)
    row = ring.row("clip", began_ns, began_ns + 4 * SECOND_NS)
    _, before = await ring.made(row)
    box.clock.set_ns(began_ns - 86_400 * SECOND_NS)
    ring.restart()
    assert (await ring.made(row))[1] == before
    box.clock.set_ns(began_ns + 3 * SECOND_NS)  # a small step: it is soon reached again
    assert await ring.refused(row) == "unavailable"


async def test_what_is_not_there_is_not_found(ring, box, film) -> None:
    began_ns = box.clock.now_ns()
    box.play(film)
    box.clock.tick(60)
    later_ns = began_ns + 20 * SECOND_NS
    assert await ring.refused(ring.row("clip", later_ns, later_ns + SECOND_NS)) == "not_found"
    assert await ring.refused(ring.row("small_clip", later_ns, later_ns + SECOND_NS, "sub")) == "not_found"
    strange = msgspec.structs.replace(ring.row("clip", began_ns, later_ns), body=b'{"event_id":"e"}')
    assert await ring.refused(strange) == "not_found"


async def test_sub_is_sent_where_it_is_recorded_and_main_where_not(ring, box, film, film_other) -> None:
    began_ns = box.clock.now_ns()
    box.play(film)
    box.clock.tick(5)
    row = ring.row("small_clip", began_ns, began_ns + 4 * SECOND_NS, "sub")
    material, large = await ring.made(row)
    assert material.stream == "main"
    began_ns = box.clock.now_ns()
    box.play(film_other, stream="sub")
    box.clock.tick(5)
    material, small = await ring.made(ring.row("small_clip", began_ns, began_ns + 3 * SECOND_NS, "sub"))
    assert material.stream == "sub"
    assert small != large


async def test_where_the_picture_changes_the_longest_part_is_sent(ring, box, film, film_other) -> None:
    began_ns = box.clock.now_ns()
    box.play(film_other, frames=30)  # 2 s of one size
    change_ns = box.clock.now_ns()
    box.play(film)  # 8 s of another
    end_ns = box.clock.now_ns()
    box.clock.tick(5)
    _, data = await ring.made(ring.row("clip", began_ns, end_ns))
    _, longest = await ring.made(ring.row("clip", change_ns, end_ns))
    assert data == longest


async def test_it_is_hashed_once_and_a_restart_remembers(ring, box, film, hashed) -> None:
    began_ns = box.clock.now_ns()
    box.play(film)
    box.clock.tick(5)
    row = ring.row("clip", began_ns, began_ns + 4 * SECOND_NS)
    first = await ring.materials.open(row)
    assert (await ring.materials.open(row)).sha256 == first.sha256
    ring.archive.close()
    ring.restart()
    assert (await ring.materials.open(row)).sha256 == first.sha256
    assert len(hashed) == 1
    ring.materials._path.write_bytes(b"{torn")
    ring.archive.close()
    ring.restart()
    assert (await ring.materials.open(row)).sha256 == first.sha256
    assert len(hashed) == 2


async def test_what_was_sent_and_is_wanted_again_and_again_is_hashed_anew(ring, box, film, hashed) -> None:
    began_ns = box.clock.now_ns()
    box.play(film)
    box.clock.tick(5)
    row = ring.row("clip", began_ns, began_ns + 4 * SECOND_NS)
    material, data = await ring.made(row)
    box.settle()
    segment = next(box.folder.glob("recordings/**/*.mp4"))
    at = segment.read_bytes().index(data[-200:])  # inside the last sample
    with segment.open("r+b") as file:  # the disk gives other bytes than it gave before
        file.seek(at)
        file.write(bytes([data[-200] ^ 1]))
    again = await ring.materials.open(row)  # one answer may get lost
    assert again.sha256 == material.sha256
    assert [piece async for piece in again.read(0, again.size_bytes)]
    again, _ = await ring.made(row)
    assert again.sha256 != material.sha256
    assert len(hashed) == 2


async def test_hashing_is_off_the_loop_and_a_piece_at_a_time(ring, box, film, monkeypatch) -> None:
    began_ns = box.clock.now_ns()
    box.play(film)
    box.clock.tick(5)
    threads, sizes = set(), []
    real = clip_room._pread

    def pread(path, at, size):
        threads.add(__import__("threading").current_thread().name)
        sizes.append(size)
        return real(path, at, size)

    monkeypatch.setattr(clip_room, "_pread", pread)
    monkeypatch.setattr(clip_room, "PIECE_BYTES", 4_096)
    await ring.materials.open(ring.row("clip", began_ns, began_ns + 4 * SECOND_NS))
    assert all(name.startswith("archive") for name in threads)
    assert max(sizes) <= 3 * 4_096  # neighbouring samples, and the heads between them


async def test_a_disk_that_is_away_is_waited_for_and_a_damaged_clip_is_sent(
    ring, box, film, monkeypatch
) -> None:
    box.segment_s = 2.0
    began_ns = box.clock.now_ns()
    box.play(film)
    box.clock.tick(5)
    box.settle()
    segments = sorted(box.folder.glob("recordings/**/*.mp4"))
    segments[1].unlink()
    row = ring.row("clip", began_ns, began_ns + 7 * SECOND_NS)
    away = DiskFault("disk_missing", "volume is not mounted")
    volume = type(box.volumes.all[0])
    with monkeypatch.context() as patched:
        patched.setattr(volume, "usable", lambda self: away)
        assert await ring.refused(row) == "unavailable"
    _, data = await ring.made(row)
    assert data
    for segment in segments:
        segment.unlink(missing_ok=True)
    with pytest.raises(ApplianceError):  # what was laid out before is gone as it is read
        await ring.made(row)
    assert await ring.refused(row) == "unavailable"
    with monkeypatch.context() as patched:
        patched.setattr(volume, "usable", lambda self: away)
        assert await ring.refused(row) == "unavailable"
    assert await ring.refused(row) == "not_found"


async def test_what_cannot_be_read_is_tried_some_times_then_given_up(ring, box, film, monkeypatch) -> None:
    began_ns = box.clock.now_ns()
    box.play(film)
    box.clock.tick(5)

    def sick(path, at, size):
        raise clip_room.damaged(path)

    monkeypatch.setattr(clip_room, "_pread", sick)
    span = began_ns, began_ns + 4 * SECOND_NS
    assert await ring.refused(ring.row("clip", *span)) == "unavailable"
    assert await ring.refused(ring.row("clip", *span, attempts=5)) == "not_found"


# -- stills


def make_event(box) -> Event:
    now_ns = box.clock.now_ns()
    made = Event(
        id=uuid7(now_ns), device_id="d", camera_id="gate", rule_id="r", type="zone_enter",
        severity="critical", start_ns=now_ns, end_ns=None, confidence=0.9, class_name="person",
        track_id="1", bbox=None, zone_id=None, created_ns=now_ns,
    )  # fmt: skip
    box.db.write_now(lambda conn: events.insert(conn, made))
    return made


async def test_a_still_is_the_one_that_was_kept(ring, box) -> None:
    event = make_event(box)
    row = ring.row("still", event.start_ns, event.start_ns, event_id=event.id)
    assert await ring.refused(row) == "unavailable"
    ring.pictures = [b"\xff\xd8 a picture"]
    assert await ring.stills.keep(event, event.start_ns)
    ring.pictures = []
    material, data = await ring.made(row)
    assert (data, material.mime) == (b"\xff\xd8 a picture", "image/jpeg")
    assert b"".join([piece async for piece in material.read(3, 4)]) == data[3:7]


async def test_a_still_that_was_not_kept_is_made_once_from_the_ring(ring, box, film) -> None:
    box.play(film, frames=15)
    event = make_event(box)
    box.play(film)
    row = ring.row("still", event.start_ns, event.start_ns, event_id=event.id)
    box.clock.tick(30)
    assert await ring.refused(row) == "unavailable"  # the worker is down
    ring.pictures = [b"made late"]
    assert (await ring.made(row))[1] == b"made late"
    ring.pictures = [b"another encoder"]
    assert (await ring.made(row))[1] == b"made late"


async def test_a_sample_is_the_picture_without_our_pen(ring, box) -> None:
    event = msgspec.structs.replace(make_event(box), bbox=Box(0.1, 0.1, 0.2, 0.2))
    ring.boxed, ring.pictures = [b"with a box"], [b"plain"]
    assert await ring.stills.keep(event, event.start_ns)
    for kind, picture in (("sample", b"plain"), ("still", b"with a box")):
        row = ring.row(kind, event.start_ns, event.start_ns, event_id=event.id)
        assert (await ring.made(row))[1] == picture


async def test_a_still_of_nothing_is_not_found(ring, box) -> None:
    event = make_event(box)
    lost = ring.row("still", event.start_ns, event.start_ns, event_id=event.id)
    gone = ring.row("still", event.start_ns, event.start_ns, event_id=uuid7(box.clock.now_ns()))
    path = ring.row("still", event.start_ns, event.start_ns, event_id="../../etc/passwd")
    box.clock.tick(60)
    for row in (lost, gone, path):
        assert await ring.refused(row) == "not_found"


async def test_many_are_asked_for_at_once(ring, box, film, hashed) -> None:
    began_ns = box.clock.now_ns()
    box.play(film)
    box.clock.tick(5)
    row = ring.row("clip", began_ns, began_ns + 4 * SECOND_NS)
    made = await asyncio.gather(*(ring.materials.open(row) for _ in range(5)))
    assert len({each.sha256 for each in made}) == 1
    assert len(hashed) == 1
