import json
import subprocess
import sys

import pytest

from appliance.base.model import Event
from appliance.base.wire import event_json
from appliance.daemon.stores import open_appliance
from appliance.store import events, journal


def event(number: int, camera: str = "gate", type_: str = "zone_enter") -> Event:
    start_ns = 1_768_919_400_000_000_000 + number * 1_000_000_000
    return Event(
        f"00000000-0000-7000-8000-{number:012d}", "box", camera, None, type_, "warning", start_ns, None, 0.9,
        "person", None, None, None, start_ns,
    )  # fmt: skip


@pytest.fixture
def database(box_dir):
    found = open_appliance(box_dir)
    yield found
    found.close()


def put(database, *found: Event) -> None:
    def work(conn):
        for each in found:
            events.insert(conn, each)
            journal.append(conn, "event", each.camera_id, each.created_ns, event_json(each))

    database.write_now(work)


def ids(text: str) -> list[int]:
    return [int(json.loads(line)["id"][-12:]) for line in text.splitlines()]


def test_json_lines_oldest_first(appliance, box_dir, database):
    put(database, *(event(number) for number in range(120)))
    assert ids(appliance("events", "--data", box_dir).out) == list(range(20, 120))
    assert ids(appliance("events", "--data", box_dir, "--limit", "2000").out) == list(range(120))
    first = json.loads(appliance("events", "--data", box_dir, "--limit", "1").out)
    assert first == event_json(event(119))


def test_filters(appliance, box_dir, database):
    put(database, event(1), event(2, "yard"), event(3, "yard", "line_cross"))
    assert ids(appliance("events", "--data", box_dir, "--camera", "yard").out) == [2, 3]
    assert ids(appliance("events", "--data", box_dir, "--camera", "yard", "--type", "zone_enter").out) == [2]
    assert appliance("events", "--data", box_dir, "--camera", "' OR 1=1 --").out == ""


def test_follow_shows_what_was_and_what_comes(box_dir, database):
    put(database, event(1))
    command = [
        sys.executable,
        "-m",
        "appliance",
        "events",
        "--data",
        str(box_dir),
        "--follow",
        "--camera",
        "gate",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert ids(child.stdout.readline()) == [1]
        put(database, event(2), event(3, "yard"), event(4))
        assert ids(child.stdout.readline()) == [2]
        assert ids(child.stdout.readline()) == [4]
        child.terminate()
