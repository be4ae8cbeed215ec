"""Where a bucket is: its address, region and keys of access."""

import re
from typing import Annotated, Literal

import msgspec

from appliance.base.errors import invalid
from appliance.store.targets import Target
from appliance.sync.targets.checks import is_this_machine, options, place
from appliance.sync.targets.given import Given

SMALLEST_PART_BYTES = 5 << 20  # S3's own rule for all parts but the last
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"([A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*)?")
_ENDPOINT = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")


class S3Options(msgspec.Struct, frozen=True, kw_only=True):
    access_key_id: Annotated[str, msgspec.Meta(min_length=3, max_length=200)]
    region: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,40}$(?!\n)")] = "us-east-1"
    endpoint: str = ""
    schema: Literal[1, 2] = 2
    part_bytes: Annotated[int, msgspec.Meta(ge=SMALLEST_PART_BYTES, le=64 << 20)] = SMALLEST_PART_BYTES
    longest_bytes: Annotated[int, msgspec.Meta(ge=1_000, le=64_000_000)] = 1_000_000


class Bucket(msgspec.Struct, frozen=True):
    """``url``: of the bucket itself, without a slash behind it. ``prefix``: with one, or empty."""

    name: str
    prefix: str
    url: str
    region: str
    access_key_id: str
    secret: str

    def __repr__(self) -> str:
        return f"Bucket({self.name})"


def check(given: Target, secret: str | None) -> None:
    """Raises ``invalid``."""
    _bucket(given, secret)


def bucket_of(given: Given) -> Bucket:
    return _bucket(given.target, given.secret)


def _bucket(target: Target, secret: str | None) -> Bucket:
    (host, _), *more = (where := place(target, {"s3": True}, 443)).hosts
    prefix = where.path.rstrip("/")
    if more or _BUCKET.fullmatch(host) is None or _PREFIX.fullmatch(prefix) is None or len(prefix) > 300:
        raise invalid("this is no address of a bucket", "write s3://bucket/prefix", field="url")
    chosen = options(target, S3Options)
    if not secret:
        raise invalid("the secret access key is missing", "enter it as the token", field="token")
    url = f"https://{host}.s3.{chosen.region}.amazonaws.com"
    if chosen.endpoint:
        url = f"{_endpoint(chosen.endpoint)}/{host}"  # path style: what every other server understands
    return Bucket(host, f"{prefix}/" if prefix else "", url, chosen.region, chosen.access_key_id, secret)


def _endpoint(text: str) -> str:
    text = text.rstrip("/")
    found = _ENDPOINT.fullmatch(text)
    if found is None:
        raise invalid("this is no endpoint", "write https://host:9000", field="options.endpoint")
    if found[1] == "http" and not is_this_machine(found[2].strip("[]")):
        raise invalid("who listens on the way could read this", "use https://", field="options.endpoint")
    return text
