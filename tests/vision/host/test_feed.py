"""The hand-off from the stream thread: bounded, never blocking, whole packets or none."""

import itertools
import socket
import threading
import time

import pytest

from appliance.media.fragment import Fragment, StreamInit
from appliance.vision.host.feed import BACKLOG_BYTES, GOP_BYTES, Feed
from appliance.vision.messages import CONFIG, ENDED, HEADER, KEY, PACKET

INIT = StreamInit("yard", "main", "run", "h264", "", b"", b"extradata", 320, 180, 5)


def fragment(number, *, key=False, size=1000, track=1):
    body = number.to_bytes(4, "big") + bytes(size - 4)
    return Fragment(track, b"", body, number, number * 9000, key)


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def feed(pair):
    feed = Feed("yard", lambda _: None)
    feed.enable(True)
    feed.connect(pair[0])
    return feed


def messages(theirs, feed):
    """Everything that comes out, draining the backlog; a torn message would not parse."""
    data = bytearray()
    while True:
        try:
            data += theirs.recv(1 << 20)
        except BlockingIOError:
            if not feed.writable():
                try:
                    data += theirs.recv(1 << 20)
                    continue
                except BlockingIOError:
                    break
    found = []
    while data:
        kind, flags, _, size, time_ns = HEADER.unpack_from(data)
        body = bytes(data[HEADER.size : HEADER.size + size])
        assert len(body) == size
        del data[: HEADER.size + size]
        found.append((kind, flags, time_ns, body))
    return found


def test_a_run_goes_over_whole_and_in_order(feed, pair):
    feed.started(INIT)
    feed.put(fragment(1, key=True))
    feed.put(fragment(2, track=2))  # audio is nobody's business here
    feed.put(fragment(3))
    feed.ended()
    found = messages(pair[1], feed)
    assert [(kind, time_ns) for kind, _, time_ns, _ in found] == [
        (CONFIG, 5),
        (PACKET, 1),
        (PACKET, 3),
        (ENDED, 0),
    ]
    assert found[0][3] == b"extradata"
    assert found[1][1] == KEY and found[2][1] == 0


def test_nothing_goes_out_before_a_key_frame(feed, pair):
    feed.started(INIT)
    feed.put(fragment(1))
    feed.put(fragment(2, key=True))
    assert [m[2] for m in messages(pair[1], feed)] == [5, 2]
    assert feed.skipped == 1


def test_a_stopped_worker_costs_bounded_memory_and_no_time(feed, pair):
    feed.started(INIT)
    longest_s = 0.0
    for number in range(3000):
        piece = fragment(number, key=number % 100 == 0, size=20_000)
        began = time.perf_counter()
        feed.put(piece)
        longest_s = max(longest_s, time.perf_counter() - began)
        assert feed.backlog_bytes <= BACKLOG_BYTES
    assert longest_s < 0.05
    assert feed.skipped > 2000
    found = [m for m in messages(pair[1], feed) if m[0] == PACKET]
    numbers = [int.from_bytes(m[3][:4], "big") for m in found]
    assert numbers == sorted(set(numbers))
    # Where packets are missing, it goes on with a key frame: nothing undecodable is sent.
    for before, after in itertools.pairwise(numbers):
        assert after == before + 1 or after % 100 == 0


def test_at_most_two_gops_wait(feed, pair):
    feed.started(INIT)
    for number in range(400):  # far below 4 MB once the kernel's buffer is full
        feed.put(fragment(number, key=number % 10 == 0, size=4000))
    kernel_and_backlog = messages(pair[1], feed)
    keys = [m[2] for m in kernel_and_backlog if m[0] == PACKET and m[1] & KEY]
    assert keys[-1] >= 380  # the newest GOPs are there, old ones were dropped for them
    assert feed.skipped > 0


def test_a_new_worker_gets_the_current_gop_first(feed, pair):
    feed.started(INIT)
    for number in range(25):
        feed.put(fragment(number, key=number % 10 == 0))
    again, theirs = socket.socketpair()
    again.setblocking(False)
    theirs.setblocking(False)
    with theirs:
        feed.connect(again)
        feed.put(fragment(25))
        found = messages(theirs, feed)
        assert found[0][0] == CONFIG
        assert found[0][2] == 24  # older frames than that are decoded, not looked at
        assert [m[2] for m in found[1:]] == [20, 21, 22, 23, 24, 25]
        feed.disconnect()


def test_a_gop_too_large_to_keep_is_not_replayed(feed):
    feed.started(INIT)
    feed.put(fragment(0, key=True, size=GOP_BYTES // 2))
    feed.put(fragment(1, size=GOP_BYTES // 2 + 1))
    again, theirs = socket.socketpair()
    again.setblocking(False)
    theirs.setblocking(False)
    with theirs:
        feed.connect(again)
        feed.put(fragment(2))
        feed.put(fragment(3, key=True))
        assert [m[2] for m in messages(theirs, feed)] == [5, 3]
        feed.disconnect()


def test_a_dead_worker_does_not_raise_in_the_stream_thread(feed, pair):
    feed.started(INIT)
    pair[1].close()
    for number in range(100):
        feed.put(fragment(number, key=number == 0))
    feed.ended()


def test_a_camera_that_is_not_analysed_keeps_nothing(pair):
    feed = Feed("yard", lambda _: None)
    feed.started(INIT)
    feed.put(fragment(0, key=True))
    feed.enable(True)
    feed.connect(pair[0])
    assert [m[0] for m in messages(pair[1], feed)] == [CONFIG]


def test_replay_and_stream_thread_together_keep_messages_whole():
    feed = Feed("yard", lambda _: None)
    feed.enable(True)
    feed.started(INIT)
    stop = threading.Event()

    def produce():
        number = 0
        while not stop.is_set():
            feed.put(fragment(number, key=number % 20 == 0, size=3000))
            number += 1
            time.sleep(0.0002)

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        for _ in range(20):
            ours, theirs = socket.socketpair()
            ours.setblocking(False)
            theirs.setblocking(False)
            with theirs:
                feed.connect(ours)
                found = [m for m in messages(theirs, feed) if m[0] == PACKET]
                times = [m[2] for m in found]
                assert times == sorted(times)
                assert not found or found[0][1] & KEY
    finally:
        stop.set()
        thread.join()
        feed.disconnect()
