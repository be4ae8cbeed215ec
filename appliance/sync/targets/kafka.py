"""Apache Kafka, by an idempotent producer: ``acks=all``, and what is repeated within one connection is
written once (KIP-98).

Held: the leader answered, with all in-sync replicas (the topic's ``min.insync.replicas`` says how many that
are). Key: the box's id, so that one box's rows stay in order, in one partition. Dedupe: after a reconnection
Kafka takes a repeated row for a new one; header ``id`` names the row, for the reader or a compacted table.

    kafka+ssl://host:9093,host2:9093    options: topic, username, mechanism, schema, stills, longest_bytes
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.store.targets import Target
from appliance.sync.targets.checks import Place, both_or_none, options, place, words
from appliance.sync.targets.given import Given
from appliance.sync.targets.messages import CLOSING_S, MessageOptions, MessageTarget, Outgoing, Sent

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

SCHEMES = {"kafka+ssl": True, "kafka": False}
HEADROOM_BYTES = 2_000  # key, headers and the batch around one message


class KafkaOptions(MessageOptions, frozen=True, kw_only=True):
    topic: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,249}$(?!\n)")] = "aries"
    username: str = ""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"


def check(given: Target, secret: str | None) -> None:
    """Raises ``invalid``."""
    if place(given, SCHEMES, 9092, 9093).path:
        raise invalid("brokers' addresses have no path", "write kafka+ssl://host:9093", field="url")
    both_or_none(options(given, KafkaOptions).username, secret)


def make(given: Given) -> MessageTarget:
    check(given.target, given.secret)
    chosen = options(given.target, KafkaOptions)
    return MessageTarget(given, chosen, KafkaPeer(given, chosen))


class KafkaPeer:
    """A producer is thrown away after any doubt: what waits in it must not follow later."""

    def __init__(self, given: Given, chosen: KafkaOptions) -> None:
        import aiokafka
        import aiokafka.errors

        self._kafka, self._errors = aiokafka, aiokafka.errors
        self._given, self._chosen = given, chosen
        self._producer: AIOKafkaProducer | None = None

    async def send(self, messages: Sequence[Outgoing]) -> Sent:
        """A message that is too long for the topic breaks the producer's sequence, and all behind it
        fail with it: those go again without it."""
        sent = await self._send(messages)
        settled = {*sent.held, *(id_ for id_, _ in sent.rejected)}
        left = [message for message in messages if message.id not in settled]
        if not sent.rejected or not left:
            return sent
        more = await self.send(left)
        return Sent((*sent.held, *more.held), (*sent.rejected, *more.rejected), more.error)

    async def _send(self, messages: Sequence[Outgoing]) -> Sent:
        futures: dict[str, asyncio.Future[Any]] = {}
        error: Exception | None = None
        try:
            async with asyncio.timeout(self._given.timeout_s):
                producer = await self._started()
                for message in messages:
                    headers = [("id", message.id.encode()), ("kind", message.kind.encode())]
                    futures[message.id] = await producer.send(
                        self._chosen.topic, message.payload, self._given.device_id.encode(), headers=headers
                    )
                await asyncio.wait(futures.values())
        except (self._errors.KafkaError, TimeoutError, OSError) as caught:
            error = caught
            if not futures:
                error = self._explained(caught)
        finally:
            if not all(future.done() and future.exception() is None for future in futures.values()) or error:
                await self._drop()
        return self._judged(futures, error)

    def _judged(self, futures: dict[str, asyncio.Future[Any]], error: Exception | None) -> Sent:
        held: list[str] = []
        rejected: list[tuple[str, str]] = []
        for id_, future in futures.items():
            failure = future.exception() if future.done() and not future.cancelled() else error
            if future.done() and failure is None:
                held.append(id_)
            elif isinstance(failure, self._errors.MessageSizeTooLargeError):
                rejected.append((id_, "too many bytes for the topic (max.message.bytes)"))
            elif isinstance(failure, Exception):
                error = failure
        if error is not None and not held and not rejected:
            raise self._mapped(error)
        return Sent(tuple(held), tuple(rejected), "" if error is None else words(error))

    async def probe(self) -> str:
        try:
            async with asyncio.timeout(self._given.timeout_s):
                producer = await self._started()
                partitions = await producer.partitions_for(self._chosen.topic)
        except (self._errors.KafkaError, TimeoutError, OSError) as error:
            why = self._explained(error)
            await self._drop()
            raise self._mapped(why) from None
        return f"topic {self._chosen.topic}: {len(partitions)} partitions"

    async def close(self) -> None:
        await self._drop()

    def _explained(self, error: Exception) -> Exception:
        """The library waits for a topic that is not there until time is up."""
        cluster = None if self._producer is None else self._producer.client.cluster
        if cluster is None or not isinstance(error, TimeoutError | self._errors.KafkaTimeoutError):
            return error
        is_unknown = bool(cluster.brokers()) and self._chosen.topic not in cluster.topics()
        unknown: Exception = self._errors.UnknownTopicOrPartitionError()
        return unknown if is_unknown else error

    async def _started(self) -> "AIOKafkaProducer":
        if self._producer is None:
            producer = self._new()
            try:
                await producer.start()
            except self._errors.KafkaConnectionError:
                await producer.stop()
                await self._knock()  # start() does not say why
                raise
            except BaseException:  # cancellation, too: what was half opened must be closed
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    def _new(self) -> "AIOKafkaProducer":
        where = place(self._given.target, SCHEMES, 9092, 9093)
        return self._kafka.AIOKafkaProducer(
            bootstrap_servers=[
                f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in where.hosts
            ],
            enable_idempotence=True,
            acks="all",
            max_request_size=self._chosen.longest_bytes + HEADROOM_BYTES,
            **self._access(where),
        )

    async def _knock(self) -> None:
        """Raises what keeps us out, if it is the door."""
        from aiokafka.conn import create_conn

        where = place(self._given.target, SCHEMES, 9092, 9093)
        connection = await create_conn(*where.hosts[0], **self._access(where))
        connection.close()

    def _access(self, where: Place) -> dict[str, Any]:
        has_name = bool(self._chosen.username)
        layers = {(True, True): "SASL_SSL", (True, False): "SASL_PLAINTEXT", (False, True): "SSL"}
        return {
            "client_id": f"aries-{self._given.device_id}",
            "request_timeout_ms": round(self._given.timeout_s * 1_000),
            "security_protocol": layers.get((has_name, where.is_safe), "PLAINTEXT"),
            "ssl_context": self._given.tls if where.is_safe else None,
            "sasl_mechanism": self._chosen.mechanism,
            "sasl_plain_username": self._chosen.username or None,
            "sasl_plain_password": self._given.secret,
        }

    async def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        # stop() waits until all that is queued was sent, for ever if need be (KIP-98 promises it): so its
        # steps are taken here, connections first, and what waits for news of the cluster gets none.
        await producer.client.close()
        news = producer.client._md_update_fut
        if news is not None and not news.done():
            news.set_result(False)
        try:
            async with asyncio.timeout(CLOSING_S):
                await producer._sender.close()
        except (self._errors.KafkaError, TimeoutError):
            pass  # it ended by what we drop it for
        producer._closed = True

    def _mapped(self, error: Exception) -> Exception:
        errors = self._errors
        if isinstance(error, errors.AuthenticationFailedError | errors.SaslAuthenticationFailed):
            return ApplianceError(
                "denied", "Kafka does not let us in", "check username, password and mechanism"
            )
        if isinstance(error, errors.TopicAuthorizationFailedError | errors.ClusterAuthorizationFailedError):
            return ApplianceError(
                "denied", "Kafka takes nothing from us there", "check the rights (ACL) of the topic"
            )
        if isinstance(error, errors.UnknownTopicOrPartitionError | errors.InvalidTopicError):
            return ApplianceError(
                "not_found", f"there is no topic {self._chosen.topic}", "make it, or name another"
            )
        if isinstance(error, errors.KafkaConnectionError):
            hint = "check the address and the port, and whether both ends speak TLS"
            return ApplianceError("unavailable", "no Kafka broker answers at this address", hint)
        return error
