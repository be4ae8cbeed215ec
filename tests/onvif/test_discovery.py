"""Discovery, against cameras that answer late, twice, wrongly, and with addresses of all kinds."""

import asyncio
import socket
from pathlib import Path

import pytest

from appliance.base.errors import ApplianceError
from appliance.onvif.discovery import discover, read_matches, read_neighbours

MATCH = (
    '<e:Envelope xmlns:e="urn:e"><e:Body><d:ProbeMatches><d:ProbeMatch><a:EndpointReference>'
    "<a:Address>{endpoint}</a:Address></a:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types>"
    "<d:Scopes>{scopes}</d:Scopes><d:XAddrs>{urls}</d:XAddrs></d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>"
)
SCOPES = (
    "onvif://www.onvif.org/Profile/Streaming onvif://www.onvif.org/name/Front%20Door "
    "onvif://www.onvif.org/hardware/DS-2CD onvif://www.onvif.org/mac/28:57:be:65:7d:d5 "
    "onvif://www.onvif.org/manufacturer/Made onvif://www.onvif.org/location/"
)


def match(
    endpoint: str = "urn:uuid:1", urls: str = "http://10.0.0.9/onvif/device_service", scopes=SCOPES
) -> bytes:
    return MATCH.format(endpoint=endpoint, urls=urls, scopes=scopes).encode()


class Cameras(asyncio.DatagramProtocol):
    """Hears the group; ``answers``: after how many seconds -> what it sends to each probe."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.answers: list[tuple[float, bytes]] = []

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data, addr) -> None:
        self.heard.append(data.decode())
        for after_s, answer in self.answers:
            asyncio.get_running_loop().call_later(after_s, self._send, answer, addr)

    def _send(self, answer, addr) -> None:
        if not self.transport.is_closing():
            self.transport.sendto(answer, addr)


@pytest.fixture
async def cameras():
    """On the group at a free port of loopback, so that nobody else's answer."""
    plug = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    plug.bind(("", 0))
    both = socket.inet_aton("239.255.255.250") + socket.inet_aton("127.0.0.1")
    try:
        plug.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, both)
    except OSError:
        plug.close()
        pytest.skip("loopback knows no multicast here")
    transport, made = await asyncio.get_running_loop().create_datagram_endpoint(Cameras, sock=plug)
    made.group = ("239.255.255.250", plug.getsockname()[1])
    yield made
    transport.close()
    await asyncio.sleep(0)


async def test_cameras_answer_late_twice_and_in_nonsense(cameras) -> None:
    cameras.answers = [
        (0.0, match("urn:uuid:1")),
        (0.0, b"\x00nonsense"),
        (0.01, match("urn:uuid:1")),
        (0.15, match("urn:uuid:2", "http://127.0.0.1:8000/onvif/device_service")),
    ]
    found = await discover(["127.0.0.1"], window_s=0.3, group=cameras.group, arp=Path("/nonexistent"))
    assert [camera.endpoint for camera in found] == ["urn:uuid:1", "urn:uuid:2"]
    first, second = found
    assert (first.name, first.model, first.maker, first.mac, first.address) == (
        "Front Door", "DS-2CD", "Made", "28:57:be:65:7d:d5", "127.0.0.1",
    )  # fmt: skip
    # it names an address that is not where it answered from: there first, then where it says
    assert first.urls == ("http://127.0.0.1/onvif/device_service", "http://10.0.0.9/onvif/device_service")
    assert second.urls == ("http://127.0.0.1:8000/onvif/device_service",)


async def test_every_kind_of_camera_is_asked_for(cameras) -> None:
    await discover(["127.0.0.1", "127.0.0.1", "192.0.2.77"], window_s=0.1, group=cameras.group)
    types = [text.partition("<d:Types>")[2].partition("<")[0] for text in cameras.heard]
    assert types == ["dn:NetworkVideoTransmitter", "tds:Device", ""]
    ids = {text.partition("MessageID>")[2].partition("<")[0] for text in cameras.heard}
    assert len(ids) == 3


async def test_a_probe_that_is_lost_is_repeated(cameras) -> None:
    await discover(["127.0.0.1"], window_s=0.6, group=cameras.group)
    assert len(cameras.heard) == 6


async def test_no_network_is_no_empty_list() -> None:
    with pytest.raises(ApplianceError) as caught:
        await discover(["192.0.2.77", "nonsense"], window_s=0.1)
    assert caught.value.kind == "unavailable" and caught.value.hint


@pytest.mark.parametrize(
    ("urls", "address", "wanted"),
    [
        ("http://10.0.0.9/o http://[fe80::1]/o", "10.0.0.9", ("http://10.0.0.9/o", "http://[fe80::1]/o")),
        (
            "http://[fe80::1]/o http://10.0.0.9:8000/o",
            "10.0.0.9",
            ("http://10.0.0.9:8000/o", "http://[fe80::1]/o"),
        ),
        ("http://[fe80::1]/o", "fe80::1%eth0", ("http://[fe80::1%eth0]/o",)),
        ("http://cam.local/o", "10.0.0.9", ("http://10.0.0.9/o", "http://cam.local/o")),
        ("https://10.0.0.9/o http://10.0.0.9/o", "10.0.0.9", ("https://10.0.0.9/o", "http://10.0.0.9/o")),
        ("10.0.0.9", "10.0.0.9", ("http://10.0.0.9/onvif/device_service",)),
        ("", "10.0.0.9", ("http://10.0.0.9/onvif/device_service",)),
        ("://\x00 ftp://x/", "10.0.0.9", ("http://10.0.0.9/onvif/device_service",)),
    ],
)
def test_several_addresses_the_best_first(urls: str, address: str, wanted: tuple[str, ...]) -> None:
    (camera,) = read_matches(match(urls=urls), address)
    assert camera.urls == wanted


@pytest.mark.parametrize("data", [b"", b"<a/>", match().replace(b"ProbeM", b"ResolveM")])
def test_what_is_no_answer(data: bytes) -> None:
    assert read_matches(data, "10.0.0.9") == []


def test_a_camera_without_an_endpoint_is_known_by_its_address() -> None:
    (camera,) = read_matches(match(endpoint="", scopes="x onvif://www.onvif.org/ nonsense"), "10.0.0.9")
    assert (camera.endpoint, camera.name, camera.mac) == ("at 10.0.0.9", "", None)


def test_neighbours_of_the_kernel(tmp_path: Path) -> None:
    arp = tmp_path / "arp"
    arp.write_text(
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "10.0.0.9         0x1         0x2         28:57:be:65:7d:d5     *        eth0\n"
        "10.0.0.10        0x1         0x0         00:00:00:00:00:00     *        eth0\nbroken\n"
    )
    assert read_neighbours(arp) == {"10.0.0.9": "28:57:be:65:7d:d5"}
    assert read_neighbours(tmp_path / "none") == {}
