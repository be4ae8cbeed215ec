"""What NUT reads: its server, its driver, and ``upsmon``, which stops this box before the battery ends.

Debian's packages come with files in which everything is a comment. A file in which a person has written
something is left as it is. The password between ``upsmon`` and its server is made here and known to nobody;
the server listens on loopback.
"""

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

HEADER = "# Written by `appliance ups prepare`. Change it as you like: it is not written again.\n"
_FILES: dict[str, str] = {
    "nut.conf": "MODE=standalone\n",
    # The UPS's own idea of "low" is often half a minute. Ours: what a clean stop and a slow battery need.
    "ups.conf": "maxretry = 3\n\n[ups]\n    driver = usbhid-ups\n    port = auto\n    pollinterval = 2\n"
    "    ignorelb\n    override.battery.charge.low = 20\n    override.battery.runtime.low = 120\n",
    "upsd.conf": "LISTEN 127.0.0.1 3493\nMAXAGE 15\n",
    "upsd.users": "[upsmon]\n    password = {secret}\n    upsmon primary\n",
    # POWERDOWNFLAG: at the very end the UPS is told to cut the power, so that the box starts again when the
    # mains are back, even if that is a second later.
    "upsmon.conf": "RUN_AS_USER nut\nMONITOR ups@127.0.0.1 1 upsmon {secret} primary\nMINSUPPLIES 1\n"
    'SHUTDOWNCMD "/usr/bin/systemctl poweroff"\nPOWERDOWNFLAG /run/nut/killpower\n'
    "POLLFREQ 2\nPOLLFREQALERT 2\nHOSTSYNC 5\nDEADTIME 15\nFINALDELAY 0\n"
    "NOTIFYFLAG ONLINE SYSLOG\nNOTIFYFLAG ONBATT SYSLOG\nNOTIFYFLAG LOWBATT SYSLOG\nNOTIFYFLAG FSD SYSLOG\n"
    "NOTIFYFLAG COMMBAD SYSLOG\nNOTIFYFLAG COMMOK SYSLOG\nNOTIFYFLAG SHUTDOWN SYSLOG\n",
}
_EMPTY = re.compile(r"\s*(#.*|MODE\s*=\s*none\s*)?")


def prepare(folder: Path, group: int) -> list[str]:
    """The names of what was written. ``group``: whose programs read it. ``upsd.users`` and ``upsmon.conf``
    are written together or not at all: they share the password."""
    empty = {name for name in _FILES if _is_empty(folder / name)}
    if not {"upsd.users", "upsmon.conf"} <= empty:
        empty -= {"upsd.users", "upsmon.conf"}
    given: Mapping[str, str] = {"secret": secrets.token_urlsafe(24)}
    for name in sorted(empty):
        partial = folder / f".{name}.new"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        try:
            os.fchown(descriptor, -1, group)
            os.fchmod(descriptor, 0o640)
            os.write(descriptor, (HEADER + _FILES[name].format_map(given)).encode())
        finally:
            os.close(descriptor)
        partial.rename(folder / name)
    return sorted(empty)


def _is_empty(path: Path) -> bool:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return True
    return all(_EMPTY.fullmatch(line) for line in lines)
