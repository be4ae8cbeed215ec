"""Apache Pulsar, by its own client (C++, with threads of its own; what blocks in it is called in ours).

Held: the broker's receipt, which it gives after the bookkeepers have it. Key: the box's id. Dedupe: each
message has the property ``id``; the broker's own deduplication counts within one connection only, as the
outbox has no numbers that outlive it.

    pulsar+ssl://host:6651    options: topic, schema, stills, longest_bytes    token: of Pulsar's token
    authentication
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.store.targets import Target
from appliance.sync.targets.checks import ca_file, options, place
from appliance.sync.targets.given import Given
from appliance.sync.targets.messages import MessageOptions, MessageTarget, Outgoing, Sent
from appliance.sync.targets.pulsar_door import knock

SCHEMES = {"pulsar+ssl": True, "pulsar": False}
SYSTEM_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_NAME = r"[A-Za-z0-9._=:-]+"


class PulsarOptions(MessageOptions, frozen=True, kw_only=True):
    topic: Annotated[
        str, msgspec.Meta(max_length=300, pattern=rf"^(persistent://{_NAME}/{_NAME}/)?{_NAME}$(?!\n)")
    ] = "persistent://public/default/aries"


def check(given: Target, secret: str | None) -> None:
    """Raises ``invalid``."""
    if place(given, SCHEMES, 6650, 6651).path:
        raise invalid("brokers' addresses have no path", "write pulsar+ssl://host:6651", field="url")
    options(given, PulsarOptions)


def make(given: Given) -> MessageTarget:
    check(given.target, given.secret)
    chosen = options(given.target, PulsarOptions)
    return MessageTarget(given, chosen, PulsarPeer(given, chosen))


class PulsarPeer:
    """A client is thrown away after any doubt: what waits in it must not follow later."""

    def __init__(self, given: Given, chosen: PulsarOptions) -> None:
        import pulsar

        self._pulsar: Any = pulsar
        self._given, self._chosen = given, chosen
        self._client: Any = None
        self._producer: Any = None
        self._opening = asyncio.Lock()

    async def send(self, messages: Sequence[Outgoing]) -> Sent:
        producer = await self._opened()
        loop = asyncio.get_running_loop()
        futures: dict[str, asyncio.Future[Any]] = {}
        for message in messages:
            future = futures[message.id] = loop.create_future()
            producer.send_async(
                message.payload,
                _teller(loop, future),
                properties={"id": message.id, "kind": message.kind},
                partition_key=self._given.device_id,
            )
        try:
            # the client gives up itself after timeout_s; this is for what it forgets
            await asyncio.wait(futures.values(), timeout=self._given.timeout_s + 1.0)
        finally:
            results = {id_: future.result() for id_, future in futures.items() if future.done()}
            result = self._pulsar.Result
            if len(results) < len(futures) or set(results.values()) - {result.Ok, result.MessageTooBig}:
                await self._drop()
        return self._judged(results)

    def _judged(self, results: dict[str, Any]) -> Sent:
        result = self._pulsar.Result
        held = tuple(id_ for id_, said in results.items() if said == result.Ok)
        too_long = "too many bytes for the broker (maxMessageSize)"
        rejected = tuple((id_, too_long) for id_, said in results.items() if said == result.MessageTooBig)
        others = {str(said) for said in results.values()} - {str(result.Ok), str(result.MessageTooBig)}
        why = ", ".join(name.removeprefix("Result.") for name in sorted(others))
        return Sent(held, rejected, f"Pulsar did not take it: {why}" if why else "")

    async def probe(self) -> str:
        await self._opened()
        return f"topic {self._chosen.topic}: can be written"

    async def close(self) -> None:
        await self._drop()

    async def _opened(self) -> Any:
        async with self._opening:
            if self._producer is None:
                try:
                    await asyncio.to_thread(self._open)
                except self._pulsar.PulsarException as error:
                    await self._drop()
                    where = place(self._given.target, SCHEMES, 6650, 6651)
                    await knock(where, self._given.tls, self._given.secret, self._given.timeout_s)
                    raise self._mapped(error) from None
            return self._producer

    def _open(self) -> None:
        pulsar, given = self._pulsar, self._given
        where = place(given.target, SCHEMES, 6650, 6651)
        authority = ca_file(given)
        hosts = ",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in where.hosts
        )
        self._client = pulsar.Client(
            f"{where.scheme}://{hosts}",
            authentication=pulsar.AuthenticationToken(given.secret) if given.secret else None,
            operation_timeout_seconds=max(1, round(given.timeout_s)),
            connection_timeout_ms=round(given.timeout_s * 1_000),
            tls_trust_certs_file_path=SYSTEM_AUTHORITIES if authority is None else str(authority),
            tls_validate_hostname=True,
            # its words go to stdout otherwise, which is the daemon's; results say all that is needed
            logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, "/dev/null"),
        )
        self._producer = self._client.create_producer(
            self._chosen.topic,
            send_timeout_millis=round(given.timeout_s * 1_000),
            block_if_queue_full=False,
            batching_enabled=False,  # one receipt each
        )

    async def _drop(self) -> None:
        client, self._client, self._producer = self._client, None, None
        if client is not None:
            try:
                await asyncio.to_thread(client.shutdown)
            except self._pulsar.PulsarException:
                return  # closed already

    def _mapped(self, error: Exception) -> Exception:
        pulsar = self._pulsar
        if isinstance(error, pulsar.AuthenticationError):
            return ApplianceError("denied", "Pulsar does not let us in", "check the token")
        if isinstance(error, pulsar.AuthorizationError):
            return ApplianceError(
                "denied", "Pulsar takes nothing from us there", "check the topic's permissions"
            )
        if isinstance(error, pulsar.TopicNotFound | pulsar.InvalidTopicName):
            return ApplianceError(
                "not_found", f"there is no topic {self._chosen.topic}", "make it, or name another"
            )
        if isinstance(error, pulsar.Timeout | pulsar.ConnectError):
            return ApplianceError("unavailable", "Pulsar does not answer", "check the address and the port")
        return error


def _teller(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> Any:
    """Called in a thread of the client's, perhaps after our loop is gone."""

    def settle(result: Any) -> None:
        if not future.done():
            future.set_result(result)

    def tell(result: Any, _message_id: Any) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result)

    return tell
