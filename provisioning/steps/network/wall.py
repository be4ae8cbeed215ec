"""The firewall's part: settings from ports, and the command that puts them on trial and confirms them.

``appliance firewall apply`` is the one way: it checks, begins the trial, leaves the process that undoes it,
and stores what was confirmed.
"""

import sys
from pathlib import Path

from appliance.base import config
from appliance.base.errors import ApplianceError
from appliance.system.firewall import boot, trial
from appliance.system.firewall.render import ruleset
from appliance.system.firewall.settings import FirewallSettings
from appliance.system.programs import Programs
from provisioning.steps.network.given import NetworkGiven

COMMAND_S = 60.0  # a small box starts Python in seconds


def wanted(given: NetworkGiven, data_dir: Path) -> FirewallSettings:
    """Cameras on an uplink are judged as that: their clock is asked for there."""
    used = [port for port in given.ports if port.roles]
    lan = tuple(port.device for port in used if "uplink" in port.roles)
    return FirewallSettings(
        enabled=True,
        lan=lan,
        cameras=tuple(port.device for port in used if port.cameras_only),
        web_port=config.load({}, data_dir=data_dir).listen.port,
        ntp_lan=any(len(port.roles) == 2 for port in used),
        dhcp=any(port.pool for port in used),
        mdns=True,
        ssh=given.ssh,
    )


def in_words(found: FirewallSettings) -> str:
    screen = f"the screen (port {found.web_port}){' and ssh' if found.ssh else ''}"
    text = f"the firewall: {', '.join(found.lan)} reaches {screen}"
    if not found.cameras:
        return f"{text}, and nothing else"
    asked = "the time and their address" if found.dhcp else "the time"
    return f"{text}; cameras on {', '.join(found.cameras)} reach {asked}, and nothing else"


def kept(data_dir: Path) -> str | None:
    """The rules that were confirmed last; None: none."""
    try:
        return (data_dir / boot.FILE).read_text()
    except FileNotFoundError:
        return None


def is_so(found: FirewallSettings, data_dir: Path) -> bool:
    return kept(data_dir) == ruleset(found)


def begin(found: FirewallSettings, data_dir: Path, programs: Programs, seconds: float) -> None:
    """On trial from now on. Raises what the command says; nothing has changed then."""
    words = ["--seconds", f"{seconds:g}", "--tunnel", found.tunnel, "--web-port", str(found.web_port)]
    for option, names in (("--lan", found.lan), ("--cameras", found.cameras)):
        words += [word for name in names for word in (option, name)]
    for name in ("ntp", "ntp_lan", "dhcp", "mdns", "ssh"):
        words.append(f"--{'' if getattr(found, name) else 'no-'}{name.replace('_', '-')}")
    _command(data_dir, programs, *words)


def end(data_dir: Path, programs: Programs, seconds: float) -> None:
    """No rules of ours, on trial."""
    _command(data_dir, programs, "--off", "--seconds", f"{seconds:g}")


def confirm(data_dir: Path, programs: Programs) -> None:
    """What waits stays. Nothing waits: nothing is done."""
    if (data_dir / trial.FILE).exists():
        _command(data_dir, programs, "--confirm")


def _command(data_dir: Path, programs: Programs, *words: str) -> None:
    done = programs.ask(
        sys.executable, "-m", "appliance", "firewall", "apply", "--data", str(data_dir), *words,
        within_s=COMMAND_S,
    )  # fmt: skip
    if done.status != 0:
        text = done.error.splitlines()[0][:300] if done.error else f"status {done.status}"
        raise ApplianceError("unavailable", f"the firewall: {text}", "leave the firewall out, or try again")
