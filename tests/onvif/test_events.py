"""What cameras notice: a subscription that renews itself, and events in one form."""

import pytest

from appliance.base.clock import SECOND_NS
from appliance.base.errors import ApplianceError
from appliance.onvif.events import CameraEvent, PullPoint, read_event
from appliance.onvif.tree import read_tree

NOTICE = (
    '<wsnt:NotificationMessage><wsnt:Topic Dialect="x"> {topic} </wsnt:Topic><wsnt:Message>'
    '<tt:Message UtcTime="{time}" PropertyOperation="{operation}"><tt:Source><tt:SimpleItem Name="{source}" '
    'Value="S1"/></tt:Source><tt:Data><tt:SimpleItem Name="{item}" Value="{value}"/></tt:Data></tt:Message>'
    "</wsnt:Message></wsnt:NotificationMessage>"
)


def notice(topic: str, item: str = "State", value: str = "true", **other: str) -> str:
    rest = {"time": "2026-01-20T14:30:00Z", "operation": "Changed", "source": "Source"} | other
    return NOTICE.format(topic=topic, item=item, value=value, **rest)


def read(text: str, now_ns: int = 7, skew_ns: int = 0) -> CameraEvent:
    declared = f'<x xmlns:tt="t" xmlns:wsnt="w">{text}</x>'
    return read_event(read_tree(declared.encode()).children[0], now_ns, skew_ns)


@pytest.mark.parametrize(
    ("topic", "item", "kind"),
    [
        ("tns1:RuleEngine/CellMotionDetector/Motion", "IsMotion", "motion"),
        ("tns1:VideoSource/MotionAlarm", "State", "motion"),
        ("tns1:VideoAnalytics/tnsaxis:MotionDetection", "motion", "motion"),
        ("tns1:RuleEngine/FieldDetector/ObjectsInside", "IsInside", "motion"),
        ("tns1:RuleEngine/TamperDetector/Tamper", "IsTamper", "tamper"),
        ("tns1:VideoSource/GlobalSceneChange/ImagingService", "State", "tamper"),
        ("tns1:VideoSource/tnsaxis:Tampering", "active", "tamper"),
        ("tns1:VideoSource/tnsaxis:Tampering", "tampering", "tamper"),
        ("tns1:Device/Trigger/DigitalInput", "LogicalState", "digital_input"),
        ("tns1:Device/tnsaxis:IO/Port", "state", "digital_input"),
        ("tns1:Monitoring/ProcessorUsage", "Value", "other"),
    ],
)
@pytest.mark.parametrize(
    ("value", "active"), [("true", True), ("0", False), ("Active", True), ("35.2", None)]
)
def test_topics_of_makers_are_a_few_kinds(topic, item, kind, value, active) -> None:
    event = read(notice(topic, item, value))
    assert (event.kind, event.active, event.source) == (kind, active, "S1")
    assert "tns" not in event.topic


def test_a_camera_s_time_becomes_ours() -> None:
    event = read(notice("tns1:VideoSource/MotionAlarm"), skew_ns=47 * SECOND_NS)
    assert event.at_ns == (1_768_919_400 - 47) * SECOND_NS
    for time in ("", "noon", "2026-01-20T14:30:00", "9999-99-99T00:00:00Z"):
        assert read(notice("a/b", time=time)).at_ns == 7


def test_the_state_at_the_beginning_is_no_change() -> None:
    assert read(notice("a/b", operation="Initialized")).is_initial
    assert not read(notice("a/b")).is_initial


def test_a_notice_that_says_nothing() -> None:
    assert read("<wsnt:NotificationMessage/>") == CameraEvent("other", None, "", "", 7, False)


@pytest.fixture
def subscribed(camera):
    reference = (
        "<tev:SubscriptionReference><wsa:Address>http://192.168.1.64/pull/9</wsa:Address>"
        '<wsa:ReferenceParameters><d:Id xmlns:d="urn:maker">5 &amp; 6</d:Id></wsa:ReferenceParameters>'
        "</tev:SubscriptionReference>"
    )
    camera.says |= {
        "CreatePullPointSubscription": reference,
        "PullMessages": "",
        "Unsubscribe": "",
        "Renew": "",
    }
    return camera


async def test_a_subscription_from_begin_to_end(subscribed, device) -> None:
    subscribed.says["PullMessages"] = notice("tns1:VideoSource/MotionAlarm") + notice("a/b", value="false")
    async with PullPoint(device, lasts_s=60) as point:
        first, second = await point.pull(wait_s=5)
    assert (first.kind, first.active, second.active) == ("motion", True, False)
    names = subscribed.questions[-3:]
    assert names == ["CreatePullPointSubscription", "PullMessages", "Unsubscribe"]
    asked = read_tree(subscribed.text_of("PullMessages").encode())
    assert asked.said("Header/To") == f"http://127.0.0.1:{subscribed.port}/pull/9"
    assert asked.at("Header/Id").namespace == "urn:maker" and asked.said("Header/Id") == "5 & 6"
    assert asked.said("Body/PullMessages/Timeout") == "PT5S"
    assert subscribed.paths[-1] == "/pull/9"


async def test_it_is_renewed_before_it_ends(subscribed, device, clock) -> None:
    async with PullPoint(device, lasts_s=60) as point:
        await point.pull(wait_s=10)
        assert "Renew" not in subscribed.questions
        clock.tick(35)
        await point.pull(wait_s=10)
        assert subscribed.questions[-2:] == ["Renew", "PullMessages"]
        await point.pull(wait_s=10)
        assert subscribed.questions.count("Renew") == 1


async def test_a_camera_without_renew_is_pulled_all_the_same(subscribed, device, clock) -> None:
    del subscribed.says["Renew"]
    async with PullPoint(device, lasts_s=30) as point:
        clock.tick(25)
        assert await point.pull(wait_s=10) == ()


async def test_a_subscription_that_is_gone_is_told(subscribed, device, refusal) -> None:
    async with PullPoint(device) as point:
        subscribed.says["PullMessages"] = refusal("ResourceUnknown")
        subscribed.says["Unsubscribe"] = refusal("ResourceUnknown")
        with pytest.raises(ApplianceError):
            await point.pull(wait_s=1)


async def test_an_address_that_is_none(subscribed, device) -> None:
    subscribed.says["CreatePullPointSubscription"] = "<a>http://{{=it.hostname}}</a>"
    with pytest.raises(ApplianceError, match="its events"):
        async with PullPoint(device):
            pass
