"""``answers.toml``: a section for each step, with the fields of its ``given``.

Secrets need not stand in it: instead of any text field ``NAME``, ``NAME_file = "/run/secrets/x"`` takes the
first line of a file, and ``NAME_env = "X"`` a variable. An unknown section or key is an error that names
the nearest known one; nothing is done then, of no step.
"""

import difflib
import os
import stat
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from appliance.base.errors import invalid
from appliance.base.redaction import forbid
from provisioning import steps
from provisioning.wizard import available, decode

LARGEST_SECRET_BYTES = 4096
OTHERS = 0o044
FILE, ENV = "_file", "_env"
SECRET = (
    "password",
    "secret",
    "token",
    "passphrase",
    "code",
)  # of these a warning, where others can read them


class Answers(msgspec.Struct, frozen=True):
    """``given``: by step, checked against its form, in the steps' order. ``go_on``: also where a check
    fails."""

    given: dict[str, Any]
    go_on: bool = False


class Reader:
    """``warn``: told a sentence where a secret lies open."""

    def __init__(self, environ: Mapping[str, str], warn: Callable[[str], None]) -> None:
        self._environ = environ
        self._warn = warn

    def read(self, path: Path) -> Answers:
        """Raises ``invalid`` with the field, ``administrator.password`` say."""
        table = _table(path)
        go_on = table.pop("go_on", False)
        if not isinstance(go_on, bool):
            raise invalid("go_on is true or false", "correct it", field="go_on")
        known = available()
        for section in table:
            if section not in known:
                raise _unknown("section", section, [*known, "go_on"], section)
        given = {}
        for name in known:
            if name in table:
                given[name] = self._section(name, table[name], path)
        return Answers(given, go_on)

    def _section(self, name: str, section: Any, path: Path) -> Any:
        step = steps.load(name)
        if not isinstance(section, dict):
            raise invalid(f"{name} is no section", f"write [{name}], and its answers below", field=name)
        filled = self._filled(inspect.type_info(step.given), section, name, path)
        try:
            return decode(step, filled)
        except Exception as error:
            field = getattr(error, "field", None)
            if hasattr(error, "field"):
                error.field = f"{name}.{field}" if field else name
            raise

    def _filled(self, kind: inspect.Type, value: Any, at: str, path: Path) -> Any:
        """``value`` with its secrets in it, and every key known."""
        if isinstance(value, dict):
            form = _of(kind, inspect.StructType)
            if isinstance(form, inspect.StructType):
                return self._struct(form, value, at, path)
            items = _of(kind, inspect.DictType)
            inner = items.value_type if isinstance(items, inspect.DictType) else inspect.AnyType()
            return {key: self._filled(inner, item, f"{at}.{key}", path) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(_item(kind), item, f"{at}[{n}]", path) for n, item in enumerate(value)]
        return value

    def _struct(self, form: inspect.StructType, value: dict[str, Any], at: str, path: Path) -> dict[str, Any]:
        fields = {field.encode_name: field.type for field in form.fields}
        filled: dict[str, Any] = {}
        for key, item in value.items():
            where = f"{at}.{key}"
            bare = key.removesuffix(FILE) if key.endswith(FILE) else key.removesuffix(ENV)
            if key in fields:
                filled[key] = self._filled(fields[key], item, where, path)
                if isinstance(item, str) and item and any(word in key for word in SECRET):
                    forbid(item)
                    self._warn_if_open(path, where)
            elif bare != key and bare in fields and isinstance(item, str):
                if bare in value:
                    raise invalid(f"{bare} is given twice", f"take {key} or {bare} out", field=where)
                filled[bare] = self._secret(key, item, where)
            else:
                raise _unknown("answer", key, list(fields), where)
        return filled

    def _secret(self, key: str, named: str, where: str) -> str:
        if key.endswith(ENV):
            if named not in self._environ:
                raise invalid(f"there is no variable {named[:60]}", "set it, or name another", field=where)
            found = self._environ[named]
        else:
            found = self._first_line(Path(named), where)
        forbid(found)
        return found

    def _first_line(self, path: Path, where: str) -> str:
        try:
            with path.open("rb") as file:
                self._warn_if_open(path, where)
                return file.read(LARGEST_SECRET_BYTES).split(b"\n")[0].removesuffix(b"\r").decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            hint = "name a file whose first line is the secret"
            raise invalid(f"{path}: {reason}", hint, field=where) from error

    def _warn_if_open(self, path: Path, where: str) -> None:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS and stat.S_ISREG(path.stat().st_mode):
            self._warn(f"{path} holds the secret {where} and can be read by others (mode {mode:04o})")


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise invalid(f"{path}: {error.strerror}", "give --answers a file that can be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        hint = "look at provisioning/answers.example.toml"
        raise invalid(f"{path} is not TOML: {error}", hint) from error


def _unknown(noun: str, word: str, known: list[str], field: str) -> Exception:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.0)
    hint = f"did you mean {near[0]!r}?" if near else ""
    return invalid(f"unknown {noun} {word[:60]!r}", hint, field=field)


def _of(kind: inspect.Type, wanted: type[inspect.Type]) -> inspect.Type | None:
    """``kind`` itself, or the one of its alternatives, that is a ``wanted``."""
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return next((one for one in kinds if isinstance(one, wanted)), None)


def _item(kind: inspect.Type) -> inspect.Type:
    for wanted in (inspect.ListType, inspect.VarTupleType):
        found = _of(kind, wanted)
        if isinstance(found, inspect.ListType | inspect.VarTupleType):
            return found.item_type
    return inspect.AnyType()


def reader(warn: Callable[[str], None]) -> Reader:
    return Reader(os.environ, warn)
