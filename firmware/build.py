"""The programs that build: lists of words, their last words where one fails, and how long each took."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from appliance.base.errors import ApplianceError

LAST_WORDS = 12


def must(
    *words: str | Path,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    given: str | None = None,
    about: str = "",
) -> str:
    """stdout. ``given`` goes to stdin. ``about``: said to whoever waits. Raises ``unavailable`` with the
    program's last lines."""
    began_s = time.perf_counter()
    try:
        done = subprocess.run(
            [str(word) for word in words],
            env=os.environ | dict(environ or {}),
            cwd=folder,
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise ApplianceError(
            "unavailable", f"the program {words[0]} is not installed", "see README, firmware"
        ) from error
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LAST_WORDS:])
        raise ApplianceError("unavailable", f"{words[0]} failed ({done.returncode}):\n{last}", "mend that")
    if about:
        say(f"{about}: {time.perf_counter() - began_s:.1f} s")
    return done.stdout


def say(text: str) -> None:
    sys.stderr.write(f"firmware: {text}\n")
    sys.stderr.flush()
