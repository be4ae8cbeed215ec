import re
import stat

import pytest

from appliance.base import config
from appliance.base.errors import ApplianceError
from appliance.base.redaction import redact
from appliance.daemon import first_boot
from appliance.daemon.stores import Stores
from appliance.store import audit, settings, users
from appliance.system import ballast


def hashed(password: str) -> str:
    return f"hash of {password}"


@pytest.fixture
def box(tmp_path):
    return config.load({}, data_dir=tmp_path / "box", overrides={"site_timezone": "Europe/Berlin"})


def test_an_empty_folder_becomes_a_box_with_one_admin(box, clock):
    assert not first_boot.is_box(box.data_dir)
    code = first_boot.initialise(box, clock, hashed)
    assert re.fullmatch(r"([2-9a-z]{5}-){3}[2-9a-z]{5}", code)
    assert first_boot.is_box(box.data_dir)
    with Stores.open(box) as stores:
        (admin,) = stores.appliance.read_now(users.list_users)
        assert (admin.username, admin.role, admin.must_change_password) == ("admin", "admin", True)
        assert stores.appliance.read_now(lambda c: users.password_hash(c, admin.id)) == hashed(code)
        assert stores.appliance.read_now(settings.device_id)
        assert stores.appliance.read_now(settings.load).site.time_zone == "Europe/Berlin"
        assert stores.appliance.read_now(lambda c: audit.page(c, 10, None))
    for path in box.data_dir.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_no_claim_code_reaches_a_log(box, clock):
    code = first_boot.initialise(box, clock, hashed)
    assert code not in redact(f"somebody typed {code} into the wrong field")
    assert len({first_boot.claim_code() for _ in range(100)}) == 100


def test_a_given_password_is_final(box, clock):
    assert first_boot.initialise(box, clock, hashed, "a sentence of my own") is None
    with Stores.open(box) as stores:
        (admin,) = stores.appliance.read_now(users.list_users)
        assert not admin.must_change_password


def test_a_box_is_never_made_twice(box, clock):
    first_boot.initialise(box, clock, hashed)
    with pytest.raises(ApplianceError, match="already") as refused:
        first_boot.initialise(box, clock, hashed)
    assert refused.value.kind == "conflict"


def test_somebody_else_s_folder_is_left_alone(box, clock):
    box.data_dir.mkdir()
    (box.data_dir / "thesis.doc").touch()
    with pytest.raises(ApplianceError, match=r"thesis\.doc"):
        first_boot.initialise(box, clock, hashed)
    assert [path.name for path in box.data_dir.iterdir()] == ["thesis.doc"]


def test_a_prepared_configuration_is_kept(box, clock):
    box.data_dir.mkdir()
    (box.data_dir / "appliance.toml").write_text("segment_s = 5\n")
    first_boot.initialise(box, clock, hashed)
    assert (box.data_dir / "appliance.toml").read_text() == "segment_s = 5\n"


def test_a_try_that_was_cut_short_is_finished_by_the_next(box, clock):
    def dies(password: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first_boot.initialise(box, clock, dies)
    with Stores.open(box):
        pass
    assert not first_boot.is_box(box.data_dir)
    assert first_boot.initialise(box, clock, hashed)
    assert first_boot.is_box(box.data_dir)


def test_a_path_that_cannot_be_a_folder_is_said_plainly(tmp_path, clock):
    (tmp_path / "file").touch()
    wrong = config.load({}, data_dir=tmp_path / "file" / "box")
    with pytest.raises(ApplianceError) as refused:
        first_boot.initialise(wrong, clock, hashed)
    assert (refused.value.kind, refused.value.field) == ("unavailable", "data_dir")


def test_on_a_full_disk_the_ballast_goes_first(small_disk, fill_up, clock):
    box = config.load({}, data_dir=small_disk / "box")
    first_boot.initialise(box, clock, hashed)
    assert ballast.fill(box.data_dir)
    fill_up(small_disk)
    assert first_boot.is_box(box.data_dir)
    assert not (box.data_dir / ballast.NAME).exists()
    with Stores.open(box) as stores:
        stores.appliance.write_now(lambda conn: settings.set_value(conn, "k", 1))


def test_first_boot_on_a_full_disk_is_said_and_leaves_no_box(small_disk, fill_up, clock):
    box = config.load({}, data_dir=small_disk / "box")
    fill_up(small_disk)
    with pytest.raises(ApplianceError) as refused:
        first_boot.initialise(box, clock, hashed)
    assert refused.value.kind in ("exhausted", "unavailable")
    (small_disk / "footage").unlink()
    assert first_boot.initialise(box, clock, hashed)


def test_recordings_of_a_lost_box_do_not_get_a_new_one_beside_them(box, clock):
    first_boot.initialise(box, clock, hashed)
    (box.data_dir / "recordings").mkdir()
    (box.data_dir / "recordings" / ".volume.json").write_text("{}")
    for file in box.data_dir.glob("appliance.db*"):
        file.unlink()
    with pytest.raises(ApplianceError, match="lost") as refused:
        first_boot.initialise(box, clock, hashed)
    assert (refused.value.kind, "restore" in refused.value.hint) == ("data_loss", True)
    assert not first_boot.is_box(box.data_dir)
