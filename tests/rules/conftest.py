"""Small worlds for rules: a square room, a line, and people who walk."""

from collections.abc import Sequence

import pytest

from appliance.base.model import Box, Rule, TrackPoint, Zone
from appliance.rules.engine import Engine
from appliance.rules.finding import Finding

SECOND_NS = 1_000_000_000
START_NS = 1_768_919_400 * SECOND_NS  # 2026-01-20T14:30:00Z, a Tuesday


class World:
    """``walk`` makes track points whose anchor points are the given places, 5 a second."""

    second_ns = SECOND_NS
    start_ns = START_NS
    room = Zone("room", "gate", "Room", "polygon", ((0.4, 0.4), (0.8, 0.4), (0.8, 0.8), (0.4, 0.8)))
    wire = Zone("wire", "gate", "Wire", "line", ((0.5, 0.9), (0.5, 0.1)))  # looking up

    def rule(self, kind: str = "zone_enter", **fields) -> Rule:
        base = {"id": kind, "name": kind, "zone_ids": ("wire",) if kind == "line_cross" else ("room",)}
        return Rule(**(base | {"kind": kind} | fields))

    def point(self, x: float, y: float, at_s: float = 0.0, **fields) -> TrackPoint:
        height = fields.pop("height", 0.2)
        base = {"camera_id": "gate", "track_id": "w1-1", "class_name": "person", "confidence": 0.8}
        box = Box(x - 0.05, y - height, 0.1, height)
        return TrackPoint(**(base | {"time_ns": START_NS + round(at_s * SECOND_NS), "bbox": box} | fields))

    def walk(self, *places: tuple[float, float], begin_s=0.0, step_s=0.2, ends=True, **fields):
        points = []
        for number, (x, y) in enumerate(places):
            phase = "start" if number == 0 else "end" if ends and number == len(places) - 1 else "update"
            points.append(self.point(x, y, begin_s + number * step_s, phase=phase, **fields))
        return points

    def engine(self, *kinds: str, **more) -> Engine:
        rules = [self.rule(kind) for kind in kinds or ("zone_enter", "zone_exit", "line_cross")]
        return Engine(rules, [self.room, self.wire], **more)

    def said(self, findings: Sequence[Finding]) -> list[str]:
        return [f"{f.type}{':' + f.direction if f.direction else ''}" for f in findings if f.phase == "began"]


@pytest.fixture(scope="session")
def world() -> World:
    return World()
