"""Device service, the clock: GetSystemDateAndTime, SetSystemDateAndTime, GetNTP, SetNTP."""

import re
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from appliance.base.clock import SECOND_NS
from appliance.simulator.onvif.device import Device
from appliance.simulator.onvif.services.asked import Answer, Refused
from appliance.simulator.onvif.soap import Node, node, tag, text

_PARTS = ("Date/tt:Year", "Date/tt:Month", "Date/tt:Day", "Time/tt:Hour", "Time/tt:Minute", "Time/tt:Second")


def get_time(device: Device, asked: Element, path: str) -> Node:
    now = datetime.fromtimestamp(device.now_ns() // SECOND_NS, UTC)
    moment = (
        node(
            "tt:Time", node("tt:Hour", now.hour), node("tt:Minute", now.minute), node("tt:Second", now.second)
        ),
        node("tt:Date", node("tt:Year", now.year), node("tt:Month", now.month), node("tt:Day", now.day)),
    )
    return node(
        "tds:GetSystemDateAndTimeResponse",
        node(
            "tds:SystemDateAndTime",
            node("tt:DateTimeType", "NTP" if device.by_ntp else "Manual"),
            node("tt:DaylightSavings", False),
            node("tt:TimeZone", node("tt:TZ", device.time_zone)),
            node("tt:UTCDateTime", *moment),
            node("tt:LocalDateTime", *moment),
        ),
    )


def set_time(device: Device, asked: Element, path: str) -> Node:
    device.time_zone = text(asked, "tds:TimeZone/tt:TZ", device.time_zone)
    if text(asked, "tds:DateTimeType") == "NTP":
        if device.ntp_server is None:
            raise Refused("ter:NtpServerUndefined", "no NTP server is set")
        device.synchronise()
        return node("tds:SetSystemDateAndTimeResponse")
    try:
        numbers = [int(text(asked, f"tds:UTCDateTime/tt:{part}")) for part in _PARTS]
        year, month, day, hour, minute, second = numbers
        at_s = datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:
        raise Refused("ter:InvalidDateTime", "that is no date and time") from None
    device.set_clock(round(at_s) * SECOND_NS)
    return node("tds:SetSystemDateAndTimeResponse")


def get_ntp(device: Device, asked: Element, path: str) -> Node:
    server = device.ntp_server
    return node(
        "tds:GetNTPResponse",
        node(
            "tds:NTPInformation",
            node("tt:FromDHCP", False),
            _host(server) if server is not None else None,
        ),
    )


def set_ntp(device: Device, asked: Element, path: str) -> Node:
    manual = asked.find(tag("tds:NTPManual"))
    server = text(manual, "tt:IPv4Address") or text(manual, "tt:DNSname")
    if not server:
        raise Refused("ter:InvalidIPv4Address", "no NTP server is named")
    device.ntp_server = server
    if device.by_ntp:
        device.synchronise()
    return node("tds:SetNTPResponse")


def _host(server: str) -> Node:
    if re.fullmatch(r"[0-9.]+", server):
        return node("tt:NTPManual", node("tt:Type", "IPv4"), node("tt:IPv4Address", server))
    return node("tt:NTPManual", node("tt:Type", "DNS"), node("tt:DNSname", server))


ANSWERS: dict[str, Answer] = {
    "GetSystemDateAndTime": get_time,
    "SetSystemDateAndTime": set_time,
    "GetNTP": get_ntp,
    "SetNTP": set_ntp,
}
