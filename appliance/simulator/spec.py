"""What a simulated camera is asked to be: ``NAME?fps=15&size=640x360&codec=h264&script=stall@10``.

The same text is the simulator's ``--camera`` argument and, behind ``sim://``, a camera's URL.
"""

import difflib
import math
import re
import zlib
from collections.abc import Callable
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from appliance.base.errors import ApplianceError, invalid
from appliance.simulator.steps import Step, parse_script

Codec = Literal["h264", "h265"]
AudioKind = Literal["none", "pcmu", "pcma", "aac"]
AuthKind = Literal["digest", "basic", "both"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SCHEME = "sim://"


class CameraSpec(msgspec.Struct, frozen=True):
    """One simulated camera. ``gop`` and ``bframes`` count frames; ``fps`` 1..60; ``width`` and
    ``height`` are even, 64..3840; ``port`` None shares the server's port, 0 takes a free one of
    its own. With ``file`` the picture's parameters are the file's."""

    name: str
    fps: float = 15.0
    width: int = 640
    height: int = 360
    codec: Codec = "h264"
    gop: int = 15
    seed: int = 0
    audio: AudioKind = "none"
    user: str | None = None
    password: str | None = None
    auth: AuthKind = "digest"
    file: str | None = None
    loop: bool = True
    bframes: int = 0
    bitrate_kbps: int | None = None
    stamp: bool = True
    sei: bool = False
    port: int | None = None
    script: tuple[Step, ...] = ()

    def __repr__(self) -> str:  # a spec may hold a password, and specs end up in logs
        return f"CameraSpec({self.name!r})"


def parse_spec(text: str) -> CameraSpec:
    """The camera described by ``NAME?key=value&…``.

    Raises ``invalid`` for a bad name or value, and for an unknown key (naming the nearest one).
    """
    name, _, query = text.partition("?")
    return _spec(name.rstrip("/"), query)


def parse_sim_url(url: str, *, allow_files: bool = False) -> CameraSpec:
    """The camera described by ``sim://NAME?fps=&size=&codec=&gop=``.

    Raises ``invalid``; also for ``file=`` unless ``allow_files``, since whoever may add a camera may
    not thereby read the box's disk, and for ``port=``, since the box decides what listens on it.
    """
    if not url.lower().startswith(_SCHEME):
        raise invalid("not a sim:// URL", "write it as sim://NAME?fps=15&size=640x360", field="rtsp_url")
    spec = parse_spec(url[len(_SCHEME) :])
    if spec.file is not None and not allow_files:
        raise invalid("sim:// may not read files here", "set allow_file_sources = true", field="rtsp_url")
    if spec.port is not None:
        raise invalid("sim:// takes no port", "leave port= out", field="rtsp_url")
    return spec


def format_spec(spec: CameraSpec) -> str:
    """The text that ``parse_spec`` turns into ``spec`` again. Holds the password: never log it."""
    parts: dict[str, str] = {
        "fps": f"{spec.fps:g}",
        "size": f"{spec.width}x{spec.height}",
        "codec": spec.codec,
        "gop": str(spec.gop),
        "seed": str(spec.seed),
        "audio": spec.audio,
        "auth": spec.auth,
        "bframes": str(spec.bframes),
        "loop": str(int(spec.loop)),
        "stamp": str(int(spec.stamp)),
        "sei": str(int(spec.sei)),
    }
    for key, value in (
        ("user", spec.user),
        ("password", spec.password),
        ("file", spec.file),
        ("bitrate", spec.bitrate_kbps),
        ("port", spec.port),
    ):
        if value is not None:
            parts[key] = str(value)
    if spec.script:
        parts["script"] = ",".join(str(step) for step in spec.script)
    return f"{spec.name}?{urlencode(parts, quote_via=quote)}"


def parse_size(text: str) -> tuple[int, int]:
    """``640x360`` -> (640, 360): even, 64..3840 (4:2:0 has no half pixels)."""
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text)
    if match is None:
        raise invalid(f"{text[:20]!r} is not a size", "write it as 640x360", field="size")
    width, height = int(match[1]), int(match[2])
    if not (64 <= width <= 3840 and 64 <= height <= 3840) or width % 2 or height % 2:
        raise invalid(f"{text} is not a possible size", "even numbers from 64 to 3840", field="size")
    return width, height


def parse_codec(text: str) -> Codec:
    if text in ("h264", "avc"):
        return "h264"
    if text in ("h265", "hevc"):
        return "h265"
    raise invalid(f"{text[:20]!r} is not a codec", "h264 or h265", field="codec")


def _spec(name: str, query: str) -> CameraSpec:
    if not _NAME.fullmatch(name):
        raise invalid(
            f"{name[:70]!r} is not a camera's name", "letters, digits, '-', '_' and '.'", field="name"
        )
    fields: dict[str, Any] = {"name": name, "seed": zlib.crc32(name.encode()) % 1_000_000}
    for key, value in parse_qsl(query, keep_blank_values=True):
        reader = _READERS.get(key)
        if reader is None:
            raise _unknown(key)
        if value:
            fields.update(reader(key, value))
    if "gop" not in fields:
        fields["gop"] = max(1, round(fields.get("fps", 15.0)))  # a key frame every second
    if (fields.get("user") is None) != (fields.get("password") is None):
        raise invalid("user and password go together", "give both or neither", field="user")
    return CameraSpec(**fields)


def _unknown(key: str) -> ApplianceError:
    near = difflib.get_close_matches(key, _READERS, n=1, cutoff=0.0)
    return invalid(
        f"a simulated camera has no {key[:40]!r}",
        f"did you mean {near[0]!r}?" if near else "",
        field=key[:40],
    )


def _number(
    low: float, high: float, whole: bool, field: str | None = None
) -> Callable[[str, str], dict[str, Any]]:
    def read(key: str, text: str) -> dict[str, Any]:
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise invalid(
                f"{key}={text[:20]!r} is out of range", f"a number from {low:g} to {high:g}", field=key
            )
        return {field or key: value}

    return read


def _one_of(choices: tuple[str, ...]) -> Callable[[str, str], dict[str, Any]]:
    def read(key: str, text: str) -> dict[str, Any]:
        if text not in choices:
            raise invalid(f"{key}={text[:20]!r} is unknown", "one of " + ", ".join(choices), field=key)
        return {key: text}

    return read


def _flag(key: str, text: str) -> dict[str, Any]:
    if text not in ("0", "1"):
        raise invalid(f"{key}={text[:20]!r} is neither 0 nor 1", "write 0 or 1", field=key)
    return {key: text == "1"}


def _text(key: str, text: str) -> dict[str, Any]:
    return {key: text}


def _size(key: str, text: str) -> dict[str, Any]:
    width, height = parse_size(text)
    return {"width": width, "height": height}


_READERS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "fps": _number(1, 60, whole=False),
    "size": _size,
    "codec": lambda key, text: {key: parse_codec(text)},
    "gop": _number(1, 3600, whole=True),
    "seed": _number(0, 2**31, whole=True),
    "audio": _one_of(get_args(AudioKind)),
    "user": _text,
    "password": _text,
    "auth": _one_of(get_args(AuthKind)),
    "file": _text,
    "loop": _flag,
    "bframes": _number(0, 4, whole=True),
    "bitrate": _number(16, 50_000, whole=True, field="bitrate_kbps"),
    "stamp": _flag,
    "sei": _flag,
    "port": _number(0, 65_535, whole=True),
    "script": lambda key, text: {key: parse_script(text)},
}
