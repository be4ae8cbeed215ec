"""Sticks as boxes write them: the box's own code, a played box's key."""

import base64
import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from appliance.hub.sticks.importing import import_stick
from appliance.store.outbox import OutboxRow
from appliance.sync.bundle import receipt, writing
from appliance.sync.bundle.folders import Folder
from appliance.sync.bundle.manifest import FileEntry
from appliance.sync.envelope.writing import write

FILM = bytes(range(256)) * 64


class Stick:
    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)

    def row(self, box, id_: str, kind: str = "event", at_s: float = 0.0, body=None) -> OutboxRow:
        row = box.row(id_, kind, body, at_s)
        created_ns = box.clock.now_ns() + round(at_s * 1e9)
        dead = kind == "tombstone"
        return OutboxRow(id_, kind, json.dumps(row["body"]).encode(), created_ns, 0, dead)

    def clip(self, box, id_: str) -> OutboxRow:
        return self.row(box, id_, "clip", body=box.manifest(b"")["file"])

    def bundle(self, box, rows, files=None, *, key=None, device=None, changes=None) -> Path:
        """Written by the box's code. ``files``: row id -> bytes. The bundle's folder."""
        files, device = files or {}, device or box.id
        entries = [
            FileEntry(id_, "video/mp4", len(data), hashlib.sha256(data).hexdigest())
            for id_, data in files.items()
        ]
        one = writing.draft(device, rows, [write(box.id, row, 2) for row in rows], entries)
        if changes:
            one = msgspec.structs.replace(one, manifest=msgspec.structs.replace(one.manifest, **changes))
        with Folder.at(self.root) as folder, writing.day_folder(folder, one.manifest) as day:
            if files:
                with day.inner(one.partial, make=True) as partial, partial.inner("files", make=True) as inner:
                    for entry in entries:
                        inner.write(entry.name, files[entry.row_id])
            writing.finish(day, one, (key or box.key).sign)
        return self.root / "aries" / device / one.manifest.day / one.manifest.name

    def receipt(self, served, box, folder: Path) -> receipt.Receipt:
        key = base64.b64decode(served.hub.command_key.public)
        return receipt.read((folder / "receipt.json").read_bytes(), key, box.id, folder.name)


@pytest.fixture
def stick(tmp_path: Path) -> Stick:
    return Stick(tmp_path / "stick")


@pytest.fixture
def stick_at() -> type[Stick]:
    """``stick_at(root)``: another one."""
    return Stick


@pytest.fixture
def film() -> bytes:
    return FILM


@pytest.fixture
def bring(stick: Stick):
    """``await bring(served)``: import the stick; summaries by box."""

    async def go(served, root: Path | None = None):
        found = await import_stick(served.hub, root or stick.root, stick.root.parent)
        return {summary.device_id: summary for summary in found}

    return go
