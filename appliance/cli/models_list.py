"""``appliance models list``: what is installed, what looks and why, and what else is known."""

import argparse
from pathlib import Path
from typing import Any

from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.cli.box import open_box, print_json
from appliance.vision.packs import catalogue, choice, installed
from appliance.vision.packs.choice import AUTO, MOTION, Choice
from appliance.vision.packs.pack import Pack

BUILT_IN = MOTION


def folders(config: Config) -> tuple[Path, ...]:
    """Where packs are looked for, best first."""
    return (config.models_path, *config.assets_path)


def backend_of(pack: Pack, wanted: str) -> tuple[str, str]:
    """(backend, why). Raises what ``choose_backend`` raises; numpy is loaded for it, no backend is."""
    from appliance.vision import detectors

    return detectors.choose_backend(pack, wanted)


def using(config: Config, wanted: Choice) -> tuple[Pack | None, str]:
    """The pack that looks (None: motion) and why it is that one, in words."""
    pack, reason = installed.choose(wanted.detector, folders(config))
    if reason:
        return pack, reason
    if wanted.detector == AUTO:
        return pack, "auto takes the best that is installed"
    return pack, "chosen by hand"


def run(args: argparse.Namespace) -> int:
    with open_box(args) as (config, stores):
        wanted = stores.appliance.read_now(choice.read)
    active, why = using(config, wanted)
    found = {pack.name: pack for pack in reversed(list(installed.installed(folders(config))))}
    packs = [_about(found[name], wanted) for name in sorted(found)]
    known = [pack for pack in catalogue.KNOWN if pack.name not in found]
    broken = [(str(folder), str(error)) for folder, error in installed.broken(folders(config))]
    name = active.name if active else BUILT_IN
    if args.json:
        offered = [
            {"name": pack.name, "family": pack.family, "licence": pack.licence, "bytes": _bytes(pack)}
            for pack in known
        ]
        print_json(
            {
                "active": name, "why": why, "chosen": wanted.detector, "chosen_backend": wanted.backend,
                "shadow_s": wanted.shadow_s, "installed": packs, "available": offered,
                "broken": [{"folder": folder, "fault": fault} for folder, fault in broken],
            }
        )  # fmt: skip
        return 0
    print(f"{name} looks: {why}")
    print(f"{'*' if name == BUILT_IN else ' '} {BUILT_IN:20s} built in, needs no model")
    for pack in packs:
        size = f"{pack['width']}x{pack['height']}"
        about = f"{pack['family']}, {size}, {pack['licence']}, {pack['backend'] or 'nothing here runs it'}"
        print(f"{'*' if pack['name'] == name else ' '} {pack['name']:20s} {about}: {pack['backend_why']}")
        print(f"  {'':20s} {pack['folder']}")
    for model in known:
        about = f"{model.family}, {model.licence}, {_bytes(model) / 1e6:.1f} MB"
        print(f"  {model.name:20s} not installed ({about}); appliance models install {model.name}")
    for folder, fault in broken:
        print(f"! {folder} cannot be used: {fault}")
    return 0


def _about(pack: Pack, wanted: Choice) -> dict[str, Any]:
    asked = wanted.backend if wanted.detector == pack.name else AUTO
    try:
        backend, why = backend_of(pack, asked)
    except ApplianceError as error:
        backend, why = "", str(error)
    return {
        "name": pack.name, "version": pack.version, "family": pack.family, "licence": pack.licence,
        "width": pack.input_width, "height": pack.input_height, "labels": len(pack.labels),
        "source": pack.source, "folder": pack.folder, "backend": backend or None, "backend_why": why,
    }  # fmt: skip


def _bytes(pack: Pack) -> int:
    return sum(place.bytes_ for place in catalogue.places(pack))
