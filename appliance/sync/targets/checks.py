"""What the targets' own checks have in common: addresses, options, and words without credentials."""

import difflib
import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.base.redaction import BLOT, redact
from appliance.store.targets import Target
from appliance.sync import faults
from appliance.sync.targets.given import Given

LONGEST_WORDS = 300
_T = TypeVar("_T", bound=msgspec.Struct)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


class Place(msgspec.Struct, frozen=True):
    """An address taken apart. ``path`` is without its first slash."""

    scheme: str
    hosts: tuple[tuple[str, int], ...]
    path: str
    is_safe: bool


def place(target: Target, schemes: Mapping[str, bool], port: int, safe_port: int | None = None) -> Place:
    """``schemes``: name -> whether nobody on the way can read it; of others the first is proposed.
    Several hosts are separated by commas. Raises ``invalid``: plain ones go to this machine only."""
    proposal = f"write {next(iter(schemes))}://host"
    scheme, hosts, path = _split(target.url, proposal)
    if scheme not in schemes:
        raise invalid(
            f"{scheme[:20]!r} is not spoken by a target of kind {target.kind}", proposal, field="url"
        )
    is_safe = schemes[scheme]
    found = tuple(_host(each, (safe_port or port) if is_safe else port, proposal) for each in hosts)
    if not is_safe and not all(is_this_machine(host) for host, _ in found):
        raise invalid("who listens on the way could read this", proposal, field="url")
    return Place(scheme, found, path, is_safe)


def options(target: Target, type_: type[_T]) -> _T:
    """Raises ``invalid`` with the option that is wrong."""
    known = type_.__struct_fields__
    for name in target.options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}"
            raise invalid(f"there is no option {name[:40]!r}", hint, field="options")
    try:
        return msgspec.convert(target.options, type_, strict=False)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        name = where.rstrip("`") or _missing(what)
        raise invalid(
            f"the option {name} is wrong: {what}", "see the README", field=f"options.{name}"
        ) from None


def is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def words(error: BaseException | str, *secrets: str | None) -> str:
    """What a person is told of a library's error (``faults``): one short line, no credentials."""
    text = str(faults.of(error)) if isinstance(error, BaseException) else error
    for secret in secrets:
        if secret:
            text = text.replace(secret, BLOT)
    return " ".join(redact(text).split())[:LONGEST_WORDS]


def told(error: BaseException, *secrets: str | None) -> ApplianceError:
    """The same, its sentence and the next step apart."""
    fault = faults.of(error)
    return ApplianceError(fault.kind, words(fault.message, *secrets), words(fault.hint, *secrets))


def ca_file(given: Given) -> Path | None:
    """For libraries that take a path and no text. Nothing secret: authorities' certificates."""
    if given.target.ca is None:
        return None
    given.state_folder.mkdir(parents=True, exist_ok=True)
    path = given.state_folder / "ca.pem"
    path.write_text(given.target.ca)
    return path


def both_or_none(username: str, secret: str | None) -> None:
    """A name without its password is most often a password that was forgotten."""
    if username and not secret:
        raise invalid("there is a username and no password", "enter the password as the token", field="token")


def _split(url: str, proposal: str) -> tuple[str, list[str], str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if not parts.netloc or not url.isascii() or not url.isprintable() or " " in url or len(url) > 2_000:
        raise invalid("this is no address of a target", proposal, field="url")
    if "@" in parts.netloc:
        raise invalid("an address with a password in it would be shown", "use the token", field="url")
    if parts.query or parts.fragment:
        raise invalid("what stands behind ? is not read", "use the options", field="url")
    return parts.scheme, parts.netloc.split(","), parts.path.removeprefix("/")


def _host(text: str, port: int, proposal: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, found = parts.hostname or "", parts.port or port
    except ValueError:
        host, found = "", port
    if _HOST.fullmatch(host) is None and not (":" in host and is_address(host)):
        raise invalid("this is no address of a target", proposal, field="url")
    return host, found


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _missing(what: str) -> str:
    found = re.search(r"missing required field `([^`]*)`", what)
    return found[1] if found else ""
