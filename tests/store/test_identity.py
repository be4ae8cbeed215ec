import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.base.errors import ApplianceError
from appliance.store import identity
from appliance.store.database import Database
from appliance.store.sealing import Sealer


def opened(folder):
    return Database.open(folder / "appliance.db", "appliance", synchronous="FULL")


@pytest.fixture
def box(tmp_path):
    """A data directory that has an identity."""
    folder = tmp_path / "box"
    folder.mkdir()
    db, sealer = opened(folder), Sealer.from_dir(folder / "secrets")
    db.write_now(lambda conn: identity.ensure(conn, sealer, 1))
    db.close()
    return folder


def ensure(folder):
    db = opened(folder)
    try:
        return db.write_now(lambda conn: identity.ensure(conn, Sealer.from_dir(folder / "secrets"), 2))
    finally:
        db.close()


def test_the_identity_is_made_once_and_signs(box):
    own = ensure(box)
    Ed25519PublicKey.from_public_bytes(own.public_key).verify(own.sign(b"a text"), b"a text")
    assert ensure(box).public_key == own.public_key
    db = opened(box)
    assert db.read_now(identity.public_key) == own.public_key
    db.close()
    assert len(own.fingerprint) == 64 and own.fingerprint == identity.fingerprint_of(own.public_key)


def test_a_stolen_disk_image_without_the_secret_cannot_sign(box, tmp_path):
    stolen = tmp_path / "stolen"
    shutil.copytree(box, stolen, ignore=shutil.ignore_patterns("secrets"))
    with pytest.raises(ApplianceError, match="identity cannot be opened") as refused:
        ensure(stolen)
    assert refused.value.kind == "denied"
    db = opened(stolen)
    assert db.read_now(lambda conn: conn.execute("SELECT count(*) FROM identity").fetchone()[0]) == 1
    db.close()


def test_neither_half_of_the_key_is_in_the_clear_on_the_disk(box, monkeypatch):
    raw = []
    opened_ = Sealer.open
    monkeypatch.setattr(Sealer, "open", lambda *args: raw.append(opened_(*args)) or raw[-1])
    ensure(box)
    (private,) = raw
    for path in box.rglob("*"):
        if path.is_file():
            assert private not in path.read_bytes(), path


def test_another_public_half_beside_it_is_noticed(box):
    db = opened(box)
    db.write_now(lambda conn: conn.execute("UPDATE identity SET public_key = zeroblob(32)"))
    db.close()
    with pytest.raises(ApplianceError, match="cannot be opened"):
        ensure(box)
