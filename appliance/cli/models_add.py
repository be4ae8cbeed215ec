"""``appliance models add``: a pack made of a bare model file; what the graph does not say is asked."""

import argparse
import math
import re
import sys
from pathlib import Path

import msgspec

from appliance.base.config import Config
from appliance.base.errors import ApplianceError, invalid
from appliance.daemon.models.install import Agree, guarded
from appliance.vision.packs.catalogue import COCO
from appliance.vision.packs.installed import pack_from_onnx
from appliance.vision.packs.pack import FAMILIES, LARGEST_SIDE, SMALLEST_SIDE, Pack, load_pack
from appliance.vision.packs.placing import file_entry, place, workplace, write_pack
from appliance.vision.packs.reading import OPENVINO, read_header
from appliance.vision.packs.recognise import Reading, Recognised, recognise

LARGEST_LABELS_BYTES = 1_000_000
Three = tuple[float, float, float]

# What each family is trained on, by its own exporter; in units of 0..1, in its colour order.
_IMAGENET: tuple[Three, Three] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_IMAGENET_BGR: tuple[Three, Three] = ((0.406, 0.456, 0.485), (0.225, 0.224, 0.229))
_PLAIN: tuple[Three, Three] = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
_FEEDING: dict[str, tuple[str, tuple[Three, Three]]] = {
    "detr": ("RGB", _PLAIN),
    "yolo": ("RGB", _PLAIN),
    "yolox": ("BGR", _PLAIN),
    "nanodet": ("BGR", _IMAGENET_BGR),
    "picodet": ("RGB", _IMAGENET),
    "openvino-ssd": ("BGR", _PLAIN),
    "classifier": ("RGB", _IMAGENET),
}


def add(args: argparse.Namespace, config: Config, agree: Agree) -> Pack:
    """Describe ``args.file`` and install it. Raises ``invalid`` naming the option that would help."""
    with guarded(config.models_path):
        model: Path = args.file
        if not model.is_file():
            raise ApplianceError(
                "not_found", f"there is no file {model}", "give an .onnx or an OpenVINO .xml"
            )
        files = [model]
        if model.suffix.lower() == OPENVINO:
            files.append(_weights(model))
        size = _size(args.size)
        found = recognise(read_header(model), size)
        if (known := pack_from_onnx(model)) is not None:  # by its content: the catalogue knows the rest
            found = msgspec.structs.replace(
                found, labels=known.labels, licence=known.licence, source=known.source
            )
        labels = _labels(args.labels) if args.labels is not None else found.labels
        reading = _reading(found, args.family, len(labels) if labels else None)
        labels = labels or _assumed_labels(reading)
        _tell(reading, labels, args.family)
        pack = _described(args, found, reading, labels, size, files)
        with workplace(config.models_path) as scratch:
            sources = {entry.path: path for entry, path in zip(pack.files, files, strict=True)}
            write_pack(pack, sources, scratch / "pack")
            agree(load_pack(scratch / "pack"))
            if (config.models_path / pack.name).exists() and not _same_kind(config, pack):
                hint = "give it another name with --name"
                raise ApplianceError("conflict", f"there is a pack {pack.name!r} of another family", hint)
            return place(scratch / "pack", config.models_path)


def _described(
    args: argparse.Namespace,
    found: Recognised,
    reading: Reading,
    labels: tuple[str, ...],
    size: tuple[int, int] | None,
    files: list[Path],
) -> Pack:
    width, height = _input(found, size)
    colours, (mean, std) = _FEEDING[reading.family]
    if reading.family == "detr" and reading.classes is not None:
        mean, std = _IMAGENET  # RF-DETR: boxes and raw scores per query
    chosen = args.colours or colours
    if args.colours and args.colours != colours:
        mean, std = (mean[2], mean[1], mean[0]), (std[2], std[1], std[0])
    stem = re.sub(r"[^A-Za-z0-9_+-]+", "-", files[0].stem).strip("-_+") or "model"
    return Pack(
        name=args.name or stem.lower()[:63],
        version="1",
        family=reading.family,
        files=tuple(file_entry(path, f"{stem[:150]}{path.suffix.lower()}") for path in files),
        input_width=width,
        input_height=height,
        labels=labels,
        licence=_licence(args.licence or found.licence),
        source=(args.source or " ".join(f"{found.source} {files[0].name}".split()))[:500],
        colour_order="BGR" if chosen == "BGR" else "RGB",
        mean=_three(args.mean, "mean") or mean,
        std=_three(args.std, "std") or std,
        first_label=args.first_label or 0,
    )


def _same_kind(config: Config, pack: Pack) -> bool:
    try:
        return load_pack(config.models_path / pack.name).family == pack.family
    except ApplianceError:
        return True  # what is broken may be replaced


