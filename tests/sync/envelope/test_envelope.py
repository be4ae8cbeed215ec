"""Law: written in either schema, a message says the same to either reader, as far as that one can tell."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.base.model import Box, Event
from appliance.base.wire import event_json
from appliance.store.outbox import OutboxRow
from appliance.sync.envelope.message import Still
from appliance.sync.envelope.reading import picture, read, read_plain
from appliance.sync.envelope.writing import inline, write

SECOND_NS = 1_000_000_000
share = st.floats(0, 1)
ids = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
times = st.integers(0, 4_000_000_000 * SECOND_NS)
metadata = st.fixed_dictionaries(
    {"rule_name": words},
    optional={
        "frame": st.fixed_dictionaries({"width": st.integers(1, 8_000), "height": st.integers(1, 8_000)}),
        "previous_centre": st.tuples(share, share),
    },
)
events = st.builds(
    Event,
    id=ids,
    device_id=st.just("box-1"),
    camera_id=words,
    rule_id=st.none() | words,
    type=words,
    severity=st.sampled_from(["info", "warning", "critical"]),
    start_ns=times,
    end_ns=st.none() | times,
    confidence=share,
    class_name=words,
    track_id=st.none() | words,
    bbox=st.none() | st.builds(Box, share, share, share, share),
    zone_id=st.none() | words,
    created_ns=times,
    has_snapshot=st.booleans(),
    metadata=metadata,
)


def row_of(event: Event) -> OutboxRow:
    body = msgspec.json.encode(event_json(event))
    return OutboxRow(event.id, "event", body, event.created_ns, 0, False)


@given(events, st.sampled_from([1, 2]), st.none() | st.binary(max_size=50), st.sampled_from([0, 3]))
def test_either_reader_reads_either_schema(event, schema, still, more):
    row = row_of(event)
    data = write("box-1", row, schema, None if still is None else inline("image/jpeg", still))
    if more:  # of a box that is newer than we are
        known = json.loads(data)
        known |= {"x-new": [1]} | (
            {"schema": more, "source": {**known["source"], "x": 1}} if schema == 2 else {}
        )
        data = json.dumps(known).encode()
    plain, message = read_plain(data), read(data)
    said = json.loads(row.body)
    for each in (plain, message):
        assert (each.device_id, each.id, each.kind) == ("box-1", event.id, "event")
        assert each.created_at == said["created_at"]
        assert json.loads(bytes(each.body)) == said
    assert message.source.camera_id == event.camera_id and message.source.time == said["start_time"]
    assert [d.track_id for d in message.detections] == ([event.track_id] if event.bbox else [])
    for seen in message.detections:
        assert (seen.class_name, seen.confidence) == (event.class_name, said["confidence"])
        assert seen.box.x == event.bbox.x
        assert seen.centre == pytest.approx(
            (event.bbox.x + event.bbox.width / 2, event.bbox.y + event.bbox.height / 2), abs=1e-5
        )
        assert seen.previous_centre == event.metadata.get("previous_centre")
    frame = event.metadata.get("frame")
    assert (message.frame.width if message.frame else None) == (frame["width"] if frame else None)
    if still is not None and schema == 2:
        assert picture(message.still) == still
    elif event.has_snapshot:
        assert message.still.ref == said["snapshot_url"] and picture(message.still) is None


def test_schema_1_is_the_contract_s_row_with_the_box_in_front():
    row = OutboxRow("e-1", "event", b'{"a":\n1}', 1_768_919_400_123_000_000, 3, False)
    line = write("box-1", row, 1)
    assert b"\n" not in line and json.loads(line) == {
        "device_id": "box-1",
        "id": "e-1",
        "kind": "event",
        "created_at": "2026-01-20T14:30:00.123Z",
        "body": {"a": 1},
    }


def test_a_box_beyond_all_numbers_tells_nothing():
    bbox = {"x": 1e308, "y": 0, "width": 1.7e308, "height": 0}
    body = json.dumps({"bbox": bbox, "class_name": "p", "confidence": 1}).encode()
    assert read(write("box-1", OutboxRow("e-1", "event", body, 0, 0, False), 2)).detections == ()


def test_a_tombstone_is_one_in_both():
    row = OutboxRow("e-1", "clip", b'{"kind":"clip","reason":"quota"}', 0, 0, True)
    for schema in (1, 2):
        assert read(write("box-1", row, schema)).kind == "tombstone"


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | words,
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        words | st.sampled_from(["bbox", "metadata", "camera_id", "class_name"]),
                        inner, max_size=4)))  # fmt: skip
def test_whatever_the_body_is_what_we_write_can_be_read(body):
    row = OutboxRow("e-1", "metrics", json.dumps(body).encode(), 0, 0, False)
    for schema in (1, 2):
        assert json.loads(bytes(read(write("box-1", row, schema)).body)) == body


GOOD = json.loads(write("box-1", OutboxRow("e-1", "event", b"{}", 0, 0, False), 2))


@pytest.mark.parametrize("name", ["device_id", "id", "kind", "created_at", "body", "source", "detections"])
def test_what_is_required_is_required(name):
    with pytest.raises(ApplianceError) as caught:
        read(json.dumps({key: value for key, value in GOOD.items() if key != name}).encode())
    assert caught.value.kind == "invalid" and name in caught.value.message


@pytest.mark.parametrize(
    "change",
    [{"id": "../../etc"}, {"id": ""}, {"id": "e-1\n"}, {"kind": "A B"}, {"created_at": "yesterday"},
     {"schema": 0}, {"schema": "2"}, {"device_id": "box-2"}, {"device_id": 7},
     {"source": {"device_id": "box-2"}},
     {"detections": [{"track_id": "t"}]}, {"frame": {"width": -1}},
     {"detections": [{"track_id": "t", "class_name": "p", "confidence": 2, "box": {"x": 0, "y": 0, "width": 1,
                      "height": 1}, "centre": [0, 0]}]}],
)  # fmt: skip
def test_what_is_wrong_is_refused(change):
    with pytest.raises(ApplianceError) as caught:
        read(json.dumps(GOOD | change).encode())
    assert caught.value.kind == "invalid"


@given(st.binary(max_size=200))
def test_noise_is_no_message(noise):
    for reader in (read, read_plain):
        with pytest.raises(ApplianceError):
            reader(noise)


@pytest.mark.parametrize("still", [Still(data="@@"), Still(data="aGFsbG8=", sha256="0" * 64)])
def test_a_damaged_still_is_said(still):
    with pytest.raises(ApplianceError):
        picture(still)
