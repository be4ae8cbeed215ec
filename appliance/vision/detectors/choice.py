"""Which backend runs a pack on this machine, and why.

Nothing is imported to find out: a runtime's package costs a second and a hundred megabytes. Whether it
is there, whose chip this is and which files the pack has are enough.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from appliance.base.errors import ApplianceError, invalid
from appliance.vision.packs.pack import Pack


@dataclass(frozen=True, slots=True)
class Machine:
    """``packages``: backends whose package is installed. ``intel``: what of Intel is there, in words
    (a GPU goes before a CPU), or empty."""

    packages: frozenset[str]
    nvidia: bool
    intel: str


@dataclass(frozen=True, slots=True)
class _Kind:
    modules: tuple[str, ...]  # any of them
    suffixes: tuple[str, ...]  # of a pack's files, any of them
    extra: str  # of the wheel, which installs it


_KINDS = {  # in the order in which ``auto`` asks
    "tensorrt": _Kind(("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"), (".onnx",), "nvidia"),
    "openvino": _Kind(("openvino",), (".xml", ".onnx"), "intel"),
    "onnxruntime": _Kind(("onnxruntime",), (".onnx",), ""),
}


def choose_backend(pack: Pack, wanted: str = "auto", machine: Machine | None = None) -> tuple[str, str]:
    """The backend for ``pack`` and the reason, in words for people. Raises ``not_found`` where what is
    needed or wanted is not installed, ``invalid`` where ``wanted`` cannot read the pack's files."""
    machine = this_machine() if machine is None else machine
    able = runs_on(pack)
    if wanted != "auto":
        if wanted not in _KINDS:
            known = ", ".join(_KINDS)
            raise ApplianceError("not_found", f"there is no backend {wanted!r}", f"known ones: {known}")
        if wanted not in able:
            hint = f"choose {' or '.join(able)}, or auto" if able else "install another model pack"
            raise invalid(f"{wanted} cannot read the files of {pack.name}", hint)
        if wanted not in machine.packages:
            raise _missing(wanted, pack)
        return wanted, "chosen by hand"
    if not able:
        raise invalid(
            f"{pack.name} has no file that a backend reads", "a pack needs an .onnx or an .xml file"
        )
    if len(able) == 1:
        if able[0] not in machine.packages:
            raise _missing(able[0], pack)
        return able[0], f"only {able[0]} reads the files of {pack.name}"
    here = [name for name in able if name in machine.packages]
    if "tensorrt" in here and machine.nvidia:
        return "tensorrt", "an NVIDIA GPU and TensorRT are here"
    if "openvino" in here and machine.intel:
        return "openvino", f"{machine.intel} and OpenVINO are here"
    if "onnxruntime" in here:
        return "onnxruntime", f"it runs on any CPU, and {_nothing_faster(machine)}"
    if "openvino" in here:
        return "openvino", "onnxruntime is not installed, and OpenVINO runs on this CPU as well"
    raise _missing("onnxruntime", pack)


def next_best(pack: Pack, failed: Collection[str], machine: Machine | None = None) -> tuple[str, str]:
    """As ``choose_backend``, without those that ``failed``."""
    machine = this_machine() if machine is None else machine
    return choose_backend(pack, "auto", replace(machine, packages=machine.packages - frozenset(failed)))


def candidates(wanted: str, machine: Machine | None = None) -> tuple[str, ...]:
    """The backends that ``wanted`` may come to on this machine, whatever the pack: what is worth getting
    ready while that is still allowed."""
    machine = this_machine() if machine is None else machine
    if wanted in ("openvino", "onnxruntime"):
        return (wanted,) if wanted in machine.packages else ()
    first = ("tensorrt",) if "tensorrt" in machine.packages and machine.nvidia else ()
    ladder = ("openvino", "onnxruntime") if machine.intel else ("onnxruntime", "openvino")
    return (*first, *[name for name in ladder if name in machine.packages][:1])


def runs_on(pack: Pack) -> tuple[str, ...]:
    """The backends that can read a pack's files, fastest hardware first."""
    names = [entry.path for entry in pack.files]
    return tuple(
        backend for backend, kind in _KINDS.items() if any(name.endswith(kind.suffixes) for name in names)
    )


def this_machine(root: Path = Path("/")) -> Machine:
    packages = {name for name, kind in _KINDS.items() if any(find_spec(part) for part in kind.modules)}
    nvidia = any((root / "dev" / name).exists() for name in ("nvidia0", "nvhost-gpu", "nvgpu"))
    return Machine(frozenset(packages), nvidia, _intel(root))


def _intel(root: Path) -> str:
    for vendor in root.glob("sys/class/drm/renderD*/device/vendor"):
        if _text(vendor).strip() == "0x8086":
            return "an Intel GPU"
    if (root / "dev" / "accel" / "accel0").exists() and "GenuineIntel" in _text(root / "proc" / "cpuinfo"):
        return "an Intel NPU"
    return "an Intel CPU" if "GenuineIntel" in _text(root / "proc" / "cpuinfo") else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""  # a container without /sys is no Intel machine that we could use


def _nothing_faster(machine: Machine) -> str:
    if machine.nvidia:
        return "TensorRT for the NVIDIA GPU is not installed"
    if machine.intel:
        return f"OpenVINO for {machine.intel} is not installed"
    return "no NVIDIA or Intel chip is here"


def _missing(backend: str, pack: Pack) -> ApplianceError:
    extra = _KINDS[backend].extra
    hint = f"install aries-edge[{extra}], or choose another model pack" if extra else "install onnxruntime"
    return ApplianceError("not_found", f"{pack.name} needs {backend}, which is not installed", hint)
