"""The box's directory (``sync.protocol.directory``), read from its database and cut to what may travel."""

import sqlite3

import msgspec

from appliance.base.model import Camera
from appliance.store import cameras, rules, settings, zones
from appliance.sync.protocol.directory import (
    LONGEST_BYTES,
    LONGEST_NAME,
    MOST_CAMERAS,
    MOST_RULES,
    MOST_ZONES,
    Directory,
    NamedCamera,
    NamedRule,
    NamedZone,
)


def read(conn: sqlite3.Connection) -> bytes:
    """JSON of a ``Directory``, the same bytes as long as nothing in it changed."""
    site = settings.load(conn).site
    whole = Directory(
        _plain(site.name),
        _plain(site.time_zone),
        tuple(_camera(camera) for camera in cameras.list_cameras(conn)),
        tuple(NamedZone(zone.id, _plain(zone.name), zone.camera_id) for zone in zones.list_zones(conn)),
        tuple(NamedRule(rule.id, _plain(rule.name), rule.enabled) for rule in rules.list_rules(conn)),
    )
    return _fitted(whole)


def _camera(camera: Camera) -> NamedCamera:
    recorded = camera.enabled and camera.record.mode != "off"
    streams = ("main", "sub") if camera.sub_url else ("main",)
    return NamedCamera(camera.id, _plain(camera.name), streams if recorded else (), camera.enabled)


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable())[:LONGEST_NAME]


def _fitted(whole: Directory) -> bytes:
    """Of too many the first. Cameras go last: an order names one."""
    counts = (len(whole.cameras), len(whole.zones), len(whole.rules))
    most = [min(have, may) for have, may in zip(counts, (MOST_CAMERAS, MOST_ZONES, MOST_RULES), strict=True)]
    while True:
        fits = msgspec.structs.replace(
            whole,
            cameras=whole.cameras[: most[0]],
            zones=whole.zones[: most[1]],
            rules=whole.rules[: most[2]],
            cut=tuple(most) != counts,
        )
        body = msgspec.json.encode(fits)
        if len(body) <= LONGEST_BYTES:
            return body
        longest = 2 if most[2] else 1 if most[1] else 0
        most[longest] //= 2
