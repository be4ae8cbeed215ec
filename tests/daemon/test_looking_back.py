"""What is chosen to be looked at, what is given up, and what people are told."""

import asyncio
from types import SimpleNamespace

import pytest

from appliance.alerts.late import LateFindings
from appliance.base.clock import ManualClock
from appliance.base.errors import ApplianceError
from appliance.daemon import looking_back
from appliance.daemon.looking_back import ATTEMPTS, LookingBack
from appliance.media.span import Recordings, Span
from appliance.store import blind_spans, migrations
from appliance.store.database import Database
from appliance.vision.host.sight import Sight, Unseen
from appliance.vision.messages import Watch
from appliance.vision.state import VisionFigures

S = 1_000_000_000


class Ring:
    """An archive that has all of the footage but some; nothing of it is ever decoded here."""

    def __init__(self) -> None:
        self.missing: list[tuple[int, int]] = []

    async def recordings(self, camera_id, stream, start_ns, end_ns):
        if any(a <= start_ns and end_ns <= b for a, b in self.missing):
            return Recordings((Span(start_ns, end_ns, "gap", "expired"),), start_ns, end_ns, 0)
        return Recordings((Span(start_ns, end_ns, "recorded", None),), start_ns, end_ns, 9)

    def packets(self, *_):
        return None


class Intake:
    def presences(self):
        return []

    async def accept_late(self, choose, then):
        return await self.db.write(lambda conn: then(conn, len(choose(conn))))


@pytest.fixture
def box(tmp_path, monkeypatch):
    clock = ManualClock()
    db = Database.open(tmp_path / "a.db", "appliance", synchronous="NORMAL", migrations=migrations.APPLIANCE)
    archive_db = Database.open(tmp_path / "b.db", "archive", synchronous="NORMAL")
    stores = SimpleNamespace(appliance=db, archive=archive_db, tracks=None)
    sight = Sight()
    vision = SimpleNamespace(
        sight=sight,
        session=object(),
        figures=lambda: {"yard": VisionFigures(5.0)},
        watch_of=lambda camera_id: Watch(camera_id, 5.0, (), 0.4),
    )
    intake, ring = Intake(), Ring()
    intake.db = db
    made = SimpleNamespace(clock=clock, db=db, sight=sight, ring=ring, now_ns=clock.now_ns(), looked=[])
    made.part = LookingBack(clock, stores, ring, vision, intake, {"yard": "main"}.get)
    made.fails, made.stores = False, stores

    async def look(session, order, source, heard, may_go, clock):
        made.looked.append(order.span_id)
        await asyncio.sleep(0)
        if made.fails:
            raise ApplianceError("unavailable", "the vision worker ended")
        return 1

    monkeypatch.setattr(looking_back, "look_back", look)
    yield made
    db.close()
    archive_db.close()


@pytest.fixture
def next_one(box):
    """Another daemon on the same databases."""

    def start():
        sight = Sight()
        vision = SimpleNamespace(**vars(box.part._vision) | {"sight": sight})
        part = LookingBack(box.clock, box.stores, box.ring, vision, box.part._intake, {"yard": "main"}.get)
        return part, sight

    return start


async def note(box, *spans) -> None:
    """Nobody looked at these (start, end), in seconds from the beginning."""
    for start_s, end_s in spans:
        unseen = Unseen("yard", box.now_ns + start_s * S, box.now_ns + end_s * S, "worker_down")
        box.part._unsaved.append(("main", unseen))
    await box.part.note_once(at_once=True)


async def look(box) -> None:
    """With a worker that looks, and time."""
    box.sight.want(["yard"], box.clock.now_ns())
    box.sight.looking(right=True)
    for _ in range(3):
        box.clock.tick(2)
        box.sight.judged("yard", [(box.clock.now_ns(), box.clock.now_ns())], 1)
        await box.part.look_once()


