"""Event service: pull points. The path of a subscription ends with its number."""

from xml.etree.ElementTree import Element

from appliance.simulator.onvif.device import Device
from appliance.simulator.onvif.services.asked import Answer, Refused, duration_s, moment
from appliance.simulator.onvif.soap import Node, node, text
from appliance.simulator.onvif.subscriptions import Noticed, Subscription

_DIALECT = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
_LASTS_S = 60.0
_MOST_WAIT_S = 60.0


def create(device: Device, asked: Element, path: str) -> Node:
    lasts_s = duration_s(text(asked, "tev:InitialTerminationTime"), _LASTS_S)
    subscription = device.subscriptions.add(lasts_s)
    if subscription is None:
        raise Refused("ter:MaxNotificationProducers", "there are as many subscriptions as it bears")
    for kind in device.noticed:
        subscription.put(device.message(kind, "Initialized"))
    address = f"{device.url('tev')}/Subscription/{subscription.number}"
    return node(
        "tev:CreatePullPointSubscriptionResponse",
        node("tev:SubscriptionReference", node("wsa:Address", address)),
        *_times(device, lasts_s, "wsnt"),
    )


async def pull(device: Device, asked: Element, path: str) -> Node:
    subscription = _find(device, path)
    wait_s = min(_MOST_WAIT_S, duration_s(text(asked, "tev:Timeout"), 5.0))
    most = text(asked, "tev:MessageLimit", "10")
    messages = await subscription.pull(wait_s, int(most) if most.isdigit() else 10)
    return node(
        "tev:PullMessagesResponse", *_times(device, _LASTS_S, "tev"), *(_message(one) for one in messages)
    )


def renew(device: Device, asked: Element, path: str) -> Node:
    lasts_s = duration_s(text(asked, "wsnt:TerminationTime"), _LASTS_S)
    device.subscriptions.renew(_find(device, path), lasts_s)
    now, end = _times(device, lasts_s, "wsnt")
    return node("wsnt:RenewResponse", end, now)


def unsubscribe(device: Device, asked: Element, path: str) -> Node:
    device.subscriptions.remove(_find(device, path))
    return node("wsnt:UnsubscribeResponse")


def get_properties(device: Device, asked: Element, path: str) -> Node:
    return node(
        "tev:GetEventPropertiesResponse",
        node("tev:TopicNamespaceLocation", "http://www.onvif.org/onvif/ver10/topics/topicns.xml"),
        node("wsnt:FixedTopicSet", True),
        node("wstop:TopicSet"),
        node("wsnt:TopicExpressionDialect", _DIALECT),
    )


def _find(device: Device, path: str) -> Subscription:
    subscription = device.subscriptions.find(path.rstrip("/").rpartition("/")[2])
    if subscription is None:
        raise Refused("ter:InvalidArgVal", "no such subscription, or it has ended")
    return subscription


def _times(device: Device, lasts_s: float, prefix: str) -> tuple[Node, Node]:
    now_ns = device.now_ns()
    end_ns = now_ns + round(lasts_s * 1e9)
    return node(f"{prefix}:CurrentTime", moment(now_ns)), node(f"{prefix}:TerminationTime", moment(end_ns))


def _message(noticed: Noticed) -> Node:
    source = node("tt:Source", node("tt:SimpleItem", Name=noticed.source, Value=noticed.token))
    data = node("tt:Data", node("tt:SimpleItem", Name=noticed.item, Value=noticed.active))
    told = node(
        "tt:Message", source, data, UtcTime=moment(noticed.at_ns), PropertyOperation=noticed.operation
    )
    return node(
        "wsnt:NotificationMessage",
        node("wsnt:Topic", noticed.topic, Dialect=_DIALECT),
        node("wsnt:Message", told),
    )


ANSWERS: dict[str, Answer] = {
    "CreatePullPointSubscription": create,
    "PullMessages": pull,
    "GetEventProperties": get_properties,
}
OF_SUBSCRIPTIONS: dict[str, Answer] = {"Renew": renew, "Unsubscribe": unsubscribe}
