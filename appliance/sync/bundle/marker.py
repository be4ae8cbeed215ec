"""Which stick this is. Made once, by a person; without it nothing is written there."""

from pathlib import Path
from typing import Annotated

import msgspec

from appliance.base.errors import ApplianceError
from appliance.sync.bundle.folders import Folder

MARKER = ".aries-stick.json"
LONGEST_BYTES = 10_000


class Marker(msgspec.Struct, frozen=True):
    """``for_``: the id of the box that may write there, or ``any``: a stick that goes round the sites."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    for_: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = msgspec.field(name="for")
    format: int = 1


def prepare(root: Path, marker: Marker) -> None:
    """Make the mounted disk at ``root`` a stick of ours. Raises ``conflict`` where it is one already,
    ``unavailable`` where nothing is mounted."""
    with opened(root) as folder:
        if folder.has(MARKER):
            raise ApplianceError("conflict", f"{root} is a stick of ours already", "use it as it is")
        folder.write(MARKER, msgspec.json.encode(marker))
        folder.sync()


def opened(root: Path) -> Folder:
    """The folder, if it is on a disk of its own. Raises ``unavailable``."""
    try:
        folder = Folder.at(root)
    except OSError as error:
        hint = "plug the stick in, or mount the disk"
        raise ApplianceError("unavailable", f"{root} cannot be opened ({error.strerror})", hint) from None
    # Moved or not, linked or not: the device of the folder that is open is what counts.
    if folder.status().st_dev == Path("/").stat().st_dev:
        folder.__exit__(None, None, None)
        raise ApplianceError(
            "unavailable", f"nothing is mounted at {root}: it is the system's own disk", "plug the stick in"
        )
    return folder


def found(folder: Folder, device_id: str, stick_id: str = "") -> Marker:
    """The marker, if this box may write there. ``stick_id`` empty: any stick of this box. Raises
    ``unavailable``."""
    try:
        marker = msgspec.json.decode(folder.read(MARKER, LONGEST_BYTES), type=Marker)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        hint = f"prepare it first: it needs the file {MARKER}"
        raise ApplianceError("unavailable", "the disk there carries no marker", hint) from None
    if marker.for_ not in ("any", device_id) or stick_id not in ("", marker.id):
        hint = "plug the right one in, or change the target"
        raise ApplianceError("unavailable", "the stick there is another box's", hint)
    return marker