def states(box) -> dict[int, str]:
    """Seconds of its beginning -> state, of each span."""
    spans = [box.db.read_now(lambda c, id_=id_: blind_spans.get(c, id_)) for id_ in set(box.looked)]
    return {(span.start_ns - box.now_ns) // S: span.state for span in spans}


async def test_the_newest_first_and_all_in_the_end(box):
    await note(box, (0, 20), (100, 110))
    await look(box)
    assert states(box) == {0: "done", 100: "done"}
    first = box.db.read_now(lambda c: blind_spans.get(c, box.looked[0]))
    assert first.start_ns == box.now_ns + 100 * S
    assert box.part.findings() == []


async def test_a_span_waits_until_what_lies_behind_it_is_recorded(box):
    """The gate that begins anew is blind for a moment: who passes then is seen in the run-out alone."""
    await note(box, (0, 20), (100, 110))
    box.clock.tick(110)
    await look(box)  # for 6 s
    older, newer = (box.db.read_now(lambda c, id_=id_: blind_spans.get(c, id_)) for id_ in box.looked)
    assert older.start_ns == box.now_ns, "there is time for it meanwhile"
    assert (newer.start_ns, newer.state) == (box.now_ns + 100 * S, "done")


async def test_without_a_worker_that_looks_right_nothing_is_begun(box):
    await note(box, (0, 20))
    for _ in range(3):
        box.clock.tick(2)
        await box.part.look_once()
    box.sight.looking(right=False)
    for _ in range(3):
        box.clock.tick(2)
        await box.part.look_once()
    assert box.looked == []
    ((name, status, text),) = box.part.findings()
    assert (name, status) == ("looking back", "ok") and text.startswith("20 s of footage wait until")


async def test_footage_that_is_gone_is_given_up(box):
    await note(box, (0, 20), (100, 110))
    box.ring.missing = [(box.now_ns, box.now_ns + 50 * S)]
    await look(box)
    assert states(box) == {100: "done"}
    assert box.db.read_now(blind_spans.waiting) == []


async def test_what_is_not_recorded_is_owed_no_look(box):
    box.ring.missing = [(0, 2**62)]
    box.sight.want(["yard"], box.now_ns)
    box.clock.tick(10)
    await box.part.note_once(at_once=True)
    assert box.db.read_now(blind_spans.waiting) == []


async def test_footage_that_ends_every_worker_is_left_alone(box):
    box.fails = True
    await note(box, (0, 20))
    await look(box)
    await look(box)
    assert len(box.looked) == ATTEMPTS and states(box) == {0: "gone"}


async def test_the_next_daemon_goes_on_where_the_one_before_it_was_killed(box, next_one):
    """The worker was down for three seconds of which nothing was written yet, and then all ended."""
    box.sight.want(["yard"], box.now_ns)
    box.sight.looking(right=True)
    box.sight.judged("yard", [(box.now_ns, box.now_ns + 60 * S)], 1)
    box.clock.tick(60)
    await box.part.note_once(at_once=True)
    box.sight.blinded()
    box.clock.tick(3 + 20)

    part, sight = next_one()
    await part.resume()
    sight.want(["yard"], box.clock.now_ns())
    box.ring.missing = [(box.now_ns + 63 * S, box.now_ns + 84 * S)]
    sight.looking(right=True)
    sight.judged("yard", [(box.now_ns + 83 * S, box.now_ns + 84 * S)], 1)
    await part.note_once(at_once=True)
    (span,) = box.db.read_now(blind_spans.waiting)
    assert (span.start_ns, span.cause) == (box.now_ns + 60 * S, "restart")


async def test_people_are_told_how_far_it_is(box):
    await note(box, (180, 540), (0, 60))
    (_, span) = box.db.read_now(blind_spans.waiting)
    late = LateFindings(span, [], [], "Etc/UTC")
    late.take([], box.now_ns + (180 + 144) * S)
    box.part._late = late
    start = box.part.since(span.start_ns)
    assert box.part.findings() == [
        ("looking back", "ok", f"{start}-{box.part.since(span.end_ns)}, 40 %; 1 more wait")
    ]
    assert start == "14:33"


async def test_a_blind_camera_is_said_without_its_name(box):
    box.sight.want(["yard"], box.now_ns)
    box.clock.tick(60)
    text = f"1 of 1 cameras blind since {box.part.since(box.now_ns)}: the vision worker is down"
    assert box.part.findings()[0] == ("sight", "degraded", text)
