"""What the hub says of a bundle that it took in: written beside it, signed, for the box to read when the
stick comes back.

The hub signs with its command key (Ed25519, RFC 8032), under a context of its own. The box believes a
receipt of the hub that it is enrolled at, for a bundle of its own, and nobody else's: the stick is a
stranger's on the way back, too. An old receipt that is shown again says what was true once; what the hub
lost since is found by reconciliation, as with any acknowledgement.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from appliance.base.errors import ApplianceError
from appliance.sync.bundle.folders import Folder
from appliance.sync.bundle.manifest import DAY, NAME, TOP
from appliance.sync.protocol import signing
from appliance.sync.protocol.batch import MOST_ROWS, RowId
from appliance.sync.protocol.upload import Hex

CONTEXT: Final = b"aries-edge receipt 1\n"
RECEIPT: Final = "receipt.json"
LONGEST_BYTES: Final = 1_000_000
LONGEST_REASON: Final = 300
MOST_NAMES: Final = 100_000

Ids = Annotated[tuple[RowId, ...], msgspec.Meta(max_length=MOST_ROWS)]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """``acknowledged``: on the hub's stable storage, now or before; ``tombstoned``: those that came as
    tombstones. ``damaged``: their files are not what was signed. ``refused``: id -> why the hub will never
    take it as it is."""

    format: Literal[1] = 1
    device_id: str
    bundle: str
    rows_sha256: Hex
    imported_at: str
    acknowledged: Ids = ()
    tombstoned: Ids = ()
    damaged: Ids = ()
    refused: Annotated[dict[RowId, str], msgspec.Meta(max_length=MOST_ROWS)] = {}


class Signed(msgspec.Struct, frozen=True):
    """``receipt``: JSON of a ``Receipt``, the very text that is signed. ``signature``: base64."""

    receipt: str
    signature: str


def seal(receipt: Receipt, sign: Callable[[bytes], str]) -> bytes:
    """``sign``: text -> base64 of 64 bytes."""
    text = msgspec.json.encode(receipt)
    return msgspec.json.encode(Signed(text.decode(), sign(CONTEXT + text)))


def read(data: bytes, command_key: bytes, device_id: str, bundle: str) -> Receipt:
    """Raises ``denied`` for what that hub never signed of that bundle, ``invalid``."""
    try:
        signed = msgspec.json.decode(data, type=Signed)
        text = signed.receipt.encode()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ApplianceError("denied", "this is no receipt", "") from None
    if not signing.verified(command_key, signed.signature, CONTEXT + text):
        raise ApplianceError("denied", "this receipt is not this box's hub's", "ask who had the stick")
    try:
        receipt = msgspec.json.decode(text, type=Receipt)
    except msgspec.DecodeError as error:
        raise ApplianceError("invalid", f"this receipt cannot be read: {error}", "update the box") from None
    if (receipt.device_id, receipt.bundle) != (device_id, bundle):
        raise ApplianceError("denied", "this receipt is of another bundle", "it was moved or copied")
    return receipt


def leave(root: Path, device_id: str, day: str, bundle: str, data: bytes) -> None:
    """Write it beside the bundle: under a new name first, so that nothing that lies there already (a pipe,
    a device, a link) is ever opened. Raises ``OSError``."""
    with _bundle(root, device_id, day, bundle) as folder:
        fresh = f".receipt-{secrets.token_hex(8)}"
        try:
            folder.write_new(fresh, data)
            folder.rename(fresh, RECEIPT)
        finally:
            if folder.has(fresh):
                os.unlink(fresh, dir_fd=folder.fd)
        folder.sync()


def find(root: Folder, device_id: str) -> Iterator[tuple[str, bytes]]:
    """(name of the bundle, what lies there as its receipt), of this box's bundles. What cannot be read
    is passed over: the hub can write it again."""
    try:
        with root.inner(TOP) as top, top.inner(device_id) as days:
            for day in _fitting(days, DAY.fullmatch):
                with days.inner(day) as bundles:
                    for name in _fitting(bundles, NAME.fullmatch):
                        data = _content(bundles, name)
                        if data is not None:
                            yield name, data
    except OSError:
        return


def _content(bundles: Folder, name: str) -> bytes | None:
    try:
        with bundles.inner(name) as folder:
            return folder.read(RECEIPT, LONGEST_BYTES)
    except OSError:
        return None


def _bundle(root: Path, device_id: str, day: str, bundle: str) -> Folder:
    with (
        Folder.at(root) as stick,
        stick.inner(TOP) as top,
        top.inner(device_id) as device,
        device.inner(day) as names,
    ):
        return names.inner(bundle)


def _fitting(folder: Folder, fits: Callable[[str], object]) -> list[str]:
    names = []
    for count, name in enumerate(folder.names()):
        if count >= MOST_NAMES:
            break
        if fits(name):
            names.append(name)
    return sorted(names)
