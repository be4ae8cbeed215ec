"""``appliance init``: first boot, headless."""

import argparse
import stat
import sys
from pathlib import Path

from appliance.base.clock import BoxClock
from appliance.base.errors import invalid
from appliance.cli.box import add_data, config_of
from appliance.daemon import first_boot
from appliance.system import tls
from appliance.web.people.passwords import Passwords, check_strength

EXAMPLE = "appliance init --data /var/lib/aries --admin-password-file /run/secrets/admin"
LARGEST_FILE_BYTES = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument(
        "--admin-password-file",
        metavar="F",
        type=Path,
        help="its first line becomes admin's password; without it a one-time claim code is printed",
    )


def run(args: argparse.Namespace) -> int:
    config = config_of(args)
    password = None if args.admin_password_file is None else read_password(args.admin_password_file)
    clock = BoxClock()
    code = first_boot.initialise(config, clock, Passwords().hash_now, password)
    fingerprint = tls.own(config.secrets_dir, clock).fingerprint if config.tls == "auto" else None
    print(f"The box in {config.data_dir} is made. Start it: appliance run --data {config.data_dir}")
    if code is not None:
        print(f"claim code: {code}")
        print("  (sign in once as admin with it, then choose a password; it is not shown again)")
    if fingerprint is not None:
        print(f"certificate SHA-256: {fingerprint}")
    return 0


def read_password(path: Path) -> str:
    """The first line of ``path``. Raises ``invalid`` where it is missing or too weak."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            line = file.read(LARGEST_FILE_BYTES).split(b"\n")[0].removesuffix(b"\r").decode()
    except OSError as error:
        hint = "give a file whose first line is the password"
        raise invalid(f"{path}: {error.strerror}", hint, field="admin_password_file") from error
    except UnicodeDecodeError as error:
        hint = "give a file whose first line is the password"
        raise invalid(f"{path} is not UTF-8 text", hint, field="admin_password_file") from error
    if mode & 0o044:
        print(f"warning: {path} can be read by others (mode {mode:04o})", file=sys.stderr)
    check_strength(line, first_boot.ADMIN, "admin_password_file")
    return line
