"""Files on their way: what is to come (the manifest), what has come (chunks, in order, without a hole).

Two instances may be given the same chunk at once: both may have written its bytes, one of them makes the
row (``(box, upload, generation, offset)`` is unique, and ``received_bytes`` moves only from where it was).
"""

from collections.abc import Sequence

import msgspec

from appliance.base.ids import uuid7
from appliance.hub.store import received
from appliance.hub.store.received import Receipt
from appliance.hub.store.steps import Steps, every, listed, lock, one, run
from appliance.sync.protocol.upload import Manifest, UploadState

COLUMNS = (
    "box_id, id, generation, kind, created_ns, begun_ns, changed_ns, state, received_bytes, size_bytes,"
    " sha256, mime, event_id, camera_id, stream, start_ns, end_ns, lost"
)


class Upload(msgspec.Struct, frozen=True):
    box_id: str
    id: str
    generation: str
    kind: str
    created_ns: int
    begun_ns: int
    changed_ns: int
    state: str
    received_bytes: int
    size_bytes: int
    sha256: str
    mime: str
    event_id: str
    camera_id: str
    stream: str
    start_ns: int
    end_ns: int
    lost: int = 0

    @property
    def name(self) -> str:
        """Of the whole file in the store of files."""
        return f"files/{self.box_id}/{self.id}/{self.generation}"

    @property
    def chunk_prefix(self) -> str:
        return f"chunks/{self.box_id}/{self.id}/{self.generation}/"

    def told(self) -> UploadState:
        """What the box is told."""
        state = self.state if self.state in ("complete", "broken") else "partial"
        return msgspec.convert(
            {
                "id": self.id,
                "state": state,
                "received_bytes": self.received_bytes,
                "size_bytes": self.size_bytes,
            },
            UploadState,
        )

    def is_of(self, manifest: Manifest) -> bool:
        """The very same file."""
        mine = (self.kind, self.size_bytes, self.sha256, self.mime)
        return mine == (manifest.kind, manifest.size_bytes, manifest.sha256, manifest.mime)


class Chunk(msgspec.Struct, frozen=True):
    offset_bytes: int
    length_bytes: int
    name: str


class Times(msgspec.Struct, frozen=True):
    """Of a manifest, read."""

    created_ns: int
    start_ns: int
    end_ns: int


def get(box_id: str, upload_id: str) -> Steps[Upload | None]:
    row = yield from one(f"SELECT {COLUMNS} FROM uploads WHERE box_id = $1 AND id = $2", box_id, upload_id)
    return None if row is None else Upload(**row)


def begin(
    box_id: str, upload_id: str, manifest: Manifest, times: Times, now_ns: int
) -> Steps[tuple[Upload | None, bool]]:
    """(the upload, whether it is new). Another manifest starts anew, unless the upload is complete: then
    it is returned as it is, and the caller compares. A file that was held and let go since (``retention``)
    is complete, too: it is not wanted again. None: the id was delivered as something else."""
    yield from lock(f"upload {box_id} {upload_id}")
    old = yield from get(box_id, upload_id)
    if old is not None and (old.state == "complete" or old.is_of(manifest)):
        return old, False
    fresh = _fresh(box_id, upload_id, manifest, times, now_ns)
    if old is not None:
        yield from _throw_away(old, now_ns)
    else:
        held = (yield from received.held(box_id, [upload_id])).get(upload_id)
        if held is not None and held.kind == manifest.kind:
            return msgspec.structs.replace(fresh, state="complete", received_bytes=fresh.size_bytes), False
        if held is not None and held.kind != "tombstone":  # whose place it takes once it is complete
            return None, False
    yield from run(
        f"INSERT INTO uploads ({COLUMNS})"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        *msgspec.structs.astuple(fresh),
    )
    return fresh, True


