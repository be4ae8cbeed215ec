"""A stretch of the past as packets: whole GOPs from the key frame on, never much of it in memory."""

import hashlib
import itertools

import av

from appliance.base.clock import SECOND_NS
from appliance.media.play import packets

FPS = 15


async def read(box, start_ns, end_ns):
    return [some async for some in box.archive.packets("gate", "main", start_ns, end_ns)]


def shown(found) -> list[str]:
    """Digests of the pictures, in the order they are shown."""
    frames = []
    for some in found:
        if some.codec_config:
            decoder = av.CodecContext.create(some.codec, "r")
            decoder.extradata = some.codec_config
        for data, time_ns, _ in some.samples:
            packet = av.Packet(data)
            packet.pts = time_ns
            frames += decoder.decode(packet)
    frames += decoder.decode(None)
    return [hashlib.md5(frame.to_ndarray(format="yuv420p").tobytes()).hexdigest() for frame in frames]


async def test_from_the_key_frame_before_to_the_end(box, film) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    start_ns, end_ns = began_ns + round(1.5 * SECOND_NS), began_ns + 3 * SECOND_NS
    found = await read(box, start_ns, end_ns)
    samples = [sample for some in found for sample in some.samples]
    assert samples[0][2], "a key frame"
    assert 0 <= start_ns - samples[0][1] <= SECOND_NS + SECOND_NS // FPS
    assert found[0].from_ns == start_ns and found[0].codec_config
    assert 0 <= samples[-1][1] - end_ns + 2 * SECOND_NS // FPS <= 3 * SECOND_NS // FPS
    steps = {round((b[1] - a[1]) * FPS / SECOND_NS) for a, b in itertools.pairwise(samples)}
    assert steps == {1}, "one after the other, also from one segment to the next"
    assert set(shown(found)) <= set(film.md5s)


async def test_pictures_in_another_order_and_the_segment_that_is_being_written(box, film_b) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film_b, end=None)
    found = await read(box, began_ns - SECOND_NS, box.clock.now_ns())
    pictures = shown(found)
    assert len(pictures) > 40 and set(pictures) <= set(film_b.md5s)
    box.recordings["gate", "main"].end("no_video")


async def test_what_is_damaged_is_passed_over(box, film) -> None:
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    whole = await read(box, began_ns, box.clock.now_ns())
    first = sorted(box.folder.glob("recordings/gate/main/**/*.mp4"))[0]
    first.unlink()
    left = await read(box, began_ns, box.clock.now_ns())
    assert 0 < sum(len(some.samples) for some in left) < sum(len(some.samples) for some in whole)
    assert left[0].codec_config and left[0].samples[0][2]


async def test_little_is_read_at_once(box, film, monkeypatch) -> None:
    monkeypatch.setattr(packets, "CHUNK_BYTES", 1)
    box.add_camera()
    began_ns = box.clock.now_ns()
    box.play(film)
    box.settle()
    found = await read(box, began_ns, box.clock.now_ns())
    assert {len(some.samples) for some in found} == {1}
    assert [bool(some.codec_config) for some in found].count(True) == len(
        list(box.folder.glob("recordings/gate/main/**/*.mp4"))
    )
