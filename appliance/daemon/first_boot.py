"""First boot: an empty folder becomes a box. Used by ``init``, ``run`` and ``demo`` alike.

Everything that makes the folder a box is one transaction (device id, admin, site); what is made
before it (folders, key, certificate, empty databases) is made again or found by the next try.
"""

import os
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec

from appliance.base import config as configuration
from appliance.base.clock import Clock
from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.base.ids import uuid7
from appliance.base.model import User
from appliance.base.redaction import forbid
from appliance.base.settings import Settings, SiteSettings
from appliance.daemon.stores import APPLIANCE, Stores, open_appliance
from appliance.media.ring.volume import IDENTITY, read_identity
from appliance.store import audit, settings, users
from appliance.system import ballast

ADMIN = "admin"
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # 31 signs that nobody mixes up on paper
_GROUPS, _GROUP = 4, 5  # 20 signs: 99 bits

# What may lie in a folder that is not a box yet: a fresh file system, a prepared configuration, a try that
# was cut short. Recordings that have an identity are told apart by ``_refuse_orphans``.
_EXPECTED = {
    "lost+found",
    "secrets",
    "models",
    "recordings",
    configuration.FILE_NAME,
    *(f"{name}.db{suffix}" for name in ("appliance", "archive", "tracks") for suffix in ("", "-wal", "-shm")),
}


def is_box(data_dir: Path) -> bool:
    """True where first boot is done: somebody can sign in."""
    if not (data_dir / APPLIANCE).is_file():
        return False
    ballast.free(data_dir)  # the first to open a database is the first to need room
    database = open_appliance(data_dir)
    try:
        return database.read_now(users.admin_count) > 0
    finally:
        database.close()


def initialise(
    config: Config,
    clock: Clock,
    hash_password: Callable[[str], str],
    password: str | None = None,
    name: str = ADMIN,
) -> str | None:
    """Make ``config.data_dir`` a box, with an admin called ``name``; the claim code, or None where
    ``password`` was given.

    Raises ``conflict`` where it is one already or is full of something else.
    """
    _prepare(config.data_dir)
    if is_box(config.data_dir):
        raise ApplianceError(
            "conflict",
            f"{config.data_dir} is a box already",
            "start it with `appliance run`, or take another --data",
        )
    _refuse_orphans(config)
    code = None if password is not None else claim_code()
    hashed = hash_password(password if password is not None else str(code))
    with Stores.open(config) as stores:
        now_ns = clock.now_ns()
        admin = User(
            id=uuid7(now_ns),
            username=name,
            role="admin",
            must_change_password=code is not None,
            created_ns=now_ns,
        )

        def work(conn: sqlite3.Connection) -> None:
            device_id = settings.ensure_device_id(conn, now_ns)
            if config.site_timezone is not None:
                site = SiteSettings(time_zone=config.site_timezone)
                settings.save(conn, msgspec.structs.replace(Settings(), site=site))
            users.insert(conn, admin, hashed)
            audit.add(conn, now_ns, None, "changed", "box", {"what": "first boot", "device_id": device_id})

        stores.appliance.write_now(work)
    return code


def claim_code() -> str:
    """A one-time password of ``admin``, to be read from a screen; kept out of every log."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
    code = "-".join(groups)
    forbid(code)
    return code


def _refuse_orphans(config: Config) -> None:
    """Recordings that already belong to a box, and no box: its database is lost. A new one beside
    them would have other users and cameras, and would not be allowed to touch them."""
    for volume in config.volumes:
        if (volume / IDENTITY).exists() and not _is_known(config.data_dir, volume):
            raise ApplianceError(
                "data_loss",
                f"{volume} holds the recordings of a box whose {APPLIANCE} is lost",
                "bring it back with `appliance restore`, or move these recordings away to begin anew",
                field="data_dir",
            )


def _is_known(data_dir: Path, volume: Path) -> bool:
    """A box that was reset keeps its id and its footage, and nothing else."""
    if not (data_dir / APPLIANCE).is_file():
        return False
    database = open_appliance(data_dir)
    try:
        device_id = database.read_now(settings.device_id)
    finally:
        database.close()
    identity = read_identity(volume)
    return identity is not None and bool(device_id) and identity.device_id == device_id


def _prepare(data_dir: Path) -> None:
    old_umask = os.umask(0o077)
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = {entry.name for entry in data_dir.iterdir()}
        strange = sorted(name for name in found - _EXPECTED if not name.startswith("."))
        if strange:
            raise ApplianceError(
                "conflict",
                f"{data_dir} is not empty: it holds {strange[0]!r}",
                "give --data an empty folder, or one that does not exist yet",
                field="data_dir",
            )
        data_dir.chmod(0o700)
        (data_dir / "models").mkdir(exist_ok=True)
        file = data_dir / configuration.FILE_NAME
        if not file.exists():
            file.write_text(configuration.default_file())
    except OSError as error:
        raise ApplianceError(
            "unavailable",
            f"{data_dir} cannot be used: {error.strerror}",
            "give --data a folder on a local disk that this user may write",
            field="data_dir",
        ) from error
    finally:
        os.umask(old_umask)
