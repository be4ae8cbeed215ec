"""decoder -> detector, for all cameras: whose picture is looked at next, and which go together.

One place per camera: the newest picture wins. Turns are start-time fair queueing (P. Goyal, H. Vin,
H. Cheng, "Start-time Fair Queueing", SIGCOMM 1996): when there is more to look at than can be seen,
every camera gets its weight's share of the looks, whatever the others send; among equals the one that
waits longest comes first. What nobody needs now (the past) is taken when no live picture waits.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

CREDIT = 2.0  # turns: a camera sends when it sends, and what it missed for that is made up for


class _Named(Protocol):
    @property
    def camera_id(self) -> str: ...


P = TypeVar("P", bound=_Named)


@dataclass(slots=True)
class _Place(Generic[P]):
    picture: P | None = None
    since_s: float = 0.0  # when a picture first waited here
    start: float = 0.0  # its turn, in looks per unit of weight
    finish: float = 0.0  # the start of its next turn, at the earliest
    in_flight: bool = False


class Batcher(Generic[P]):
    """``put`` and ``put_past`` from decoders' threads, ``take`` and ``done`` from the lookers'. A camera
    whose picture is being looked at is not given out again before ``done``: its pictures are judged in
    order of time."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._places: dict[str, _Place[P]] = {}
        self._past: P | None = None
        self._past_in_flight = False
        self._turn = 0.0  # the earliest start in the batch that was given last
        self._closed = False

    def put(self, picture: P) -> bool:
        """True where an older one was replaced; the camera keeps its turn."""
        with self._change:
            place = self._places.setdefault(picture.camera_id, _Place())
            replaced = place.picture is not None
            if not replaced:
                place.since_s = time.monotonic()
                place.start = max(self._turn - CREDIT, place.finish)
            place.picture = picture
            if not place.in_flight:
                self._change.notify()
        return replaced

    def put_past(self, picture: P, timeout_s: float) -> bool:
        """Waits until the one before it was taken. False after the timeout, or when it is over."""
        with self._change:
            self._change.wait_for(lambda: self._past is None or self._closed, timeout_s)
            if self._past is not None or self._closed:
                return False
            self._past = picture
            self._change.notify()
            return True

    def take(
        self,
        most: int,
        timeout_s: float,
        *,
        weights: dict[str, float],
        gather_s: float = 0.0,
        sharers: int = 1,
    ) -> Sequence[P]:
        """At most ``most`` pictures of different cameras. A batch that is not full waits until its
        oldest picture is ``gather_s`` old. ``weights``: 1 where a camera has none. ``sharers``: how many
        take; each of them only its part of what waits. Empty after the timeout, or when it is over."""
        with self._change:
            until_s = time.monotonic() + timeout_s
            while not self._closed:
                ready = [p for p in self._places.values() if p.picture is not None and not p.in_flight]
                now_s = time.monotonic()
                wait_s = until_s - now_s
                if ready:
                    wait_s = min(place.since_s for place in ready) + gather_s - now_s
                    if len(ready) >= most or wait_s <= 0:
                        return self._give(ready, min(most, -(-len(ready) // sharers)), weights)
                elif self._past is not None and not self._past_in_flight:
                    past, self._past, self._past_in_flight = self._past, None, True
                    self._change.notify_all()  # there is a place for the next
                    return [past]
                if wait_s <= 0:
                    break
                self._change.wait(wait_s)
            return ()

    def _give(self, ready: list[_Place[P]], most: int, weights: dict[str, float]) -> Sequence[P]:
        ready.sort(key=lambda place: (place.start, place.since_s))
        self._turn = max(self._turn, ready[0].start)
        given: list[P] = []
        for place in ready[:most]:
            assert place.picture is not None
            given.append(place.picture)
            place.finish = place.start + 1.0 / weights.get(place.picture.camera_id, 1.0)
            place.picture, place.in_flight = None, True
        return given

    def done(self, pictures: Sequence[P]) -> None:
        """They were judged: their cameras may be looked at again."""
        with self._change:
            for picture in pictures:
                if (place := self._places.get(picture.camera_id)) is not None:
                    place.in_flight = False
                else:
                    self._past_in_flight = False
            self._change.notify_all()

    def waiting(self, camera_id: str) -> int:
        with self._change:
            place = self._places.get(camera_id)
            return int(place is not None and place.picture is not None)

    def forget(self, camera_id: str) -> None:
        with self._change:
            self._places.pop(camera_id, None)
            if self._past is not None and self._past.camera_id == camera_id:
                self._past = None
            self._change.notify_all()

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()
