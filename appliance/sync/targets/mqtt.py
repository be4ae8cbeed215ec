"""MQTT 5, QoS 1.

Held: the broker's PUBACK with a reason code that says success. A broker throws away what nobody has
subscribed to, and MQTT 5 says so (0x10): such a row waits, unless ``subscribers`` = any. Dedupe: the message
names its row (``id``); MQTT has nothing for it of its own.

    mqtts://host:8883    options: topic, username, subscribers, schema, stills, longest_bytes
"""

import asyncio
import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.base.ids import SLUG
from appliance.store.targets import Target
from appliance.sync.targets.checks import both_or_none, options, place
from appliance.sync.targets.given import Given
from appliance.sync.targets.messages import MessageOptions, MessageTarget, Outgoing, Sent, patience_s

if TYPE_CHECKING:
    import aiomqtt

SCHEMES = {"mqtts": True, "mqtt": False}
FIELDS = ("device_id", "camera_id", "kind")
# MQTT 5.0, section 2.4: reason codes
NOBODY, NOT_AUTHORISED, BAD_TOPIC, TOO_LARGE, QUOTA, BAD_FORMAT = 0x10, 0x87, 0x90, 0x95, 0x97, 0x99
LISTEN = "start the program that reads it, or count it as delivered under When nobody listens"
HEARD_BY_NOBODY = {
    "required": "what nobody listens to waits on the box",
    "any": "what nobody listens to counts as delivered, and is gone",
}
REFUSED_AT_THE_DOOR = (0x85, 0x86, 0x87, 0x8A, 0x8C)  # client id, password, rights, banned, method


class MqttOptions(MessageOptions, frozen=True, kw_only=True):
    """``topic`` may name {device_id}, {camera_id} and {kind}."""

    topic: Annotated[str, msgspec.Meta(min_length=1, max_length=500)] = "aries/{device_id}/{camera_id}/{kind}"
    username: str = ""
    subscribers: Literal["required", "any"] = "required"


def check(given: Target, secret: str | None) -> None:
    """Raises ``invalid``."""
    if place(given, SCHEMES, 1883, 8883).path:
        raise invalid("a broker's address has no path", "write mqtts://host:8883", field="url")
    chosen = options(given, MqttOptions)
    both_or_none(chosen.username, secret)
    plain = chosen.topic
    for name in FIELDS:
        plain = plain.replace(f"{{{name}}}", "x")
    if re.search(r"[+#{}\x00]|^\$", plain):
        raise invalid(
            "this is no topic that can be published to",
            "without + and #; {device_id}, {camera_id} and {kind} are replaced",
            field="options.topic",
        )


def make(given: Given) -> MessageTarget:
    check(given.target, given.secret)
    chosen = options(given.target, MqttOptions)
    return MessageTarget(given, chosen, MqttPeer(given, chosen))


