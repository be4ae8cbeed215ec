"""Support bundle and backup beside a box that runs: real children, a real disk that is pulled out or full."""

import asyncio
import io
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.base.clock import BoxClock
from appliance.base.config import load
from appliance.base.errors import ApplianceError
from appliance.base.model import User
from appliance.cli import main
from appliance.daemon.care import backing_up, resetting
from appliance.daemon.care.care import Care
from appliance.daemon.stores import Stores
from appliance.store import audit, passphrase, settings
from appliance.store.database import Database

WORDS = "four dull words here"
BY = User("u-1", "maria", "admin")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A box; made once, since a password's hash takes its time."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "password").write_text("long enough for a test\n")
    (folder / "password").chmod(0o600)
    words = ("init", "--data", str(folder / "box"), "--admin-password-file", str(folder / "password"))
    assert main(words) == 0
    return folder / "box"


@pytest.fixture
def config(template: Path, tmp_path: Path) -> Any:
    shutil.copytree(template, tmp_path / "box")
    return load({}, data_dir=tmp_path / "box")


@pytest.fixture
def stores(config: Any) -> Any:
    with Stores.open(config) as found:
        yield found


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.store.passphrase.seal.__kwdefaults__", {"cost_n": 1 << 10})


@pytest.fixture
async def care_with(config: Any, stores: Any, small_disk: Path) -> Any:
    """``care_with(command=…)``: a care whose sticks are ``small_disk``; closed with the test."""
    made: list[Care] = []

    def make(**more: Any) -> Care:
        made.append(Care(config, stores.appliance, BoxClock(), places=(small_disk.parent,), **more))
        return made[-1]

    yield make
    for care in made:
        await care.close()


def saying(*lines: str, then: str = "") -> tuple[str, ...]:
    """A command that says these lines, whatever it is asked."""
    code = f"import sys, time\nfor line in {lines!r}: print(line, flush=True)\n{then}"
    return (sys.executable, "-c", code)


async def ended(care: Care, kind: str) -> Any:
    async with asyncio.timeout(30):
        while (job := getattr(await care.state(), kind)).phase == "working":
            await asyncio.sleep(0.02)
    return job


def noted(db: Database) -> list[dict[str, Any]]:
    rows, _, _ = db.read_now(lambda conn: audit.page(conn, 10, None))
    return [row.detail for row in rows if (row.thing, row.username) == ("backup", "maria")]


async def test_a_backup_is_made_on_the_stick_beside_the_running_box(
    care_with: Any, stores: Any, small_disk: Path
) -> None:
    care = care_with()
    (before,) = (await care.state()).sticks
    assert (before.folder, before.writable, before.backups) == (str(small_disk), True, 0)
    await care.back_up(str(small_disk), WORDS, BY)
    with pytest.raises(ApplianceError, match="a backup is being made") as caught:
        await care.make_support()
    assert caught.value.kind == "conflict"
    job = await ended(care, "backup")
    assert (job.phase, job.step) == ("done", "reading"), job
    (file,) = small_disk.iterdir()
    assert (file.name, file.stat().st_size) == (job.name, job.size_bytes)
    plain = io.BytesIO()
    with file.open("rb") as source:
        passphrase.open_sealed(source, plain, WORDS)
    plain.seek(0)
    with tarfile.open(fileobj=plain) as tar:
        assert {"appliance.db", "archive.db", "secrets/box.key"} <= set(tar.getnames())
    state = await care.state()
    assert state.last_backup is not None and state.last_backup.name == file.name
    assert (state.sticks[0].backups, state.sticks[0].newest) == (1, file.name)
    after, begun = noted(stores.appliance)
    assert begun == {"folder": str(small_disk)} and after["name"] == file.name
    assert WORDS not in str([begun, after, state])


async def test_a_bundle_is_made_and_taken(care_with: Any, config: Any) -> None:
    care = care_with()
    with pytest.raises(ApplianceError, match="no support bundle"):
        care.bundle()
    await care.make_support()
    job = await ended(care, "support")
    assert job.phase == "done" and job.parts > 10 and job.size_bytes == care.bundle().stat().st_size
    assert care.bundle().stat().st_mode & 0o077 == 0
    with tarfile.open(care.bundle()) as tar:
        assert "support/health.json" in tar.getnames()
    assert (await care.support_now())[:2] == b"\x1f\x8b"  # a second one, in its place
    care_with()
    assert not (config.data_dir / "care").exists()  # the next daemon begins with none


