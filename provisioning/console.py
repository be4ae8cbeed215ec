"""What the box's own screen shows: the code, as text and as a picture to scan, and where the wizard is.

It goes to terminals only (``--console /dev/tty1``, and stdout unless that is the journal, which keeps what
it gets): the code is on no disk.
"""

import io
import os
import sys
from pathlib import Path

import msgspec
import segno

CLEAR = "\x1b[2J\x1b[H"
QUIET_ZONE = 2  # modules; telephones read it with less than the standard's 4


class Shown(msgspec.Struct, frozen=True):
    """``urls``: the best first; none: no network yet. ``name``: without ``.local``."""

    code: str
    name: str
    urls: tuple[str, ...]
    fingerprint: str

    def text(self) -> str:
        lines = ["", "  Aries Edge: this box is new. Set it up with a telephone in its network.", ""]
        if self.urls:
            lines += [_picture(f"{self.urls[0]}/#{self.code}"), "  Scan the picture, or open one of"]
            lines += [f"      {url}" for url in self.urls]
        else:
            lines += ["  No network yet: plug in a cable.", ""]
        lines += ["", f"  and enter the code      {self.code}", ""]
        lines += [f"  certificate SHA-256 {self.fingerprint}", ""]
        return "\n".join(lines)


class Console:
    """``paths``: terminals. Shows what changed; a terminal that is gone is passed over."""

    def __init__(self, paths: tuple[Path, ...], *, on_stdout: bool) -> None:
        self._paths = paths
        self._on_stdout = on_stdout and not _is_journal()
        self._last: Shown | None = None

    def show(self, shown: Shown) -> None:
        if shown == self._last:
            return
        self._last = shown
        text = shown.text()
        for path in self._paths:
            _write(path, CLEAR + text)
        if self._on_stdout:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def clear(self) -> None:
        """The code is worth nothing any more, and is taken off the screen."""
        for path in self._paths:
            _write(path, CLEAR)


def _picture(text: str) -> str:
    out = io.StringIO()
    segno.make_qr(text, error="m").terminal(out, border=QUIET_ZONE, compact=True)
    return out.getvalue()


def _write(path: Path, text: str) -> None:
    try:
        # never waits for a serial line that nobody reads
        descriptor = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        os.write(descriptor, text.replace("\n", "\r\n").encode())
    except OSError:
        pass  # the screen is gone; the wizard goes on
    finally:
        os.close(descriptor)


def _is_journal() -> bool:
    try:
        found = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
