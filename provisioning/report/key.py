"""The box's identity key, for signing a report beside the daemon.

The daemon signs nothing that others hand it, so there is no route for this: like the commands, the wizard
opens the box's database for a moment. A box that was never enrolled gets its key here.
"""

import os
from pathlib import Path

from appliance.base import config as configuration
from appliance.base.clock import Clock
from appliance.base.errors import ApplianceError
from appliance.store import identity, migrations
from appliance.store.database import Database
from appliance.store.identity import Identity
from appliance.store.sealing import Sealer

DATABASE = "appliance.db"


def device_key(data_dir: Path, clock: Clock) -> Identity:
    """Blocks. Raises ``not_found`` where there is no box, ``denied`` where its secret is another's."""
    config = configuration.load(os.environ, data_dir=data_dir)
    if not (data_dir / DATABASE).is_file():
        raise ApplianceError(
            "not_found", f"there is no box in {data_dir}", "do the administrator's step first"
        )
    elsewhere = config.secret_path
    sealer = Sealer.from_dir(config.secrets_dir) if elsewhere is None else Sealer.from_file(elsewhere)
    db = Database.open(data_dir / DATABASE, "appliance", synchronous="FULL", migrations=migrations.APPLIANCE)
    try:
        return db.write_now(lambda conn: identity.ensure(conn, sealer, clock.now_ns()))
    finally:
        db.close()


def known_fingerprint(data_dir: Path) -> str | None:
    """Of the box in ``data_dir``; None where it has no key yet."""
    if not (data_dir / DATABASE).is_file():
        return None
    db = Database.open(data_dir / DATABASE, "appliance", synchronous="FULL", migrations=migrations.APPLIANCE)
    try:
        key = db.read_now(identity.public_key)
    finally:
        db.close()
    return None if key is None else identity.fingerprint_of(key)
