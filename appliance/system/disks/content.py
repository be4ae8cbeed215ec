"""What is on a disk: blkid(8) for the kind, debugfs(8) for whose footage it is.

debugfs reads an ext4 in user space: a stranger's file system is not given to the kernel to mount for that.
"""

import json
import shlex
from pathlib import Path

import msgspec

from appliance.base.errors import ApplianceError
from appliance.system.disks.found import Disk, Part
from appliance.system.programs import Programs

IDENTITY = ".volume.json"  # media.ring.volume
ENCRYPTED, UNREADABLE = "crypto_LUKS", "unreadable"
ASK_S = 4.0


def of(disk: Disk, programs: Programs) -> Disk:
    """``disk`` with what is on it."""
    parts = tuple(_part(part, programs) for part in disk.parts)
    return msgspec.structs.replace(disk, parts=parts)


def _part(part: Part, programs: Programs) -> Part:
    try:
        return _asked(part, programs)
    except ApplianceError:  # a dying disk hangs: nobody knows whose footage is on it
        return msgspec.structs.replace(part, kind=UNREADABLE, owner="?")


def _asked(part: Part, programs: Programs) -> Part:
    done = programs.ask("blkid", "-p", "-o", "export", f"/dev/{part.name}", within_s=ASK_S)
    found = dict(line.split("=", 1) for line in done.text.splitlines() if "=" in line)
    unescaped = {name: "".join(shlex.split(value)) for name, value in found.items() if "'" not in value}
    seen = msgspec.structs.replace(
        part,
        kind=unescaped.get("TYPE", "")[:32],
        label=unescaped.get("LABEL", "")[:64],
        uuid=unescaped.get("UUID", "")[:64],
    )
    return msgspec.structs.replace(seen, owner=_owner(seen, programs))


def _owner(part: Part, programs: Programs) -> str:
    if part.kind == ENCRYPTED:
        return "?"
    if part.mounted:
        return _device_id(_text(Path(part.mounted[0]) / IDENTITY))
    if not part.kind.startswith("ext"):
        return ""
    return _device_id(
        programs.ask("debugfs", "-R", f"cat /{IDENTITY}", f"/dev/{part.name}", within_s=ASK_S).text
    )


def _device_id(text: str) -> str:
    try:
        return str(json.loads(text)["device_id"])[:64]
    except (ValueError, KeyError, TypeError):
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
