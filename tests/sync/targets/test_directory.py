"""What is a stick's own: never the system's disk, and whole bundles only, whenever it is pulled."""

import asyncio
import os
from pathlib import Path

import msgspec
import pytest

from appliance.base.errors import ApplianceError
from appliance.store import identity, outbox, targets
from appliance.store.outbox import OutboxRow
from appliance.store.sealing import Sealer
from appliance.sync.bundle import marker, reading
from appliance.sync.sync import Sync
from appliance.sync.targets import registry

CLIP = OutboxRow("clip-1", "clip", b"{}", 1_768_919_400_123_000_000, 0, False)
ROWS = [OutboxRow(f"r{n}", "event", b'{"a":1}', CLIP.created_ns + n, 0, False) for n in range(3)]


@pytest.fixture
async def stick(start_peer):
    return await start_peer("directory")


async def test_without_its_mount_nothing_is_written_to_the_system_s_disk(stick, film, pace):
    target = registry.make(stick.given())
    await stick.stop()
    (stick.root / marker.MARKER).write_bytes((stick.disk / marker.MARKER).read_bytes())  # left by somebody
    for verdict in (await target.put(ROWS), await target.put_file(CLIP, film(b"x"), pace)):
        assert verdict.kind == "later" and "nothing is mounted" in verdict.error
    assert not (await target.probe()).ok
    assert os.listdir(stick.root) == [marker.MARKER]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "no marker"),
        (b"{}", "no marker"),
        (b"x" * 20_000, "no marker"),
        (b'{"id":"stick-1","for":"box-2"}', "another box's"),
        (b'{"id":"stick-2","for":"any"}', "another box's"),
    ],
)
async def test_a_disk_that_is_not_this_box_s_is_left_alone(stick, content, word):
    target = registry.make(stick.given(options={"stick": "stick-1"}))
    (stick.disk / marker.MARKER).unlink()
    if content is not None:
        (stick.disk / marker.MARKER).write_bytes(content)
    verdict = await target.put(ROWS)
    assert verdict.kind == "later" and word in verdict.error
    assert not (stick.disk / "aries").exists()


async def test_a_marker_that_is_a_link_is_none(stick):
    (stick.disk / marker.MARKER).rename(stick.disk / "x")
    (stick.disk / marker.MARKER).symlink_to("x")
    assert (await registry.make(stick.given()).put(ROWS)).kind == "later"


async def test_a_stick_is_prepared_once(stick, tmp_path):
    for root, kind in ((stick.disk, "conflict"), (tmp_path, "unavailable"), (tmp_path / "no", "unavailable")):
        with pytest.raises(ApplianceError) as caught:
            marker.prepare(root, marker.Marker("new", "any"))
        assert caught.value.kind == kind and caught.value.hint


async def test_a_full_stick_says_so_and_keeps_nothing_of_it(stick, film, pace, fill_up):
    target = registry.make(stick.given())
    fill_up(stick.disk)
    for verdict in (await target.put(ROWS), await target.put_file(CLIP, film(bytes(300_000)), pace)):
        assert verdict.kind == "later" and "full" in verdict.error
    (stick.disk / "footage").unlink()
    assert await stick.held() == [] and await stick.leftovers() == 0
    assert (await target.put(ROWS)).kind == "delivered"
    assert (await target.put_file(CLIP, film(bytes(300_000)), pace)).kind == "delivered"


async def test_a_file_system_that_takes_no_such_long_files_rejects_that_one(stick, film, pace, monkeypatch):
    def pwrite(_fd, _data, _offset):
        raise OSError(27, "File too large")

    monkeypatch.setattr(os, "pwrite", pwrite)
    verdict = await registry.make(stick.given()).put_file(CLIP, film(bytes(300_000)), pace)
    assert [id_ for id_, _ in verdict.rejected] == ["clip-1"] and await stick.leftovers() == 0


async def test_a_file_goes_on_where_it_stopped(stick, film, pace):
    class Lost(film):
        async def read(self, offset, length_bytes):
            async for piece in super().read(offset, length_bytes):
                if self.read_bytes > 200_000:
                    raise ApplianceError("unavailable", "the ring is busy", "")
                yield piece

    data = os.urandom(500_000)
    target = registry.make(stick.given())
    assert (await target.put_file(CLIP, Lost(data), pace)).kind == "later"
    assert await stick.leftovers() == 1 and await stick.held() == []
    begun = pace.sent_bytes
    assert 100_000 < begun < 300_000
    assert (await target.put_file(CLIP, film(data), pace)).kind == "delivered"
    assert pace.sent_bytes == len(data) and await stick.file("clip-1") == data


