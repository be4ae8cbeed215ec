"""What is done survives a kill at any byte."""

import os

import pytest

from appliance.base.errors import ApplianceError
from provisioning import record as record_module
from provisioning.record import FOLDER, WANTED, Record, alone, write_whole


def test_marks_are_found_again(tmp_path, clock):
    record = Record(tmp_path / "box", clock)
    record.mark("administrator", "done")
    record.mark("remote", "skipped")
    record.mark("cameras", "done", findings=True)
    again = Record(tmp_path / "box", clock)
    assert again.of("administrator").state == "done" and again.of("remote").state == "skipped"
    assert again.of("cameras").findings and again.of("site") is None
    assert again.of("administrator").at == "2026-01-20T14:30:00.000Z"


def test_looking_makes_nothing(tmp_path, clock):
    assert not Record(tmp_path / "box", clock).is_provisioned
    assert list(tmp_path.iterdir()) == []


def test_a_torn_new_file_beside_the_record_changes_nothing(tmp_path, clock):
    record = Record(tmp_path, clock)
    record.mark("administrator", "done")
    path = tmp_path / FOLDER / "record.json"
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.with_name("record.json.new").write_bytes(whole[:length])
        assert Record(tmp_path, clock).of("administrator").state == "done"
    record.mark("site", "done")
    assert Record(tmp_path, clock).of("site").state == "done"


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_death_before_the_rename_leaves_the_old_one(tmp_path, clock, monkeypatch, call):
    record = Record(tmp_path, clock)
    record.mark("administrator", "done")

    class Death(BaseException): ...

    def die(*_):
        raise Death

    where = os if call == "fsync" else record_module.Path
    monkeypatch.setattr(where, call, die)
    with pytest.raises(Death):
        record.mark("site", "done")
    monkeypatch.undo()
    again = Record(tmp_path, clock)
    assert again.of("administrator").state == "done" and again.of("site") is None


def test_a_damaged_record_begins_anew(tmp_path, clock, caplog):
    Record(tmp_path, clock).mark("administrator", "done")
    (tmp_path / FOLDER / "record.json").write_bytes(b"\0" * 40)
    assert Record(tmp_path, clock).of("administrator") is None
    assert "begins anew" in caplog.text


def test_only_the_box_reads_it(tmp_path, clock):
    record = Record(tmp_path / "box", clock)
    record.mark("administrator", "done")
    record.finish("1.2.3")
    assert record.is_provisioned and b"1.2.3" in (tmp_path / "box" / "provisioned").read_bytes()
    for path in (tmp_path / "box").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_what_root_writes_belongs_to_the_owner_of_the_folder(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(tmp_path, 1234, 1234)
    write_whole(tmp_path / "x", b"y")
    Record(tmp_path, None)
    assert (tmp_path / "x").stat().st_uid == 1234


def test_two_wizards_do_not_work_on_one_box(tmp_path):
    with alone(tmp_path), pytest.raises(ApplianceError) as caught, alone(tmp_path):
        pass
    assert caught.value.kind == "conflict"
    with alone(tmp_path):
        pass


def test_a_place_that_cannot_be_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ApplianceError) as caught, alone(tmp_path / "file"):
        pass
    assert caught.value.kind == "unavailable" and caught.value.field == "data_dir"


@pytest.mark.parametrize("how", ["begin", "finish"])
def test_the_wish_of_a_reset_is_fulfilled_once(tmp_path, clock, how):
    record = Record(tmp_path, clock)
    record.begin()  # there need be none
    (tmp_path / WANTED).touch()
    record.begin() if how == "begin" else record.finish("1.2.3")  # the second is without a page, by answers
    assert not (tmp_path / WANTED).exists()