def _tell(reading: Reading, labels: tuple[str, ...], family: str | None) -> None:
    why = "as you say" if family and not reading.why else reading.why
    few = ", ".join(labels[:3]) + (" ..." if len(labels) > 3 else "")
    print(f"family {reading.family}: {why}; {len(labels)} classes: {few}")


def _reading(found: Recognised, family: str | None, labels: int | None) -> Reading:
    """The one that fits, or the one that a person chooses."""
    fitting = found.fitting(labels, family)
    if len(fitting) == 1:
        return fitting[0]
    if family is not None and not found.fitting(None, family):
        if found.readings:
            said = "; ".join(f"{reading.family}: {reading.why}" for reading in found.readings)
            raise invalid(f"its graph is none of {family} ({said})", "leave --family out", field="family")
        return Reading(family, None, "")  # a graph that we do not know: the owner's word
    if labels is not None and found.readings and not fitting:
        counts = " or ".join(str(r.classes) for r in found.fitting(None, family))
        text = f"there are {labels} labels, the graph has {counts} classes"
        raise invalid(text, "give one name a line with --labels FILE", field="labels")
    coco = [reading for reading in fitting if reading.classes == len(COCO)]
    if labels is None and len(coco) == 1:
        return coco[0]
    return _asked(fitting)


def _asked(fitting: tuple[Reading, ...]) -> Reading:
    options = fitting or tuple(Reading(family, None, "") for family in FAMILIES)
    if not sys.stdin.isatty():
        what = "; ".join(f"{reading.family}: {reading.why}" for reading in fitting)
        message = f"the graph fits more than one family ({what})" if fitting else "no family fits the graph"
        hint = f"say which with --family, one of {', '.join(dict.fromkeys(r.family for r in options))}"
        raise invalid(message, hint, field="family")
    for number, reading in enumerate(options, 1):
        print(f"  {number}  {reading.family:14s} {reading.why}")
    answer = input(f"Which family is it? [1-{len(options)}] ").strip()
    if not answer.isascii() or not answer.isdigit() or not 1 <= int(answer) <= len(options):
        raise invalid("that is none of them", "say it with --family", field="family")
    return options[int(answer) - 1]


def _assumed_labels(reading: Reading) -> tuple[str, ...]:
    """COCO's, where the number says so; else a file is needed."""
    if reading.classes == len(COCO) or (reading.classes is None and reading.family == "detr"):
        return COCO
    text = f"the names of its {reading.classes or ''} classes are not in the file".replace("  ", " ")
    if not sys.stdin.isatty():
        raise invalid(text, "give one name a line with --labels FILE", field="labels")
    return _labels(Path(input(f"{text}. A file with one a line: ").strip()))


def _labels(path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            body = file.read(LARGEST_LABELS_BYTES + 1)
        lines = body.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(f"{path} cannot be read", "a text file, one name a line", field="labels") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names or len(body) > LARGEST_LABELS_BYTES:
        raise invalid(f"{path} holds no list of names", "one name a line", field="labels")
    return names


def _licence(known: str) -> str:
    if known:
        return known
    hint = "give it with --licence, for example --licence Apache-2.0; its maker's page says it"
    if sys.stdin.isatty() and (answer := input("Under which licence are its weights? ").strip()):
        return answer
    raise invalid("the file does not say its licence", hint, field="licence")


def _input(found: Recognised, size: tuple[int, int] | None) -> tuple[int, int]:
    if found.width is None or found.height is None:
        raise invalid("the graph leaves its input's size open", "give --size WxH", field="size")
    if size is not None and size != (found.width, found.height):
        text = f"the graph takes {found.width}x{found.height} and nothing else"
        raise invalid(text, "leave --size out", field="size")
    return found.width, found.height


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text, re.ASCII)
    sides = (int(parts[1]), int(parts[2])) if parts else (0, 0)
    if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in sides):
        raise invalid(f"{text[:40]!r} is no size", "width x height, for example 640x640", field="size")
    return sides


def _three(text: str | None, field: str) -> Three | None:
    if text is None:
        return None
    try:
        first, second, third = (float(part) for part in text.split(","))
    except ValueError:
        first = second = third = math.nan
    if not all(map(math.isfinite, (first, second, third))):
        raise invalid(f"{text[:60]!r} is not three numbers", "for example 0.485,0.456,0.406", field=field)
    return first, second, third


def _weights(graph: Path) -> Path:
    path = graph.with_suffix(".bin")
    if not path.is_file():
        hint = f"put {path.name} beside {graph.name}: OpenVINO keeps the weights there"
        raise ApplianceError("not_found", f"{graph.name} has no weights beside it", hint)
    return path
