import pytest

from appliance.base.errors import ApplianceError
from provisioning.unfinished import MARKER, finish_reset


def test_a_reset_that_was_cut_short_is_finished_first(tmp_path):
    assert finish_reset(tmp_path) is False
    (tmp_path / "provisioned").touch()
    (tmp_path / "secrets").mkdir()
    (tmp_path / MARKER).write_text('{"footage":"delete","volumes":[],"asked_at":"","provisioned":true}')
    assert finish_reset(tmp_path) is True
    assert {path.name for path in tmp_path.iterdir()} <= {".daemon.lock", ".wizard-wanted"}


def test_one_that_cannot_be_finished_stops_the_wizard(tmp_path):
    (tmp_path / MARKER).write_text("{}")
    with pytest.raises(ApplianceError) as refused:
        finish_reset(tmp_path)
    assert refused.value.kind == "unavailable" and refused.value.hint
