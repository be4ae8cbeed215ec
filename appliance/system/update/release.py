"""What image this is: written at build time, read-only on the box."""

from pathlib import Path

import msgspec

from appliance import __version__

PATH = Path("/usr/lib/aries/release.json")


class Release(msgspec.Struct, frozen=True):
    """``compatible`` empty: no image (a checkout, a package): it takes no bundles."""

    version: str = __version__
    compatible: str = ""


def read(path: Path = PATH) -> Release:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Release)
    except (OSError, msgspec.DecodeError):
        return Release()