class MqttPeer:
    """One connection, made when it is needed. paho's own client is asked for what aiomqtt does not hand
    on: the reason code of each PUBACK, and the broker's longest packet."""

    def __init__(self, given: Given, chosen: MqttOptions) -> None:
        import aiomqtt

        self._mqtt = aiomqtt
        self._given, self._chosen = given, chosen
        self._client: aiomqtt.Client | None = None
        self._watch: asyncio.Task[None] | None = None
        self._told: dict[int, asyncio.Future[int]] = {}
        self._longest_bytes: int | None = None

    async def send(self, messages: Sequence[Outgoing]) -> Sent:
        client, watch = await self._connected()
        told: dict[str, asyncio.Future[int]] = {}
        rejected: list[tuple[str, str]] = []
        try:
            for message in messages:
                topic = self._topic(message)
                if self._longest_bytes and len(message.payload) + len(topic) + 16 > self._longest_bytes:
                    rejected.append((message.id, f"too long: the broker takes {self._longest_bytes} bytes"))
                    continue
                # _client is paho's: aiomqtt's own publish waits for a PUBACK and does not look into it
                sent = client._client.publish(topic, message.payload, qos=1)
                if sent.rc:
                    break
                told[message.id] = self._told[sent.mid] = asyncio.get_running_loop().create_future()
            patience = patience_s(self._given, sum(len(message.payload) for message in messages))
            await _all_or_lost(told.values(), watch, patience)
        finally:
            self._told.clear()
            if watch.done() or not all(future.done() for future in told.values()):
                await self._drop()  # what paho has queued must not follow later, behind our back
        codes = {id_: future.result() for id_, future in told.items() if future.done()}
        return self._judged(codes, rejected, messages)

    def _judged(
        self, codes: dict[str, int], rejected: list[tuple[str, str]], messages: Sequence[Outgoing]
    ) -> Sent:
        count, longest_bytes = len(messages), max(len(message.payload) for message in messages)
        held = [id_ for id_, code in codes.items() if code < 0x80 and (code != NOBODY or self._any)]
        rejected += [
            (id_, f"the broker refuses this message, MQTT {code:#x}")
            for id_, code in codes.items()
            if code in (TOO_LARGE, BAD_FORMAT)
        ]
        if not held and {NOT_AUTHORISED, BAD_TOPIC} & set(codes.values()):
            raise ApplianceError(
                "denied", "the broker takes nothing from us there", "check its ACL and the topic"
            )
        error = ""
        if NOBODY in codes.values() and not self._any:
            error = f"nobody listens to the topic, and the broker would throw it away ({LISTEN})"
        elif len(codes) + len(rejected) < count:
            hint = f"it is tried again; perhaps its longest message, {longest_bytes} bytes, is too long"
            error = f"the broker went away in the middle ({hint})"
        elif len(held) + len(rejected) < count:
            said = ", ".join(f"{code:#x}" for code in sorted(set(codes.values())) if code >= 0x80)
            error = f"the broker did not take it, MQTT {said} (look for the reason in its log)"
        return Sent(tuple(held), tuple(rejected), error)

    async def probe(self) -> str:
        await self._connected()
        return (
            "the broker lets this box in; whether anybody listens to the topic, and whether the box may write"
            f" there, MQTT tells with the first message only; {HEARD_BY_NOBODY[self._chosen.subscribers]}"
        )

    async def close(self) -> None:
        await self._drop()

    @property
    def _any(self) -> bool:
        return self._chosen.subscribers == "any"

    def _topic(self, message: Outgoing) -> str:
        camera = message.camera_id if SLUG.fullmatch(message.camera_id) else "box"
        return (
            self._chosen.topic.replace("{device_id}", self._given.device_id)
            .replace("{camera_id}", camera)
            .replace("{kind}", message.kind)
        )

    async def _connected(self) -> "tuple[aiomqtt.Client, asyncio.Task[None]]":
        if self._client is not None and self._watch is not None and not self._watch.done():
            return self._client, self._watch
        await self._drop()
        client = self._new_client()
        paho, took = client._client, client._client.on_connect

        def on_connect(a: Any, b: Any, c: Any, d: Any, properties: Any = None) -> None:
            self._longest_bytes = getattr(properties, "MaximumPacketSize", None)
            took(a, b, c, d, properties)  # type: ignore[misc, call-arg]  # one of paho's five signatures

        paho.on_connect, paho.on_publish = on_connect, self._on_publish
        try:
            await client.__aenter__()
        except self._mqtt.MqttCodeError as error:
            raise _mapped(error) from None
        self._client, self._watch = client, asyncio.create_task(_until_lost(client), name="mqtt-watch")
        return self._client, self._watch

    def _new_client(self) -> "aiomqtt.Client":
        where = place(self._given.target, SCHEMES, 1883, 8883)
        (host, port), *_ = where.hosts
        return self._mqtt.Client(
            host,
            port,
            username=self._chosen.username or None,
            password=self._given.secret,
            identifier=f"aries-{self._given.device_id}-{self._given.target.id}",
            protocol=self._mqtt.ProtocolVersion.V5,
            timeout=self._given.timeout_s,
            tls_context=self._given.tls if where.is_safe else None,
        )

    def _on_publish(self, _client: Any, _data: Any, mid: int, code: Any, _properties: Any) -> None:
        future = self._told.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(int(code.value))

    async def _drop(self) -> None:
        client, watch = self._client, self._watch
        self._client = self._watch = None
        if watch is not None:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        if client is not None:
            try:
                await client.__aexit__(None, None, None)
            except self._mqtt.MqttError:
                return


async def _all_or_lost(
    told: Collection[asyncio.Future[int]], watch: asyncio.Task[None], timeout_s: float
) -> None:
    """Until the broker has answered for all, or is gone, or time is up."""
    if not told:
        return
    everything = asyncio.create_task(asyncio.wait(told))
    waiting: set[asyncio.Task[Any]] = {everything, watch}
    try:
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        everything.cancel()


async def _until_lost(client: "aiomqtt.Client") -> None:
    """Ends when the connection does; nothing is subscribed to, so no message ever comes."""
    import aiomqtt

    try:
        async for _ in client.messages:
            pass
    except aiomqtt.MqttError:
        return


def _mapped(error: Any) -> Exception:
    code = getattr(error.rc, "value", error.rc)
    if code in REFUSED_AT_THE_DOOR:
        return ApplianceError(
            "denied", f"the broker does not let us in ({error.rc})", "check username and password"
        )
    if code in (0x01, 0x84):
        return ApplianceError("denied", "the broker speaks no MQTT 5", "a broker of 2019 or newer does")
    return ApplianceError("unavailable", f"the broker says: {error.rc}", "it is asked again")
