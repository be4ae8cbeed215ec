"""How much it matters to look at a camera, by what its rules wait for."""

from collections.abc import Iterable

from appliance.base.model import Rule, Severity, Zone

WEIGHTS: dict[Severity, float] = {"info": 1.0, "warning": 2.0, "critical": 4.0}


def weights(rules: Iterable[Rule], zones: Iterable[Zone]) -> dict[str, float]:
    """camera -> its share of the looks when there are too few for all; 1 where nothing is said. A rule
    without cameras and zones is for every camera, and makes none of them more than another."""
    camera_of = {zone.id: zone.camera_id for zone in zones}
    found: dict[str, float] = {}
    for rule in rules:
        if rule.enabled:
            cameras = {*rule.camera_ids, *(camera_of[z] for z in rule.zone_ids if z in camera_of)}
            for camera_id in cameras:
                found[camera_id] = max(found.get(camera_id, 1.0), WEIGHTS[rule.severity])
    return found
