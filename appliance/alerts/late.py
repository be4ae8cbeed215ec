"""What a look back finds: the findings of one blind span, without those that were known already.

They come from an engine of its own, which begins some seconds before the span: who stood in a zone
when the span began is seen to enter before it, and that is not told. It goes on for a moment behind the
span: whoever is in view then goes on in the live tracks and has not left, and who went over a line as
sight returned was seen on one side by this engine alone and on the other by the live one. So at the
borders the same thing can be found twice. It is told once: by overlap in time with the events that are
there, each of which speaks for one finding, and not by handing the open tracks over as seeds, because
those carry the live tracks' ids, which would then end twice (V5), and because after a restart of the
box nobody remembers them.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from appliance.alerts.record import AT_ONCE
from appliance.base.clock import SECOND_NS
from appliance.base.model import BlindSpan, Event, Rule, TrackPoint, Zone
from appliance.rules.engine import Engine
from appliance.rules.finding import Finding
from appliance.rules.succession import likeness
from appliance.store import events
from appliance.store.events import EventFilter

RUN_UP_NS = 10 * SECOND_NS  # looked at before the span: the gate's background, the tracks, who is where
RUN_OUT_NS = 4 * SECOND_NS  # looked at behind it: by then a tracker says who is gone
CUT_NS = 2 * SECOND_NS  # a track that ends so soon after it was seen ends with the footage
# Behind the span, what the live engine did not tell of is told: it saw nothing before, and the gate, which
# learns the scene first, shows it little in the first moments.
SEAM_NS = 3 * SECOND_NS
BORDER_NS = 2 * SECOND_NS  # two looks at one thing differ by less
LAG_NS = 10 * SECOND_NS  # what happened so long ago has been told: longer than any tracker's memory
STANDS_IN = "object"  # what ``motion`` calls everything

Key = tuple[str, str | None, str, int]  # of a finding


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
        self._last: dict[str, TrackPoint] = {}  # of those in the span
        self._told: set[tuple[object, ...]] = set()
        self._twins: dict[Key, str] = {}  # finding -> event, as of the last ``news``
        self._spoken: set[str] = set()  # events that speak for what was found

    @property
    def judged_ns(self) -> int:
        return self._judged_ns

    @property
    def until_ns(self) -> int:
        """Footage is looked at so far."""
        return self.span.end_ns + RUN_OUT_NS

    def take(self, points: Sequence[TrackPoint], judged_ns: int) -> None:
        inside = [point for point in points if point.phase == "end" or point.time_ns < self.until_ns]
        self._last |= {point.track_id: point for point in inside if point.time_ns < self.span.end_ns}
        cut = [point for point in inside if point.phase == "end" and judged_ns - point.time_ns < CUT_NS]
        found = self._engine.feed([point for point in inside if point not in cut])
        if cut:  # they were in view to the last, and nobody saw them leave
            found += self._engine.blinded([self.span.camera_id])
            found += self._engine.feed(cut)
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
        """They are committed, and not due again; nor does an event speak for two of them."""
        gone = set(map(id, due))
        self._held = [finding for finding in self._held if id(finding) not in gone]
        self._told |= {_name(finding) for finding in due}
        self._spoken |= set(self._twins.values())

    def news(self, conn: sqlite3.Connection, due: Sequence[Finding]) -> list[Finding]:
        """Those of ``due`` that no event tells of yet."""
        span = self.span
        around = EventFilter(
            camera_ids=(span.camera_id,),
            start_ns=self.from_ns - 2 * BORDER_NS,
            end_ns=self.until_ns + BORDER_NS,
        )
        page = events.page(conn, around, 10_000)[0]
        known = [event for event in page if event.id not in self._spoken and _name(event) not in self._told]
        lasts = {f.key for f in due if f.phase == "ended" and f.time_ns >= span.end_ns - BORDER_NS}
        last = {f.key: self._last.get(f.track_id) for f in due if f.key in lasts}
        self._twins = _pairs([f for f in due if f.phase == "began"], last, known, span)
        seam_ns = span.end_ns + SEAM_NS
        return [f for f in due if f.key not in self._twins and f.began_ns < seam_ns]


def _name(told: Finding | Event) -> tuple[object, ...]:
    """The same for a finding and the event that was made of it."""
    if isinstance(told, Finding):
        return told.rule.id, told.zone_id, told.track_id, told.began_ns
    return told.rule_id, told.zone_id, told.track_id, told.start_ns


def _pairs(
    began: Sequence[Finding], last: Mapping[Key, TrackPoint | None], known: Sequence[Event], span: BlindSpan
) -> dict[Key, str]:
    """Key of a finding -> id of the event that tells of the same thing; the nearest in time first, and
    each only once."""
    meeting = [
        (abs(event.start_ns - finding.time_ns), finding.time_ns, event.id, finding.key)
        for finding in began
        for event in known
        if _alike(finding, event) and _meets(finding, last.get(finding.key), event, span)
    ]
    pairs: dict[Key, str] = {}
    taken: set[str] = set()
    for _, _, event_id, key in sorted(meeting, key=lambda pair: pair[:3]):
        if key not in pairs and event_id not in taken:
            pairs[key] = event_id
            taken.add(event_id)
    return pairs


def _alike(finding: Finding, event: Event) -> bool:
    if (event.rule_id, event.zone_id) != (finding.rule.id, finding.zone_id):
        return False
    same_class = event.class_name in (finding.class_name, STANDS_IN)
    return same_class and event.direction == finding.direction


def _meets(finding: Finding, last: TrackPoint | None, event: Event, span: BlindSpan) -> bool:
    """``last``: where it was when the span ended, if it was still there."""
    if abs(event.start_ns - finding.time_ns) <= BORDER_NS:
        return True
    if not event.found_late and span.cause == "overload" and span.start_ns <= event.start_ns <= span.end_ns:
        return True  # nobody looked in here, and still it is known: the track before it went on behind it
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
