"""What a look back finds: the findings of one blind span, without those that were known already.

They come from an engine of its own, which begins some seconds before the span: who stood in a zone
when the span began is seen to enter before it, and that is not told. At the borders, and where the
live engine drew its line from the last frame before the span to the first one behind it, the same
thing can be found twice. It is told once: by overlap in time with the events that are there, and not
by handing the open tracks over as seeds, because those carry the live tracks' ids, which would then
end twice (V5), and because after a restart of the box nobody remembers them.
"""

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from appliance.alerts.record import AT_ONCE
from appliance.base.clock import SECOND_NS
from appliance.base.model import BlindSpan, Event, Rule, TrackPoint, Zone
from appliance.rules.engine import Engine
from appliance.rules.finding import Finding
from appliance.rules.succession import RESTART_NS, likeness
from appliance.store import events
from appliance.store.events import EventFilter

RUN_UP_NS = 10 * SECOND_NS  # looked at before the span: the gate's background, the tracks, who is where
BORDER_NS = 2 * SECOND_NS  # two looks at one thing differ by less
LAG_NS = 10 * SECOND_NS  # what happened so long ago has been told: longer than any tracker's memory
STANDS_IN = "object"  # what ``motion`` calls everything


class LateFindings:
    """``take`` what the worker saw; ``due`` is what can be committed with how far it is then done.

    A visit that has not ended is held back, with all behind it, until it has, or the span is over: so
    that what is found of a span is in the database exactly up to where it is said to be done.
    """

    def __init__(
        self,
        span: BlindSpan,
        rules: Iterable[Rule],
        zones: Iterable[Zone],
        time_zone: str,
        standing: Iterable[TrackPoint] = (),
    ) -> None:
        self.span = span
        self.from_ns = span.done_until_ns
        self.begin_ns = self.from_ns - RUN_UP_NS
        there = [msgspec.structs.replace(p, time_ns=self.begin_ns - 1) for p in standing if p.stationary]
        self._engine = Engine(rules, zones, time_zone, [p for p in there if p.camera_id == span.camera_id])
        self._held: list[Finding] = []
        self._judged_ns = self.from_ns
        self._last: dict[str, TrackPoint] = {}

    @property
    def judged_ns(self) -> int:
        return self._judged_ns

    def take(self, points: Sequence[TrackPoint], judged_ns: int) -> None:
        inside = [point for point in points if point.phase == "end" or point.time_ns < self.span.end_ns]
        self._last |= {point.track_id: point for point in inside}
        found = self._engine.feed(inside)
        self._held += [finding for finding in found if finding.began_ns >= self.from_ns - BORDER_NS]
        self._judged_ns = max(self._judged_ns, min(judged_ns, self.span.end_ns))

    def due(self, *, over: bool = False) -> tuple[list[Finding], int]:
        """(findings in order of time, all before this moment is told once they are)."""
        until_ns = self.span.end_ns if over else self._judged_ns - LAG_NS
        if not over:
            ended = {finding.key for finding in self._held if finding.phase == "ended"}
            lasting = [f.began_ns for f in self._held if f.type not in AT_ONCE and f.key not in ended]
            until_ns = max(self.from_ns, min([until_ns, *lasting]))
        due = [finding for finding in self._held if over or finding.began_ns < until_ns]
        return sorted(due, key=lambda f: (f.time_ns, f.phase == "ended")), until_ns

    def told(self, due: Sequence[Finding]) -> None:
        """They are committed, and not due again."""
        gone = set(map(id, due))
        self._held = [finding for finding in self._held if id(finding) not in gone]

    def news(self, conn: sqlite3.Connection, due: Sequence[Finding]) -> list[Finding]:
        """Those of ``due`` that no event tells of yet."""
        span = self.span
        around = EventFilter(
            camera_ids=(span.camera_id,),
            start_ns=self.from_ns - 2 * BORDER_NS,
            end_ns=span.end_ns + 2 * BORDER_NS,
        )
        known = list(reversed(events.page(conn, around, 10_000)[0]))
        lasts = {f.key for f in due if f.phase == "ended" and f.time_ns >= span.end_ns - BORDER_NS}
        fresh: list[Finding] = []
        twins: set[tuple[object, ...]] = set()
        for finding in due:
            if finding.phase == "began":
                last = self._last.get(finding.track_id) if finding.key in lasts else None
                twin = _twin(finding, last, known, span)
                if twin is not None:
                    known.remove(twin)  # it speaks for one of them
                    twins.add(finding.key)
            if finding.key not in twins:
                fresh.append(finding)
        return fresh


def _twin(finding: Finding, last: TrackPoint | None, known: list[Event], span: BlindSpan) -> Event | None:
    """The event that tells of the same thing, nearest in time."""
    same = [event for event in known if _alike(finding, event) and _meets(finding, last, event, span)]
    return min(same, key=lambda event: abs(event.start_ns - finding.time_ns), default=None)


def _alike(finding: Finding, event: Event) -> bool:
    if (event.rule_id, event.zone_id) != (finding.rule.id, finding.zone_id):
        return False
    same_class = event.class_name in (finding.class_name, STANDS_IN)
    return same_class and event.direction == finding.direction


def _meets(finding: Finding, last: TrackPoint | None, event: Event, span: BlindSpan) -> bool:
    """``last``: where it was when the span ended, if it was still there."""
    if abs(event.start_ns - finding.time_ns) <= BORDER_NS:
        return True
    if not event.found_late and span.cause != "model_missing":
        # Nobody looked in here, and still it is known: the live engine concluded it from what it saw
        # before and behind, which it does over no longer time than this.
        short = span.end_ns - span.start_ns <= RESTART_NS
        if short and span.start_ns <= event.start_ns <= span.end_ns:
            return True
    if (
        last is None
        or event.bbox is None
        or not 0 <= event.start_ns - span.end_ns + BORDER_NS <= 2 * BORDER_NS
    ):
        return False
    seen_ns = max(event.start_ns, last.time_ns + 1)
    there = TrackPoint(
        event.camera_id, event.track_id or "", seen_ns, last.class_name, event.confidence, event.bbox, "start"
    )
    return likeness(last, there) > 0
