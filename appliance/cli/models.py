"""``appliance models``: which detectors there are, and which one looks."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.base.clock import BoxClock
from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.cli import models_add, models_list, models_measure
from appliance.cli.box import add_command, config_of, open_box
from appliance.cli.models_list import BUILT_IN, folders
from appliance.cli.models_progress import Bar
from appliance.daemon.models import install
from appliance.daemon.stores import APPLIANCE, Stores
from appliance.store import audit
from appliance.vision.packs import choice, installed
from appliance.vision.packs.choice import AUTO, BACKENDS, Choice
from appliance.vision.packs.licences import meaning
from appliance.vision.packs.pack import FAMILIES, Pack, check_files

TERMINATED = 128 + signal.SIGTERM
SHADOW_S = 60.0  # as over HTTP
EXAMPLE = "appliance models install --data /var/lib/aries deimv2-femto --from /media/usb"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(
        dest="what", required=True, metavar="list|install|add|activate|bench|build"
    )
    listing = add_command(commands, "list", "appliance models list --data /var/lib/aries")
    listing.add_argument("--json", action="store_true", help="one JSON object")
    install = add_command(commands, "install", EXAMPLE)
    install.add_argument(
        "pack", metavar="NAME|FILE|URL", help="a known name, a pack (.zip, folder), a known model file"
    )
    install.add_argument("--from", metavar="DIR", type=Path, dest="source", help="look for NAME's files here")
    install.add_argument("--sha256", metavar="HEX", help="of FILE or what URL sends; a URL needs it")
    _accept(install)
    _add_arguments(commands)
    activate = add_command(commands, "activate", "appliance models activate --data /var/lib/aries yolox-nano")
    activate.add_argument(
        "name", metavar="NAME", help=f"an installed pack, {BUILT_IN} (needs no model) or {AUTO}"
    )
    activate.add_argument(
        "--backend", choices=(AUTO, *BACKENDS), default=AUTO, help="what runs it; auto: by what the box has"
    )
    activate.add_argument(
        "--shadow",
        metavar="SECONDS",
        type=float,
        default=SHADOW_S,
        help="run it beside the old one this long before it takes over; 0: at once (default 60)",
    )
    bench = add_command(
        commands, "bench", "appliance models bench --data /var/lib/aries yolox-nano --seconds 5"
    )
    bench.add_argument(
        "name", metavar="NAME", nargs="?", help="an installed pack; without it, the active one"
    )
    bench.add_argument("--seconds", metavar="S", type=float, default=5.0, help="how long (default 5)")
    bench.add_argument("--backend", choices=(AUTO, *BACKENDS), help="another than the chosen one")
    bench.add_argument("--threads", metavar="N", type=int, help="of the model (default: as the box would)")
    bench.add_argument("--json", action="store_true", help="one JSON line")
    build = add_command(commands, "build", "appliance models build --data /var/lib/aries deimv2-femto")
    build.add_argument(
        "name", metavar="NAME", nargs="?", help="an installed pack; without it, the active one"
    )
    build.add_argument("--backend", choices=(AUTO, *BACKENDS), help="another than the chosen one")


def _add_arguments(commands: Any) -> None:
    example = "appliance models add --data /var/lib/aries yard.onnx --labels yard.txt --licence MIT"
    add = add_command(commands, "add", example)
    add.add_argument("file", metavar="FILE", type=Path, help="an .onnx, or an OpenVINO .xml beside its .bin")
    add.add_argument("--name", help="of the pack (default: the file's)")
    add.add_argument("--family", choices=FAMILIES, help="where the graph does not say")
    add.add_argument("--labels", metavar="FILE", type=Path, help="the classes' names, one a line")
    add.add_argument("--size", metavar="WxH", help="of the input, where the graph leaves it open: 640x640")
    add.add_argument("--licence", help="of the weights, for example Apache-2.0")
    add.add_argument("--source", help="where it comes from (default: the file's name)")
    add.add_argument("--colours", choices=("RGB", "BGR"), help="the order (default: the family's)")
    add.add_argument("--mean", metavar="R,G,B", help="in units of 0..1 (default: the family's)")
    add.add_argument("--std", metavar="R,G,B", help="in units of 0..1 (default: the family's)")
    add.add_argument(
        "--first-label", metavar="N", type=int, help="the model's number of the first name: 0 or 1"
    )
    _accept(add)


def _accept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--accept-licence", action="store_true", help="you have read the licence and agree to what it asks"
    )


def run(args: argparse.Namespace) -> int:
    doing: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": models_list.run,
        "install": _install,
        "add": _add,
        "activate": _activate,
        "bench": models_measure.bench,
        "build": models_measure.build,
    }
    # What is half done is cleared away also where a service manager ends the command.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    return doing[args.what](args)


def _install(args: argparse.Namespace) -> int:
    with _box_or_none(args) as (config, stores), _private_files():
        agree, looks = _agreement(args), _in_use(config, stores)
        pack = install.install(args.pack, config, args.source, args.sha256, agree, Bar, looks)
        return _told(pack, stores)


def _add(args: argparse.Namespace) -> int:
    with _box_or_none(args) as (config, stores), _private_files():
        agree, looks = _agreement(args), _in_use(config, stores)

        def may_be_placed(pack: Pack) -> None:
            agree(pack)
            if pack.name == looks:
                install.must_be_the_same(pack, config.models_path)

        return _told(models_add.add(args, config, may_be_placed), stores)


@contextmanager
def _box_or_none(args: argparse.Namespace) -> Iterator[tuple[Config, Stores | None]]:
    """A model may be laid out for a box that is yet to be made; who mistyped the folder is told."""
    config = config_of(args)
    if (config.data_dir / APPLIANCE).exists():
        with open_box(args) as found:
            yield found
        return
    yield config, None
    print(
        f"there is no box in {config.data_dir} yet: appliance init --data {config.data_dir}", file=sys.stderr
    )


def _in_use(config: Config, stores: Stores | None) -> str | None:
    """The pack that looks, or would if the box ran."""
    if stores is None:
        return None
    pack, _ = models_list.using(config, stores.appliance.read_now(choice.read))
    return pack.name if pack else None


def _told(pack: Pack, stores: Stores | None) -> int:
    """By the audit's row a daemon beside this command notices, and tries again what it missed."""
    now_ns, detail = BoxClock().now_ns(), {"installed": pack.name, "by": "command"}
    if stores is not None:
        stores.appliance.write_now(lambda conn: audit.add(conn, now_ns, None, "changed", "models", detail))
    print(f"{pack.name} {pack.version} is in {pack.folder}; use it: appliance models activate {pack.name}")
    return 0