async def test_what_breaks_off_or_hangs_is_said_and_is_not_the_last(care_with: Any, small_disk: Path) -> None:
    care = care_with(command=saying('{"step":"writing","done":1,"all":9}', then="sys.exit(9)"))
    await care.back_up(str(small_disk), WORDS, BY)
    job = await ended(care, "backup")
    assert (job.phase, job.message, job.done) == ("failed", "it broke off", 1) and job.hint
    care = care_with(command=saying("no JSON", then="time.sleep(60)"), silent_s=0.3)
    await care.back_up(str(small_disk), WORDS, BY)
    assert (await ended(care, "backup")).message == "it does not go on"
    await care.make_support()  # another one may begin
    assert (await ended(care, "support")).phase == "failed"
    care = care_with(command=("/no/such/program",))
    await care.back_up(str(small_disk), WORDS, BY)
    assert "cannot begin" in (await ended(care, "backup")).message


async def test_the_daemon_ends_with_its_children(care_with: Any, small_disk: Path) -> None:
    care = care_with(command=saying(then="time.sleep(60)"))
    await care.back_up(str(small_disk), WORDS, BY)
    await asyncio.sleep(0.2)
    async with asyncio.timeout(5):
        await care.close()
    assert (await care.state()).backup.phase == "failed"


async def test_only_a_stick_is_a_stick(care_with: Any, config: Any, small_disk: Path) -> None:
    care = care_with()
    (small_disk.parent / "no-mount").mkdir()
    for folder in (small_disk.parent / "no-mount", config.data_dir, Path("/etc"), small_disk / ".."):
        with pytest.raises(ApplianceError) as caught:
            await care.back_up(str(folder), WORDS, BY)
        assert caught.value.kind == "not_found" and caught.value.hint
    for weak in ("short", "two\nlines of it"):
        with pytest.raises(ApplianceError) as caught:
            await care.back_up(str(small_disk), weak, BY)
        assert caught.value.field == "passphrase"
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert not (await care.state()).sticks[0].writable
    with pytest.raises(ApplianceError, match="can only be read"):
        await care.back_up(str(small_disk), WORDS, BY)


async def test_the_boxs_own_disks_are_no_sticks(stores: Any, config: Any, small_disk: Path) -> None:
    recording = msgspec.structs.replace(config, volumes=(small_disk / "footage",))
    care = Care(recording, stores.appliance, BoxClock(), places=(small_disk.parent,))
    assert (await care.state()).sticks == []


async def test_a_bundle_without_room_is_said(care_with: Any, config: Any) -> None:
    (config.data_dir / "care").write_text("in the way")
    care = care_with()
    (config.data_dir / "care").write_text("in the way")
    await care.make_support()
    job = await ended(care, "support")
    assert job.phase == "failed" and "cannot" in job.message and job.hint


# -- reset -------------------------------------------------------------------------------------


@pytest.fixture
def plug_in(tmp_path: Path) -> Any:
    """``plug_in(text)``: a stick with this in its file; gone with the test."""
    plugged: list[Path] = []

    def plug(text: str) -> Path:
        folder = tmp_path / f"usb{len(plugged)}"
        folder.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True).returncode:
            pytest.skip("mounting a tmpfs is refused here")
        (folder / resetting.STICK_FILE).write_text(text)
        plugged.append(folder)
        return folder

    yield plug
    for folder in plugged:
        subprocess.run(["umount", folder], check=True)


async def until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not await holds():
            await asyncio.sleep(0.02)


