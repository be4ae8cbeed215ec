"""What an installer answers about cameras: the section ``[cameras]`` and the form of the page alike."""

import ipaddress
from ipaddress import IPv4Network

import msgspec

from appliance.base.errors import invalid
from appliance.base.model import Credentials
from appliance.base.redaction import forbid

MOST_CAMERAS = 256
MOST_ADDRESSES = 4096


class Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of cameras; tried in the order given. Its ``repr`` is blind."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Credential(…)"


class CameraGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One camera: by what it is found by (``address``, ``serial`` or ``mac``), or with its streams'
    addresses (``rtsp_url``, ``sub_url``), and then nothing is asked. ``name`` empty: as it calls itself.
    ``onvif_url``: of its device service, where it told its serial, mac and endpoint: the box knows it by them
    from the start. ``channel``: which of a recorder's pictures, from 1: those share a serial, and are told
    apart by their addresses. ``credential``: which of the credentials, from 0; None: whichever it takes, and
    with ``rtsp_url`` none."""

    name: str = ""
    address: str = ""
    serial: str = ""
    mac: str = ""
    endpoint: str = ""
    rtsp_url: str = ""
    sub_url: str = ""
    onvif_url: str = ""
    channel: int = 0
    credential: int | None = None


class RecorderGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recorder, or a camera, of a maker without ONVIF: its ``channels`` become cameras, ``NAME 1`` and so
    on. ``maker``: a name of ``onvif.makers``. ``channels`` None: as many as such a device usually has."""

    name: str
    maker: str
    address: str
    channels: int | None = None
    credential: int = 0


class LeftGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A camera that was found and is left as it is: said in the plan and among the checks. ``by_choice``:
    somebody wanted it so, and nothing is wrong with that."""

    name: str
    why: str
    hint: str = ""
    by_choice: bool = False


class CamerasGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``networks``: scanned beside those that the box is in (``10.0.9.0/24``). ``add_found``: every camera
    that is found and lets the box in, too. ``set_right``: set the new ones right over ONVIF before they are
    added. ``ntp_server``: whom they ask for the time; empty: this box."""

    networks: tuple[str, ...] = ()
    credentials: tuple[Credential, ...] = ()
    add_found: bool = False
    set_right: bool = False
    ntp_server: str = ""
    camera: tuple[CameraGiven, ...] = ()
    recorder: tuple[RecorderGiven, ...] = ()
    left: tuple[LeftGiven, ...] = ()

    @property
    def asks_the_network(self) -> bool:
        return self.add_found or any(not camera.rtsp_url for camera in self.camera)


def check(given: CamerasGiven) -> None:
    """Raises ``invalid`` with the field, as far as the answers alone can be wrong."""
    networks(given.networks)
    if len(given.camera) > MOST_CAMERAS:
        raise invalid(f"{len(given.camera)} cameras", f"at most {MOST_CAMERAS}", field="camera")
    for number, camera in enumerate(given.camera):
        field = f"camera.{number}"
        if not any((camera.address, camera.serial, camera.mac, camera.endpoint, camera.rtsp_url)):
            hint = "give its address, serial, mac or rtsp_url"
            raise invalid("nothing tells which camera this is", hint, field=f"{field}.address")
        if camera.rtsp_url and not camera.name:
            raise invalid("a camera needs a name", "e.g. Front gate", field=f"{field}.name")
        _credential(given, camera.credential, f"{field}.credential")
    for number, recorder in enumerate(given.recorder):
        if recorder.channels is not None and not 1 <= recorder.channels <= 64:
            raise invalid(
                "a recorder has 1 to 64 channels", "count them", field=f"recorder.{number}.channels"
            )
        if given.credentials:
            _credential(given, recorder.credential, f"recorder.{number}.credential")
    names = [camera.name for camera in given.camera if camera.name]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise invalid(
                f"two cameras are called {name!r}", "choose another name", field=f"camera.{number}.name"
            )


def networks(texts: tuple[str, ...]) -> tuple[IPv4Network, ...]:
    """Raises ``invalid`` with the field."""
    found = []
    for number, text in enumerate(texts):
        try:
            network = ipaddress.IPv4Network(text.strip(), strict=False)
        except ValueError:
            raise invalid(
                f"{text[:40]!r} is no network", "write it as 192.168.50.0/24", field=f"networks.{number}"
            ) from None
        if network.num_addresses > MOST_ADDRESSES:
            hint = "/20 is the largest that is scanned: name the part that the cameras are in"
            raise invalid(f"{network} has too many addresses", hint, field=f"networks.{number}")
        found.append(network)
    return tuple(found)


def tries(credentials: tuple[Credential, ...]) -> tuple[Credentials, ...]:
    """From now on no log and no line of progress shows them."""
    forbid(*(one.password for one in credentials))
    return tuple(Credentials(one.username, one.password) for one in credentials)


def _credential(given: CamerasGiven, number: int | None, field: str) -> None:
    if number is not None and not 0 <= number < len(given.credentials):
        hint = f"there are {len(given.credentials)}, counted from 0"
        raise invalid(f"there is no credential {number}", hint, field=field)
