"""The bootstrap file ``appliance.toml``: what must be known before a database can be opened.

Precedence: defaults < file < ``APPLIANCE_<KEY>`` < command line. An unknown key or variable is an
error that names the nearest known one: a typo must not silently mean the default. Everything else
is data, edited through the API.
"""

import difflib
import ipaddress
import tomllib
import zoneinfo
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from appliance.base.errors import invalid

PREFIX = "APPLIANCE_"
FILE_NAME = "appliance.toml"
LOG_LEVELS = ("debug", "info", "warning", "error")


class Listen(msgspec.Struct, frozen=True):
    """Where the web answers. Port 0 lets the kernel pick a free one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """True where nobody but this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class TlsFiles(msgspec.Struct, frozen=True):
    """A certificate of the site's own; PEM, the chain in ``cert``."""

    cert: Path
    key: Path


class Config(msgspec.Struct, frozen=True):
    """What the bootstrap file says, checked. ``volumes`` and ``models_path`` lie in ``data_dir``
    unless they are set. ``site_timezone`` only seeds the settings of an empty box. ``secret_path``: where
    the box's secret key lies if not in ``secrets_dir``. ``state_led``, ``state_relay``: folders of sysfs that
    say how the box is."""

    data_dir: Path
    volumes: tuple[Path, ...]
    models_path: Path
    listen: Listen = Listen("0.0.0.0", 8443)  # noqa: S104 - a box is there to be reached; TLS and sign-in guard it
    tls: Literal["auto", "off"] | TlsFiles = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    site_timezone: str | None = None
    allow_file_sources: bool = False
    durability_s: float = 1.0
    segment_s: float = 60.0
    assets_path: tuple[Path, ...] = ()
    secret_path: Path | None = None
    state_led: Path | None = None
    state_relay: Path | None = None

    @property
    def plain_http(self) -> bool:
        """``auto`` means TLS except where only this machine can connect."""
        return self.tls == "off" or (self.tls == "auto" and self.listen.loopback)

    @property
    def secrets_dir(self) -> Path:
        return self.data_dir / "secrets"


def load(
    environ: Mapping[str, str],
    *,
    data_dir: Path | str | None = None,
    config_file: Path | str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Config:
    """Read file, variables and command line into a ``Config``.

    ``data_dir`` is ``--data``, ``overrides`` other options by key (None: not given). The file is
    ``config_file``, which must exist then, or ``DIR/appliance.toml``, which may be missing.
    Relative paths in the file are relative to the file's folder, all others to the working one.
    Raises ``invalid`` with ``field``.
    """
    given: dict[str, Any] = {key: value for key, value in (overrides or {}).items() if value is not None}
    if data_dir is not None:
        given["data_dir"] = str(data_dir)
    values = _from_environ(environ) | _checked(given, "the command line", Path.cwd())
    path = Path(config_file) if config_file is not None else None
    if path is None and "data_dir" in values:
        path = values["data_dir"] / FILE_NAME
        if not path.is_file():
            path = None
    if path is not None:
        values = _from_file(path) | values
    if "data_dir" not in values:
        raise invalid("no data directory is given", "add --data DIR", field="data_dir")
    values.setdefault("volumes", (values["data_dir"] / "recordings",))
    values.setdefault("models_path", values["data_dir"] / "models")
    return Config(**values)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text())
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise invalid(f"{path}: {reason}", "give --config a file that can be read", field="config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise invalid(f"{path} is not TOML: {error}", 'write lines like: listen = "0.0.0.0:8443"') from error
    return _checked(table, str(path), path.resolve().parent)


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    known = {PREFIX + key.upper(): key for key in _PARSERS}
    found: dict[str, Any] = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        if name not in known:
            nearest = _nearest(name.removeprefix(PREFIX).lower(), list(_PARSERS))
            hint = f"did you mean {PREFIX}{nearest.upper()}?"
            raise invalid(f"unknown variable {name}", hint, field=name)
        if environ[name]:  # an empty variable is an unset one, as units and compose files leave them
            found |= _checked({known[name]: environ[name]}, name, Path.cwd())
    return found


def _checked(table: Mapping[str, Any], source: str, folder: Path) -> dict[str, Any]:
    found = {}
    for key, value in table.items():
        if key not in _PARSERS:
            nearest = _nearest(key, list(_PARSERS))
            raise invalid(f"{source}: unknown key {key!r}", f"did you mean {nearest!r}?", field=key)
        try:
            found[key] = _PARSERS[key](value, folder)
        except ValueError as error:
            raise invalid(f"{source}: {key} is {error}", _HINTS[key], field=key) from error
    return found


def _nearest(word: str, known: list[str]) -> str:
    return difflib.get_close_matches(word, known, n=1, cutoff=0.0)[0]


# One parser per key: the file's typed value or the variable's text, and the folder that relative
# paths start from. A ValueError's text completes the sentence "KEY is ...".


def _path(value: Any, folder: Path) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("not a path")
    try:
        return (folder / Path(value).expanduser()).absolute()
    except RuntimeError as error:
        raise ValueError("a path into the home of a user who is not there") from error


def _paths(value: Any, folder: Path) -> tuple[Path, ...]:
    if isinstance(value, str):
        value = [part for part in value.split(":") if part]
    if not isinstance(value, list) or not value:
        raise ValueError("not a list of paths")
    paths = tuple(_path(part, folder) for part in value)
    if len(set(paths)) != len(paths):
        raise ValueError("a list that names one folder twice")
    return paths


def _listen(value: Any, _folder: Path) -> Listen:
    if not isinstance(value, str):
        raise ValueError("not HOST:PORT")
    host, colon, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not host or (":" in host and not value.startswith("[")):
        raise ValueError(f"{value[:60]!r}, not HOST:PORT")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{value[:60]!r}; its port is not a number from 0 to 65535")
    if any(character.isspace() or not character.isprintable() for character in host):
        raise ValueError(f"{value[:60]!r}, not HOST:PORT")
    return Listen(host, int(port))


def _tls(value: Any, folder: Path) -> str | TlsFiles:
    if isinstance(value, str):
        if value in ("auto", "off"):
            return value
        cert, colon, key = value.partition(":")
        if not colon:
            raise ValueError("neither auto, off nor two files")
        value = {"cert": cert, "key": key}
    if not isinstance(value, dict) or set(value) != {"cert", "key"}:
        raise ValueError("neither auto, off nor two files")
    files = TlsFiles(_path(value["cert"], folder), _path(value["key"], folder))
    for path in (files.cert, files.key):
        if not path.is_file():
            raise ValueError(f"set to {path}, which does not exist")
    return files


def _log_level(value: Any, _folder: Path) -> str:
    if not isinstance(value, str) or value.lower() not in LOG_LEVELS:
        raise ValueError("not a level")
    return value.lower()


def _time_zone(value: Any, _folder: Path) -> str:
    if not isinstance(value, str):
        raise ValueError("not a time zone")
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{value[:60]!r}, which is not a time zone") from error
    return value


def _bool(value: Any, _folder: Path) -> bool:
    if isinstance(value, bool):
        return value
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False}
    words |= {"no": False, "off": False}
    if not isinstance(value, str) or value.lower() not in words:
        raise ValueError("neither true nor false")
    return words[value.lower()]


