"""The settings that a hub may patch, as one document: sections of the box's settings, and of each target
what is policy, not identity.

    {"retention": {...}, "site": {...}, "night": {...}, "targets": {"hub": {"enabled": true, "url": ...}}}

Its version is a digest of its content: whoever changes anything, on whatever way, changes it, and nobody has
to remember to. Where a target sends its rows is not for a hub to say, but for its own address: hubs move
(``permissions``: where the box's admin lets them).
Targets are neither made nor removed from afar, and no token is in here.
"""

import hashlib
import sqlite3
from typing import Any

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.base.settings import Settings, check
from appliance.store import hub_link, policy, settings, targets
from appliance.store.cameras import KEEP
from appliance.store.targets import Target
from appliance.sync import address

POLICY = ("enabled", "policy")  # of any target
OF_THE_HUB = ("url", "ca")
VERSION_BITS = 48  # a JSON number that every reader keeps exactly
Json = dict[str, Any]


class Change(msgspec.Struct, frozen=True, array_like=True):
    """One leaf: a list is one, too."""

    path: tuple[str, ...]
    before: Any
    after: Any


def read(conn: sqlite3.Connection) -> Json:
    link = hub_link.get(conn)
    own = None if link is None else link.target_id
    found: Json = msgspec.to_builtins(settings.load(conn))
    found["targets"] = {target.id: _of_target(target, own) for target in targets.list_targets(conn)}
    whole: Json = msgspec.json.decode(msgspec.json.encode(found))  # a tuple is a list, as in a patch
    return whole


def version(document: Json) -> int:
    """Of the content: two documents that are equal have the same."""
    digest = hashlib.sha256(msgspec.json.encode(document, order="sorted")).digest()
    return int.from_bytes(digest[: VERSION_BITS // 8])


def write(conn: sqlite3.Connection, document: Json) -> tuple[str, ...]:
    """Store it, all of it or nothing; the nouns that changed. Raises ``invalid`` naming the field."""
    before = read(conn)
    parts = {name: part for name, part in document.items() if name != "targets"}
    wanted = _converted(parts, Settings, "")
    check(wanted)
    changed = []
    if parts != {name: part for name, part in before.items() if name != "targets"}:
        settings.save(conn, wanted)
        changed.append("settings")
    for target_id, part in document["targets"].items():
        if part != before["targets"][target_id]:
            _write_target(conn, target_id, part)
            changed.append("targets")
    return tuple(dict.fromkeys(changed))


def merged(document: Json, patch: Json) -> Json:
    """JSON Merge Patch (RFC 7396); null is the default. Raises ``invalid`` for a name that is not there:
    a typo must not silently mean nothing."""
    after = _merged(document, patch, ())
    for section in ("retention", "site", "night"):
        after.setdefault(section, {})
    whole: Json = msgspec.to_builtins(
        _converted({k: v for k, v in after.items() if k != "targets"}, Settings, "")
    )
    return whole | {"targets": after.get("targets", {})}


def differences(before: Json, after: Json, path: tuple[str, ...] = ()) -> list[Change]:
    found = []
    for key in sorted(before.keys() | after.keys()):
        one, two = before.get(key), after.get(key)
        if isinstance(one, dict) and isinstance(two, dict):
            found += differences(one, two, (*path, key))
        elif one != two:
            found.append(Change((*path, key), one, two))
    return found


def undone(document: Json, changes: list[Change]) -> Json:
    """Each leaf as it was before, but where somebody has set it to something else since."""
    after: Json = msgspec.json.decode(msgspec.json.encode(document))
    for change in changes:
        place: Any = after
        for key in change.path[:-1]:
            place = place.get(key) if isinstance(place, dict) else None
        if isinstance(place, dict) and place.get(change.path[-1]) == change.after:
            if change.before is None and isinstance(change.after, dict):
                del place[change.path[-1]]  # a part that had not been there
            else:
                place[change.path[-1]] = change.before
    return after


def _of_target(target: Target, own: str | None) -> Json:
    names = (*POLICY, *OF_THE_HUB) if target.id == own else POLICY
    return {name: msgspec.to_builtins(getattr(target, name)) for name in names}


def _write_target(conn: sqlite3.Connection, target_id: str, part: Json) -> None:
    found = targets.get(conn, target_id)
    if found is None:
        raise ApplianceError("conflict", f"the target {target_id!r} is gone", "read the settings again")
    changed = _converted(msgspec.to_builtins(found) | part, Target, f"targets.{target_id}.")
    if changed.url != found.url or changed.ca != found.ca:
        address.validate(changed)
    policy.check(changed.policy)
    targets.put(conn, changed, KEEP)


def _merged(document: Json, patch: Json, path: tuple[str, ...]) -> Json:
    after = dict(document)
    for key, value in patch.items():
        field = ".".join((*path, key))[:200]
        if key not in document and "policy" in path:
            after[key] = value  # of a kind of rows, say, that had no policy of its own; else it is no Policy
            continue
        if key not in document:
            raise invalid(
                f"there is no setting {field!r} here", "preview with {} to see what there is", field=field
            )
        if value is None and (key == "targets" or path == ("targets",)):
            raise invalid("targets are made and removed at the box", "switch it off: enabled", field=field)
        if isinstance(value, dict) and isinstance(document[key], dict):
            after[key] = _merged(document[key], value, (*path, key))
        elif isinstance(document[key], dict) and value is not None:
            raise invalid(f"{field} has parts of its own", "patch these", field=field)
        elif value is None and (path[:1] != ("targets",) or "policy" in path):
            del after[key]  # the default
        else:
            after[key] = value
    return after


def _converted(part: Json, kind: Any, field: str) -> Any:
    try:
        return msgspec.convert(part, kind)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        raise invalid(text[:200], "preview the patch first", field=field + place.rstrip("`")) from None
