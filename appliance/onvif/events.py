"""What cameras notice themselves: PullPoint events (ONVIF Core 9)."""

import re
from datetime import datetime
from typing import Literal

import msgspec

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.onvif.device import Device
from appliance.onvif.tree import Node, Xml, plain, xml
from appliance.onvif.where import refuse_url, service_at

EventKind = Literal["motion", "tamper", "digital_input", "other"]
MOST_EVENTS = 1000
LATE_S = 5.0  # what an answer may take on top of the wait it was asked for
# Topics without prefixes, in small letters; makers differ in everything but these words.
_KINDS: tuple[tuple[re.Pattern[str], EventKind], ...] = (
    (re.compile(r"tamper|globalscenechange|signalloss|imagetoo|videoblind|shelter"), "tamper"),
    (re.compile(r"digitalinput|trigger/relay|io/port|alarmin|externalalarm"), "digital_input"),
    (re.compile(r"motion|cellmotiondetector|peopledetect|fielddetector|objectsinside"), "motion"),
)
# The one word of the data that says whether it is so now.
_STATES = frozenset(
    {"state", "ismotion", "istamper", "logicalstate", "isinside", "motion", "value", "active", "isactive"}
)
_TRUE, _FALSE = frozenset({"true", "1", "on", "active"}), frozenset({"false", "0", "off", "inactive"})


class CameraEvent(msgspec.Struct, frozen=True):
    """``active``: begins or ends; None where the camera only says that something was. ``source``: token of
    the video source, input or rule. ``at_ns``: of the camera's clock, moved to ours. ``is_initial``: the
    state as it was when we began to listen, no change."""

    kind: EventKind
    active: bool | None
    source: str
    topic: str
    at_ns: int
    is_initial: bool


class PullPoint:
    """``async with PullPoint(device) as point: for event in await point.pull(): …``; renews itself.

    The camera forgets it ``lasts_s`` after it was last asked: nothing is left behind by a power cut.
    """

    def __init__(self, device: Device, *, lasts_s: float = 60.0) -> None:
        self._device = device
        self._lasts_s = lasts_s
        self._url = ""
        self._reference = Xml("")
        self._renewed_ns = 0

    async def __aenter__(self) -> "PullPoint":
        body = xml(
            "tev:CreatePullPointSubscription", xml("tev:InitialTerminationTime", f"PT{self._lasts_s:.0f}S")
        )
        answer = await self._device.ask("events", body)
        reference = answer.at("SubscriptionReference") or answer
        url = service_at(reference.said("Address", 1000), self._device.url)
        if url is None:
            raise refuse_url("its events")
        self._url = url
        self._reference = _parameters(reference)
        self._renewed_ns = self._device.box_clock.monotonic_ns()
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            await self._ask("wsnt:Unsubscribe", "SubscriptionManager/UnsubscribeRequest")
        except ApplianceError:
            pass  # it ends by itself soon

    async def pull(self, *, wait_s: float = 20.0, most: int = 100) -> tuple[CameraEvent, ...]:
        """Returns when something is noticed, or empty after ``wait_s``. Raises ``ApplianceError``, after
        which a new ``PullPoint`` is to be made."""
        await self._renew_in_time(wait_s)
        timeout, limit = xml("tev:Timeout", f"PT{wait_s:.0f}S"), xml("tev:MessageLimit", most)
        action = "http://www.onvif.org/ver10/events/wsdl/PullPointSubscription/PullMessagesRequest"
        body = xml("tev:PullMessages", timeout, limit)
        answer = await self._device.ask_at(
            self._url, body, headers=self._headers(action), deadline_s=wait_s + LATE_S
        )
        now_ns, skew_ns = self._device.box_clock.now_ns(), self._device.skew_ns
        return tuple(
            read_event(node, now_ns, skew_ns) for node in answer.every("NotificationMessage")[:MOST_EVENTS]
        )

    async def _renew_in_time(self, wait_s: float) -> None:
        """Before less than a third of its life is left after this pull."""
        now_ns = self._device.box_clock.monotonic_ns()
        if (now_ns - self._renewed_ns) / SECOND_NS + wait_s < self._lasts_s * 2 / 3:
            return
        try:
            lasts = xml("wsnt:TerminationTime", f"PT{self._lasts_s + wait_s:.0f}S")
            await self._ask("wsnt:Renew", "SubscriptionManager/RenewRequest", lasts)
        except ApplianceError as error:
            if error.kind != "invalid":
                raise
            # Some renew with every pull and know no Renew; if this one does not, the pull will say so.
        self._renewed_ns = now_ns

    async def _ask(self, name: str, action: str, *content: Xml) -> Node:
        headers = self._headers(f"http://docs.oasis-open.org/wsn/bw-2/{action}")
        return await self._device.ask_at(self._url, xml(name, *content), headers=headers, deadline_s=LATE_S)

    def _headers(self, action: str) -> Xml:
        """WS-Addressing: several cameras tell subscriptions apart by these alone."""
        return Xml(xml("wsa:Action", action) + xml("wsa:To", self._url) + self._reference)


def read_event(node: Node, now_ns: int, skew_ns: int) -> CameraEvent:
    """Of a ``NotificationMessage``. ``skew_ns``: the camera's clock minus ours; no time means now."""
    topic = "/".join(part.rpartition(":")[2] for part in node.said("Topic", 300).split("/"))
    message = node.at("Message/Message") or node.at("Message") or node
    items = {
        plain(item.attributes.get("Name", ""), 64).lower(): plain(item.attributes.get("Value", ""))
        for item in message.every("Data/SimpleItem")
    }
    sources = [plain(item.attributes.get("Value", "")) for item in message.every("Source/SimpleItem")]
    seen_ns = _instant(message.attributes.get("UtcTime", ""))
    return CameraEvent(
        kind=next((kind for pattern, kind in _KINDS if pattern.search(topic.lower())), "other"),
        active=_active(items),
        source=next((source for source in sources if source), ""),
        topic=topic,
        at_ns=now_ns if seen_ns is None else seen_ns - skew_ns,
        is_initial=message.attributes.get("PropertyOperation", "").lower() == "initialized",
    )


def _active(items: dict[str, str]) -> bool | None:
    """By the words that makers share, else by the only item that is yes or no."""
    named = [_state(value) for name, value in items.items() if name in _STATES]
    if named:
        return next((state for state in named if state is not None), None)
    told = [state for state in map(_state, items.values()) if state is not None]
    return told[0] if len(told) == 1 else None


def _state(value: str) -> bool | None:
    return True if value.lower() in _TRUE else False if value.lower() in _FALSE else None


def _instant(text: str) -> int | None:
    try:
        stamp = datetime.fromisoformat(text[:40])
        return round(stamp.timestamp() * 1000) * 1_000_000 if stamp.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _parameters(reference: Node) -> Xml:
    """Reference parameters, sent back as headers as they came (WS-Addressing 1.0 SOAP binding, 3.3)."""
    nodes = [node for holder in reference.anywhere("ReferenceParameters") for node in holder.children]
    return Xml(
        "".join(
            xml(
                f"p:{node.name}",
                node.said(""),
                **{"xmlns:p": node.namespace, "wsa:IsReferenceParameter": "true"},
            )
            for node in nodes[:10]
            if node.namespace
        )
    )
