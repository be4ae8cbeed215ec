import hashlib

import msgspec
import pytest

from provisioning import cli
from provisioning.report import pdf, seal
from provisioning.report.document import Picture


@pytest.fixture
def folder(report, key, tmp_path):
    """``report.json``, ``report.pdf`` and a picture, as they lie on the box."""
    (tmp_path / "gate-day.jpg").write_bytes(b"\xff\xd8 a picture")
    digest = hashlib.sha256(b"\xff\xd8 a picture").hexdigest()
    picture = Picture("gate", "Gate", "day", report.made_at, "gate-day.jpg", digest)
    results = (msgspec.structs.replace(report.results[1], pictures=(picture,)),)
    report = msgspec.structs.replace(report, results=results)
    (tmp_path / "gate-day.jpg").rename(tmp_path / "kept")  # fpdf reads pictures; this one is none
    sha256 = seal.digest_of(report)
    paper = seal.seal_pdf(pdf.render(report, sha256, tmp_path), sha256, key)
    (tmp_path / "kept").rename(tmp_path / "gate-day.jpg")
    (tmp_path / "report.pdf").write_bytes(paper)
    (tmp_path / "report.json").write_bytes(seal.seal_report(report, paper, key))
    return tmp_path


def verify(*words):
    return cli.main(["verify-report", *map(str, words)])


def test_both_files_are_verified_with_the_key_that_is_named(folder, key, capsys):
    for name in ("report.json", "report.pdf"):
        assert verify(folder / name, "--key", key.fingerprint) == 0
        assert f"key of the box: {key.fingerprint}" in capsys.readouterr().out
    assert verify(folder / "report.json") == 0
    assert "anybody can make one" in capsys.readouterr().out
    assert verify(folder / "report.json", "--key", "00" * 32) == 1
    assert "another key" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["report.json", "report.pdf", "gate-day.jpg"])
def test_a_byte_changed_in_any_of_them_is_told(folder, name, capsys):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    assert verify(folder / "report.json") == 1
    assert "changed" in capsys.readouterr().err


def test_what_is_not_there_is_said(folder, capsys):
    (folder / "report.pdf").unlink()
    assert verify(folder / "report.json") == 0
    assert "not looked at" in capsys.readouterr().out
    assert verify(folder / "none.json") == 2
