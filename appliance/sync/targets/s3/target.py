"""What goes where in the bucket."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from appliance.base.clock import rfc3339
from appliance.base.errors import ApplianceError
from appliance.base.ids import SLUG
from appliance.store.outbox import OutboxRow
from appliance.sync.answer import Verdict
from appliance.sync.envelope.writing import write
from appliance.sync.targets import Material, Pace, Probed
from appliance.sync.targets.checks import options, told, words
from appliance.sync.targets.given import Given
from appliance.sync.targets.messages import REFUSING, patience_s
from appliance.sync.targets.s3 import multipart
from appliance.sync.targets.s3.bucket import S3Options, bucket_of, check
from appliance.sync.targets.s3.requests import HINT, Requests

if TYPE_CHECKING:
    from obstore.store import S3Store

ENDINGS = {"video/mp4": ".mp4", "image/jpeg": ".jpg"}
FILES = ("still", "small_clip", "clip", "sample")
__all__ = ["check", "make"]


def make(given: Given) -> "S3Target":
    return S3Target(given)


class S3Target:
    takes_files = True
    most_rows = 1_000

    def __init__(self, given: Given) -> None:
        self._given = given
        self._chosen = options(given.target, S3Options)
        self._bucket = bucket_of(given)
        self._store = _store(given, self._chosen)
        self._requests = Requests(self._bucket, given.tls, given.clock, given.timeout_s)
        # a box's id is a UUID; whatever else somebody calls a box must not reach into another's folder
        device = given.device_id if SLUG.fullmatch(given.device_id) else _hash(given.device_id)
        self._root = f"{self._bucket.prefix}{device}"
        self._has_swept = False

    async def put(self, rows: Sequence[OutboxRow]) -> Verdict:
        longest, lines, rejected = self._chosen.longest_bytes, [], []
        for row in rows:
            line = write(self._given.device_id, row, self._chosen.schema)
            if len(line) > longest:
                rejected.append((row.id, f"too long: {len(line)} bytes, {longest} fit"))
            else:
                lines.append((row, line))
        try:
            if lines:
                async with asyncio.timeout(patience_s(self._given, sum(len(line) for _, line in lines))):
                    await self._put_object(self.key_of_rows([row for row, _ in lines]), lines)
                    for row, _ in lines:
                        await self._abort_dropped(row)
        except Exception as error:  # obstore's and aiohttp's, which have no common root; not held (D3)
            return self._failed(error)
        why = rejected[0][1] if rejected else ""
        return Verdict("delivered", tuple(row.id for row, _ in lines), tuple(rejected), why)

    async def put_file(self, row: OutboxRow, material: Material, pace: Pace) -> Verdict:
        key = self.key_of_file(row, material.mime)
        try:
            await self._sweep(key)
            if not await multipart.is_there(self._requests, key, material):
                await multipart.upload(self._requests, key, material, pace, self._chosen.part_bytes)
        except Exception as error:  # as above
            return self._failed(error)
        return Verdict("delivered", (row.id,))

    async def probe(self) -> Probed:
        """Writes an object and deletes it again: reading rights say nothing about writing."""
        import obstore

        key = f"{self._root}/probe"
        try:
            async with asyncio.timeout(self._given.timeout_s):
                await obstore.put_async(self._store, key, b"probe", use_multipart=False)
                await obstore.delete_async(self._store, key)
        except Exception as error:  # whatever a library raises is the answer to "does it work?"
            return Probed.failed(told(_mapped(error), self._given.secret))
        return Probed(True, f"bucket {self._bucket.name}: can be written")

    async def close(self) -> None:
        await self._requests.close()

    def key_of_rows(self, rows: Sequence[OutboxRow]) -> str:
        """The same for the same rows in the same order, whenever they are sent."""
        day, _, time = rfc3339(rows[0].created_ns)[:19].partition("T")
        name = f"{time.replace(':', '')}-{_hash(*[row.id for row in rows])}.jsonl"
        return f"{self._root}/rows/{day}/{name}"

    def key_of_file(self, row: OutboxRow, mime: str = "") -> str:
        return f"{self._root}/files/{rfc3339(row.created_ns)[:10]}/{row.id}{ENDINGS.get(mime, '')}"

    async def _put_object(self, key: str, lines: Sequence[tuple[OutboxRow, bytes]]) -> None:
        import obstore

        body = b"".join(line + b"\n" for _, line in lines)
        kind = {"Content-Type": "application/x-ndjson"}
        await obstore.put_async(self._store, key, body, attributes=kind, use_multipart=False)

    async def _abort_dropped(self, row: OutboxRow) -> None:
        """A file that was begun and then dropped by a quota: its parts cost money for ever."""
        if row.is_tombstone and _kind_before(row) in FILES:
            for upload in await multipart.waiting(self._requests, self.key_of_file(row)):
                await multipart.abort(self._requests, upload)

    async def _sweep(self, key: str) -> None:
        if not self._has_swept:
            now_ns = self._given.clock.now_ns()
            await multipart.abort_abandoned(self._requests, f"{self._root}/files/", key, now_ns)
            self._has_swept = True

    def _failed(self, error: Exception) -> Verdict:
        error = _mapped(error)
        refused = isinstance(error, ApplianceError) and error.kind in REFUSING
        return Verdict("refused" if refused else "later", error=self._words(error), answered=refused)

    def _words(self, error: Exception) -> str:
        return words(_mapped(error), self._given.secret)


def _store(given: Given, chosen: S3Options) -> "S3Store":
    from datetime import timedelta

    from obstore.store import S3Store

    bucket = bucket_of(given)
    patience = timedelta(seconds=given.timeout_s)
    client: dict[str, Any] = {
        "timeout": timedelta(hours=1),  # of a whole request; we know its length, and keep the time
        "connect_timeout": patience,
        "allow_http": bucket.url.startswith("http://"),  # which the check allows on this machine only
    }
    if given.target.ca is not None:
        client["root_certificate"] = given.target.ca
    where: dict[str, Any] = {"endpoint": chosen.endpoint} if chosen.endpoint else {}
    return S3Store(
        bucket.name,
        region=bucket.region,
        access_key_id=bucket.access_key_id,
        secret_access_key=bucket.secret,
        virtual_hosted_style_request=not chosen.endpoint,
        client_options=client,  # type: ignore[arg-type]  # a TypedDict, put together
        retry_config={"max_retries": 0, "retry_timeout": patience},  # the sender asks again, in its order
        **where,
    )


def _mapped(error: Exception) -> Exception:
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return ApplianceError("denied", "the store does not let us in", HINT)
    if "NoSuchBucket" in str(error):
        return ApplianceError("not_found", "there is no such bucket", "make it, or mend the address")
    return error


class _Tombstone(msgspec.Struct):
    kind: str = ""


def _kind_before(row: OutboxRow) -> str:
    try:
        return msgspec.json.decode(row.body, type=_Tombstone).kind
    except msgspec.DecodeError:
        return ""


def _hash(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:24]
