import json

from appliance.sync.bundle.marker import MARKER


def test_a_mounted_disk_becomes_a_stick_once(appliance, box_dir, small_disk):
    said = appliance("stick", small_disk, "--data", box_dir, "--json")
    assert said.status == 0, said.err
    facts, mark = json.loads(said.out), json.loads((small_disk / MARKER).read_text())
    assert (mark["id"], mark["for"]) == (facts["stick"], facts["device_id"])
    said = appliance("stick", small_disk, "--data", box_dir)
    assert said.status == 1 and "already" in said.err


def test_it_says_what_to_do_next_and_who_this_box_is(appliance, box_dir, small_disk):
    said = appliance("stick", small_disk, "--data", box_dir)
    assert said.status == 0 and f"file://{small_disk}" in said.out and "Disk or USB stick" in said.out
    assert (
        "this one is '" in said.out
        and appliance("enrol", "--identity", "--data", box_dir).out.strip() in said.out
    )


def test_the_system_s_own_disk_is_none(appliance, box_dir, tmp_path):
    said = appliance("stick", tmp_path, "--data", box_dir)
    assert said.status == 1 and "plug the stick in" in said.err
    assert not (tmp_path / MARKER).exists()