def _fresh(box_id: str, upload_id: str, manifest: Manifest, times: Times, now_ns: int) -> Upload:
    return Upload(
        box_id, upload_id, uuid7(now_ns), manifest.kind, times.created_ns, now_ns, now_ns, "partial", 0,
        manifest.size_bytes, manifest.sha256, manifest.mime, manifest.file.event_id, manifest.file.camera_id,
        manifest.file.stream, times.start_ns, times.end_ns,
    )  # fmt: skip


def advance(upload: Upload, chunk: Chunk, now_ns: int) -> Steps[Upload | None]:
    """The chunk's bytes are on stable storage: count them in; the upload as it is now. None: it is not
    where it was (another instance was faster, or it began anew); nothing was written."""
    row = yield from one(
        "UPDATE uploads SET received_bytes = $4 + $5, state = 'partial', changed_ns = $6"
        " WHERE box_id = $1 AND id = $2 AND generation = $3 AND received_bytes = $4 AND state <> 'complete'"
        f" RETURNING {COLUMNS}",
        upload.box_id, upload.id, upload.generation, chunk.offset_bytes, chunk.length_bytes, now_ns,
    )  # fmt: skip
    if row is None:
        return None
    yield from run(
        "INSERT INTO chunks (box_id, upload_id, generation, offset_bytes, length_bytes, name)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        upload.box_id, upload.id, upload.generation, chunk.offset_bytes, chunk.length_bytes, chunk.name,
    )  # fmt: skip
    return Upload(**row)


def chunks(upload: Upload) -> Steps[list[Chunk]]:
    """In order, without a hole."""
    rows = yield from every(
        "SELECT offset_bytes, length_bytes, name FROM chunks"
        " WHERE box_id = $1 AND upload_id = $2 AND generation = $3 ORDER BY offset_bytes",
        upload.box_id, upload.id, upload.generation,
    )  # fmt: skip
    return [Chunk(**row) for row in rows]


def complete(upload: Upload, now_ns: int) -> Steps[Upload | None]:
    """The whole file is in the store of files and its hash fits: from now on it is acknowledged. The
    chunks become garbage. What is held now; another instance may have been faster."""
    row = yield from one(
        "UPDATE uploads SET state = 'complete', lost = 0, changed_ns = $4"
        " WHERE box_id = $1 AND id = $2 AND generation = $3 AND state = 'partial'"
        f" AND received_bytes = size_bytes RETURNING {COLUMNS}",
        upload.box_id, upload.id, upload.generation, now_ns,
    )  # fmt: skip
    if row is None:
        return (yield from get(upload.box_id, upload.id))
    yield from received.rise(upload.box_id, [upload.id])
    yield from received.add(upload.box_id, [Receipt(upload.id, upload.kind, upload.created_ns)])
    yield from _forget_chunks(upload, now_ns)
    return Upload(**row)


def broke(upload: Upload, now_ns: int) -> Steps[Upload | None]:
    """All of it came, and is not what was promised: thrown away, to be sent again from 0."""
    row = yield from one(
        "UPDATE uploads SET state = 'broken', received_bytes = 0, generation = $4, changed_ns = $5"
        " WHERE box_id = $1 AND id = $2 AND generation = $3 AND state = 'partial'"
        f" AND received_bytes = size_bytes RETURNING {COLUMNS}",
        upload.box_id, upload.id, upload.generation, uuid7(now_ns), now_ns,
    )  # fmt: skip
    if row is None:
        return (yield from get(upload.box_id, upload.id))
    yield from _forget_chunks(upload, now_ns)
    yield from add_garbage(upload.name, now_ns)
    return Upload(**row)


def complete_ones(after: tuple[int, str, str] | None, limit: int) -> Steps[list[Upload]]:
    """Newest first, from ``after`` (created_ns, id, box_id) on."""
    rows = yield from every(
        f"SELECT {COLUMNS} FROM uploads WHERE state = 'complete' AND (created_ns, id, box_id) < ($1, $2, $3)"
        f" ORDER BY created_ns DESC, id DESC, box_id DESC LIMIT {int(limit)}",
        *(after or ((1 << 63) - 1, "", "")),
    )
    return [Upload(**row) for row in rows]


