"""The rules at work: the state of every track against every zone, and the findings it gives."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from zoneinfo import ZoneInfo

from appliance.base.clock import SECOND_NS
from appliance.base.model import Rule, TrackPoint, Zone
from appliance.rules.crossings import Crossing, LineState
from appliance.rules.finding import Change, Finding
from appliance.rules.kinds import BUILT
from appliance.rules.own_events import Noticed, OwnEvents
from appliance.rules.schedule import is_active
from appliance.rules.succession import is_one_path, predecessor, worker
from appliance.rules.visits import Visit, ZoneState

# A track that never ended (its worker died) is over after this; longer than any tracker's memory.
UNSEEN_NS = 180 * SECOND_NS
REMEMBERED = 64  # departed tracks per camera


@dataclass(eq=False)
class _Track:
    """One object in view. ``point`` is its last observation, ``before`` the one before that, where nothing
    lies between. ``unwatched``: nobody has looked since, and
    what it did meanwhile is not ours to tell."""

    point: TrackPoint
    before: TrackPoint | None = None
    confidence: float = 0.0
    unwatched: bool = False
    zones: dict[str, ZoneState] = field(default_factory=dict)
    lines: dict[str, LineState] = field(default_factory=dict)


@dataclass
class _Camera:
    tracks: dict[str, _Track] = field(default_factory=dict)
    departed: deque[_Track] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


class Engine:
    """``feed`` it every track point; it gives every finding once.

    ``already_there`` are the last points of tracks that were in view before a restart
    (``presences`` of the engine before): what still stands there does not enter again.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        zones: Iterable[Zone],
        time_zone: str = "Etc/UTC",
        already_there: Iterable[TrackPoint] = (),
    ) -> None:
        self._cameras: dict[str, _Camera] = {}
        self._zones: dict[str, list[Zone]] = {}
        self._rules: dict[str, list[Rule]] = {}  # by zone
        self._rule: dict[str, Rule] = {}
        self._orphaned: list[Finding] = []
        self._site = ZoneInfo(time_zone)
        self._own = OwnEvents()
        self.replace(rules, zones, time_zone)
        for point in already_there:
            track = _Track(point, unwatched=True)
            self._stand(track)
            self._camera(point.camera_id).departed.append(track)

    def replace(self, rules: Iterable[Rule], zones: Iterable[Zone], time_zone: str | None = None) -> None:
        """Take new rules and zones and keep the tracks. Who stands in a new or redrawn zone has not
        entered it, and a new rule does not tell of who came before it."""
        if time_zone is not None:
            self._site = ZoneInfo(time_zone)
        before = {zone.id: zone for zone in chain.from_iterable(self._zones.values())}
        self._zones, self._rules = {}, {}
        self._rule = {rule.id: rule for rule in rules if rule.enabled and rule.kind in BUILT}
        for zone in zones:
            self._zones.setdefault(zone.camera_id, []).append(zone)
            self._rules[zone.id] = [rule for rule in self._rule.values() if _watches(rule, zone)]
        same = {zone.id for zone in chain.from_iterable(self._zones.values()) if before.get(zone.id) == zone}
        for camera in self._cameras.values():
            for track in (*camera.tracks.values(), *camera.departed):
                for zone_id in [zone_id for zone_id in track.zones if zone_id not in same]:
                    self._orphaned += self._close(track, track.zones.pop(zone_id), zone_id, track.point)
                for zone_id in [zone_id for zone_id in track.lines if zone_id not in same]:
                    del track.lines[zone_id]
                self._stand(track)

    def feed(self, points: Sequence[TrackPoint]) -> list[Finding]:
        """Findings in the order of the points. In one moment, tracks that begin come last: only
        then it is known which of the others are not seen any more."""
        findings, self._orphaned = self._orphaned, []
        for point in sorted(points, key=lambda p: (p.time_ns, p.phase == "start")):
            findings += self._take(self._camera(point.camera_id), point)
        for camera_id in {point.camera_id for point in points}:
            findings += self._sweep(camera_id, max(p.time_ns for p in points if p.camera_id == camera_id))
        return findings

    def blinded(self, camera_ids: Iterable[str]) -> list[Finding]:
        """Nobody looks through these cameras from now on. What happens until an object is seen again is
        found by looking back, and not concluded from where it was before and is afterwards: it may
        be somebody else."""
        findings: list[Finding] = []
        for track in chain.from_iterable(self._camera(k).tracks.values() for k in camera_ids):
            track.unwatched = True
            findings += self._break_off(track)
        return findings

    def notice(self, noticed: Noticed) -> list[Finding]:
        """What a camera noticed itself."""
        in_force = [r for r in self._rule.values() if is_active(r.schedule, noticed.time_ns, self._site)]
        return self._own.notice(in_force, noticed)

    def unheard(self, camera_id: str, now_ns: int) -> list[Finding]:
        """Nobody hears what this camera notices from now on."""
        return self._own.unheard(camera_id, now_ns)

    def presences(self) -> list[TrackPoint]:
        """Where each object was last seen: in view now, or parked and lost from view."""
        return [
            track.point
            for camera in self._cameras.values()
            for track in chain(camera.tracks.values(), (t for t in camera.departed if t.point.stationary))
        ]

    def _camera(self, camera_id: str) -> _Camera:
        return self._cameras.setdefault(camera_id, _Camera())

    def _take(self, camera: _Camera, point: TrackPoint) -> Iterator[Finding]:
        track = camera.tracks.get(point.track_id)
        if track is None:
            if point.phase == "end":
                return
            track = camera.tracks[point.track_id] = self._begin(camera, point)
        if point.phase != "end":  # which says again what was seen last
            is_next = track.point is not point and is_one_path(track.point, point)
            track.before = track.point if is_next else None
            yield from self._see_again(track, point)
        track.point = point
        track.confidence = max(track.confidence, point.confidence)
        for zone in self._zones.get(point.camera_id, ()):
            yield from self._line(track, zone) if zone.kind == "line" else self._polygon(track, zone)
        if point.phase == "end":
            yield from self._depart(camera, track, has_left=not point.stationary and not track.unwatched)

    def _begin(self, camera: _Camera, point: TrackPoint) -> _Track:
        """Its ``point`` is the one before ``point`` where it was known under another number."""
        track = _Track(point)
        if point.phase != "start":
            self._stand(track)  # it was there before we looked
            return track
        known = predecessor(point, chain(camera.tracks.values(), camera.departed))
        if known is not None:
            # Should the other one come back after all, it is the newcomer, and enters.
            track.zones, known.zones = known.zones, {}
            track.lines, known.lines = known.lines, {}
            track.point, track.confidence = known.point, known.confidence
            track.unwatched = known.unwatched or worker(known.point.track_id) != worker(point.track_id)
            if known in camera.departed:
                camera.departed.remove(known)
        return track

    def _see_again(self, track: _Track, point: TrackPoint) -> Iterator[Finding]:
        if track.unwatched or not is_one_path(track.point, point):
            yield from self._break_off(track)
        if track.unwatched:
            track.unwatched = False
            for zone in self._zones.get(point.camera_id, ()):
                state = track.zones.get(zone.id)
                if state is not None and state.is_gone(zone.points, point):
                    yield from self._close(track, state, zone.id, track.point)

    def _break_off(self, track: _Track) -> Iterator[Finding]:
        for zone_id, line in track.lines.items():
            yield from self._crossed(track, zone_id, line.break_off())

    def _stand(self, track: _Track) -> None:
        for zone in self._zones.get(track.point.camera_id, ()):
            if zone.kind == "line":
                continue  # the next observation begins it
            if zone.id not in track.zones:
                track.zones[zone.id] = ZoneState.standing(zone.points, track.point)

    def _polygon(self, track: _Track, zone: Zone) -> Iterator[Finding]:
        state = track.zones.setdefault(zone.id, ZoneState())
        happened = state.observe(zone.points, track.point)
        if happened is not None and happened[0] == "left":
            yield from self._leave(track, state, zone.id, happened[1])
        elif happened is not None and state.visit is not None:
            change = Change("entered", zone.id, happened[1].time_ns, happened[1])
            state.visit.pending = [rule.id for rule in self._rules[zone.id] if self._means(rule, change)]
        if state.visit is not None and state.visit.pending:
            yield from self._tell(track, state.visit, zone.id)

    def _tell(self, track: _Track, visit: Visit, zone_id: str) -> Iterator[Finding]:
        for rule_id in list(visit.pending):
            rule = self._rule.get(rule_id)
            if rule is None:
                visit.pending.remove(rule_id)
            elif _qualifies(rule, track):
                visit.pending.remove(rule_id)
                visit.told.append(rule)
                yield _finding(
                    rule, track, Change("entered", zone_id, visit.entry.time_ns, visit.entry), visit
                )

    def _leave(self, track: _Track, state: ZoneState, zone_id: str, seen: TrackPoint) -> list[Finding]:
        change = Change("left", zone_id, seen.time_ns, seen)
        return [*self._close(track, state, zone_id, seen), *self._judge(track, change)]

    def _close(self, track: _Track, state: ZoneState, zone_id: str, seen: TrackPoint) -> list[Finding]:
        visit = state.close()
        if visit is None:
            return []
        change = Change("left", zone_id, seen.time_ns, seen)
        return [_finding(rule, track, change, visit, ended=True) for rule in visit.told]

    def _line(self, track: _Track, zone: Zone) -> list[Finding]:
        state = track.lines.setdefault(zone.id, LineState())
        return self._crossed(track, zone.id, state.observe(zone.points[0], zone.points[1], track.point))

    def _crossed(self, track: _Track, zone_id: str, crossing: Crossing | None) -> list[Finding]:
        if crossing is None:
            return []
        direction, time_ns, seen = crossing
        return self._judge(track, Change("crossed", zone_id, time_ns, seen, direction))

    def _judge(self, track: _Track, change: Change) -> list[Finding]:
        rules = self._rules.get(change.zone_id, ())
        return [
            _finding(rule, track, change)
            for rule in rules
            if self._means(rule, change) and _qualifies(rule, track)
        ]

    def _means(self, rule: Rule, change: Change) -> bool:
        return BUILT[rule.kind].matches(rule, change) and is_active(rule.schedule, change.time_ns, self._site)

    def _depart(self, camera: _Camera, track: _Track, *, has_left: bool) -> Iterator[Finding]:
        del camera.tracks[track.point.track_id]
        for zone_id, line in track.lines.items():
            yield from self._crossed(track, zone_id, line.end())
        inside = [(zone_id, state) for zone_id, state in track.zones.items() if state.visit is not None]
        for zone_id, state in inside:
            if has_left:
                yield from self._leave(track, state, zone_id, track.point)
            else:
                yield from self._close(track, state, zone_id, track.point)
            # Should it come back under another number, it was here all the time.
            state.visit = Visit(track.point.track_id, track.point)
        camera.departed.append(track)

    def _sweep(self, camera_id: str, now_ns: int) -> Iterator[Finding]:
        camera = self._camera(camera_id)
        for track in [t for t in camera.tracks.values() if abs(now_ns - t.point.time_ns) > UNSEEN_NS]:
            yield from self._depart(camera, track, has_left=False)


def _watches(rule: Rule, zone: Zone) -> bool:
    return (
        zone.id in rule.zone_ids
        and zone.kind == BUILT[rule.kind].ZONE_KIND
        and (not rule.camera_ids or zone.camera_id in rule.camera_ids)
    )


def _qualifies(rule: Rule, track: _Track) -> bool:
    is_wanted = not rule.classes or track.point.class_name in rule.classes
    return is_wanted and track.confidence >= rule.min_confidence


def _finding(
    rule: Rule, track: _Track, change: Change, visit: Visit | None = None, *, ended: bool = False
) -> Finding:
    track_id = visit.track_id if visit else track.point.track_id
    since_ns = visit.entry.time_ns if visit else change.time_ns
    before = track.before if change.point == track.point else None
    return Finding(
        rule=rule,
        camera_id=track.point.camera_id,
        track_id=track_id,
        type=rule.kind,
        time_ns=change.time_ns,
        seen_ns=change.point.time_ns,
        class_name=track.point.class_name,
        confidence=track.confidence,
        bbox=change.point.bbox,
        previous_centre=before.bbox.centre if before else None,
        zone_id=change.zone_id,
        began_ns=since_ns,
        direction=change.direction,
        phase="ended" if ended else "began",
    )
