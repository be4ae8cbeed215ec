from appliance.sync.protocol import invitation
from appliance.sync.protocol.invitation import FILE_NAME, Invitation


def test_it_says_what_is_missing(appliance, box_dir):
    for words in ((), ("https://hub.example",), ("aries-enrol:1?url=x",)):
        said = appliance("enrol", *words, "--data", box_dir)
        assert said.status == 2 and "hint:" in said.err


def test_a_hub_that_does_not_answer_is_no_half_done_thing(appliance, box_dir):
    said = appliance("enrol", "https://127.0.0.1:9", "abcde-fghjk", "--data", box_dir)
    assert said.status == 1 and "refuses the connection" in said.err and "abcde-fghjk" not in said.err
    said = appliance("enrol", "http://hub.example", "abcde-fghjk", "--data", box_dir)
    assert said.status == 2 and "https" in said.err


def test_an_invitation_comes_on_a_stick_or_as_text(appliance, box_dir, tmp_path):
    text = invitation.render(Invitation("https://127.0.0.1:9", "abcde-fghjk"))
    (tmp_path / FILE_NAME).write_text(text + "\n")
    for words in (("--from", tmp_path), ("--from", tmp_path / FILE_NAME), (text,)):
        said = appliance("enrol", *words, "--data", box_dir)
        assert said.status == 1 and "refuses the connection" in said.err, said.err
    said = appliance("enrol", "--from", tmp_path / "nothing", "--data", box_dir)
    assert said.status == 2 and "stick" in said.err
    (tmp_path / FILE_NAME).write_bytes(b"\xff" * 100)
    assert appliance("enrol", "--from", tmp_path, "--data", box_dir).status == 2


def test_the_fingerprint_is_printed_before_there_is_a_code(appliance, box_dir):
    said = appliance("enrol", "--identity", "--data", box_dir)
    assert said.status == 0 and len(said.out.strip()) == 64
    assert appliance("enrol", "--identity", "--data", box_dir).out == said.out
    (box_dir / "secrets" / "box.key").unlink()
    said = appliance("enrol", "--identity", "--data", box_dir)
    assert said.status == 1 and "cannot be opened" in said.err
