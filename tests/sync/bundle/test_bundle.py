"""The stick as a stranger's: nothing on it is believed that the box did not sign."""

import base64
import hashlib
import json
import os
import shutil

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.base.errors import ApplianceError
from appliance.store.outbox import OutboxRow
from appliance.sync.bundle import reading, writing
from appliance.sync.bundle.folders import Folder
from appliance.sync.bundle.manifest import FileEntry, Manifest, signed_text
from appliance.sync.envelope.writing import write

KEY, OTHER = Ed25519PrivateKey.from_private_bytes(b"k" * 32), Ed25519PrivateKey.from_private_bytes(b"o" * 32)
KEYS = {"box-1": KEY.public_key().public_bytes_raw(), "box-2": OTHER.public_key().public_bytes_raw()}
FILM = bytes(range(256)) * 8


def row(id_: str = "clip-1") -> OutboxRow:
    return OutboxRow(id_, "clip", b'{"camera_id":"gate"}', 1_768_919_400_123_000_000, 0, False)


def bundle(root, device="box-1", rows=None, sign=KEY.sign, changes=None):
    """A bundle of one row and one file; ``changes`` of its manifest, before it is signed."""
    some = rows or [row()]
    entry = FileEntry(some[0].id, "video/mp4", len(FILM), hashlib.sha256(FILM).hexdigest())
    one = writing.draft(device, some, [write("box-1", each, 2) for each in some], [entry])
    if changes:
        one = msgspec.structs.replace(one, manifest=msgspec.structs.replace(one.manifest, **changes))
    with Folder.at(root) as folder, writing.day_folder(folder, one.manifest) as day:
        with day.inner(one.partial, make=True) as partial, partial.inner("files", make=True) as files:
            files.write("clip-1.mp4", FILM)
        writing.finish(day, one, sign)
    (found,) = [each for each in reading.find(root) if each.device_id == device]
    return root / "aries" / found.device_id / found.day / found.name


def take(root):
    """All that a hub would take in: ids, and files by row."""
    ids, files = [], {}
    for found in reading.find(root):
        taken = reading.take(root, found, KEYS.get)
        ids += [message.id for message in taken.messages]
        for entry in taken.manifest.files:
            data = bytearray()
            reading.copy(root, taken, entry, data.extend)
            files[entry.row_id] = bytes(data)
    return ids, files


def refused(root) -> str:
    with pytest.raises(ApplianceError) as caught:
        take(root)
    return caught.value.kind


