"""The owner's choice: three settings and an audit row, together."""

import sqlite3

import pytest

from appliance.base.errors import ApplianceError
from appliance.store import audit, settings
from appliance.store.database import Database
from appliance.vision.packs import catalogue, choice
from appliance.vision.packs.choice import Choice
from appliance.vision.packs.licences import COPYLEFT, meaning
from appliance.vision.packs.pack import read_description
from appliance.vision.packs.placing import describe


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
    assert (sentence == COPYLEFT) is ("A" in licence and "ff" in licence or "AGPL" in licence)


@pytest.mark.parametrize("pack", catalogue.KNOWN, ids=lambda pack: pack.name)
def test_the_catalogue_is_whole(pack):
    assert read_description(describe(pack).encode(), pack.name) == pack
    places = catalogue.places(pack)
    assert len(places) == len(pack.files)
    assert all(place.url.startswith("https://") and place.bytes_ > 0 for place in places)
    assert not meaning(pack.licence)[1]
