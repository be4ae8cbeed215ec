import json

from appliance.sync.bundle.marker import MARKER


def test_a_mounted_disk_becomes_a_stick_once(appliance, box_dir, small_disk):
    said = appliance("stick", small_disk, "--data", box_dir, "--json")
    assert said.status == 0, said.err
    facts, mark = json.loads(said.out), json.loads((small_disk / MARKER).read_text())
    assert (mark["id"], mark["for"]) == (facts["stick"], facts["device_id"])
    said = appliance("stick", small_disk, "--data", box_dir)
    assert said.status == 1 and "already" in said.err


def test_the_system_s_own_disk_is_none(appliance, box_dir, tmp_path):
    said = appliance("stick", tmp_path, "--data", box_dir)
    assert said.status == 1 and "plug the stick in" in said.err
    assert not (tmp_path / MARKER).exists()
