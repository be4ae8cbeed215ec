"""Settings: defaults where nothing was saved; the box's id is made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.base.settings import NightSettings, RetentionSettings, Settings, SiteSettings
from appliance.store import settings
from appliance.store.database import Database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "appliance.db", "appliance", synchronous="FULL")
    yield database
    database.close()


def test_an_empty_box_has_the_defaults(db: Database) -> None:
    assert db.read_now(settings.load) == Settings()


def test_what_is_saved_comes_back(db: Database) -> None:
    wanted = Settings(
        RetentionSettings(days=7, max_bytes=10**12),
        SiteSettings("Depot", "Europe/Berlin"),
        NightSettings("21:00", "05:30"),
    )
    db.write_now(lambda c: settings.save(c, wanted))
    assert db.read_now(settings.load) == wanted
    # a section that this version did not know when it was saved keeps its default
    db.write_now(lambda c: settings.set_value(c, "night", None))
    assert db.read_now(settings.load).night == NightSettings()
    assert db.read_now(settings.load).site == wanted.site


def test_values_of_the_box_s_own(db: Database) -> None:
    assert db.read_now(lambda c: settings.get_value(c, "alive_ns")) is None
    for value in (5, "text", {"a": [1, 2]}):
        db.write_now(lambda c, value=value: settings.set_value(c, "alive_ns", value))
        assert db.read_now(lambda c: settings.get_value(c, "alive_ns")) == value
    db.write_now(lambda c: settings.set_value(c, "alive_ns", None))
    assert db.read_now(lambda c: settings.get_value(c, "alive_ns")) is None


def test_the_box_s_id_is_made_once(db: Database) -> None:
    assert db.read_now(settings.device_id) == ""
    made = db.write_now(lambda c: settings.ensure_device_id(c, 10**18))
    assert len(made) == 36 and db.write_now(lambda c: settings.ensure_device_id(c, 2 * 10**18)) == made
    assert db.read_now(settings.device_id) == made