@contextmanager
def _private_files() -> Iterator[None]:
    old_umask = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(old_umask)


def _agreement(args: argparse.Namespace) -> Callable[[Pack], None]:
    """Says the licence; where it binds the owner, wants his word for it."""

    def agree(pack: Pack) -> None:
        sentence, binding = meaning(pack.licence)
        print(f"{pack.name}: licence {pack.licence}: {sentence}")
        if not binding or args.accept_licence:
            return
        if sys.stdin.isatty():
            answer = input("Do you accept that? [y/N] ")
            if answer.strip().lower() in ("y", "yes"):
                return
        hint = "if you agree, run it again with --accept-licence; else take a model with another licence"
        raise ApplianceError("denied", f"the licence of {pack.name} was not accepted", hint)

    return agree


def _activate(args: argparse.Namespace) -> int:
    wanted = Choice(args.name, args.backend, args.shadow)
    with open_box(args) as (config, stores):
        about = _usable(config, wanted)
        now_ns = BoxClock().now_ns()
        stores.appliance.write_now(lambda conn: choice.write(conn, wanted, now_ns, None, "command"))
    print(f"{args.name} is chosen{about}")
    if wanted.shadow_s:
        print(f"a box that runs lets it look beside the old one first, for {wanted.shadow_s:g} s")
    return 0


def _usable(config: Config, wanted: Choice) -> str:
    """What runs it, in words. Raises where it is not there, is damaged, or does not run here."""
    if wanted.detector == BUILT_IN:
        return ""
    if wanted.detector == AUTO:
        best, _ = models_list.using(config, wanted)
        return f": {best.name if best else BUILT_IN}, the best that is installed"
    pack = next((pack for pack in installed.installed(folders(config)) if pack.name == wanted.detector), None)
    if pack is None:
        raise installed.not_installed(wanted.detector)
    if pack.family == "classifier":
        hint = "choose one that finds things in whole pictures"
        raise ApplianceError(
            "conflict", f"{pack.name} is a classifier: it names crops, it finds nothing", hint
        )
    check_files(pack)
    backend, why = models_list.backend_of(pack, wanted.backend)
    models_measure.must_run(pack, backend, config)
    return f", on {backend} ({why})"
