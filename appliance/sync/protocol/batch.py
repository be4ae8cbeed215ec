"""Rows: many small things at once, each taken or refused for itself."""

from typing import Annotated

import msgspec

MOST_ROWS = 1_000
LONGEST_BATCH_BYTES = 8_000_000  # unpacked
LONGEST_BODY_BYTES = 256_000  # of one row

RowId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)")]


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """``kind``: event, event_update, alert, alert_update, still, small_clip, clip, ledger, metrics,
    command_result, sample, or tombstone (then ``body`` is ``{"kind": what it was, "reason"}``, D5).
    ``body``: JSON in the contract's shape; of ledger and metrics ``report``'s. Of still, small_clip, clip and
    sample it is ``FileBody``: the row is the fact that a file is owed, and goes when the file has arrived."""

    id: RowId
    kind: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{1,32}$(?!\n)")]
    created_at: str
    body: msgspec.Raw
    lane: int = 9  # 0 most urgent; absent in schema 1


class FileBody(msgspec.Struct, frozen=True):
    """Of a row of a file, and all that it takes to make the file again from the ring. ``end_time`` of
    a still is its ``start_time``. ``stream``: main | sub."""

    event_id: str
    camera_id: str
    start_time: str
    end_time: str
    stream: str = "main"


class Batch(msgspec.Struct, frozen=True):
    """Rows are read one by one (``Raw``), so that one bad row does not spoil the others."""

    device_id: str
    batch: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MOST_ROWS)]
    schema: int = 1


class Refusal(msgspec.Struct, frozen=True):
    """This row will never be taken as it is. ``index``: its place in the batch, for one without a
    readable id."""

    id: str
    index: int
    reason: str


class Answer(msgspec.Struct, frozen=True):
    """``acknowledged``: what is on the hub's stable storage, now or before. What is in neither list
    goes again."""

    acknowledged: list[str]
    refused: list[Refusal] = []
