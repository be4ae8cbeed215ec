"""Where a disk of footage is mounted, as units of systemd: the mount, the key of an encrypted one, and the
right of the daemon to write there.
"""

import re

from appliance.system.files import MachineFile

UNITS, CRYPTTAB = "/etc/systemd/system", "/etc/crypttab"
# In an image /mnt cannot be written; below the data folder a factory reset would meet footage.
PLACE = "/var/lib/aries-volumes"
DROP_IN = f"{UNITS}/appliance.service.d/50-volumes.conf"
_HEAD = "# Made by provisioning (the step `storage`); change it there, not here."
_SAFE = re.compile(r"[A-Za-z0-9:_.]")


def place(key: str) -> str:
    """By its serial: a disk keeps its place, whatever else is plugged in."""
    slug = re.sub(r"[^A-Za-z0-9]+", "_", key).strip("_")
    return f"{PLACE}/{slug or 'disk'}"


def escape(path: str) -> str:
    """systemd.unit(5), "string escaping for inclusion in unit names", of a path."""
    parts = [part for part in path.split("/") if part]
    return "-".join(_escaped(part, n == 0) for n, part in enumerate(parts)) or "-"


def _escaped(part: str, first: bool) -> str:
    found = []
    for n, character in enumerate(part):
        plain = _SAFE.fullmatch(character) and not (first and n == 0 and character == ".")
        found.append(character if plain else "".join(f"\\x{byte:02x}" for byte in character.encode()))
    return "".join(found)


def unit_name(where: str) -> str:
    return f"{escape(where)}.mount"


def mount_unit(where: str, uuid: str, kind: str = "ext4", mapper: str = "") -> MachineFile:
    """A disk that is missing keeps nothing waiting for long; one that comes later is mounted then.
    ``mapper``: the opened name of an encrypted one."""
    what = f"/dev/mapper/{mapper}" if mapper else f"/dev/disk/by-uuid/{uuid}"
    lines = [
        _HEAD,
        "[Unit]",
        "Description=Aries Edge volume",
        "Before=appliance.service",
        "JobTimeoutSec=30",
        "",
        "[Mount]",
        f"What={what}",
        f"Where={where}",
        f"Type={kind}",
        "Options=noatime,nodev,nosuid,noexec" + (",errors=remount-ro" if kind == "ext4" else ""),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        f"WantedBy={escape(what)}.device",
        "",
    ]
    return MachineFile(f"{UNITS}/{unit_name(where)}", "\n".join(lines))


def drop_in(places: list[str]) -> MachineFile:
    """``-``: a disk that is missing must not keep the daemon from starting (R7: it is a state)."""
    if not places:
        return MachineFile(DROP_IN, None)
    after = " ".join(unit_name(where) for where in places)
    lines = [
        _HEAD,
        "[Unit]",
        f"After={after}",
        "",
        "[Service]",
        *(f"ReadWritePaths=-{p}" for p in places),
        "",
    ]
    return MachineFile(DROP_IN, "\n".join(lines))


def crypttab_line(mapper: str, uuid: str, key_file: str) -> str:
    return f"{mapper} UUID={uuid} {key_file} luks,nofail"


def crypttab(text: str, mapper: str, line: str | None) -> str:
    """``text`` with ``line`` for ``mapper`` (None: without it), everything else as it was."""
    kept = [row for row in text.splitlines() if row.split()[:1] != [mapper]]
    return "\n".join([*kept, *([line] if line else []), ""]) if kept or line else ""
