"""Files in a bucket: any S3-compatible service, through obstore.

Keys, region and the service's address come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_ENDPOINT_URL, AWS_REGION, or a file as the AWS tools have it). S3 shows a new object whole or not at all,
and to everybody at once (Amazon S3 User Guide, "Amazon S3 data consistency model").
"""

import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from appliance.base.errors import ApplianceError, invalid, not_found
from appliance.hub.files import PIECE_BYTES, checked

if TYPE_CHECKING:
    from obstore.store import S3Store

T = TypeVar("T")

PART_BYTES = 8 << 20  # S3 takes 10 000 parts at most: 4 GiB is 512
PARTS_AT_ONCE = 2
RETRIES = 3  # within this time; the box tries again anyway
RETRY_TIMEOUT = timedelta(seconds=20)


class Bucket:
    """Open it with ``open_bucket``."""

    kind = "s3"

    def __init__(self, store: "S3Store") -> None:
        self._store = store

    async def put(self, name: str, data: bytes) -> None:
        import obstore

        await _guarded(obstore.put_async(self._store, checked(name), data, use_multipart=False))

    async def read(self, name: str, offset_bytes: int, length_bytes: int) -> AsyncIterator[bytes]:
        import obstore

        if length_bytes <= 0:
            return
        span = (offset_bytes, offset_bytes + length_bytes)
        found = await _guarded(obstore.get_async(self._store, checked(name), options={"range": span}))
        stream = aiter(found.stream(min_chunk_size=PIECE_BYTES))
        while True:
            try:
                piece = await _guarded(anext(stream))
            except StopAsyncIteration:
                return
            yield bytes(piece)

    async def size_bytes(self, name: str) -> int | None:
        import obstore

        try:
            return int((await _guarded(obstore.head_async(self._store, checked(name))))["size"])
        except ApplianceError as error:
            if error.kind != "not_found":
                raise
            return None

    async def join(self, names: Sequence[str], whole: str) -> str:
        import obstore

        digest = hashlib.sha256()

        async def pieces() -> AsyncIterator[bytes]:
            for name in names:
                async for piece in self.read(name, 0, 1 << 40):
                    digest.update(piece)
                    yield piece

        put: Any = obstore.put_async  # its stub wants AsyncIterable[Buffer], which this is
        await _guarded(
            put(
                self._store,
                checked(whole),
                pieces(),
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
        )
        return digest.hexdigest()

    async def delete(self, prefix: str) -> None:
        import obstore

        if not checked(prefix).endswith("/"):
            await _delete(self._store, [prefix])
            return
        listed = aiter(obstore.list(self._store, prefix, chunk_size=1_000))
        while True:
            try:
                batch = await _guarded(anext(listed))
            except StopAsyncIteration:
                return
            await _delete(self._store, [entry["path"] for entry in batch])

    async def probe(self) -> None:
        name = f"probe/{secrets.token_hex(8)}"
        await self.put(name, b"ours")
        await self.delete(name)


def open_bucket(url: str, *, retries: int = RETRIES) -> Bucket:
    """``s3://BUCKET/PREFIX``. Raises ``invalid`` for what is none; asks nothing of the service yet."""
    from obstore.store import S3Store

    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.hostname or parts.username is not None or parts.query:
        raise invalid("this is no bucket", "write s3://BUCKET/PREFIX; keys by AWS_* variables", field="files")
    plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
    return Bucket(
        S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            client_options={"allow_http": plain, "timeout": "60s", "connect_timeout": "10s"},
            retry_config={"max_retries": retries, "retry_timeout": RETRY_TIMEOUT},
        )
    )


async def _delete(store: "S3Store", names: list[str]) -> None:
    import obstore

    try:
        await _guarded(obstore.delete_async(store, names))
    except ApplianceError as error:
        if error.kind != "not_found":
            raise


async def _guarded(work: Awaitable[T]) -> T:
    """obstore's errors in our words, in one place; their texts hold addresses and are left out."""
    from obstore.exceptions import (
        BaseError,
        NotFoundError,
        PermissionDeniedError,
        UnauthenticatedError,
    )

    try:
        return await work
    except (NotFoundError, FileNotFoundError) as error:
        raise not_found("file", "in the bucket") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        text = "the store of files refuses the hub"
        raise ApplianceError(
            "unavailable", text, "look at AWS_ACCESS_KEY_ID and the bucket's rules"
        ) from error
    except (BaseError, OSError) as error:
        text = f"the store of files does not answer: {type(error).__name__}"
        raise ApplianceError("unavailable", text, "is the bucket's service running?") from error
