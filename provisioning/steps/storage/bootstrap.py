"""One key of ``appliance.toml``, and everything else in it as a person left it, comments and all."""

import os
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from appliance.base.config import FILE_NAME
from appliance.base.errors import ApplianceError
from appliance.system.owner import give_to_owner_of


def read(data_dir: Path) -> str:
    try:
        return (data_dir / FILE_NAME).read_text()
    except FileNotFoundError:
        return ""


def volumes(data_dir: Path) -> tuple[str, ...]:
    """As they are configured; the default where they are not."""
    found = _parsed(read(data_dir)).get("volumes")
    if isinstance(found, str):
        found = [part for part in found.split(":") if part]
    return tuple(found) if found else (default(data_dir),)


def default(data_dir: Path) -> str:
    return str(data_dir / "recordings")


def with_volumes(text: str, paths: Sequence[str]) -> str:
    """``text`` with ``volumes = paths``. TOML's own reader judges each attempt: what is changed is right when
    all else means what it meant before. Raises ``conflict`` where no attempt is."""
    before = _parsed(text)
    wanted = before | {"volumes": list(paths)}
    line = f"volumes = [{', '.join(_quoted(path) for path in paths)}]"
    lines = text.splitlines()
    attempts = _replaced(lines, line, before) if "volumes" in before else _inserted(lines, line)
    for attempt in attempts:
        if _means(attempt, wanted):
            return "\n".join([*attempt, ""])
    raise ApplianceError(
        "conflict", f"{FILE_NAME} is written in a way that a program cannot edit", f"set in it: {line}"
    )


def _inserted(lines: list[str], line: str) -> Iterator[list[str]]:
    """As late as it may be: at the end, or above the first table."""
    for place in range(len(lines), -1, -1):
        yield [*lines[:place], line, *lines[place:]]


def _replaced(lines: list[str], line: str, before: dict[str, Any]) -> Iterator[list[str]]:
    """In the place of one line or of several (an array may go on); a comment behind it stays."""
    for first, one in enumerate(lines):
        if "volumes" not in one:
            continue
        for last in range(first, len(lines)):
            head, tail = lines[:first], lines[last + 1 :]
            for place in (at for at, character in enumerate(lines[last]) if character == "#"):
                if _means([*head, *lines[first:last], lines[last][:place], *tail], before):
                    yield [*head, f"{line}  {lines[last][place:]}", *tail]
            yield [*head, line, *tail]


def _means(lines: list[str], wanted: dict[str, Any]) -> bool:
    try:
        return tomllib.loads("\n".join([*lines, ""])) == wanted
    except tomllib.TOMLDecodeError:
        return False


def write(data_dir: Path, text: str) -> None:
    path = data_dir / FILE_NAME
    partial = path.with_suffix(".new")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)  # whatever our umask is
        give_to_owner_of(data_dir, descriptor)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    partial.rename(path)


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ApplianceError("conflict", f"{FILE_NAME} is not TOML: {error}", "correct it by hand") from error


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
