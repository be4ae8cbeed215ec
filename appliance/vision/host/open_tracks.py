"""What the workers know of tracks, kept for the next one (V4, V5)."""

from collections.abc import Mapping

import msgspec

from appliance.base.model import TrackPoint


class OpenTracks:
    """``memories``: what each camera's tracker knew when the daemon before this one stopped."""

    def __init__(self, memories: Mapping[str, bytes]) -> None:
        self._memories = dict(memories)
        self._open: dict[str, TrackPoint] = {}
        self._looked: set[str] = set()  # cameras of which this daemon's workers have told

    def heard(self, points: list[TrackPoint]) -> None:
        for point in points:
            self._looked.add(point.camera_id)
            if point.phase == "end":
                self._open.pop(point.track_id, None)
            else:
                self._open[point.track_id] = point

    def remember(self, camera_id: str, memory: bytes) -> None:
        self._looked.add(camera_id)
        self._memories[camera_id] = memory

    def of(self, camera_id: str) -> tuple[bytes, list[TrackPoint] | None]:
        """(memory, seeds) for the next worker; no seeds where the memory is of another daemon's time."""
        memory = self._memories.get(camera_id, b"")
        if camera_id not in self._looked:
            return memory, None
        return memory, [point for point in self._open.values() if point.camera_id == camera_id]

    def end(self, camera_id: str) -> list[TrackPoint]:
        """The camera is no longer analysed: the last points of its open tracks, as ends."""
        self._memories.pop(camera_id, None)
        ended = [point for point in self._open.values() if point.camera_id == camera_id]
        for point in ended:
            del self._open[point.track_id]
        return [msgspec.structs.replace(point, phase="end") for point in ended]
