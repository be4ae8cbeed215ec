"""Which models lie in the folders: read once, and again where something changed."""

import asyncio
import hashlib
import io
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.base.clock import ManualClock
from appliance.base.config import Config
from appliance.daemon.models import listing
from appliance.daemon.models.listing import listed
from appliance.vision.packs import catalogue, installed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "models"
    path.mkdir()
    return path


def put_pack(folder: Path, name: str, licence: str = "AGPL-3.0") -> None:
    (folder / name).mkdir()
    (folder / name / "m.onnx").write_bytes(b"a model")
    digest = hashlib.sha256(b"a model").hexdigest()
    (folder / name / "model.toml").write_text(
        f'name = "{name}"\nversion = "3"\nfamily = "yolox"\ninput_width = 320\ninput_height = 256\n'
        f'labels = ["person"]\nlicence = "{licence}"\nsource = "us"\n'
        f'[[files]]\npath = "m.onnx"\nsha256 = "{digest}"\n'
    )


def test_installed_ones_come_first_then_known_ones_and_motion_last(folder):
    put_pack(folder, "own-model")
    _, found = listed([folder], None)
    assert [(e.name, e.installed) for e in found][:1] == [("own-model", True)]
    assert (found[0].licence, found[0].width, found[0].height, found[0].known) == (
        "AGPL-3.0",
        320,
        256,
        False,
    )
    assert {e.name for e in found[1:-1]} == {pack.name for pack in catalogue.KNOWN}
    assert not any(e.installed for e in found[1:-1]) and all(e.known for e in found[1:-1])
    assert found[-1] == listing.MOTION and found[-1].installed


def test_a_known_one_that_is_there_is_listed_once(folder):
    name = catalogue.KNOWN[0].name
    put_pack(folder, name)
    found = [e for e in listed([folder], None)[1] if e.name == name]
    assert [(e.installed, e.known) for e in found] == [(True, True)]


def test_nobody_else_is_called_motion(folder):
    put_pack(folder, "motion")
    assert [e.version for e in listed([folder], None)[1] if e.name == "motion"] == [""]


def test_files_are_read_again_only_where_something_changed(folder, monkeypatch):
    put_pack(folder, "one")
    read = []

    def counting(folders, real=installed.installed):
        read.append(folders)
        return real(folders)

    monkeypatch.setattr(installed, "installed", counting)
    first = listed([folder], None)
    assert listed([folder], first) is first and len(read) == 1
    put_pack(folder, "two")
    second = listed([folder], first)
    assert len(read) == 2 and {"one", "two"} <= {e.name for e in second[1]}
    (folder / "one" / "model.toml").unlink()
    assert "one" not in {e.name for e in listed([folder], second)[1]}


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    assert all(not e.installed for e in listed([tmp_path / "nowhere"], None)[1][:-1])


async def test_what_stands_in_gives_way_to_a_model_that_came_in(folder):
    """And every admin's page hears of it at once."""
    asked, told = [], []

    class Analysis:
        vision = SimpleNamespace(state=lambda: SimpleNamespace(detector="in-use"))

        async def look_again(self):
            asked.append("again")

        def tell(self, type_, camera_id, now_ns, data):
            told.append((type_, data["what"], data["model"], data["phase"], data["reason"]))

    for fixed, wanted in ((None, ["again"]), ("motion", [])):
        found = listing.Models(Config(folder.parent, (), folder), Analysis(), fixed, ManualClock())
        put_pack(folder.parent, f"sent-{fixed}")
        body = zipped(folder.parent / f"sent-{fixed}")
        await found.receive(pieces(body), len(body), "sent.zip", True)
        async with asyncio.timeout(10):
            while found.installing().phase == "running":
                await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        assert asked == wanted
        names = ["sent.zip", "sent.zip", f"sent-{fixed}"]
        phases = ["receiving", "running", "done"]
        assert told == [("system", "model_install", n, p, "") for n, p in zip(names, phases, strict=True)]
        asked.clear()
        told.clear()


async def pieces(body: bytes):
    yield body


def zipped(pack: Path) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for path in pack.iterdir():
            archive.write(path, f"{pack.name}/{path.name}")
    return whole.getvalue()