async def test_a_bundle_that_somebody_touched_is_made_again(stick, film, pace):
    target = registry.make(stick.given())
    await target.put(ROWS)
    await target.put_file(CLIP, film(b"abc"), pace)
    for name in ("rows.jsonl", "files/clip-1.mp4"):
        path = next(stick.disk.glob(f"aries/box-1/*/*/{name}"))
        path.write_bytes(b"x")
    assert (await target.put(ROWS)).kind == "delivered"
    assert (await target.put_file(CLIP, film(b"abc"), pace)).kind == "delivered"
    assert sorted(await stick.held()) == ["clip-1", "r0", "r1", "r2"] and await stick.file("clip-1") == b"abc"


CALLS = ("open", "mkdir", "fsync", "rename", "pwrite", "ftruncate")


async def test_pulled_at_any_call_it_has_whole_bundles_only(stick, film, pace, monkeypatch):
    """The N-th call that changes the disk fails, and all after it; then it is plugged in again."""
    real = {name: getattr(os, name) for name in CALLS}
    state = {"left": 10**9}

    def failing(name):
        def call(*args, **kwargs):
            state["left"] -= 1
            if state["left"] < 0:
                raise OSError(5, "Input/output error")
            return real[name](*args, **kwargs)

        return call

    for name in CALLS:
        monkeypatch.setattr(os, name, failing(name))
    target, made, outcomes = registry.make(stick.given()), film(bytes(100_000)), set()
    for calls in range(200):
        for work in (lambda: target.put(ROWS), lambda: target.put_file(CLIP, made, pace)):
            before = await stick.held()
            state["left"] = calls
            verdict = await work()
            state["left"] = 10**9
            after = await stick.held()  # raises where a bundle is there that is not whole
            assert set(verdict.acknowledged) <= set(after) and set(before) <= set(after)
            outcomes.add(verdict.kind)
        if len(await stick.held()) == 4 and verdict.kind == "delivered" and calls > 60:
            break
        for path in stick.disk.glob("aries/box-1"):  # the next one begins with an empty stick
            os.rename(path, stick.disk / f"gone-{calls}")
    assert outcomes == {"later", "delivered"}


async def test_its_name_comes_after_all_is_on_stable_storage(stick, monkeypatch):
    order, fsync, rename = [], os.fsync, os.rename

    def noted_fsync(fd):
        order.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)
        fsync(fd)

    def noted_rename(*args, **kwargs):
        order.append("rename")
        rename(*args, **kwargs)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "rename", noted_rename)
    await registry.make(stick.given()).put(ROWS)
    (name,) = [path.name for path in stick.disk.glob("aries/box-1/2026-01-20/*")]
    before, after = order[: order.index("rename")], order[order.index("rename") + 1 :]
    assert before[-4:] == ["rows.jsonl", "manifest.json", "manifest.sig", f".partial-{name}"]
    assert after == ["2026-01-20"]


@pytest.mark.parametrize(
    "url",
    ["/media/usb", "file://host/x", "file:///", "file:///a/../b", "file:///a?x", "https://a/", "file:///a%00b",
     "", "file:media"],
)  # fmt: skip
def test_what_is_no_folder_is_refused(url):
    from appliance.store.targets import Target

    with pytest.raises(ApplianceError) as caught:
        registry.check(Target("out", url, "directory"), None)
    assert (caught.value.kind, caught.value.field) == ("invalid", "url") and caught.value.hint


async def test_a_box_without_an_identity_says_what_to_do(stick):
    with pytest.raises(ApplianceError) as caught:
        registry.make(stick.given(sign=None))
    assert caught.value.kind == "unavailable" and "identity" in caught.value.hint


def test_options_are_checked():
    from appliance.store.targets import Target

    for options in ({"stik": "x"}, {"schema": "3"}, {"longest_bytes": "many"}):
        with pytest.raises(ApplianceError) as caught:
            registry.check(Target("out", "file:///media/usb", "directory", options=options), None)
        assert caught.value.kind == "invalid" and caught.value.field.startswith("options")
    assert msgspec.json.encode(marker.Marker("a", "any")) == b'{"id":"a","for":"any","format":1}'


async def test_the_box_signs_with_its_own_identity(stick, tmp_path, clock):
    """All of it together: outbox, sender, stick; read by who knows the box's public key."""
    given_ = stick.given()
    sealer = Sealer(b"k" * 32)
    sync = Sync(given_.db, sealer, clock, "box-1")
    given_.db.write_now(lambda conn: targets.put(conn, given_.target, None))
    body = b'{"camera_id":"gate"}'
    given_.db.write_now(lambda conn: outbox.enqueue(conn, ["out"], "e-1", "event", body, clock.now_ns()))
    task = asyncio.create_task(sync.run())
    while (await sync.figures("out")).acknowledged == 0:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    public = given_.db.read_now(identity.public_key)
    (found,) = reading.find(stick.disk)
    assert [m.id for m in reading.take(stick.disk, found, {"box-1": public}.get).messages] == ["e-1"]
