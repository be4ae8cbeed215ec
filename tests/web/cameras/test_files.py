"""Clips over HTTP: any range is the slice, and everything else RFC 9110 asks of one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.http_errors import HttpError
from appliance.media.span import Span
from appliance.web.cameras.files import LONGEST_HEADER, gaps_header, wanted_range

CLIP = "/cameras/gate/clip.mp4?start_time=2026-01-20T14:00:00Z&end_time=2026-01-20T14:10:00Z"


@given(st.integers(1, 500), st.integers(0, 600), st.integers(0, 600) | st.none())
def test_a_range_is_the_slice(size: int, first: int, last: int | None) -> None:
    data = bytes(n % 256 for n in range(size))
    header = f"bytes={first}-{'' if last is None else last}"
    if last is not None and last < first:
        assert wanted_range(header, size) is None
    elif first >= size:
        with pytest.raises(HttpError) as caught:
            wanted_range(header, size)
        assert caught.value.status == 416 and caught.value.headers["Content-Range"] == f"bytes */{size}"
    else:
        offset, length = wanted_range(header, size) or (-1, -1)
        assert data[offset : offset + length] == data[first : None if last is None else last + 1]
        assert offset + length <= size


@given(st.integers(1, 500), st.integers(1, 600))
def test_a_suffix_is_the_end(size: int, last: int) -> None:
    data = bytes(n % 256 for n in range(size))
    offset, length = wanted_range(f"bytes=-{last}", size) or (-1, -1)
    assert data[offset : offset + length] == data[-last:]


@given(st.text(max_size=30))
def test_nonsense_is_ignored_or_outside(header: str) -> None:
    try:
        found = wanted_range(header, 100)
    except HttpError as error:
        assert error.status == 416
    else:
        assert found is None or 0 <= found[0] < found[0] + found[1] <= 100


async def test_clip_headers_and_bytes(site: Any) -> None:
    made = site.archive.made
    made.start_ns = site.clock.now_ns()
    made.gaps = (Span(0, SECOND_NS, "gap", "camera_offline"),)
    made.complete = False
    response = await site.ask("GET", CLIP)
    assert response.status == 200 and await response.read() == made.data
    assert response.headers["Accept-Ranges"] == "bytes" and response.content_type == "video/mp4"
    assert response.headers["X-Clip-Start"] == rfc3339(made.start_ns)
    assert response.headers["X-Clip-Complete"] == "0"
    expected = [{"start": rfc3339(0), "end": rfc3339(SECOND_NS), "cause": "camera_offline"}]
    assert json.loads(response.headers["X-Clip-Gaps"]) == expected
    assert site.archive.asked[0][:2] == ("gate", "main")


async def test_ranges_over_the_wire(site: Any) -> None:
    data = site.archive.made.data
    part = await site.ask("GET", CLIP, headers={"Range": "bytes=10-2999"})
    assert part.status == 206 and await part.read() == data[10:3000]
    assert part.headers["Content-Range"] == f"bytes 10-2999/{len(data)}"
    beyond = await site.ask("GET", CLIP, headers={"Range": "bytes=999999-"})
    assert beyond.status == 416 and beyond.headers["Content-Range"] == f"bytes */{len(data)}"
    head = await site.ask("HEAD", CLIP)
    assert (head.status, head.headers["Content-Length"], await head.read()) == (200, str(len(data)), b"")
    etag = head.headers["ETag"]
    same = await site.ask("GET", CLIP, headers={"Range": "bytes=0-4", "If-Range": etag})
    other = await site.ask("GET", CLIP, headers={"Range": "bytes=0-4", "If-Range": '"old"'})
    assert (same.status, other.status) == (206, 200)
    assert (await site.ask("GET", CLIP, headers={"If-None-Match": etag})).status == 304


async def test_a_growing_clip_stays_the_same_for_the_one_who_reads_it(site: Any) -> None:
    first = site.archive.made
    await (await site.ask("GET", CLIP)).read()
    site.archive.made = type(first)(data=first.data + b"more", etag="longer")
    rest = await site.ask("GET", CLIP, headers={"Range": "bytes=100-"})
    assert await rest.read() == first.data[100:] and rest.headers["ETag"] == '"abc"'
    fresh = await site.ask("GET", CLIP)
    assert await fresh.read() == site.archive.made.data
    stranger = await site.ask("GET", CLIP, "viewer", headers={"Range": "bytes=100-"})
    assert stranger.headers["ETag"] == '"longer"'


@given(st.integers(0, 800))
def test_gaps_fit_a_header_and_none_goes_unsaid(count: int) -> None:
    gaps = [Span(2 * n * SECOND_NS, (2 * n + 1) * SECOND_NS, "gap", "restart") for n in range(count)]
    text = gaps_header(gaps)
    rows = json.loads(text)
    assert len(text) <= LONGEST_HEADER
    for gap in gaps[:: max(1, count // 20)]:
        start, end = rfc3339(gap.start_ns), rfc3339(gap.end_ns)
        assert any(row["start"] <= start and end <= row["end"] for row in rows)


async def test_intervals_are_checked(site: Any) -> None:
    for query, field in (
        ("", "start_time"),
        ("start_time=2026-01-20T14:00:00Z", "end_time"),
        ("start_time=2026-01-20T14:00:00Z&end_time=2026-01-20T14:00:00Z", "end_time"),
        ("start_time=2026-01-20T14:00:00&end_time=2026-01-20T15:00:00Z", "start_time"),
        ("start_time=2026-01-20T14:00:00Z&end_time=9999-01-01T00:00:00Z", "end_time"),
        ("start_time=2026-01-20T14:00:00Z&end_time=2026-01-20T15:00:00Z&stream=third", "stream"),
    ):
        response = await site.ask("GET", f"/cameras/gate/clip.mp4?{query}")
        assert (response.status, (await response.json())["error"]["field"]) == (400, field), query
    plus = "start_time=2026-01-20T15:00:00+01:00&end_time=2026-01-20T15:10:00+01:00"
    assert (await site.ask("GET", f"/cameras/gate/clip.mp4?{plus}")).status == 200
    assert site.archive.asked[-1][3] - site.archive.asked[-1][2] == 600 * SECOND_NS


async def test_recordings_tile_and_end_now(site: Any) -> None:
    now_ns = site.clock.now_ns()
    span = f"start_time={rfc3339(now_ns - 60 * SECOND_NS)}&end_time={rfc3339(now_ns + 60 * SECOND_NS)}"
    body = await (await site.ask("GET", f"/cameras/gate/recordings?{span}")).json()
    assert body["end"] == rfc3339(now_ns) == body["spans"][-1]["end"] and body["bytes"] == 12345
    assert [s["state"] for s in body["spans"]] == ["gap", "recorded"] and body["spans"][1]["locked"] is True
    assert (await site.ask("GET", f"/cameras/gate/recordings?{span}&stream=sub")).status == 404
    later = f"start_time={rfc3339(now_ns + SECOND_NS)}&end_time={rfc3339(now_ns + 2 * SECOND_NS)}"
    assert (await (await site.ask("GET", f"/cameras/gate/recordings?{later}")).json())["spans"] == []


async def test_locks_say_what_remains_and_only_people_s_are_taken_away(site: Any) -> None:
    body = {"start_time": "2026-01-20T14:00:00Z", "end_time": "2026-01-20T14:01:00Z", "reason": "theft"}
    made = await site.ask("POST", "/cameras/gate/locks", "operator", json=body)
    answer = await made.json()
    assert made.status == 201 and answer["ring_days_remaining"] == 12.5
    assert answer["lock"]["start_time"] == "2026-01-20T14:00:00.000Z" and answer["lock"]["reason"] == "theft"
    assert (await site.ask("DELETE", f"/locks/{answer['lock']['id']}", "operator")).status == 204
    lock, _ = await site.archive.lock("gate", 0, 1, "event", "event", "event-gate")
    assert (await site.ask("DELETE", f"/locks/{lock.id}")).status == 409


async def test_views_are_noted_once_in_5_minutes_and_exports_too(site: Any) -> None:
    for _ in range(3):
        await site.ask("GET", CLIP, "viewer")
        await site.ask("GET", "/events/event-gate/snapshot.jpg", "viewer")
    site.clock.tick(301)
    await site.ask("GET", "/events/event-gate/snapshot.jpg", "viewer")
    rows = (await (await site.ask("GET", "/audit?limit=1000")).json())["audit"]
    found = [(r["action"], r["thing"].split("/2026")[0]) for r in rows if r["username"] == "viewer"]
    assert found.count(("viewed", "event/event-gate")) == 2
    assert found.count(("exported", "camera/gate/main")) == 1


async def test_a_view_leaves_its_row_also_when_the_writer_is_busy(site: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(site.db, "offer", lambda work: False)
    await site.ask("GET", "/events/event-gate/snapshot.jpg", "viewer")
    rows = (await (await site.ask("GET", "/audit")).json())["audit"]
    assert ("viewed", "event/event-gate") in [(row["action"], row["thing"]) for row in rows]


async def test_event_stills_and_clips(site: Any) -> None:
    with_box = await site.ask("GET", "/events/event-gate/snapshot.jpg")
    assert (with_box.content_type, (await with_box.read())[:2]) == ("image/jpeg", b"\xff\xd8")

    async def kept(event_id: str, box: bool) -> bytes | None:
        return b"kept with box" if box else b"kept"

    site.box.still_of_event = kept
    assert await (await site.ask("GET", "/events/event-gate/snapshot.jpg?box=0")).read() == b"kept"
    assert await (await site.ask("GET", "/events/event-gate/snapshot.jpg")).read() == b"kept with box"
    assert (await site.ask("GET", "/events/event-gate/snapshot.jpg?box=maybe")).status == 400
    await site.ask("GET", "/events/event-gate/clip.mp4")
    now_ns = site.clock.now_ns()
    assert site.archive.asked[-1] == ("gate", "main", now_ns - 5 * SECOND_NS, now_ns + 5 * SECOND_NS)
