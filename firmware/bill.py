"""What an image is made of, for people and for scanners: CycloneDX (1.5, ECMA-424) and a list of licences."""

import json
import re
from pathlib import Path

from firmware.recipe import Recipe

PLACE = Path("usr/share/aries")
_LICENCE = re.compile(r"^License: *(\S[^\n]*)", re.MULTILINE)


def write(recipe: Recipe, tree: Path, version: str, out: Path) -> None:
    """sbom.json and licences.txt, into the image and beside it."""
    parts = [*debian(tree), *wheels(tree)]
    texts = {"sbom.json": bill(recipe, version, parts), "licences.txt": licences(parts)}
    for name, text in texts.items():
        for folder in (tree / PLACE, out):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)


Part = tuple[str, str, str, str]  # kind (deb, pypi), name, version, licences as they were found


def debian(tree: Path) -> list[Part]:
    """dpkg's own list. Licences as the copyright file names them (machine-readable ones do: DEP 5)."""
    found: list[Part] = []
    for entry in (tree / "var/lib/dpkg/status").read_text().split("\n\n"):
        fields = dict(re.findall(r"^(\w[\w-]*): (.*)$", entry, re.MULTILINE))
        if fields.get("Status", "").endswith("installed"):
            name = fields["Package"]
            copyright_file = tree / "usr/share/doc" / name / "copyright"
            text = copyright_file.read_text(errors="replace") if copyright_file.is_file() else ""
            names = sorted(set(_LICENCE.findall(text)))
            found.append(("deb", name, fields["Version"], ", ".join(names) or "see copyright"))
    return sorted(found)


def wheels(tree: Path) -> list[Part]:
    """What lies in /opt/aries, by its metadata."""
    found: list[Part] = []
    for path in (tree / "opt/aries").glob("lib/python*/site-packages/*.dist-info/METADATA"):
        head = path.read_text(errors="replace").split("\n\n")[0]
        fields: dict[str, str] = {}
        for name, value in re.findall(r"^([\w-]+): (.*)$", head, re.MULTILINE):
            fields.setdefault(name, value)
        classified = ", ".join(
            re.findall(r"^Classifier: License :: (?:OSI Approved :: )?(.*)$", head, re.MULTILINE)
        )
        licence = fields.get("License-Expression") or classified or fields.get("License", "")
        found.append(("pypi", fields["Name"], fields["Version"], licence[:100] or "see the package"))
    return sorted(found)


def licences(parts: list[Part]) -> str:
    lines = [
        f"{kind:5s} {name:40s} {version:32s} {licence}".rstrip() for kind, name, version, licence in parts
    ]
    return "\n".join(lines) + "\n"


def bill(recipe: Recipe, version: str, parts: list[Part]) -> str:
    """CycloneDX JSON without a serial number and a time of day: the same image has the same bill."""
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot5
    from packageurl import PackageURL

    box = Component(name=recipe.name, version=version, type=ComponentType.FIRMWARE, bom_ref="image")
    made = Bom()
    made.metadata.component = box
    for kind, name, number, _ in parts:
        url = PackageURL(kind, "debian" if kind == "deb" else None, name, number)
        made.components.add(
            Component(name=name, version=number, type=ComponentType.LIBRARY, purl=url, bom_ref=str(url))
        )
    made.register_dependency(box, made.components)
    text = json.loads(JsonV1Dot5(made).output_as_string())
    text.pop("serialNumber", None)
    text["metadata"].pop("timestamp", None)
    return json.dumps(text, indent=1, sort_keys=True) + "\n"
