"""A picture of the past is offered only while no live one waits, and one at a time."""

import socket
import time

import av
import numpy as np
import pytest

from appliance.vision.detectors import NOTHING, Picture
from appliance.vision.looking.batcher import Batcher
from appliance.vision.looking.gate import Motion
from appliance.vision.messages import CODECS, CONFIG, ENDED, HEADER, KEY, PACKET, OpenPast, PastDone, Watch
from appliance.vision.worker import past as past_file
from appliance.vision.worker.past import Past

S = 1_000_000_000


@pytest.fixture
def begun(scene, ids):
    """(the past, its batcher, what it said), with 3 s of a scene in its socket."""
    batcher, said = Batcher(), []
    ours, theirs = socket.socketpair()
    past = Past(OpenPast("s-1", Watch("yard", 5.0, (), 0.4)), theirs, batcher, ids, said.append)
    with av.open(str(scene(3.0))) as container:
        stream = container.streams.video[0]
        config = bytes(stream.codec_context.extradata or b"")
        ours.sendall(HEADER.pack(CONFIG, CODECS["h264"], 0, len(config), 0) + config)
        for packet in container.demux(stream):
            if packet.pts is not None:
                at_ns, body = round(float(packet.pts * packet.time_base) * S), bytes(packet)
                flags = KEY if packet.is_keyframe else 0
                ours.sendall(HEADER.pack(PACKET, flags, 0, len(body), at_ns) + body)
    ours.sendall(HEADER.pack(ENDED, 0, 0, 0, 0))
    yield past, batcher, said
    past.close()
    ours.close()


def take(batcher, timeout_s=1.0) -> Picture | None:
    return next(iter(batcher.take(8, timeout_s, weights={})), None)


def test_a_look_that_was_lost_is_offered_again(begun, monkeypatch):
    monkeypatch.setattr(past_file, "LOST_S", 0.1)
    past, batcher, said = begun
    past.start()
    lost = take(batcher, 5.0)
    batcher.done([lost])  # the model failed, and nobody judged
    again = take(batcher, 5.0)
    assert again is lost
    batcher.done([again])
    while not any(isinstance(report, PastDone) for report in said):
        if (found := take(batcher, 0.05)) is not None:
            past.judge(found, NOTHING, (), 1.0)
            batcher.done([found])
    assert said[-1].looked > 10


def picture() -> Picture:
    nothing = np.zeros((54, 96), np.bool_)
    return Picture("live", 0, av.VideoFrame(16, 16, "yuv420p"), Motion(nothing, nothing))


def test_live_work_comes_first(begun):
    past, batcher, said = begun
    past.start()
    time.sleep(0.3)  # long enough for a hundred times as much: it waits in its own place
    batcher.put(picture())
    assert take(batcher).camera_id == "live"
    looked = 0
    while not any(isinstance(report, PastDone) for report in said):
        if (found := take(batcher, 0.05)) is not None:
            assert found.camera_id == past.key and take(batcher, 0.0) is None, "one at a time"
            past.judge(found, NOTHING, (), 1.0)
            batcher.done([found])
            looked += 1
    assert said[-1] == PastDone("s-1", looked) and looked > 10


def test_one_that_is_closed_says_nothing_more(begun):
    past, batcher, said = begun
    past.start()
    found = take(batcher, 5.0)
    assert found.camera_id == past.key
    past.close()
    past.judge(found, NOTHING, (), 1.0)
    past._thread.join(5)
    assert not past._thread.is_alive() and said == []
