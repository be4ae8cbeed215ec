"""A factory reset that was cut short is finished before anybody claims the box."""

import subprocess
import sys
from pathlib import Path

from appliance.base.errors import ApplianceError

MARKER = ".reset.json"  # as ``appliance reset`` writes it, first of all


def finish_reset(data_dir: Path) -> bool:
    """True where there was one. Blocks for as long as deleting footage takes. Raises ``unavailable``."""
    if not (data_dir / MARKER).exists():
        return False
    command = [sys.executable, "-m", "appliance", "reset", "--finish", "--data", str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if line.startswith("error: ")), "")
        raise ApplianceError(
            "unavailable",
            f"a reset of this box was begun and cannot be finished: {said.removeprefix('error: ')}",
            "mend the disk, then start again: nothing of the box is used before",
        )
    return True
