"""The daemon's side: a bundle comes in, is looked at, and waits for a word."""

import asyncio
import errno
import os
import threading

import msgspec
import pytest

from appliance.base.clock import ManualClock
from appliance.base.errors import ApplianceError
from appliance.system.update import inbox as inbox_module
from appliance.system.update import record as records
from appliance.system.update.inbox import Inbox
from appliance.system.update.judging import Manifest
from appliance.system.update.record import Places, Record, Wish
from appliance.system.update.release import Release


class Looked:
    """RAUC's look at a bundle: its first word is its version, its second for what it is."""

    def manifest(self, bundle):
        words = bundle.read_bytes().split()
        return Manifest(words[1].decode(), words[0].decode()) if words else "no_bundle"


@pytest.fixture
def inbox(tmp_path):
    places = Places(tmp_path / "box")
    places.box.mkdir()
    (tmp_path / "media").mkdir()
    return Inbox(
        places,
        Looked(),
        Release("1.0", "here"),
        ManualClock(),
        watched=(tmp_path / "media",),
        largest_bytes=10_000,
    )


async def coming(*texts):
    for text in texts:
        yield text


async def offer(inbox, text, size=None):
    return await inbox.receive(coming(text), size, "x.raucb", "screen")


async def test_it_waits_for_a_word_and_the_word_is_for_exactly_that_bundle(inbox, tmp_path):
    found = await inbox.receive(coming(b"1.1 ", b"here"), 8, "../../etc/x.raucb", "screen")
    assert (found.version, found.name, found.refused) == ("1.1", "x.raucb", "")
    assert inbox.offered() == found and not inbox.waits()
    inbox.install("anna")
    wish = msgspec.json.decode((tmp_path / "box/update/install").read_bytes(), type=Wish)
    assert wish == Wish(found.sha256, "anna") and inbox.waits()
    with pytest.raises(ApplianceError, match="under way"):
        await offer(inbox, b"1.2 here")


async def test_the_loop_turns_while_a_bundle_is_kept_and_looked_at(inbox, monkeypatch):
    """It feeds the watchdog: a slow disk, or a RAUC that takes its time, is no reason to restart."""
    turned = threading.Event()
    held: list[bool] = []

    def until_it_turned(done):
        def work(*words):
            turned.clear()
            held.append(turned.wait(5))
            return done(*words)

        return work

    async def turning():
        while True:
            turned.set()
            await asyncio.sleep(0.001)

    monkeypatch.setattr(inbox_module.os, "fsync", until_it_turned(os.fsync))
    monkeypatch.setattr(inbox._rauc, "manifest", until_it_turned(inbox._rauc.manifest))
    turn = asyncio.create_task(turning())
    await offer(inbox, b"1.1 here")
    turn.cancel()
    assert len(held) >= 2 and all(held)


async def test_a_word_that_a_full_disk_cannot_keep_is_refused_in_words(inbox, monkeypatch):
    await offer(inbox, b"1.1 here")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(records, "replace", full)
    with pytest.raises(ApplianceError, match="No space left") as refused:
        inbox.install("anna")
    assert refused.value.kind == "exhausted" and not inbox.waits()


async def test_an_older_one_waits_for_a_word_of_its_own(inbox):
    found = await offer(inbox, b"0.9 here")
    assert found.needs_word and "older" in found.refused
    with pytest.raises(ApplianceError, match="older"):
        inbox.install("anna")
    inbox.install("anna", allow_older=True)


async def test_what_can_never_be_installed_is_not_kept(inbox, tmp_path):
    with pytest.raises(ApplianceError, match="is for 'there'"):
        await offer(inbox, b"2.0 there")
    assert inbox.offered() is None and list((tmp_path / "box/update").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "size", "words"),
    [
        (b"1.1 here", 9, "cut off"),
        (b"1.1 here" * 2000, None, "no bundle"),
        (b"1.1 here", 20_000, "no bundle"),
    ],
)
async def test_too_big_or_cut_off_it_leaves_nothing(inbox, tmp_path, text, size, words):
    with pytest.raises(ApplianceError, match=words):
        await offer(inbox, text, size)
    assert list((tmp_path / "box/update").glob("*")) == []


async def test_no_room_on_the_disk(inbox, monkeypatch):
    monkeypatch.setattr("appliance.system.update.inbox.RESERVE_BYTES", 1 << 60)
    with pytest.raises(ApplianceError, match="no room"):
        await offer(inbox, b"1.1 here")


async def test_a_stick_is_offered_and_taken_on_a_person_s_word_only(inbox, tmp_path):
    stick = tmp_path / "media/usb"
    stick.mkdir()
    (stick / "new.raucb").write_bytes(b"1.3 here")
    (stick / "link.raucb").symlink_to("/etc/passwd")
    (stick / "photo.jpg").write_bytes(b"x")
    assert [(each.name, each.size_bytes) for each in inbox.sticks()] == [("new.raucb", 8)]
    assert inbox.offered() is None and not inbox.waits()
    assert (await inbox.take("new.raucb", str(stick))).source == "stick"
    with pytest.raises(ApplianceError, match="no bundle"):
        await inbox.take("../new.raucb", str(stick))


async def test_while_an_update_is_under_way_nothing_comes_in_and_nothing_goes(inbox, tmp_path):
    await offer(inbox, b"1.1 here")
    records.write(Places(tmp_path / "box"), Record("trial"))
    for work in (lambda: offer(inbox, b"1.2 here"), inbox.clear, lambda: inbox.install("anna")):
        with pytest.raises(ApplianceError, match="under way"):
            found = work()
            await found
    records.write(Places(tmp_path / "box"), Record("good"))
    inbox.clear()
    assert inbox.offered() is None
