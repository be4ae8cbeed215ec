"""What the next worker is told of the tracks before it."""

from appliance.base.model import Box, TrackPoint
from appliance.vision.host.open_tracks import OpenTracks


def point(track_id, camera_id="yard", phase="update", time_ns=1):
    return TrackPoint(camera_id, track_id, time_ns, "person", 0.9, Box(0.1, 0.1, 0.2, 0.2), phase)


def test_after_a_start_of_the_daemon_the_memory_is_all_there_is():
    tracks = OpenTracks({"yard": b"then"})
    assert tracks.of("yard") == (b"then", None)
    assert tracks.of("door") == (b"", None)


def test_after_the_end_of_a_worker_what_is_open_is_known():
    tracks = OpenTracks({"yard": b"then"})
    tracks.heard([point("a", phase="start"), point("b", "door"), point("a", time_ns=2)])
    tracks.remember("yard", b"now")
    assert tracks.of("yard") == (b"now", [point("a", time_ns=2)])
    tracks.heard([point("a", phase="end")])
    assert tracks.of("yard") == (b"now", [])  # not None: it is known that nothing is open


def test_a_camera_that_is_no_longer_analysed_ends_its_tracks_once():
    tracks = OpenTracks({"yard": b"then"})
    tracks.heard([point("a"), point("b", "door")])
    assert tracks.end("yard") == [point("a", phase="end")]
    assert tracks.end("yard") == []
    assert tracks.of("yard") == (b"", [])
