"""What is in a table -> what a template shows: figures read once, strangers' text made harmless."""

from collections.abc import Iterable

import msgspec

from appliance.base.clock import SECOND_NS
from appliance.hub.pages import words
from appliance.hub.people.boxes import PLACES
from appliance.hub.store import directory
from appliance.hub.store.directory import Known, Named
from appliance.hub.store.events import SeenEvent
from appliance.hub.store.fleet import FleetBox
from appliance.hub.store.uploads import Upload
from appliance.sync.protocol.heartbeat import STOPPING, Heartbeat, KindFigures

CLOCK_OFF_NS = 2 * SECOND_NS  # less is the network's


class BoxView(msgspec.Struct, frozen=True):
    """``beat`` None: never heard, or in a form that this hub cannot read. ``zone``: IANA name of where it
    stands; empty: nobody has said."""

    row: FleetBox
    name: str
    site: str
    state: str
    beat: Heartbeat | None
    tags: tuple[str, ...]
    clock_is_off: bool
    zone: str

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def stopped(self) -> bool:
        """On purpose: its last word was a farewell."""
        return self.row.status == STOPPING

    @property
    def cameras_lost(self) -> int:
        return 0 if self.beat is None else max(0, self.beat.cameras_total - self.beat.cameras_recording)


def box_view(row: FleetBox) -> BoxView:
    try:
        beat = None if row.heartbeat is None else msgspec.json.decode(row.heartbeat, type=Heartbeat)
    except (msgspec.DecodeError, UnicodeDecodeError):
        beat = None
    tags = words.texts_of(row.tags)
    return BoxView(
        row,
        words.shown(row.name, 80) or row.id,
        words.shown(row.site_name, 80),
        PLACES[row.place],
        beat,
        tags,
        row.heartbeat_ns is not None and abs(row.clock_offset_ns) > CLOCK_OFF_NS,
        words.zone_or_none(directory.zone_of(row.site_zone, row.told_zone)),
    )


class Delivery(msgspec.Struct, frozen=True):
    """One kind at both ends. ``box`` None: the box never spoke of it. ``held``: by the hub's own count.
    ``missing``: what the box believes acknowledged and we do not hold; what came since its last heartbeat
    makes it negative, which is no fault."""

    kind: str
    box: KindFigures | None
    held: int

    @property
    def adds_up(self) -> bool:
        """D6, by the box's own figures."""
        box = self.box
        return box is None or box.owed == (
            box.acknowledged + box.tombstoned + box.waiting + box.in_flight + box.parked
        )

    @property
    def missing(self) -> int:
        return 0 if self.box is None else max(0, self.box.acknowledged - self.held)


ORDER = tuple(words.KINDS)


def deliveries(beat: Heartbeat | None, held: dict[str, int]) -> list[Delivery]:
    said = {} if beat is None else beat.delivery
    kinds = sorted({*said, *held}, key=lambda kind: (ORDER.index(kind) if kind in ORDER else 99, kind))
    return [Delivery(kind, said.get(kind), held.get(kind, 0)) for kind in kinds]


def total(lines: list[Delivery]) -> Delivery:
    """All kinds together."""
    names = KindFigures.__struct_fields__
    spoken = [line.box for line in lines if line.box is not None]
    figures = KindFigures(*(sum(getattr(box, name) for box in spoken) for name in names))
    return Delivery("", figures if spoken else None, sum(line.held for line in lines))


class EventView(msgspec.Struct, frozen=True):
    """``camera``: its name, or its id where the name is not known; so of ``rule``. ``zone``: IANA name of
    where the box stands; empty: nobody has said. ``still`` and ``clip``: the best there is; a clip that is
    partly here counts."""

    box_id: str
    id: str
    title: str
    severity: str
    box_name: str
    site_id: str | None
    camera: str
    camera_id: str
    rule: str
    rule_id: str
    zone: str
    class_name: str
    detail: str
    shown_ns: int
    created_ns: int
    arrived_ns: int
    clock_off: bool
    by_hub: bool
    confidence: int
    still: Upload | None
    clips: tuple[Upload, ...]

    @property
    def path(self) -> str:
        return f"/events/{self.box_id}/{self.id}"


def things_of(events: Iterable[SeenEvent]) -> set[tuple[str, str]]:
    """(box, id) of what these events speak of, for ``directory.known``."""
    found = {(event.box_id, "") for event in events}
    for event in events:
        body = words.object_of(event.body)
        for key in ("camera_id", "zone_id", "rule_id"):
            found.add((event.box_id, words.shown(body.get(key), 64)))
    return found


def event_view(event: SeenEvent, files: list[Upload], known: Known) -> EventView:
    body = words.object_of(event.body)
    metadata = body.get("metadata")
    detail = metadata.get("detail") if isinstance(metadata, dict) else ""
    severity = body.get("severity")
    confidence = body.get("confidence")
    sure = confidence if isinstance(confidence, int | float) and 0 <= confidence <= 1 else 0
    stills = [file for file in files if file.kind == "still" and file.received_bytes]
    camera_id, rule_id = words.shown(body.get("camera_id"), 80), words.shown(body.get("rule_id"), 80)
    return EventView(
        event.box_id, event.id,
        words.event_title(body, known.name(event.box_id, "zone", words.shown(body.get("zone_id"), 64))),
        severity if severity in words.SEVERITIES else "info",
        words.shown(event.box_name, 80) or event.box_id, event.site_id,
        called(known, event.box_id, "camera", camera_id), camera_id,
        called(known, event.box_id, "rule", rule_id), rule_id, time_zone(known, event.box_id),
        words.shown(body.get("class_name"), 60).replace("_", " "),
        words.shown(detail, 300), event.shown_ns, event.created_ns, event.arrived_ns, bool(event.clock_off),
        bool(event.by_hub), round(100 * sure), stills[0] if stills else None,
        tuple(file for file in files if file.kind in ("small_clip", "clip")),
    )  # fmt: skip


def called(known: Known, box_id: str, what: str, id_: str) -> str:
    """A thing's name; its id, where no box has told it."""
    return words.shown(known.name(box_id, what, id_), 80) or id_


class NamedView(msgspec.Struct, frozen=True):
    """``camera``: of a zone, by name. ``streams``: of a camera, those that are recorded."""

    id: str
    name: str
    camera: str
    streams: tuple[str, ...]
    enabled: bool


def named_views(named: list[Named]) -> dict[str, list[NamedView]]:
    """By ``camera``, ``zone`` and ``rule``."""
    cameras = {each.id: each.name for each in named if each.what == "camera"}
    found: dict[str, list[NamedView]] = {"camera": [], "zone": [], "rule": []}
    for each in named:
        told = words.texts_of(each.streams)
        view = NamedView(
            each.id, words.shown(each.name, 80) or each.id,
            words.shown(cameras.get(each.camera_id, each.camera_id), 80),
            tuple(stream for stream in ("main", "sub") if stream in told), bool(each.enabled),
        )  # fmt: skip
        found[each.what].append(view)
    return found


def time_zone(known: Known, box_id: str) -> str:
    """Empty: nobody has said where the box is."""
    return words.zone_or_none(known.time_zones.get(box_id, ""))


def media_url(upload: Upload) -> str:
    """A new address once more has arrived, so that a player begins anew."""
    return f"/api/v1/uploads/{upload.box_id}/{upload.id}/file?have={upload.received_bytes}"