async def test_a_stick_that_is_plugged_in_after_it_was_asked_for_resets_the_box(
    care_with: Any, config: Any, stores: Any, plug_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.daemon.care.reset_by_stick.LOOK_S", 0.05)
    monkeypatch.setattr("appliance.daemon.care.reset_by_stick._GO_S", 0.05)
    device_id = stores.appliance.read_now(settings.device_id)
    plug_in(f"{device_id}\n")  # left in the box: no proof that anybody is there now
    stopped: list[bool] = []
    care = care_with(stop=lambda: stopped.append(True))
    await care.ask_reset("delete", BY)
    with pytest.raises(ApplianceError, match="asked for already"):
        await care.ask_reset("keep", BY)
    plug_in("of another box")

    async def refused() -> bool:
        return "does not hold" in (await care.state()).reset.message

    await until(refused)
    await asyncio.sleep(0.2)
    assert (await care.state()).reset.phase == "waiting" and not resetting.begun(config.data_dir)
    plug_in(f"\n{device_id} \n")

    async def ended_() -> bool:
        return bool(stopped)

    await until(ended_)
    assert (await care.state()).reset.phase == "begun" and resetting.begun(config.data_dir)
    with pytest.raises(ApplianceError, match="has begun"):
        await care.call_off_reset(BY)
    rows, _, _ = stores.appliance.read_now(lambda conn: audit.page(conn, 10, None))
    assert next(row.detail for row in rows if row.thing == "box") == {"reset": "begun", "footage": "delete"}
    stores.close()
    resetting.finish(config.data_dir, BoxClock())
    assert not (config.data_dir / "appliance.db").exists()


async def test_a_reset_that_is_called_off_or_waited_for_in_vain_changes_nothing(
    care_with: Any, config: Any, stores: Any, plug_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.daemon.care.reset_by_stick.LOOK_S", 0.05)
    care = care_with(stop=lambda: pytest.fail("it ended"))
    await care.ask_reset("keep", BY)
    await care.call_off_reset(BY)
    assert (await care.state()).reset is None
    plug_in(stores.appliance.read_now(settings.device_id))
    monkeypatch.setattr("appliance.daemon.care.reset_by_stick.WAITS_NS", 10**8)
    await care.ask_reset("keep", BY)

    async def over() -> bool:
        return (await care.state()).reset.phase == "over"

    await until(over)
    assert not resetting.begun(config.data_dir)


# -- what the child does -------------------------------------------------------------------------


def back_up(config: Any, stores: Any, stick: Path, tell: Any) -> Any:
    return backing_up.to_stick(config, stores, stick, WORDS, BoxClock(), tell)


def test_a_stick_that_fills_up_in_the_middle(
    config: Any, stores: Any, small_disk: Path, fill_up: Any, cheap: Any
) -> None:
    with pytest.raises(ApplianceError, match="is full") as caught:
        back_up(config, stores, small_disk, lambda step, *_: step == "writing" and fill_up(small_disk))
    assert caught.value.kind == "exhausted" and caught.value.hint
    assert [path.name for path in small_disk.iterdir()] == ["footage"]
    assert backing_up.last(config.data_dir) is None and not list(config.data_dir.glob(".backup-*"))


def test_a_stick_without_room_is_refused_before_anything_is_copied(
    config: Any, stores: Any, small_disk: Path, fill_up: Any
) -> None:
    fill_up(small_disk)
    told: list[str] = []
    with pytest.raises(ApplianceError, match="no room") as caught:
        back_up(config, stores, small_disk, lambda step, *_: told.append(step))
    assert caught.value.kind == "exhausted" and told == []


def test_a_stick_that_is_pulled_out_in_the_middle(
    config: Any, stores: Any, tmp_path: Path, cheap: Any
) -> None:
    stick = tmp_path / "usb"
    stick.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", stick], capture_output=True).returncode:
        pytest.skip("mounting a tmpfs is refused here")

    def tell(step: str, done: int, all_bytes: int) -> None:
        if step == "writing" and done:
            subprocess.run(["umount", "-l", stick], check=True)

    with pytest.raises(ApplianceError, match="went away") as caught:
        back_up(config, stores, stick, tell)
    assert caught.value.kind == "unavailable" and "plug it in again" in caught.value.hint
    assert list(stick.iterdir()) == []
    assert backing_up.last(config.data_dir) is None and not list(config.data_dir.glob(".backup-*"))


def test_a_stick_that_gives_back_something_else(
    config: Any, stores: Any, small_disk: Path, cheap: Any
) -> None:
    def tell(step: str, done: int, all_bytes: int) -> None:
        if step == "writing" and done:
            (partial,) = small_disk.iterdir()
            with partial.open("r+b") as file:
                file.seek(-1, 2)
                file.write(b"\0")

    with pytest.raises(ApplianceError, match="does not give back") as caught:
        back_up(config, stores, small_disk, tell)
    assert caught.value.kind == "data_loss" and list(small_disk.iterdir()) == []
