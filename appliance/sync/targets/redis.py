"""Redis Streams: a row is an entry ``{id, kind, message}``.

Held: Redis has answered XADD with an entry's number; how long it lasts is Redis' own matter (``appendonly``,
which ``probe`` tells). Dedupe: a second delivery is a second entry with the same ``id`` field, for the
reader to leave out; entry numbers are Redis' own, so they cannot tell. The stream is cut to about ``maxlen``
entries, oldest first, whether they were read or not: it bounds Redis' memory.

    rediss://host:6379/0    options: stream, maxlen, username, schema, stills, longest_bytes
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.store.targets import Target
from appliance.sync.targets.checks import Place, both_or_none, options, place, words
from appliance.sync.targets.given import Given
from appliance.sync.targets.messages import MessageOptions, MessageTarget, Outgoing, Sent, patience_s

TOGETHER = 20
SCHEMES = {"rediss": True, "redis": False}


class RedisOptions(MessageOptions, frozen=True, kw_only=True):
    stream: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "aries"
    maxlen: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000
    username: str = ""


def check(given: Target, secret: str | None) -> None:
    """Raises ``invalid``."""
    _database(place(given, SCHEMES, 6379))
    both_or_none(options(given, RedisOptions).username, secret)


def make(given: Given) -> MessageTarget:
    check(given.target, given.secret)
    chosen = options(given.target, RedisOptions)
    return MessageTarget(given, chosen, RedisPeer(given, chosen))


class RedisPeer:
    def __init__(self, given: Given, chosen: RedisOptions) -> None:
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        where = place(given.target, SCHEMES, 6379)
        (host, port), *_ = where.hosts
        tls: dict[str, Any] = {}
        if where.is_safe:
            tls = {"ssl": True, "ssl_ca_data": given.target.ca, "ssl_check_hostname": True}
        self._given = given
        self._stream, self._maxlen = chosen.stream, chosen.maxlen
        self._client = redis.asyncio.Redis(
            host=host,
            port=port,
            db=_database(where),
            username=chosen.username or None,
            password=given.secret,
            socket_timeout=None,  # who calls knows how much is on its way
            socket_connect_timeout=given.timeout_s,
            retry=Retry(NoBackoff(), 0),  # whoever retries here does not know what is more urgent
            **tls,
        )

    async def send(self, messages: Sequence[Outgoing]) -> Sent:
        """A few at a time: what was answered for before a cut stays known."""
        held: list[str] = []
        for start in range(0, len(messages), TOGETHER):
            some = messages[start : start + TOGETHER]
            try:
                async with asyncio.timeout(patience_s(self._given, sum(len(m.payload) for m in some))):
                    held += await self._send(some)
            except ApplianceError:
                raise
            except Exception as error:  # Redis' own errors and the socket's; what is held stays known
                if not held:
                    raise
                return Sent(tuple(held), error=words(error))
        return Sent(tuple(held))

    async def _send(self, messages: Sequence[Outgoing]) -> list[str]:
        import redis.exceptions

        pipe = self._client.pipeline(transaction=False)
        for message in messages:
            fields: dict[Any, Any] = {"id": message.id, "kind": message.kind, "message": message.payload}
            pipe.xadd(self._stream, fields, maxlen=self._maxlen, approximate=True)
        try:
            answers = await pipe.execute(raise_on_error=False)
        except redis.exceptions.RedisError as error:
            raise _mapped(error) from None
        held = [m.id for m, answer in zip(messages, answers, strict=True) if isinstance(answer, bytes)]
        errors = [answer for answer in answers if isinstance(answer, Exception)]
        if errors and not held:
            raise _mapped(errors[0])
        return held

    async def probe(self) -> str:
        import redis.exceptions

        try:
            kind: Any = await self._client.type(self._stream)
            facts: dict[str, Any] = await self._client.info("persistence")
        except redis.exceptions.RedisError as error:
            raise _mapped(error) from None
        if kind not in (b"none", b"stream"):
            raise invalid(
                f"{self._stream} is a {kind.decode()}", "choose another stream", field="options.stream"
            )
        lasts = "is kept on disk" if facts.get("aof_enabled") else "is kept in memory (appendonly no)"
        return f"stream {self._stream}: can be reached, and {lasts}"

    async def close(self) -> None:
        await self._client.aclose()


def _database(where: Place) -> int:
    if len(where.hosts) != 1 or (where.path and not (where.path.isdigit() and len(where.path) < 4)):
        raise invalid("this is no address of one Redis database", "write rediss://host:6379/0", field="url")
    return int(where.path or 0)


def _mapped(error: Exception) -> Exception:
    import redis.exceptions as errors

    if isinstance(error, errors.AuthenticationError | errors.NoPermissionError):
        return ApplianceError("denied", "Redis does not let us in", "check username, password and its ACL")
    if str(error).startswith(("NOAUTH", "WRONGPASS", "NOPERM")):
        return ApplianceError("denied", "Redis does not let us in", "check username, password and its ACL")
    if str(error).startswith("WRONGTYPE"):
        return invalid("the key holds something that is no stream", "choose another stream")
    return error
