"""One camera's device service: what it is, its clock, its network (ONVIF Core 8)."""

import ipaddress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
import msgspec

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError, invalid
from appliance.base.model import Credentials
from appliance.onvif.identity import normal_mac
from appliance.onvif.soap import REFUSED_HINT, Caller, CameraFault
from appliance.onvif.tree import Node, Xml, xml
from appliance.onvif.where import device_url, host_of, service_at

SERVICES = {
    "http://www.onvif.org/ver10/device/wsdl": "device",
    "http://www.onvif.org/ver10/media/wsdl": "media",
    "http://www.onvif.org/ver20/media/wsdl": "media2",
    "http://www.onvif.org/ver10/events/wsdl": "events",
    "http://www.onvif.org/ver20/imaging/wsdl": "imaging",
    "http://www.onvif.org/ver20/ptz/wsdl": "ptz",
    "http://www.onvif.org/ver10/deviceIO/wsdl": "device_io",
}
_IN_CAPABILITIES = {
    "media": "Media",
    "events": "Events",
    "imaging": "Imaging",
    "ptz": "PTZ",
    "device_io": "Extension/DeviceIO",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Information(msgspec.Struct, frozen=True):
    maker: str
    model: str
    firmware: str
    serial: str
    hardware: str


class CameraClock(msgspec.Struct, frozen=True):
    """``skew_ns``: the camera's clock minus ours, at half the round trip; good to half a second, as cameras
    answer whole ones. ``by_ntp``: it follows a server."""

    now_ns: int
    skew_ns: int
    by_ntp: bool
    time_zone: str
    daylight_saving: bool


class Ntp(msgspec.Struct, frozen=True):
    from_dhcp: bool
    servers: tuple[str, ...]


class Interface(msgspec.Struct, frozen=True):
    name: str
    mac: str | None
    addresses: tuple[str, ...]
    dhcp: bool


class Capabilities(msgspec.Struct, frozen=True):
    """``services``: short names of what it offers: device, media, media2, events, imaging, ptz, device_io."""

    services: tuple[str, ...]
    inputs: int
    relays: int


class Device:
    """``url``: of the device service. ``credentials`` None: only what needs none can be asked.

    Every method raises ``ApplianceError``: denied (password), unavailable (no answer in ``deadline_s``),
    not_found (no ONVIF there), invalid (the camera cannot do it, or answers what nobody understands).
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None,
        session: aiohttp.ClientSession,
        *,
        clock: Clock,
        deadline_s: float = 5.0,
    ) -> None:
        self.url = device_url(url)
        self.box_clock = clock
        self._caller = Caller(credentials, session, clock, deadline_s)
        self._clock: CameraClock | None = None
        self._services: dict[str, str] | None = None

    @property
    def address(self) -> str:
        return host_of(self.url)

    @property
    def skew_ns(self) -> int:
        """The camera's clock minus ours, as it was when it was last asked."""
        return self._caller.skew_ns

    async def ask(self, service: str, body: Xml, *, known: bool = True) -> Node:
        """Ask one of ``SERVICES`` by its short name; an answer's first element."""
        if known and self._clock is None:
            await self._settle_clock()
        url = self.url if service == "device" else (await self.services()).get(service)
        if url is None:
            raise CameraFault("invalid", f"the camera has no {service} service", REFUSED_HINT, "noservice")
        return await self._caller.ask(url, body, known=known)

    async def ask_at(self, url: str, body: Xml, *, headers: Xml, deadline_s: float) -> Node:
        """Ask at an address that the camera gave and ``where`` brought home (a subscription)."""
        return await self._caller.ask(url, body, headers=headers, deadline_s=deadline_s)

    async def fetch(self, url: str, *, most_bytes: int) -> tuple[str, bytes]:
        return await self._caller.fetch(url, most_bytes=most_bytes)

    async def services(self) -> dict[str, str]:
        """Short name → address, always at the host that answers."""
        if self._services is None:
            self._services = {"device": self.url} | await self._find_services()
        return self._services

    async def _find_services(self) -> dict[str, str]:
        try:
            answer = await self.ask("device", xml("tds:GetServices", xml("tds:IncludeCapability", False)))
            named = [
                (SERVICES.get(node.said("Namespace"), ""), node.said("XAddr", 1000))
                for node in answer.every("Service")
            ]
        except ApplianceError as error:
            if error.kind in ("denied", "unavailable"):
                raise
            named = []  # before ONVIF 2.0 there was no GetServices
        found = {name: self._at_home(url) for name, url in named if name and name != "device"}
        if found:
            return found
        answer = await self.ask("device", xml("tds:GetCapabilities", xml("tds:Category", "All")))
        urls = {
            name: answer.said(f"Capabilities/{path}/XAddr", 1000) for name, path in _IN_CAPABILITIES.items()
        }
        return {name: self._at_home(url) for name, url in urls.items() if url}

    def _at_home(self, url: str) -> str:
        return service_at(url, self.url) or self.url  # many have all services at one address

    async def information(self) -> Information:
        answer = await self.ask("device", xml("tds:GetDeviceInformation"))
        return Information(
            answer.said("Manufacturer"),
            answer.said("Model"),
            answer.said("FirmwareVersion"),
            answer.said("SerialNumber"),
            answer.said("HardwareId"),
        )

    async def clock(self) -> CameraClock:
        """Needs no password (ONVIF Core 5.9.3), and is asked first: the password's digest holds its time."""
        asked_ns = self.box_clock.monotonic_ns()
        answer = await self.ask("device", xml("tds:GetSystemDateAndTime"), known=False)
        half_ns = (self.box_clock.monotonic_ns() - asked_ns) // 2
        node = answer.at("SystemDateAndTime") or answer
        seen_ns = _time_of(node)
        if seen_ns is None:
            raise invalid(
                "the camera tells no time that anybody understands", "set its clock in its own page"
            )
        seen_ns += SECOND_NS // 2  # cameras answer whole seconds: half of one is the likeliest rest
        self._caller.skew_ns = seen_ns + half_ns - self.box_clock.now_ns()
        self._clock = CameraClock(
            seen_ns,
            self._caller.skew_ns,
            node.said("DateTimeType").lower() == "ntp",
            node.said("TimeZone/TZ", 100),
            node.flag("DaylightSavings") or False,
        )
        return self._clock

    async def _settle_clock(self) -> None:
        """For the digest; where the camera tells no time without a password, its HTTP Date, else ours."""
        try:
            await self.clock()
        except ApplianceError as error:
            if error.kind in ("unavailable", "not_found"):
                raise
            dated_ns = _http_date(self._caller.answered_date)
            self._caller.skew_ns = dated_ns - self.box_clock.now_ns() if dated_ns is not None else 0
            self._clock = CameraClock(0, self._caller.skew_ns, False, "", False)

    async def set_clock(self, now_ns: int, *, by_ntp: bool = False) -> None:
        """To the second. ``by_ntp``: follow the server that ``set_ntp`` named; ``now_ns`` is not sent."""
        if self._clock is None:
            await self._settle_clock()
        was = self._clock
        moment = _EPOCH + timedelta(microseconds=now_ns // 1000)
        zone = was.time_zone if was else ""
        body = xml(
            "tds:SetSystemDateAndTime",
            xml("tds:DateTimeType", "NTP" if by_ntp else "Manual"),
            xml("tds:DaylightSavings", was.daylight_saving if was else False),
            xml("tds:TimeZone", xml("tt:TZ", zone)) if zone else None,
            xml("tds:UTCDateTime", _written(moment)) if not by_ntp else None,
        )
        await self.ask("device", body)
        await self._settle_clock()  # the next digest must hold the new time

    async def ntp(self) -> Ntp:
        answer = await self.ask("device", xml("tds:GetNTP"))
        from_dhcp = answer.flag("NTPInformation/FromDHCP") or False
        nodes = answer.every(f"NTPInformation/{'NTPFromDHCP' if from_dhcp else 'NTPManual'}")
        named = [
            node.said("IPv4Address") or node.said("IPv6Address") or node.said("DNSname") for node in nodes
        ]
        return Ntp(from_dhcp, tuple(name for name in named if name not in ("", "0.0.0.0", "::")))  # noqa: S104

    async def set_ntp(self, server: str) -> None:
        """Follow ``server`` (address or name) from now on."""
        kind = _kind_of_host(server)
        place = {"IPv4": "tt:IPv4Address", "IPv6": "tt:IPv6Address", "DNS": "tt:DNSname"}[kind]
        manual = xml("tds:NTPManual", xml("tt:Type", kind), xml(place, server))
        await self.ask("device", xml("tds:SetNTP", xml("tds:FromDHCP", False), manual))
        await self.set_clock(0, by_ntp=True)

    async def interfaces(self) -> tuple[Interface, ...]:
        answer = await self.ask("device", xml("tds:GetNetworkInterfaces"))
        return tuple(_interface(node) for node in answer.every("NetworkInterfaces"))

    async def capabilities(self) -> Capabilities:
        services = tuple(sorted(await self.services()))
        answer = await self.ask("device", xml("tds:GetCapabilities", xml("tds:Category", "Device")))
        io = answer.at("Capabilities/Device/IO")
        inputs, relays = (io.whole("InputConnectors"), io.whole("RelayOutputs")) if io else (0, 0)
        return Capabilities(services, max(0, inputs or 0), max(0, relays or 0))

    async def reboot(self) -> None:
        await self.ask("device", xml("tds:SystemReboot"))


def _interface(node: Node) -> Interface:
    configs = node.every("IPv4/Config") + node.every("IPv6/Config")
    addresses = [
        place.said("Address")
        for config in configs
        for name in ("Manual", "FromDHCP", "LinkLocal")
        for place in config.every(name)
    ]
    return Interface(
        node.said("Info/Name") or node.attributes.get("token", "")[:100],
        normal_mac(node.said("Info/HwAddress")),
        tuple(dict.fromkeys(address for address in addresses if address)),
        any(config.flag("DHCP") or False for config in node.every("IPv4/Config")),
    )


def _time_of(node: Node) -> int | None:
    """UTC of a ``SystemDateAndTime``; the local time of cameras that tell no other is taken for it."""
    for name in ("UTCDateTime", "LocalDateTime"):
        found = [
            node.whole(f"{name}/{part}")
            for part in ("Date/Year", "Date/Month", "Date/Day", "Time/Hour", "Time/Minute", "Time/Second")
        ]
        year, month, day, hour, minute, second = found
        if year is None or month is None or day is None or hour is None or minute is None or second is None:
            continue
        try:
            # A leap second is 59 here; some cameras count 24:00.
            moment = datetime(year, month, day, hour % 24, minute, min(second, 59), tzinfo=UTC)
        except (ValueError, OverflowError):
            continue
        return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
    return None


def _http_date(text: str) -> int | None:
    try:
        return round(parsedate_to_datetime(text).timestamp()) * SECOND_NS
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _written(moment: datetime) -> Xml:
    time = xml(
        "tt:Time",
        xml("tt:Hour", moment.hour),
        xml("tt:Minute", moment.minute),
        xml("tt:Second", moment.second),
    )
    date = xml(
        "tt:Date", xml("tt:Year", moment.year), xml("tt:Month", moment.month), xml("tt:Day", moment.day)
    )
    return Xml(time + date)


def _kind_of_host(server: str) -> str:
    try:
        return f"IPv{ipaddress.ip_address(server).version}"
    except ValueError:
        return "DNS"
