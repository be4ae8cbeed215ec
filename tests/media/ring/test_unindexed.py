"""Another process finds what is being written: the same clip as the box itself makes."""

import pytest

from appliance.base.clock import SECOND_NS
from appliance.media.play.archive import Archive
from appliance.media.ring.unindexed import DiskIndex
from appliance.media.ring.volumes import known_volumes


@pytest.fixture
def beside(box):
    """An archive that shares the disk with the box, and nothing else."""
    volumes = known_volumes(box.db, box.clock)
    index = DiskIndex(box.archive_db, volumes, box.clock)
    archive = Archive(box.db, box.archive_db, volumes, index, box.clock)
    yield archive
    archive.close()


async def bytes_of(clip) -> bytes:
    return b"".join([piece async for piece in clip.read()])


async def test_a_clip_reaches_into_the_segment_that_is_being_written(box, beside, film) -> None:
    box.add_camera()
    start_ns = box.clock.now_ns()
    box.play(film, frames=70, end=None)
    end_ns = start_ns + 4 * SECOND_NS
    box.clock.tick(4)
    own = await bytes_of(await box.archive.clip("gate", "main", start_ns, end_ns))
    assert box.index.open_spans("gate", "main")
    assert await bytes_of(await beside.clip("gate", "main", start_ns, end_ns)) == own


async def test_it_is_found_behind_a_clock_that_was_set_back(box, beside, film) -> None:
    box.add_camera()
    box.play(film)
    before_ns = box.clock.now_ns()
    start_ns = before_ns - 5 * 3600 * SECOND_NS
    box.clock.set_ns(start_ns)
    box.recordings["gate", "main"].clock_stepped(before_ns, start_ns)
    box.play(film, frames=20, end=None)
    clip = await beside.clip("gate", "main", start_ns, start_ns + 2 * SECOND_NS)
    assert await bytes_of(clip)


async def test_half_a_fragment_and_an_empty_file_are_no_footage(box, beside, film) -> None:
    box.add_camera()
    start_ns = box.clock.now_ns()
    box.play(film, frames=20, end=None)
    (span,) = box.index.open_spans("gate", "main")
    whole = await beside.clip("gate", "main", start_ns, start_ns + 9 * SECOND_NS)
    with span.writer.path.open("ab") as file:
        file.write(b"\0\0\1\0moof")
    span.writer.path.with_name("later.mp4").touch()
    again = await beside.clip("gate", "main", start_ns, start_ns + 9 * SECOND_NS)
    assert await bytes_of(again) == await bytes_of(whole)


@pytest.mark.parametrize("name", ["..", "/", "gate/main", "."])
def test_an_id_is_no_path(box, name) -> None:
    volumes = known_volumes(box.db, box.clock)
    assert DiskIndex(box.archive_db, volumes, box.clock).open_spans(name, "main") == []