def test_what_the_box_writes_the_hub_reads(tmp_path):
    bundle(tmp_path, rows=[row(), row("clip-2")])
    assert take(tmp_path) == (["clip-1", "clip-2"], {"clip-1": FILM})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_no_flipped_bit_comes_through(tmp_path, data):
    shutil.rmtree(tmp_path / "aries", ignore_errors=True)
    folder = bundle(tmp_path)
    name = data.draw(st.sampled_from(["manifest.json", "manifest.sig", "rows.jsonl", "files/clip-1.mp4"]))
    content = bytearray((folder / name).read_bytes())
    at = data.draw(st.integers(0, len(content) * 8 - 1))
    content[at // 8] ^= 1 << at % 8
    (folder / name).write_bytes(content)
    assert refused(tmp_path) in ("denied", "data_loss")


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig", "rows.jsonl", "files/clip-1.mp4"])
@pytest.mark.parametrize("how", ["gone", "short", "long", "link", "pipe", "folder", "endless"])
def test_no_other_thing_in_a_file_s_place_comes_through(tmp_path, name, how):
    path = bundle(tmp_path) / name
    content = path.read_bytes()
    path.unlink()
    if how == "link":
        (tmp_path / "elsewhere").write_bytes(content)
        path.symlink_to(tmp_path / "elsewhere")
    elif how == "endless":
        path.symlink_to("/dev/zero")
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "folder":
        path.mkdir()
    elif how != "gone":
        path.write_bytes(content[:-1] if how == "short" else content + b"\n")
    assert refused(tmp_path) in ("denied", "data_loss", "unavailable")


@pytest.mark.parametrize("level", ["aries", "aries/box-1", "aries/box-1/2026-01-20"])
def test_a_linked_folder_is_not_entered(tmp_path, level):
    """Without a top there is nothing to read; below it what is none is left out, and said."""
    real, stick = tmp_path / "real", tmp_path / "stick"
    real.mkdir()
    bundle(real)
    (stick / level).parent.mkdir(parents=True)
    (stick / level).symlink_to(real / level)
    if level == "aries":
        assert refused(stick) == "unavailable"
    else:
        skipped = []
        assert list(reading.find(stick, skipped.append)) == []
        assert [text.partition(" ")[0] for text in skipped] == [level]


@pytest.mark.parametrize("place", ["aries/aaa", "aries/zzz", "aries/box-1/2026-01-01"])
@pytest.mark.parametrize("how", ["file", "link", "pipe", "dead link"])
def test_what_is_named_like_a_folder_and_is_none_hides_no_bundle(tmp_path, place, how):
    bundle(tmp_path)
    odd = tmp_path / place
    if how == "file":
        odd.write_text("x")
    elif how == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to("/etc" if how == "link" else "/nowhere")
    skipped = []
    assert [found.device_id for found in reading.find(tmp_path, skipped.append)] == ["box-1"]
    assert len(skipped) == 1 and place in skipped[0]
    assert take(tmp_path)[0] == ["clip-1"]


@pytest.mark.parametrize("name", ["manifest.json", "rows.jsonl"])
def test_what_is_nested_without_end_is_refused_in_words(tmp_path, name):
    deep = b"[" * 100_000 + b"]" * 100_000
    changes = {}
    if name == "rows.jsonl":
        line = write("box-1", row(), 2)[:-1] + b',"more":' + deep + b"}\n"
        changes = {"rows_bytes": len(line), "rows_sha256": hashlib.sha256(line).hexdigest()}
    folder = bundle(tmp_path, changes=changes)
    if name == "rows.jsonl":
        (folder / name).write_bytes(line)
    else:
        encoded = (folder / name).read_bytes()[:-1] + b',"more":' + deep + b"}"
        (folder / name).write_bytes(encoded)
        (folder / "manifest.sig").write_bytes(base64.b64encode(KEY.sign(signed_text(encoded))))
    assert refused(tmp_path) == "invalid"


def test_a_bundle_that_is_a_link_is_refused(tmp_path):
    folder = bundle(tmp_path)
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    assert refused(tmp_path) == "unavailable"


def test_another_box_s_signature_an_unknown_box_and_none_are_denied(tmp_path):
    folder = bundle(tmp_path, sign=OTHER.sign)
    assert refused(tmp_path) == "denied"
    (folder / "manifest.sig").write_bytes(b"")
    assert refused(tmp_path) == "denied"
    shutil.move(tmp_path / "aries" / "box-1", tmp_path / "aries" / "box-3")
    assert refused(tmp_path) == "denied"


def test_a_signature_for_another_purpose_is_denied(tmp_path):
    bundle(tmp_path, sign=lambda text: KEY.sign(text.partition(b"\n")[2]))
    assert refused(tmp_path) == "denied"


@pytest.mark.parametrize("to", ["box-1/2026-01-21/{0}", "box-2/2026-01-20/{0}", "box-1/2026-01-20/{1}"])
def test_a_bundle_under_another_name_is_denied(tmp_path, to):
    folder = bundle(tmp_path)
    another = folder.name[:-1] + ("1" if folder.name[-1] == "0" else "0")
    target = tmp_path / "aries" / to.format(folder.name, another)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(target)
    assert refused(tmp_path) == "denied"


def test_what_is_not_named_as_a_bundle_is_not_looked_at(tmp_path):
    folder = bundle(tmp_path)
    folder.rename(folder.with_name(".partial-" + folder.name))
    for name in ("20260120T143000Z-zz", "..", "20260120T143000Z-" + "0" * 25):
        (folder.parent / name).mkdir(exist_ok=True)
    (tmp_path / "aries" / "box 1").mkdir()
    (tmp_path / "aries" / "autorun.inf").write_text("")
    assert take(tmp_path) == ([], {})


def test_a_box_that_is_hostile_itself_gets_no_further(tmp_path):
    """Signed by the right box, and wrong all the same."""
    for number, changes in enumerate(
        [
            {"rows": 2},
            {"rows_bytes": 10},
            {"rows_bytes": 10**15},
            {"files": (FileEntry("../../etc/passwd", "video/mp4", 5, "0" * 64),)},
            {"files": (FileEntry("row-of-nobody", "video/mp4", 5, "0" * 64),)},
            {"files": (FileEntry("clip-1", "video/mp4", 10**15, "0" * 64),)},
            {"files": (FileEntry("clip-1", "text/html", 5, "0" * 64),)},
        ]
    ):
        root = tmp_path / str(number)
        root.mkdir()
        bundle(root, changes=changes)
        assert refused(root) in ("invalid", "data_loss", "unavailable"), changes


def test_a_row_of_another_box_is_refused(tmp_path):
    bundle(tmp_path, device="box-2", sign=OTHER.sign)  # the row inside names box-1
    assert refused(tmp_path) == "invalid"


def test_a_stick_that_shows_other_bytes_the_second_time_gets_nowhere(tmp_path):
    folder = bundle(tmp_path)
    (found,) = reading.find(tmp_path)
    taken = reading.take(tmp_path, found, KEYS.get)
    (folder / "files" / "clip-1.mp4").write_bytes(FILM[:-1] + b"x")
    with pytest.raises(ApplianceError) as caught:
        reading.copy(tmp_path, taken, taken.manifest.files[0], lambda _: None)
    assert caught.value.kind == "data_loss"


@pytest.mark.parametrize("name", ["../box-1", "a/b", "", ".", "x" * 65])
def test_a_name_from_somewhere_else_is_no_way_out(tmp_path, name):
    bundle(tmp_path)
    with pytest.raises(ApplianceError):
        reading.take(tmp_path, reading.Found(name, "2026-01-20", "x"), lambda _: KEYS["box-1"])


def test_a_manifest_says_what_it_says_in_json(tmp_path):
    folder = bundle(tmp_path)
    said = (folder / "manifest.json").read_bytes()
    assert json.loads(said)["device_id"] == "box-1" and msgspec.json.decode(said, type=Manifest).rows == 1
    KEY.public_key().verify(base64.b64decode((folder / "manifest.sig").read_bytes()), signed_text(said))


def test_what_is_owed_again_though_the_hub_gave_a_receipt_is_made_anew(tmp_path):
    folder = bundle(tmp_path)
    entry = FileEntry("clip-1", "video/mp4", len(FILM), hashlib.sha256(FILM).hexdigest())
    one = writing.draft("box-1", [row()], [write("box-1", row(), 2)], [entry])
    for receipted in (False, True):
        if receipted:
            (folder / "receipt.json").write_bytes(b"{}")
        with Folder.at(tmp_path) as root, writing.day_folder(root, one.manifest) as day:
            assert writing.is_there(day, one) is not receipted
    assert not folder.exists()
