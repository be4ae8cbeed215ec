"""The tunnel in appliance.db: rows of the settings table. The keys are sealed under the box's secret.

``tunnel``: whether it is wanted and its configuration, which no one needs to hide. ``tunnel_keys``: the
sealed ``Keys``. Commands, the enrolment and the runner all come through here.
"""

import base64
import sqlite3

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.store import settings
from appliance.store.sealing import Sealer
from appliance.system.tunnel import keys as key_laws
from appliance.system.tunnel.config import TunnelConfig, check
from appliance.system.tunnel.keys import Keys

ROW, KEYS_ROW = "tunnel", "tunnel_keys"
SEALED_AS = "tunnel/keys"


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``on``: a person or the enrolment wants it up. Without ``config`` there is nothing to put up."""

    on: bool = False
    config: TunnelConfig | None = None


def wanted(conn: sqlite3.Connection) -> Wanted:
    value = settings.get_value(conn, ROW)
    return Wanted() if value is None else msgspec.convert(value, Wanted)


def configure(conn: sqlite3.Connection, sealer: Sealer, config: TunnelConfig, preshared: str = "") -> None:
    """What the enrolment brought: stored, and wanted up. ``preshared``: base64, or empty for none.

    Raises ``invalid``; nothing is stored then. Makes keys where there are none."""
    check(config)
    keys = key_laws.with_preshared(ensure_keys(conn, sealer), preshared)
    _write_keys(conn, sealer, keys)
    settings.set_value(conn, ROW, Wanted(on=True, config=config))


def switch(conn: sqlite3.Connection, on: bool) -> None:
    """Up or down by hand. Raises ``conflict`` where nothing was configured yet."""
    known = wanted(conn)
    if on and known.config is None:
        raise ApplianceError(
            "conflict", "there is no tunnel to put up", "enrol the box at its hub first: it brings the tunnel"
        )
    settings.set_value(conn, ROW, msgspec.structs.replace(known, on=on))


def forget(conn: sqlite3.Connection) -> None:
    """The box leaves its hub: configuration and keys go; the next enrolment makes new ones."""
    settings.set_value(conn, ROW, None)
    settings.set_value(conn, KEYS_ROW, None)


def keys(conn: sqlite3.Connection, sealer: Sealer) -> Keys | None:
    """None before the first were made. Raises ``data_loss`` where this box's secret does not open them."""
    sealed = settings.get_value(conn, KEYS_ROW)
    if sealed is None:
        return None
    plain = sealer.open(base64.b64decode(sealed), SEALED_AS)
    return key_laws.watched(msgspec.json.decode(plain, type=Keys))


def ensure_keys(conn: sqlite3.Connection, sealer: Sealer) -> Keys:
    """Those that are there, else new ones, stored."""
    found = keys(conn, sealer)
    if found is None:
        found = key_laws.make()
        _write_keys(conn, sealer, found)
    return found


def announce(conn: sqlite3.Connection, sealer: Sealer) -> str:
    """Step one of a rotation: the public key that the endpoint is to be told."""
    found = key_laws.announce(_must(keys(conn, sealer)))
    _write_keys(conn, sealer, found)
    return found.next_public


def acknowledged(conn: sqlite3.Connection, sealer: Sealer, public: str) -> None:
    """Step two: the endpoint takes ``public``. The runner changes over, and falls back if it must."""
    _write_keys(conn, sealer, key_laws.acknowledged(_must(keys(conn, sealer)), public))


def settle(conn: sqlite3.Connection, sealer: Sealer, public: str, works: bool) -> None:
    """The trial of ``public`` is over; nothing happens where the keys are other ones meanwhile."""
    found = keys(conn, sealer)
    if found is not None and found.phase == "trying" and found.public == public:
        _write_keys(conn, sealer, key_laws.settle(found) if works else key_laws.fall_back(found))


def _must(found: Keys | None) -> Keys:
    if found is None:
        raise invalid("this box has no keys of a tunnel yet", "enrol the box at its hub first")
    return found


def _write_keys(conn: sqlite3.Connection, sealer: Sealer, found: Keys) -> None:
    sealed = sealer.seal(msgspec.json.encode(found), SEALED_AS)
    settings.set_value(conn, KEYS_ROW, base64.b64encode(sealed).decode())
