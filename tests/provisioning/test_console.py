"""What the box's own screen shows."""

import os
import pty
import sys

import pytest
import segno

from provisioning.console import Console, Shown

SHOWN = Shown("abcd-2345", "aries-2193", ("https://10.0.0.2:8443",), "AB:CD")


def test_the_picture_says_where_and_the_code(monkeypatch):
    made: list[str] = []
    real = segno.make_qr
    monkeypatch.setattr(segno, "make_qr", lambda text, **how: made.append(text) or real(text, **how))
    text = SHOWN.text()
    assert made == ["https://10.0.0.2:8443/#abcd-2345"]
    for word in ("abcd-2345", "https://10.0.0.2:8443", "AB:CD", "█"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 80


def test_without_a_network_it_says_so():
    text = Shown("abcd-2345", "aries", (), "AB").text()
    assert "plug in a cable" in text and "abcd-2345" in text


@pytest.fixture
def terminal():
    ours, theirs = pty.openpty()
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_a_screen_shows_it_once_and_is_cleared(terminal):
    ours, name = terminal
    console = Console((name, "/dev/not-there"), on_stdout=False)
    console.show(SHOWN)
    seen = os.read(ours, 65536).decode()
    assert "abcd-2345" in seen and seen.startswith("\x1b[2J")
    os.set_blocking(ours, False)
    console.show(SHOWN)
    with pytest.raises(BlockingIOError):
        os.read(ours, 1)
    console.clear()
    assert os.read(ours, 100).startswith(b"\x1b[2J")


def test_the_journal_does_not_get_it(tmp_path, monkeypatch):
    with (tmp_path / "out").open("w") as out:
        found = os.fstat(out.fileno())
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        Console((), on_stdout=True).show(SHOWN)
        monkeypatch.setenv("JOURNAL_STREAM", "1:2")
        assert not (tmp_path / "out").read_text()
        Console((), on_stdout=True).show(SHOWN)
    assert "abcd-2345" in (tmp_path / "out").read_text()
