"""A hub's order to update: the bundle that it names and no other, refused as a person's would be."""

import hashlib
import json

import msgspec
import pytest

from appliance.base.clock import ManualClock
from appliance.base.errors import ApplianceError
from appliance.daemon.update import StartUpdate
from appliance.sync.protocol.command import Command
from appliance.system.update.inbox import Inbox
from appliance.system.update.judging import Manifest
from appliance.system.update.record import Places
from appliance.system.update.release import Release


class Looked:
    """RAUC's look at a bundle: its first word is its version, its second for what it is."""

    def manifest(self, bundle):
        version, compatible = bundle.read_bytes().split()[:2]
        return Manifest(compatible.decode(), version.decode())


class Bench:
    def __init__(self, folder) -> None:
        self.places, self.stick = Places(folder / "box"), folder / "stick"
        self.places.box.mkdir()
        self.stick.mkdir()
        release = Release("1.0", "here")
        self.inbox = Inbox(self.places, Looked(), release, ManualClock(), watched=(self.stick,))

    def bundle(self, text: str) -> str:
        """On the stick; its SHA-256."""
        (self.stick / "new.raucb").write_text(text)
        return hashlib.sha256(text.encode()).hexdigest()

    async def order(self, **body):
        raw = msgspec.Raw(json.dumps(body).encode())
        return await StartUpdate(self.inbox).apply(Command("c", "box-1", 1, "update", "", "", "anna", raw))


@pytest.fixture
def bench(tmp_path, monkeypatch):
    made = Bench(tmp_path)
    monkeypatch.setattr("appliance.system.update.inbox.mounted", list)
    return made


async def test_the_bundle_that_is_named_gets_the_word_in_the_name_of_who_ordered(bench) -> None:
    digest = bench.bundle("1.1 here")
    outcome = await bench.order(version="1.1", sha256=digest)
    assert outcome.state == "done" and "1.1" in outcome.message
    wish = json.loads(bench.places.wish.read_bytes())
    assert (wish["sha256"], wish["by"]) == (digest, "hub: anna")


@pytest.mark.parametrize(("version", "digest"), [("1.1", "0" * 64), ("1.2", None)])
async def test_another_one_is_refused_and_does_not_stay(bench, version, digest) -> None:
    found = bench.bundle("1.1 here")
    outcome = await bench.order(version=version, sha256=digest or found)
    assert outcome.state == "refused" and not bench.places.wish.exists()
    assert bench.inbox.offered() is None


@pytest.mark.parametrize("text", ["0.9 here", "1.0 here"])
async def test_what_a_person_would_be_refused_a_hub_is_refused(bench, text) -> None:
    outcome = await bench.order(version=text.split()[0], sha256=bench.bundle(text))
    assert outcome.state == "refused" and outcome.message
    assert not bench.places.wish.exists()


async def test_what_is_for_other_hardware_is_not_even_kept(bench) -> None:
    with pytest.raises(ApplianceError, match="elsewhere"):  # the order has failed, in these words
        await bench.order(version="1.1", sha256=bench.bundle("1.1 elsewhere"))
    assert bench.inbox.offered() is None and not bench.places.wish.exists()


async def test_a_place_that_does_not_answer_is_said(bench) -> None:
    with pytest.raises(ApplianceError) as caught:
        await bench.order(version="1.1", sha256="0" * 64, url="https://127.0.0.1:9/new.raucb")
    assert caught.value.kind == "unavailable" and not bench.places.wish.exists()


@pytest.mark.parametrize(
    "body", [{}, {"version": "1.1", "sha256": "x"}, {"version": "../x", "sha256": "0" * 64}]
)
async def test_a_body_that_makes_no_sense_is_refused(bench, body) -> None:
    with pytest.raises(ApplianceError) as caught:
        await bench.order(**body)
    assert caught.value.kind == "invalid"