def lost(upload: Upload, now_ns: int) -> Steps[bool]:
    """It was complete, and its file is gone: not held any more, to be sent again from 0. False: it is not
    as it was."""
    row = yield from one(
        "UPDATE uploads SET state = 'broken', received_bytes = 0, generation = $4, changed_ns = $5"
        " WHERE box_id = $1 AND id = $2 AND generation = $3 AND state = 'complete' RETURNING id",
        upload.box_id, upload.id, upload.generation, uuid7(now_ns),  now_ns,
    )  # fmt: skip
    if row is None:
        return False
    yield from received.forget(upload.box_id, upload.kind, [upload.id])
    yield from add_garbage(upload.name, now_ns)
    return True


def bury(box_id: str, row_ids: Sequence[str]) -> Steps[None]:
    """Tombstones of these came: what of them is not complete will not be."""
    yield from run(
        "UPDATE uploads SET lost = 1 WHERE box_id = $1 AND id IN EACH($2) AND state <> 'complete'",
        box_id, listed(row_ids),
    )  # fmt: skip


def let_go(upload: Upload, now_ns: int) -> Steps[bool]:
    """It is old enough. The journal still says that it was held, where it was; False: it is not as it was
    any more."""
    row = yield from one(
        "DELETE FROM uploads WHERE box_id = $1 AND id = $2 AND generation = $3 AND changed_ns = $4"
        " RETURNING id",
        upload.box_id, upload.id, upload.generation, upload.changed_ns,
    )  # fmt: skip
    if row is None:
        return False
    yield from _forget_chunks(upload, now_ns)
    yield from add_garbage(upload.name, now_ns)
    return True


def add_garbage(prefix: str, now_ns: int) -> Steps[None]:
    yield from run(
        "INSERT INTO garbage (prefix, since_ns) VALUES ($1, $2) ON CONFLICT DO NOTHING", prefix, now_ns
    )


def garbage(before_ns: int, limit: int = 100) -> Steps[list[str]]:
    """Prefixes that nobody has read from for a while."""
    rows = yield from every(
        "SELECT prefix FROM garbage WHERE since_ns < $1 ORDER BY since_ns LIMIT $2", before_ns, limit
    )
    return [row["prefix"] for row in rows]


def garbage_is_gone(prefix: str) -> Steps[None]:
    yield from run("DELETE FROM garbage WHERE prefix = $1", prefix)


def give_way(
    box_id: str, *, now_ns: int, ids: Sequence[str] | None = None, before_ns: int | None = None
) -> Steps[None]:
    """Throw away what is not complete: of ``ids`` (they were delivered as something else), or what nobody
    went on with since ``before_ns`` and nobody was told of as lost."""
    rows = yield from every(
        f"SELECT {COLUMNS} FROM uploads WHERE box_id = $1 AND state IN ('partial', 'broken')"
        + (" AND lost = 0 AND changed_ns < $2" if ids is None else " AND id IN EACH($2)"),
        box_id, before_ns if ids is None else listed(ids),
    )  # fmt: skip
    for row in rows:
        yield from _throw_away(Upload(**row), now_ns)


def _throw_away(upload: Upload, now_ns: int) -> Steps[None]:
    yield from _forget_chunks(upload, now_ns)
    yield from add_garbage(upload.name, now_ns)
    yield from run("DELETE FROM uploads WHERE box_id = $1 AND id = $2", upload.box_id, upload.id)


def _forget_chunks(upload: Upload, now_ns: int) -> Steps[None]:
    yield from run(
        "DELETE FROM chunks WHERE box_id = $1 AND upload_id = $2 AND generation = $3",
        upload.box_id, upload.id, upload.generation,
    )  # fmt: skip
    yield from add_garbage(upload.chunk_prefix, now_ns)