def _seconds(least: float, most: float) -> Callable[[Any, Path], float]:
    def parse(value: Any, _folder: Path) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError("not a number")
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"{str(value)[:60]!r}, not a number") from None
        if not least <= number <= most:  # not a number is in no range
            raise ValueError(f"{number:g}, outside {least:g} to {most:g}")
        return number

    return parse


_PARSERS: dict[str, Callable[[Any, Path], Any]] = {
    "data_dir": _path,
    "volumes": _paths,
    "listen": _listen,
    "tls": _tls,
    "log_level": _log_level,
    "site_timezone": _time_zone,
    "allow_file_sources": _bool,
    "durability_s": _seconds(0.1, 60.0),
    "segment_s": _seconds(1.0, 3600.0),
    "models_path": _path,
    "assets_path": _paths,
    "secret_path": _path,
    "state_led": _path,
    "state_relay": _path,
}

_HINTS = {
    "data_dir": "a folder, for example /var/lib/aries",
    "volumes": 'folders on local disks, for example ["/mnt/disk1/recordings"]',
    "listen": 'for example "0.0.0.0:8443" or "[::1]:8443"',
    "tls": '"auto", "off", or { cert = "/etc/aries/cert.pem", key = "/etc/aries/key.pem" }',
    "log_level": f"one of {', '.join(LOG_LEVELS)}",
    "site_timezone": 'an IANA name, for example "Europe/Berlin"',
    "allow_file_sources": "true or false",
    "durability_s": "seconds of video that a power cut may cost, 0.1 to 60; the default is 1",
    "segment_s": "seconds, 1 to 3600; the default is 60",
    "models_path": "a folder, for example /var/lib/aries/models",
    "assets_path": "folders, separated by colons or as a list",
    "secret_path": "a file of 32 random bytes on another disk or in a credential store; it must be there",
    "state_led": "a folder of /sys/class/leds; ready winks, degraded blinks slowly, failing quickly",
    "state_relay": "a folder of /sys/class/leds or /sys/class/gpio; closed unless something fails",
}


def default_file() -> str:
    """What ``init`` writes: every key with its default, as comments that teach the format."""
    lines = ["# Read once at start. Every key has a variable APPLIANCE_<KEY> that wins over this file.", ""]
    defaults = {
        "volumes": '["DIR/recordings"]',
        "listen": '"0.0.0.0:8443"',
        "tls": '"auto"',
        "log_level": '"info"',
        "site_timezone": '"Etc/UTC"',
        "allow_file_sources": "false",
        "durability_s": "1",
        "segment_s": "60",
        "models_path": '"DIR/models"',
        "assets_path": '["/opt/assets"]',
        "secret_path": '"/run/credentials/appliance.service/box.key"',
        "state_led": '"/sys/class/leds/status"',
        "state_relay": '"/sys/class/gpio/gpio17"',
    }
    for key, value in defaults.items():
        lines += [f"# {_HINTS[key]}", f"# {key} = {value}", ""]
    return "\n".join(lines)
