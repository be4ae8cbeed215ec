"""Real people, the real detector, the whole box: one event for each who steps to the table, and no other.

The truth was written down by eye before any detector ran: ``tests/vision/truth_one_by_one.toml``.
"""

import hashlib
import tomllib
from pathlib import Path
from urllib.parse import quote

import pytest

TRUTH = Path(__file__).parents[1] / "vision" / "truth_one_by_one.toml"
LATE_S = 1.5  # from the moment in the video to the message
LONGEST_GOP_S = 8.4  # of this footage
PREROLL_S = 5.0


@pytest.fixture(scope="module")
def truth():
    return tomllib.loads(TRUTH.read_text())


@pytest.fixture(scope="module")
def footage(shared_data, truth):
    path = shared_data / "footage" / truth["file"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == truth["sha256"]
    return path


@pytest.fixture
async def guarded(box, footage, shared_data, truth, tools):
    """(the box, its events, when the film began): somebody is told of each who steps to the table."""
    await box.start(
        "--detector", "deimv2-femto", APPLIANCE_ALLOW_FILE_SOURCES="1", APPLIANCE_ASSETS_PATH=str(shared_data)
    )
    url = f"sim://table?file={quote(str(footage), safe='/')}"
    detect = {"enabled": True, "fps": 5, "classes": ["person"]}
    # Disabled until everything is set: the film begins when the box connects.
    camera_id = await box.add_camera("Table", url, detect=detect, enabled=False)
    zone = {"camera_id": camera_id, "name": "At the table", "kind": "polygon", "points": truth["zone"]}
    zone_id = (await box.make("/zones", zone))["id"]
    rule = {"name": "Steps up", "kind": "zone_enter", "camera_ids": [camera_id], "zone_ids": [zone_id]}
    await box.make("/rules", rule | {"severity": "warning", "classes": ["person"], "cooldown_s": 0})
    events = await box.events()
    camera = (await box.get(f"/cameras/{camera_id}"))["camera"]
    assert (await box.call("PUT", f"/cameras/{camera_id}", camera | {"enabled": True})).status == 200

    async def began():
        recorded = [span for span in await box.spans(camera_id) if span["state"] == "recorded"]
        return tools.seconds(recorded[0]["start"]) if recorded else None

    began_at = await tools.until(began, 10)
    running = await box.detector()
    assert running["detector"] == "deimv2-femto", running
    return box, events, began_at


async def watch(guarded, truth, tools, tmp_path, until_s: float) -> list[float]:
    """The first ``until_s`` of the film; how late each message was."""
    box, events, began = guarded
    people = [person for person in truth["person"] if person["enter_s"] < until_s - 2]

    async def is_over():
        return tools.seconds((await box.spans("table"))[-1]["end"]) - began > until_s

    await tools.until(is_over, until_s + 30)
    heard = [(at, m["data"]) for at, m in events.heard if m["type"] == "event"]
    news = {data["id"]: (at, data) for at, data in reversed(heard)}  # the first message of each event
    found = sorted(news.values(), key=lambda item: item[1]["start_time"])
    entered = [tools.seconds(event["start_time"]) - began for _, event in found]
    wanted = [person["enter_s"] for person in people]
    assert len(found) == len(people), f"entered at {entered}, and not at {wanted}"
    assert entered == pytest.approx(wanted, abs=truth["tolerance_s"])
    for _, event in found:
        assert (event["type"], event["class_name"], event["camera_id"]) == ("zone_enter", "person", "table")
        on_the_floor(event["bbox"], truth["zone"])
        await still_and_clip(box, tools, tmp_path, event)
    alerts = await box.get("/alerts")
    assert alerts["total"] == len(people)
    assert {a["event_id"] for a in alerts["alerts"]} == {event["id"] for _, event in found}
    return [at - tools.seconds(event["start_time"]) for at, event in found]


def on_the_floor(bbox: dict[str, float], zone: list[list[float]]) -> None:
    """The box is a person's, who stands in the zone: two fifths of the picture high at least."""
    x, y = bbox["x"] + bbox["width"] / 2, bbox["y"] + bbox["height"]
    assert bbox["height"] > 0.4 and 0.05 < bbox["width"] < 0.5, bbox
    left, right = min(p[0] for p in zone), max(p[0] for p in zone)
    top, bottom = min(p[1] for p in zone), max(p[1] for p in zone)
    assert left - 0.03 <= x <= right + 0.03 and top - 0.03 <= y <= bottom + 0.03, bbox


async def still_and_clip(box, tools, tmp_path, event) -> None:
    async def with_still():
        found = (await box.get(f"/events/{event['id']}"))["event"]
        return found if found["snapshot_url"] else None

    event = await tools.until(with_still, 5, "no still")
    still = await box.call("GET", event["snapshot_url"].removeprefix("/api/v1"))
    plain = await box.call("GET", event["snapshot_url"].removeprefix("/api/v1"), box="0")
    assert still.status == plain.status == 200 and still.body[:3] == plain.body[:3] == b"\xff\xd8\xff"
    assert still.body != plain.body, "the box is drawn"
    clip = await box.call("GET", event["clip_url"].removeprefix("/api/v1"))
    assert clip.status == 200
    start = tools.seconds(event["start_time"])
    begins = tools.seconds(clip.headers["X-Clip-Start"])
    assert start - PREROLL_S - LONGEST_GOP_S - 0.1 <= begins <= start - PREROLL_S, start - begins
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip.body)
    assert tools.complaints(path) == ""
    (video,) = tools.probed(path)
    assert float(video["duration"]) >= start - begins


async def test_the_first_person(guarded, truth, tools, tmp_path):
    (late_s,) = await watch(guarded, truth, tools, tmp_path, 10)
    print(f"told {late_s:.2f} s after the moment in the video")
    assert late_s <= LATE_S


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_all_six(guarded, truth, tools, tmp_path):
    late_s = await watch(guarded, truth, tools, tmp_path, 138)
    print("told so many seconds after the moment in the video:", [round(s, 2) for s in late_s])
    assert len(late_s) == 6 and max(late_s) <= LATE_S
