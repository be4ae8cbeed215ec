"""Where the box has its time from (NTP servers, GPS, a person), and that it passes it on to the cameras.

    NTP servers ─┐
    GPS ─ gpsd ──┼─► chronyd ─► the system's clock ─► the box clock
    a person ────┘       └────► NTP for the cameras, and for nobody else

/etc/chrony/chrony.conf is rendered whole: a line of the distribution's that is left in (its pool) would
make an offline box call somebody. Who may ask this box is a file beside it (``serving``), since the network
of the cameras is decided later than the clock. The directives are those of chrony.conf(5), chrony 4.x.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from appliance.base.clock import SECOND_NS, rfc3339
from appliance.base.errors import ApplianceError, invalid
from appliance.system import files
from appliance.system.files import MachineFile
from appliance.system.programs import Programs

CHRONY, GPSD = "/etc/chrony/chrony.conf", "/etc/default/gpsd"
SERVED = "/etc/chrony/conf.d/aries-cameras.conf"
MOST_SERVERS, MOST_SERVED = 8, 16
OWN_STRATUM = 10  # of a box without a source: its cameras agree with it, others believe anybody rather
SLEW_PPM = 500  # as fast as the box clock follows (base.clock)
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_DEVICE = re.compile(r"/dev/[A-Za-z0-9/._-]{1,60}")


class ClockSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``kind``: ``ntp`` asks ``servers`` (names or addresses, 1 to 8); ``gps`` listens to a receiver on
    ``gps_device`` through gpsd, and to its pulse per second on ``pps_device`` where it has one, ``servers``
    beside it where there are any; ``hand``: a person sets it, and it runs free."""

    kind: Literal["ntp", "gps", "hand"] = "ntp"
    servers: tuple[str, ...] = ("pool.ntp.org",)
    gps_device: str = "/dev/ttyACM0"
    pps_device: str = ""


class ClockState(msgspec.Struct, frozen=True):
    """``follows``: what it has its time from now, in chrony's words (an address, ``PPS``); empty: nothing.
    ``off_s``: system clock minus true time as far as that is known; None: it is not. ``gps_devices`` and
    ``pps_devices``: what is plugged in. ``runs``: chronyd answers. ``ours``: its file is one of ours."""

    installed: bool
    runs: bool
    ours: bool
    follows: str
    stratum: int | None
    off_s: float | None
    gps_devices: tuple[str, ...]
    pps_devices: tuple[str, ...]


def check(source: ClockSource) -> ClockSource:
    """As it came. Raises ``invalid`` with the field."""
    if source.kind == "ntp" and not source.servers:
        raise invalid("no NTP server is named", "name one, or choose GPS or by hand", field="servers")
    if len(source.servers) > MOST_SERVERS:
        raise invalid(f"{len(source.servers)} servers", f"name at most {MOST_SERVERS}", field="servers")
    for host in source.servers:
        if not _is_address(host) and not _HOST.fullmatch(host):
            raise invalid(f"{host[:60]!r} is no server", "a host name or an address", field="servers")
    if source.kind == "gps" and not _DEVICE.fullmatch(source.gps_device):
        raise invalid("the GPS receiver is no device", "for example /dev/ttyACM0", field="gps_device")
    if source.kind == "gps" and source.pps_device and not _DEVICE.fullmatch(source.pps_device):
        raise invalid("the pulse per second is no device", "for example /dev/pps0", field="pps_device")
    return source


def chrony_conf(source: ClockSource) -> str:
    """Raises ``invalid``. The same source gives the same text."""
    check(source)
    lines = ["# Made by provisioning (the step `site`); change it there, not here."]
    if source.kind == "gps":
        lines += _receiver(source)
    if source.kind != "hand":
        lines += [f"{'server' if _is_address(host) else 'pool'} {host} iburst" for host in source.servers]
    else:
        lines.append("manual")
    lines += [
        f"local stratum {OWN_STRATUM}",
        "# A step ends every recording's run: only at the start; after that as slowly as the box follows.",
        "makestep 0.5 3",
        f"maxslewrate {SLEW_PPM}",
        "rtcsync",
        "leapsectz right/UTC",
        "driftfile /var/lib/chrony/chrony.drift",
        "cmdport 0",
        "# Whoever is not allowed in there gets no answer; where nobody is, no port is open.",
        f"confdir {SERVED.rpartition('/')[0]}",
    ]
    return "\n".join([*lines, ""])


def serving(networks: Sequence[str]) -> MachineFile:
    """``networks`` (``192.168.50.0/24``): cameras in them may ask this box for the time; none: nobody may.
    Raises ``invalid``."""
    if len(networks) > MOST_SERVED:
        raise invalid(f"{len(networks)} networks", f"name at most {MOST_SERVED}")
    lines = []
    for network in networks:
        try:
            lines.append(f"allow {ipaddress.ip_network(network, strict=False)}")
        except ValueError as error:
            raise invalid(f"{network[:60]!r} is no network", "write it as 192.168.50.0/24") from error
    about = "# Made by provisioning (the step `network`): the cameras ask this box for the time."
    return MachineFile(SERVED, "\n".join([about, *lines, ""]) if lines else None)


