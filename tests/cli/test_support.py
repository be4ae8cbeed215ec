"""The support bundle: what who helps needs, and none of what opens the box."""

import base64
import json
import os
import tarfile

import pytest

from appliance.base.config import load
from appliance.daemon.stores import Stores
from appliance.store import identity, targets, users
from appliance.system.tunnel import kept

SECRET = "geheim95geheim"


@pytest.fixture
def planted(appliance, box_dir, tmp_path, monkeypatch):
    """A box with a secret in every place that one can be in; journalctl tells them all. The secrets."""
    appliance("camera", "add", "--data", box_dir, "Gate", f"rtsp://hausmeister9:{SECRET}@10.0.0.9/x")
    with Stores.open(load({}, data_dir=box_dir)) as stores:
        seal = stores.sealer.seal

        def plant(conn) -> list[str]:
            made = identity.ensure(conn, stores.sealer, 1)
            tunnel = kept.ensure_keys(conn, stores.sealer)
            targets.put(
                conn, targets.Target("far", "https://far.example/x"), seal(b"tokengeheim77", "target/far")
            )
            (user,) = users.list_users(conn)
            hashed = users.password_hash(conn, user.id)
            raw = made._private.private_bytes_raw()
            return [base64.b64encode(raw).decode(), raw.hex(), tunnel.current, hashed, "tokengeheim77"]

        secrets = stores.appliance.write_now(plant)
    key = (box_dir / "secrets" / "box.key").read_bytes()
    secrets += [SECRET, key.hex(), base64.b64encode(key).decode()]
    (box_dir / "secrets" / "box-tls.key").write_text(
        "-----BEGIN X-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END X-----"
    )
    secrets.append("MIGHAgEAMBMGByqGSM49AgEG")
    with (box_dir / "appliance.toml").open("a") as file:
        file.write(f"# the password of the camera: {SECRET}\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    lines = "\n".join(f"2026 box appliance: it says {secret} and no more" for secret in secrets)
    (programs / "journalctl").write_text(
        f"#!/bin/sh\ncat <<'END'\n{lines}\nrtsp://hausmeister9:{SECRET}@10.0.0.9/x\nEND\n"
    )
    (programs / "journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return secrets


def test_a_support_bundle_holds_no_secret_and_what_is_needed(appliance, box_dir, planted, tmp_path):
    said = appliance("support", "--data", box_dir, "-o", tmp_path / "support.tar.gz")
    assert said.status == 0, said.err
    with tarfile.open(tmp_path / "support.tar.gz") as tar:
        texts = {
            entry.name.partition("/")[2]: tar.extractfile(entry).read().decode() for entry in tar.getmembers()
        }
    for name, text in texts.items():
        for secret in planted:
            assert secret not in text, (name, secret)
        assert "hausmeister9" not in text, name
    assert "it says … and no more" in texts["journal.txt"]
    assert json.loads(texts["versions.json"])["appliance"]
    assert "Gate" in texts["cameras.json"] and "10.0.0.9" in texts["cameras.json"]
    assert json.loads(texts["health.json"])["status"] == "not running"
    assert json.loads(texts["volumes.json"])[0]["free_bytes"] > 0
    manifest = json.loads(texts.pop("manifest.json"))
    assert set(manifest["files"]) == set(texts)
    assert (tmp_path / "support.tar.gz").stat().st_mode & 0o077 == 0
    assert appliance("support", "--data", box_dir, "-o", tmp_path / "support.tar.gz").status == 1
