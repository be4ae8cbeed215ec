"""What the daemon gives to control: the ring, and its own commands as children."""

import msgspec
import pytest

from appliance.base import config
from appliance.base.errors import ApplianceError
from appliance.daemon import first_boot
from appliance.daemon.control import Footage, InstallModel, settings_version
from appliance.daemon.stores import Stores
from appliance.media.span import Recordings, Span
from appliance.store import settings
from appliance.sync.protocol.command import Command

SHA256 = "ab" * 32


def order(**body) -> Command:
    return Command(
        "order-1", "box-1", 1, "install_model", "", "", "anna", msgspec.Raw(msgspec.json.encode(body))
    )


@pytest.fixture
def box(tmp_path, clock):
    found = config.load({}, data_dir=tmp_path / "box")
    first_boot.initialise(found, clock, lambda password: f"hash of {password}")
    return found


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "--help", "sha256": SHA256},
        {"name": "../../etc", "sha256": SHA256},
        {"name": "x", "sha256": "short"},
        {"name": "x", "sha256": SHA256, "url": "http://evil.example/x.zip"},
        {"name": "x", "sha256": SHA256, "url": "file:///etc/passwd"},
        {"name": "x", "sha256": SHA256, "url": "https://a b"},
    ],
)
async def test_no_word_of_an_order_becomes_an_option_or_a_path(box, body):
    with pytest.raises(ApplianceError, match="makes no sense"):
        await InstallModel(box).apply(order(**body))


async def test_a_model_that_is_nowhere_is_said_to_be(box):
    outcome = await InstallModel(box).apply(order(name="no-such-model", sha256=SHA256))
    assert outcome.state == "failed" and "no model pack" in outcome.message
    assert await InstallModel(box).recall(order(name="no-such-model", sha256=SHA256)) is None


async def test_a_known_model_is_installed_from_the_box_s_own_folders(box, shared_data):
    found = msgspec.structs.replace(box, assets_path=(shared_data / "models",))
    outcome = await InstallModel(found).apply(order(name="yolox-nano", sha256=SHA256))
    assert outcome.state == "done", outcome.message
    assert (box.models_path / "yolox-nano" / "model.toml").is_file()


async def test_a_ring_with_nothing_but_gaps_has_no_footage():
    class Archive:
        spans = (Span(0, 10, "gap", "box_off"),)

        async def recordings(self, camera_id, stream, start_ns, end_ns):
            return Recordings(self.spans, start_ns, end_ns, 7)

    archive = Archive()
    assert await Footage(archive).held_bytes("gate", "main", 0, 10) is None
    archive.spans = (Span(0, 5, "gap", "box_off"), Span(5, 10, "recorded", None))
    assert await Footage(archive).held_bytes("gate", "main", 0, 10) == 7


def test_the_version_changes_with_the_settings_and_back(box):
    with Stores.open(box) as stores:
        db = stores.appliance
        first = db.read_now(settings_version)
        before = db.read_now(settings.load)
        night = type(before.night)(start="21:00")
        db.write_now(lambda conn: settings.save(conn, type(before)(before.retention, before.site, night)))
        assert db.read_now(settings_version) != first
        db.write_now(lambda conn: settings.save(conn, before))
        assert db.read_now(settings_version) == first
