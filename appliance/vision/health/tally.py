"""Beats of the vision worker -> minutes -> sums of hours."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from appliance.base.clock import SECOND_NS
from appliance.store.model_health import ClassSums, HealthKey, HealthRow
from appliance.vision.state import VisionBeat

MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
LONGEST_BEAT_S = 5.0  # a longer silence is no time in which anything was looked at


@dataclass
class _Minute:
    """One camera's open minute."""

    number: int  # of minutes since 1970
    model: str
    conditions: str
    looks: float = 0.0
    inference_ms_sum: float = 0.0
    inference_ms_max: float = 0.0
    classes: dict[str, tuple[int, float]] = field(default_factory=dict)  # boxes, sum of scores


class Tally:
    """``beat`` on the loop, twice a second; ``take`` what is to be stored, whenever.

    Times are UTC of the box clock. What is not taken is added up, not piled up.
    """

    def __init__(self) -> None:
        self._open: dict[str, _Minute] = {}
        self._closed: dict[HealthKey, HealthRow] = {}
        self._beat_ns: int | None = None

    def beat(self, beat: VisionBeat, now_ns: int, model: str, conditions: Mapping[str, str]) -> None:
        """``conditions`` by camera; cameras that are not in it are passed over."""
        elapsed_s = 0.0 if self._beat_ns is None else (now_ns - self._beat_ns) / SECOND_NS
        self._beat_ns = now_ns
        elapsed_s = elapsed_s if 0 <= elapsed_s <= LONGEST_BEAT_S else 0.0
        for camera_id in conditions.keys() & (beat.cameras.keys() | beat.seen.keys()):
            minute = self._minute(camera_id, now_ns // MINUTE_NS, model, conditions[camera_id])
            figures = beat.cameras.get(camera_id)
            if figures is not None and figures.inference_ms > 0:
                looks = figures.looks_per_s * elapsed_s
                minute.looks += looks
                minute.inference_ms_sum += looks * figures.inference_ms
                minute.inference_ms_max = max(minute.inference_ms_max, figures.inference_ms)
            for class_name, (boxes, score_sum) in beat.seen.get(camera_id, {}).items():
                known = minute.classes.get(class_name, (0, 0.0))
                minute.classes[class_name] = (known[0] + boxes, known[1] + score_sum)

    def take(self, now_ns: int) -> list[HealthRow]:
        """The sums of every minute that is over."""
        for camera_id in [k for k, m in self._open.items() if m.number != now_ns // MINUTE_NS]:
            self._close(camera_id)
        rows, self._closed = list(self._closed.values()), {}
        return rows

    def finish(self) -> list[HealthRow]:
        """At the stop: the open minutes too."""
        for camera_id in list(self._open):
            self._close(camera_id)
        return self.take(0)

    def give_back(self, rows: list[HealthRow]) -> None:
        """They could not be stored: try again with the next ones."""
        for row in rows:
            self._add(row)

    def _minute(self, camera_id: str, number: int, model: str, conditions: str) -> _Minute:
        known = self._open.get(camera_id)
        if known is not None and (known.number, known.model, known.conditions) == (number, model, conditions):
            return known
        if known is not None:
            self._close(camera_id)
        fresh = self._open[camera_id] = _Minute(number, model, conditions)
        return fresh

    def _close(self, camera_id: str) -> None:
        minute = self._open.pop(camera_id)
        hour_ns = minute.number * MINUTE_NS // HOUR_NS * HOUR_NS
        classes = {
            name: ClassSums(boxes, score_sum, 1, score_sum / boxes, (score_sum / boxes) ** 2)
            for name, (boxes, score_sum) in minute.classes.items()
            if boxes > 0
        }
        if minute.looks or classes:
            key = HealthKey(camera_id, hour_ns, minute.model, minute.conditions)
            self._add(HealthRow(key, minute.looks, minute.inference_ms_sum, minute.inference_ms_max, classes))

    def _add(self, row: HealthRow) -> None:
        known = self._closed.get(row.key)
        self._closed[row.key] = row if known is None else merged(known, row)


def merged(one: HealthRow, other: HealthRow) -> HealthRow:
    """Both together, under ``one``'s key."""
    classes = dict(one.classes)
    for name, sums in other.classes.items():
        classes[name] = classes.get(name, ClassSums()) + sums
    return msgspec.structs.replace(
        one,
        looks=one.looks + other.looks,
        inference_ms_sum=one.inference_ms_sum + other.inference_ms_sum,
        inference_ms_max=max(one.inference_ms_max, other.inference_ms_max),
        classes=classes,
    )
