"""Installing from a page: begun, told how far it is, whole in the end or not there at all."""

import asyncio
import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from appliance.base.clock import ManualClock
from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.daemon.models import install
from appliance.daemon.models import installing as at_work
from appliance.daemon.models.installing import Installing
from appliance.vision.packs import catalogue
from appliance.vision.packs.catalogue import Place
from appliance.vision.packs.pack import PackFile

GRAPH = b"a graph"


@pytest.fixture
def config(tmp_path) -> Config:
    return Config(tmp_path / "box", (), tmp_path / "box" / "models")


@pytest.fixture
def installing(config) -> Installing:
    return Installing(config, ManualClock())


@pytest.fixture
def stick(tmp_path, monkeypatch) -> Path:
    """A known model, under another name on a stick that is mounted."""
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "whatever").write_bytes(GRAPH)
    first = catalogue.KNOWN[0]
    entry = PackFile("m.onnx", hashlib.sha256(GRAPH).hexdigest())
    fields = {key: getattr(first, key) for key in first.__struct_fields__}
    pack = type(first)(**fields | {"name": "known", "files": (entry,)})
    monkeypatch.setattr(catalogue, "KNOWN", (pack,))
    monkeypatch.setitem(catalogue._PLACES, "known", (Place("https://localhost:1/m.onnx", len(GRAPH)),))
    monkeypatch.setattr(install, "STICKS", (folder,))
    return folder


def zipped(licence: str = "MIT") -> bytes:
    toml = (
        'name = "yard"\nversion = "3"\nfamily = "yolox"\ninput_width = 320\ninput_height = 256\n'
        f'labels = ["person"]\nlicence = "{licence}"\nsource = "us"\n'
        f'[[files]]\npath = "m.onnx"\nsha256 = "{hashlib.sha256(GRAPH).hexdigest()}"\n'
    )
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("yard/model.toml", toml)
        archive.writestr("yard/m.onnx", GRAPH)
    return whole.getvalue()


async def pieces(body: bytes, size: int = 100):
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def ended(installing: Installing):
    async with asyncio.timeout(10):
        while installing.state().phase == "running":
            await asyncio.sleep(0.01)
    return installing.state()


def packs(config: Config) -> list[str]:
    return sorted(p.name for p in config.models_path.glob("*") if not p.name.startswith("."))


def left(config: Config) -> list[str]:
    return sorted(p.name for p in config.models_path.glob(".*/*"))


async def test_a_known_model_comes_from_the_stick(installing, config, stick):
    assert installing.state() is None
    assert installing.known("known", accepted=False).phase == "running"
    assert (await ended(installing)).phase == "done"
    assert (config.models_path / "known" / "m.onnx").read_bytes() == GRAPH and left(config) == []


async def test_without_stick_and_network_it_says_what_to_do(installing, config, stick):
    (stick / "whatever").unlink()
    installing.known("known", accepted=False)
    state = await ended(installing)
    assert state.phase == "failed" and "stick" in state.hint and packs(config) == []
    (stick / "whatever").write_bytes(GRAPH)
    installing.known("known", accepted=False)
    assert (await ended(installing)).phase == "done", "the next one may be tried"


async def test_what_a_browser_sends_is_a_pack_in_the_end(installing, config):
    body = zipped()
    begun = await installing.receive(pieces(body), len(body), "../../C:\\yard 3.zip", False)
    assert begun.phase == "running"
    state = await ended(installing)
    assert (state.phase, state.name) == ("done", "yard")
    assert packs(config) == ["yard"] and left(config) == []


async def test_a_licence_that_binds_wants_somebody_s_word(installing, config):
    body = zipped("AGPL-3.0")
    await installing.receive(pieces(body), len(body), "yard.zip", False)
    state = await ended(installing)
    assert (state.phase, packs(config), left(config)) == ("failed", [], [])
    assert "AGPL-3.0" in state.reason and "accept" in state.hint
    await installing.receive(pieces(body), len(body), "yard.zip", True)
    assert (await ended(installing)).phase == "done"


@pytest.mark.parametrize("body", [b"", b"no zip", zipped()[:-40], zipped().replace(b"a graph", b"a grape")])
async def test_what_is_no_pack_is_refused_in_words(installing, config, body):
    await installing.receive(pieces(body), len(body), "yard.zip", False)
    state = await ended(installing)
    assert state.phase == "failed" and state.reason and state.hint
    assert (packs(config), left(config)) == ([], [])


async def test_what_is_cut_off_leaves_nothing_and_the_next_one_is_free(installing, config):
    body = zipped()
    with pytest.raises(ApplianceError) as caught:
        await installing.receive(pieces(body[:-100]), len(body), "yard.zip", False)
    assert caught.value.kind == "invalid" and left(config) == [] and installing.state().phase == "failed"

    async def broken():
        yield body[:100]
        raise ConnectionResetError

    with pytest.raises(ApplianceError) as caught:
        await installing.receive(broken(), len(body), "yard.zip", False)
    assert left(config) == [] and installing.state().phase == "failed" and installing.state().hint


async def test_one_at_a_time(installing, config, stick):
    gate = asyncio.Event()

    async def slow():
        yield b"x"
        await gate.wait()

    sending = asyncio.ensure_future(installing.receive(slow(), 1, "slow.zip", False))
    while installing.state() is None or not installing.state().done_bytes:
        await asyncio.sleep(0.01)
    assert installing.state().phase == "receiving"
    with pytest.raises(ApplianceError) as caught:
        installing.known("known", accepted=False)
    assert caught.value.kind == "conflict" and "slow.zip" in caught.value.message
    gate.set()
    await sending
    assert (await ended(installing)).phase == "failed"


async def test_who_sends_too_slowly_keeps_nobody_out(installing, config, monkeypatch):
    async def drops(clock):
        while True:
            clock.tick(10)
            yield b"x"

    async def silence():
        yield b"x"
        await asyncio.Event().wait()

    monkeypatch.setattr(at_work, "SILENCE_S", 0.2)
    for chunks in (drops(installing._clock), silence()):
        with pytest.raises(ApplianceError) as caught:
            await installing.receive(chunks, 10_000_000, "slow.zip", False)
        assert (caught.value.kind, caught.value.message) == ("unavailable", "it comes too slowly")
        assert installing.state().phase == "failed" and left(config) == []


async def test_a_disk_without_room_is_told_before_anything_is_taken(installing, config, monkeypatch):
    real = at_work.shutil.disk_usage
    monkeypatch.setattr(at_work.shutil, "disk_usage", lambda path: real(path)._replace(free=60_000_000))
    with pytest.raises(ApplianceError) as caught:
        await installing.receive(pieces(b"x" * 100), 10_000_000, "yard.zip", False)
    assert caught.value.kind == "exhausted" and installing.state().phase == "failed" and left(config) == []


async def test_an_unknown_name_is_told_which_are_known(installing, stick):
    with pytest.raises(ApplianceError) as caught:
        installing.known("knwon", accepted=False)
    assert caught.value.kind == "not_found" and "known" in (caught.value.hint or "")