def _receiver(source: ClockSource) -> list[str]:
    """gpsd writes serial time to shared memory 0 (good to some 100 ms: USB and the sentence's length);
    the pulse, where there is one, says when the second begins, and is locked to it."""
    if not source.pps_device:
        return ["refclock SHM 0 refid GPS precision 1e-1 offset 0.1 delay 0.2"]
    return [
        "refclock SHM 0 refid GPS precision 1e-1 offset 0.1 delay 0.2 noselect",
        f"refclock PPS {source.pps_device} refid PPS lock GPS",
    ]


def gpsd_conf(source: ClockSource) -> str:
    devices = " ".join(device for device in (source.gps_device, source.pps_device) if device)
    return "\n".join([
        "# Made by provisioning (the step `site`). -n: listen to the receiver although no client asks.",
        'START_DAEMON="true"',
        'USBAUTO="false"',
        f'DEVICES="{devices}"',
        'GPSD_OPTIONS="-n"',
        "",
    ])  # fmt: skip


def wanted(source: ClockSource) -> tuple[MachineFile, ...]:
    found = [MachineFile(CHRONY, chrony_conf(source))]
    if source.kind == "gps":
        found.append(MachineFile(GPSD, gpsd_conf(source)))
    return tuple(found)


def plan(source: ClockSource, root: Path) -> tuple[tuple[str, str], ...]:
    """(sentence, difference of its file) of what ``apply`` would do; empty where all is so. Raises
    ``invalid``."""
    about = {
        CHRONY: f"the clock {_sentence(source)}",
        GPSD: f"gpsd listens to the receiver at {source.gps_device}",
    }
    return tuple(
        (about[file.path], files.difference(file, root)) for file in files.differing(wanted(source), root)
    )


def apply(source: ClockSource, root: Path, programs: Programs) -> None:
    """Raises ``invalid``, or ``unavailable`` where chrony (or, for GPS, gpsd) is not installed; nothing is
    changed then."""
    put(wanted(source), root, programs)


def put(found: Iterable[MachineFile], root: Path, programs: Programs) -> None:
    """Files first, then the services that read them, and only those whose file has changed."""
    changed = files.differing(found, root)
    for path, program, package in ((CHRONY, "chronyd", "chrony"), (GPSD, "gpsd", "gpsd")):
        if any(file.path == path for file in changed) and not programs.has(program):
            hint = f"install it: apt-get install {package}"
            raise ApplianceError("unavailable", f"{program} is not installed", hint)
    for file in changed:
        files.put(file, root)
    if any(file.path == GPSD for file in changed):
        restart(root, programs, "gpsd")
    if any(file.path == CHRONY for file in changed):
        restart(root, programs)


def restart(root: Path, programs: Programs, name: str = "chrony") -> None:
    """It reads its files again. Without a service manager: whoever starts it finds them."""
    program = "chronyd" if name == "chrony" else name
    if (root / "run/systemd/system").is_dir() and programs.has(program):
        programs.must("systemctl", "restart", f"{name}.service")


def set_by_hand(programs: Programs, now_ns: int) -> None:
    """The system's clock says ``now_ns`` (UTC) from here on; a phone's time will do. Raises ``invalid`` for
    a time before 2025 or after 2099, ``denied`` without the right."""
    if not 1_735_689_600 * SECOND_NS <= now_ns < 4_070_908_800 * SECOND_NS:
        raise invalid(
            f"{rfc3339(now_ns)[:10]} cannot be today", "look at the phone's own clock", field="time"
        )
    seconds, rest_ns = divmod(now_ns, SECOND_NS)
    programs.must("date", "-u", "-s", f"@{seconds}.{rest_ns:09d}")


def state(root: Path, programs: Programs) -> ClockState:
    """What is there now; asks chronyd where it runs."""
    text = files.read(root, CHRONY) or ""
    follows, stratum, off_s, runs = "", None, None, False
    installed = programs.has("chronyd")
    if programs.has("chronyc"):
        done = programs.ask("chronyc", "-c", "-n", "tracking")
        runs = done.status == 0 and done.text.count(",") >= 13
        if runs:
            follows, stratum, off_s = _tracking(done.text)
    return ClockState(
        installed,
        runs,
        text.startswith("# Made by provisioning"),
        follows,
        stratum,
        off_s,
        tuple(_devices(root, "ttyACM*", "ttyUSB*", "ttyAMA*")),
        tuple(_devices(root, "pps*")),
    )


def _tracking(text: str) -> tuple[str, int | None, float | None]:
    """chronyc(1), tracking in CSV: reference id, name, stratum, reference time, system offset (s, negative:
    the clock is behind), ..., leap status last. The local reference (127.127.1.1) is nobody."""
    fields = text.strip().split(",")
    name, stratum, last = fields[1] or fields[0], int(fields[2]), fields[-1]
    if last == "Not synchronised" or fields[0] in ("00000000", "7F7F0101"):
        return "", stratum or None, None
    return name, stratum, float(fields[4])


def _devices(root: Path, *patterns: str) -> list[str]:
    folder = root / "dev"
    return sorted(f"/dev/{path.name}" for pattern in patterns for path in folder.glob(pattern))


def _sentence(source: ClockSource) -> str:
    beside = f" and {', '.join(source.servers)}" if source.servers else ""
    return {
        "ntp": f"follows {', '.join(source.servers)}",
        "gps": f"follows the GPS receiver{' and its pulse' if source.pps_device else ''}{beside}",
        "hand": "is set by hand and runs free",
    }[source.kind]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
