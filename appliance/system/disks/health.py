"""How a disk is, and how old: smartctl(8) --json, of SATA, USB and NVMe alike; else what an eMMC says.

``smartctl -n standby`` does not wake a disk that sleeps.
"""

import json
from pathlib import Path
from typing import Any

from appliance.system.disks.found import Disk, Health
from appliance.system.programs import Programs

_REALLOCATED, _PENDING, _UNCORRECTABLE = 5, 197, 198  # ATA attributes, by custom
_EMMC_LIFE = "device/life_time"  # JEDEC 84-B51 7.4.36: 0x01 is 0-10 % used ... 0x0B: more than promised
ASK_S = 4.0


def of(disk: Disk, programs: Programs, root: Path = Path("/")) -> Health:
    if programs.has("smartctl"):
        words = ("smartctl", "--json", "-n", "standby", "-i", "-H", "-A", disk.node)
        done = programs.ask(*words, within_s=ASK_S)
        return from_smartctl(done.text)
    life = _life(root / "sys/block" / disk.name / _EMMC_LIFE)
    if life is not None:
        return Health(life <= 100, worn_percent=life)
    return Health(None, why="smartctl is not installed")


def from_smartctl(text: str) -> Health:
    """A stranger's JSON: what is not as expected is not known."""
    try:
        found = json.loads(text)
    except ValueError:
        return Health(None, why="smartctl did not answer")
    if not isinstance(found, dict):
        return Health(None, why="smartctl did not answer")
    status = _at(found, "smart_status", "passed")
    if not isinstance(status, bool):
        messages = _at(found, "smartctl", "messages")
        first = messages[0] if isinstance(messages, list) and messages else None
        said = _at(first, "string") if isinstance(first, dict) else None
        return Health(None, why=str(said)[:120] if said else "it does not say")
    nvme = found.get("nvme_smart_health_information_log")
    bad, worn = _bad(found), None
    if isinstance(nvme, dict):
        bad, worn = _number(nvme.get("media_errors")), _number(nvme.get("percentage_used"))
    hours, celsius = (_at(found, *path) for path in (("power_on_time", "hours"), ("temperature", "current")))
    return Health(status, _number(hours), _number(celsius), worn, bad)


def _bad(found: dict[str, Any]) -> int | None:
    table = _at(found, "ata_smart_attributes", "table")
    if not isinstance(table, list):
        return None
    counts = [
        count
        for row in table
        if isinstance(row, dict) and row.get("id") in (_REALLOCATED, _PENDING, _UNCORRECTABLE)
        if (count := _number(_at(row, "raw", "value"))) is not None
    ]
    return sum(counts) if counts else None


def _life(path: Path) -> int | None:
    try:
        steps = [int(word, 16) for word in path.read_text().split()]
    except (OSError, ValueError):
        return None
    most = max(steps, default=0)
    return most * 10 if most else None


def _at(found: Any, *path: str) -> Any:
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
