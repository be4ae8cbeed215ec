"""A stick -> what is held here, and a receipt beside each bundle."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError
from appliance.hub.box_api.reading import FILE_KINDS, read_row
from appliance.hub.hub import Hub
from appliance.hub.sticks.files import take_file
from appliance.hub.sticks.summary import BoxSummary
from appliance.hub.store import audit, boxes
from appliance.hub.store.boxes import BoxIdentity
from appliance.hub.store.rows import NewRow
from appliance.hub.taking import take_rows
from appliance.sync.bundle import reading, receipt
from appliance.sync.bundle.reading import Bundle, Found
from appliance.sync.bundle.receipt import Receipt
from appliance.sync.envelope.message import Message
from appliance.sync.protocol import signing
from appliance.sync.protocol.batch import Refusal, Row

ALL = "the stick"  # what is said of no box in particular
OURS = ("unavailable", "exhausted", "internal")  # kinds of errors that say nothing of the bundle


@dataclass
class _Said:
    """Of one bundle, for its receipt."""

    acknowledged: list[str] = field(default_factory=list)
    tombstoned: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


async def import_stick(hub: Hub, root: Path, scratch: Path) -> list[BoxSummary]:
    """All that can be taken, by box; the rest is refused in words. ``scratch``: a folder on a disk of the
    hub's with room for the largest file. Raises ``unavailable`` where ``root`` is no stick of boxes, or
    where the hub's own database or files do not answer: what was taken until then is held, and to import
    again goes on from there."""
    summaries: dict[str, BoxSummary] = {}
    names = reading.find(root)
    while True:
        try:
            found = await asyncio.to_thread(_next, names)
        except ApplianceError as error:
            if not summaries:
                raise
            summaries.setdefault(ALL, BoxSummary(ALL)).refuse(ALL, error.message)
            break
        if found is None:
            break
        summary = summaries.setdefault(found.device_id, BoxSummary(found.device_id))
        summary.bundles += 1
        await _take(hub, root, scratch, found, summary)
    now_ns = hub.clock.now_ns()
    for box_id, summary in summaries.items():
        detail = {key: value for key, value in summary.facts().items() if key != "reasons"}
        await hub.store.write(
            partial(audit.add, now_ns, None, "the command line", "imported", f"box/{box_id}", detail)
        )
    return list(summaries.values())


def _next(names: Iterator[Found]) -> Found | None:
    return next(names, None)


async def _take(hub: Hub, root: Path, scratch: Path, found: Found, summary: BoxSummary) -> None:
    try:
        box = await _known(hub, found.device_id)
        key = signing.decoded(box.identity_key, signing.KEY_BYTES)
        bundle = await asyncio.to_thread(reading.take, root, found, lambda _: key)
    except ApplianceError as error:
        summary.refuse(found.name, f"{error.message} ({error.hint})" if error.hint else error.message)
        return
    except RecursionError:
        summary.refuse(found.name, "a row of it is nested too deeply")
        return
    said = _Said()
    await _take_rows(hub, box, bundle, said, summary)
    await _take_files(hub, root, scratch, bundle, said, summary)
    for row_id, why in said.refused.items():
        summary.refuse(row_id, why)
    for row_id in said.damaged:
        summary.refuse(row_id, "its file is not what the box signed")
    try:
        await asyncio.to_thread(_leave_receipt, hub, root, bundle, said)
        summary.receipts += 1
    except OSError as error:
        summary.refuse(f"receipt of {found.name}", f"it cannot be written: {error.strerror}")


async def _known(hub: Hub, box_id: str) -> BoxIdentity:
    """Raises ``denied``."""
    box = await hub.store.read(lambda: boxes.identity(box_id))
    if box is None:
        raise ApplianceError("denied", f"no box {box_id} is known here", "enrol it first")
    if box.token_hash is None:
        raise ApplianceError("denied", f"box {box_id} is revoked", "enrol it again first")
    return box


async def _take_rows(hub: Hub, box: BoxIdentity, bundle: Bundle, said: _Said, summary: BoxSummary) -> None:
    """As a batch over the link: all in one transaction, each taken or refused for itself."""
    now_ns, good = hub.clock.now_ns(), dict[str, NewRow]()
    for index, message in enumerate(bundle.messages):
        if message.kind in FILE_KINDS:
            continue
        read = read_row(_raw(message), index, now_ns, box.clock_offset_ns)
        if isinstance(read, Refusal):
            said.refused[message.id] = read.reason[: receipt.LONGEST_REASON]
        else:
            good.setdefault(read.id, read)
    if not good:
        return
    new = await take_rows(hub, box, list(good.values()), now_ns)
    summary.rows_new += new
    summary.rows_known += len(good) - new
    for row in good.values():
        (said.tombstoned if row.kind == "tombstone" else said.acknowledged).append(row.id)


async def _take_files(
    hub: Hub, root: Path, scratch: Path, bundle: Bundle, said: _Said, summary: BoxSummary
) -> None:
    entries = {entry.row_id: entry for entry in bundle.manifest.files}
    for message in bundle.messages:
        if message.kind not in FILE_KINDS or message.id in said.acknowledged:
            continue
        entry = entries.get(message.id)
        if entry is None:
            said.refused[message.id] = "its file is not in the bundle"
            continue
        try:
            how = await take_file(hub, root, scratch, bundle, message, entry)
        except ApplianceError as error:
            if error.kind == "data_loss":
                said.damaged.append(message.id)
            elif error.kind in OURS:
                raise
            else:
                said.refused[message.id] = error.message[: receipt.LONGEST_REASON]
            continue
        said.acknowledged.append(message.id)
        summary.files_new += how == "new"
        summary.files_known += how == "known"


def _raw(message: Message) -> msgspec.Raw:
    row = Row(message.id, message.kind, message.created_at, message.body)
    return msgspec.Raw(msgspec.json.encode(row))


def _leave_receipt(hub: Hub, root: Path, bundle: Bundle, said: _Said) -> None:
    found = bundle.found
    told = Receipt(
        device_id=found.device_id,
        bundle=found.name,
        rows_sha256=bundle.manifest.rows_sha256,
        imported_at=rfc3339(hub.clock.now_ns()),
        acknowledged=tuple(said.acknowledged),
        tombstoned=tuple(said.tombstoned),
        damaged=tuple(said.damaged),
        refused=said.refused,
    )
    data = receipt.seal(told, hub.command_key.sign_text)
    receipt.leave(root, found.device_id, found.day, found.name, data)
