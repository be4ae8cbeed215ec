"""Device service, who it is: information, scopes, services, network, reboot."""

from typing import Any
from xml.etree.ElementTree import Element

from appliance.simulator.onvif.device import Device
from appliance.simulator.onvif.services.asked import Answer
from appliance.simulator.onvif.soap import NAMESPACES, Node, node, text

_SERVICES = ("tds", "trt", "tr2", "tev", "timg", "tptz", "tmd")


def get_information(device: Device, asked: Element, path: str) -> Node:
    maker = device.maker
    return node(
        "tds:GetDeviceInformationResponse",
        node("tds:Manufacturer", maker.name),
        node("tds:Model", maker.model),
        node("tds:FirmwareVersion", maker.firmware),
        node("tds:SerialNumber", device.serial),
        node("tds:HardwareId", "1.0" if maker.key == "tapo" else maker.model),
    )


def get_scopes(device: Device, asked: Element, path: str) -> Node:
    return node(
        "tds:GetScopesResponse",
        *(
            node("tds:Scopes", node("tt:ScopeDef", "Fixed"), node("tt:ScopeItem", device.words(scope)))
            for scope in device.maker.scopes
        ),
    )


def get_services(device: Device, asked: Element, path: str) -> Node:
    return node(
        "tds:GetServicesResponse",
        *(
            node(
                "tds:Service",
                node("tds:Namespace", NAMESPACES[service]),
                node("tds:XAddr", device.url(service)),
                node("tds:Version", node("tt:Major", 2), node("tt:Minor", 60)),
            )
            for service in _SERVICES
            if device.has(service)
        ),
    )


def get_capabilities(device: Device, asked: Element, path: str) -> Node:
    maker = device.maker
    ports = node("tt:IO", node("tt:InputConnectors", maker.inputs), node("tt:RelayOutputs", maker.relays))
    streaming = node(
        "tt:StreamingCapabilities",
        node("tt:RTPMulticast", False),
        node("tt:RTP_TCP", True),
        node("tt:RTP_RTSP_TCP", True),
    )
    extension = node(
        "tt:Extension",
        node(
            "tt:DeviceIO",
            node("tt:XAddr", device.url("tmd")),
            node("tt:VideoSources", 1),
            node("tt:VideoOutputs", 0),
            node("tt:AudioSources", 0),
            node("tt:AudioOutputs", 0),
            node("tt:RelayOutputs", maker.relays),
        ),
    )
    parts = {
        "Device": node("tt:Device", node("tt:XAddr", device.url("tds")), ports),
        "Events": node(
            "tt:Events",
            node("tt:XAddr", device.url("tev")),
            node("tt:WSSubscriptionPolicySupport", False),
            node("tt:WSPullPointSupport", True),
            node("tt:WSPausableSubscriptionManagerInterfaceSupport", False),
        ),
        "Imaging": node("tt:Imaging", node("tt:XAddr", device.url("timg"))),
        "Media": node("tt:Media", node("tt:XAddr", device.url("trt")), streaming),
        "PTZ": node("tt:PTZ", node("tt:XAddr", device.url("tptz"))) if maker.moves else None,
        "Extension": extension if device.has("tmd") else None,
    }
    wanted = text(asked, "tds:Category", "All")
    told = [part for name, part in parts.items() if wanted in ("All", name)]
    return node("tds:GetCapabilitiesResponse", node("tds:Capabilities", *told))


def get_service_capabilities(device: Device, asked: Element, path: str) -> Node:
    tokens: dict[str, Any] = {
        "UsernameToken": "token" in device.maker.proofs,
        "HttpDigest": "digest" in device.maker.proofs,
    }
    return node(
        "tds:GetServiceCapabilitiesResponse",
        node(
            "tds:Capabilities",
            node("tds:Network", NTP=1, DHCPv6=False),
            node("tds:Security", **tokens),
            node("tds:System", FirmwareUpgrade=False),
        ),
    )


def get_hostname(device: Device, asked: Element, path: str) -> Node:
    information = node("tds:HostnameInformation", node("tt:FromDHCP", False), node("tt:Name", device.name))
    return node("tds:GetHostnameResponse", information)


def get_interfaces(device: Device, asked: Element, path: str) -> Node:
    info = node("tt:Info", node("tt:Name", "eth0"), node("tt:HwAddress", device.mac), node("tt:MTU", 1500))
    address = node("tt:FromDHCP", node("tt:Address", device.address), node("tt:PrefixLength", 24))
    config = node("tt:Config", address, node("tt:DHCP", True))
    return node(
        "tds:GetNetworkInterfacesResponse",
        node(
            "tds:NetworkInterfaces",
            node("tt:Enabled", True),
            info,
            node("tt:IPv4", node("tt:Enabled", True), config),
            handle="eth0",
        ),
    )


def reboot(device: Device, asked: Element, path: str) -> Node:
    device.reboots += 1
    device.subscriptions.clear()
    return node("tds:SystemRebootResponse", node("tds:Message", "Rebooting in 0 seconds"))


ANSWERS: dict[str, Answer] = {
    "GetDeviceInformation": get_information,
    "GetScopes": get_scopes,
    "GetServices": get_services,
    "GetCapabilities": get_capabilities,
    "GetServiceCapabilities": get_service_capabilities,
    "GetHostname": get_hostname,
    "GetNetworkInterfaces": get_interfaces,
    "SystemReboot": reboot,
}
