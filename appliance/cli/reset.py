"""``appliance reset``: back to how the box was delivered, for somebody who stands before it."""

import argparse
import secrets
import sys
from pathlib import Path

from appliance.base.clock import BoxClock
from appliance.base.config import Config
from appliance.base.errors import ApplianceError, invalid
from appliance.cli.box import add_data, config_of, must_be_box
from appliance.daemon.care import resetting
from appliance.daemon.care.resetting import STICK_FILE
from appliance.daemon.stores import open_appliance
from appliance.store import settings
from appliance.system import disk

EXAMPLE = "appliance reset --data /var/lib/aries --footage delete"
CONSOLES = (Path("/dev/tty1"), Path("/dev/console"))
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_LENGTH = 6
TRIES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument(
        "--footage", choices=("keep", "delete"), help="whether the recordings stay; without it you are asked"
    )
    parser.add_argument(
        "--stick",
        metavar="DIR",
        type=Path,
        help=f"instead of a code: a mounted USB stick with {STICK_FILE}, which holds this box's id",
    )
    parser.add_argument(
        "--console",
        metavar="TTY",
        action="append",
        type=Path,
        help="the screens that show the code (default /dev/tty1 and /dev/console)",
    )
    parser.add_argument("--finish", action="store_true", help="only finish a reset that was begun")


def run(args: argparse.Namespace) -> int:
    config = config_of(args)
    clock = BoxClock()
    if not args.finish and not resetting.begun(config.data_dir):
        must_be_box(config.data_dir)
        footage = args.footage or _ask_footage()
        _prove_presence(args, config)
        resetting.begin(config, footage, clock)
    done = resetting.finish(config.data_dir, clock)
    if done is None:
        print("no reset was begun")
        return 0
    left = "kept" if done.footage == "keep" else "deleted"
    print(f"{config.data_dir} belongs to nobody now. Recordings: {left}.")
    print("Start the box again to claim it: reboot, or appliance run --data DIR")
    return 0


def _ask_footage() -> resetting.Footage:
    print("People, passwords, cameras, rules, events and reports of this box will be forgotten.")
    said = _line("Should the recordings go, too? Type keep or delete: ")
    if said == "keep":
        return "keep"
    if said == "delete":
        return "delete"
    raise invalid("neither keep nor delete", "say it with --footage", field="footage")


def _prove_presence(args: argparse.Namespace, config: Config) -> None:
    """Raises ``denied`` where nobody stands before the box."""
    if args.stick is not None:
        _must_be_the_stick(args.stick, config)
        return
    code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    if not _show(args.console or CONSOLES, code):
        raise ApplianceError(
            "denied",
            "no screen of this box could show a code",
            f"connect one, or use a USB stick: --stick DIR with {STICK_FILE}",
        )
    for left in reversed(range(TRIES)):
        said = (
            _line("Type the code that the box's own screen shows: ").upper().replace("-", "").replace(" ", "")
        )
        if secrets.compare_digest(said.encode(), code.encode()):
            return
        print(f"that is not it; {left} tries left", file=sys.stderr)
    raise ApplianceError("denied", "the code was not typed", "stand before the box's screen and begin again")


def _show(consoles: list[Path] | tuple[Path, ...], code: str) -> bool:
    """True where at least one screen took it."""
    text = f"\r\n\r\nSomebody asks to RESET this box to how it was delivered.\r\nCode: {code}\r\n\r\n"
    shown = False
    for console in consoles:
        try:
            with console.open("a") as screen:
                screen.write(text)
        except OSError:
            continue
        shown = True
    return shown


def _must_be_the_stick(folder: Path, config: Config) -> None:
    """A disk of its own that somebody plugged in, with this box's id on it."""
    here, there = disk.mount_of(config.data_dir), disk.mount_of(folder)
    root = disk.mount_of(Path("/"))
    if there is None or there in (here, root):
        raise ApplianceError("denied", f"{folder} is no disk of its own", "mount the USB stick there")
    db = open_appliance(config.data_dir)
    try:
        device_id = db.read_now(settings.device_id)
    finally:
        db.close()
    if not resetting.is_proof(folder, device_id):
        raise ApplianceError(
            "denied",
            f"{folder / STICK_FILE} does not hold this box's id",
            f"put the box's id into {STICK_FILE}: it stands on its label and in every acceptance report",
        )


def _line(question: str) -> str:
    print(question, end="", flush=True)
    return sys.stdin.readline().strip()
