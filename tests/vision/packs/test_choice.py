"""The owner's choice: three settings and an audit row, together."""

import sqlite3

import pytest

from appliance.base.errors import ApplianceError
from appliance.store import settings
from appliance.vision.packs import catalogue, choice
from appliance.vision.packs.choice import Choice
from appliance.vision.packs.licences import COPYLEFT, meaning
from appliance.vision.packs.pack import read_description
from appliance.vision.packs.placing import describe


@pytest.fixture
def conn(root):
    conn = sqlite3.connect(":memory:")
    conn.row_factory = sqlite3.Row
    conn.executescript((root / "appliance/store/schema/appliance.sql").read_text())
    yield conn
    conn.close()


def test_what_was_never_chosen_is_auto(conn):
    assert choice.read(conn) == Choice("auto", "auto", 0.0)


def test_three_settings_and_one_row(conn):
    wanted = Choice("yolox-nano", "openvino", 60.0)
    choice.write(conn, wanted, 5, None, "command")
    assert choice.read(conn) == wanted
    (row,) = conn.execute("SELECT time_ns, action, thing, detail FROM audit").fetchall()
    assert (row["time_ns"], row["action"], row["thing"]) == (5, "changed", "model/yolox-nano")
    assert '"shadow_s":60.0' in row["detail"] and '"by":"command"' in row["detail"]


@pytest.mark.parametrize(
    "wanted", [Choice("a", "cuda"), Choice("a", shadow_s=-1), Choice("a", shadow_s=float("nan"))]
)
def test_what_makes_no_sense_is_not_stored(conn, wanted):
    with pytest.raises(ApplianceError):
        choice.write(conn, wanted, 5, None, "command")
    assert choice.read(conn) == Choice()


def test_what_another_version_stored_is_its_default(conn):
    settings.set_value(conn, choice.BACKEND, "abacus")
    settings.set_value(conn, choice.SHADOW_S, "long")
    assert choice.read(conn) == Choice()


@pytest.mark.parametrize(
    ("licence", "binding"),
    [
        ("Apache-2.0", False),
        ("MIT", False),
        ("AGPL-3.0 License (https://ultralytics.com/license)", True),
        ("GNU Affero General Public License v3", True),
        ("CC-BY-NC-SA 3.0", True),
        ("CC BY 4.0", False),
        ("Limited", False),
    ],
)
def test_licences_are_said_plainly(licence, binding):
    sentence, wants = meaning(licence)
    assert wants is binding and sentence
    assert (sentence == COPYLEFT) is ("AGPL" in licence or "Affero" in licence)


@pytest.mark.parametrize("pack", catalogue.KNOWN, ids=lambda pack: pack.name)
def test_the_catalogue_is_whole(pack):
    assert read_description(describe(pack).encode(), pack.name) == pack
    places = catalogue.places(pack)
    assert len(places) == len(pack.files)
    assert all(place.url.startswith("https://") and place.bytes_ > 0 for place in places)
    assert not meaning(pack.licence)[1]


def test_what_failed_is_put_back_but_never_over_a_newer_choice(conn):
    before = Choice("auto", "auto", 0.0)
    choice.write(conn, Choice("yolox-nano", "openvino", 60.0), 1, None, "api")
    assert not choice.put_back(conn, "deimv2-femto", before, "too slow", 2)
    assert choice.read(conn).detector == "yolox-nano"
    assert choice.put_back(conn, "yolox-nano", before, "too slow", 2)
    assert choice.read(conn) == before
    (row,) = conn.execute("SELECT thing, detail FROM audit ORDER BY id DESC LIMIT 1")
    assert row["thing"] == "model/yolox-nano" and "too slow" in row["detail"]
