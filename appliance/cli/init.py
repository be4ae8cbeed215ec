"""``appliance init``: first boot, headless."""

import argparse
import os
import stat
import sys
from pathlib import Path

from appliance.base.clock import BoxClock
from appliance.base.errors import invalid
from appliance.base.password_strength import check_strength
from appliance.cli.box import add_data, config_of
from appliance.daemon import first_boot
from appliance.system import tls
from appliance.web.people.passwords import Passwords
from appliance.web.people.users import clean_name

EXAMPLE = "appliance init --data /var/lib/aries --admin-password-file /run/secrets/admin"
LARGEST_FILE_BYTES = 4096
LONGEST_NAME = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument(
        "--admin-password-file",
        metavar="F",
        type=Path,
        help="its first line becomes admin's password; without it a one-time claim code is printed",
    )
    parser.add_argument("--admin-name", metavar="NAME", help="what admin is called (with a password file)")


def run(args: argparse.Namespace) -> int:
    config = config_of(args)
    if args.admin_name is not None and args.admin_password_file is None:
        raise invalid("a claim code is for the name admin", "add --admin-password-file", field="admin_name")
    name = first_boot.ADMIN if args.admin_name is None else clean_name(args.admin_name, "admin_name")
    if not 1 <= len(name) <= LONGEST_NAME:
        raise invalid(f"a user name has 1 to {LONGEST_NAME} characters", "choose another", field="admin_name")
    password = None
    if args.admin_password_file is not None:
        password = read_password(args.admin_password_file, name)
    clock = BoxClock()
    code = first_boot.initialise(config, clock, Passwords().hash_now, password, name)
    fingerprint = tls.own(config.secrets_dir, clock).fingerprint if config.tls == "auto" else None
    print(f"The box in {config.data_dir} is made. Start it: appliance run --data {config.data_dir}")
    if code is not None:
        print(f"claim code: {code}")
        print("  (sign in once as admin with it, then choose a password; it is not shown again)")
    if fingerprint is not None:
        print(f"certificate SHA-256: {fingerprint}")
    return 0


def read_password(path: Path, username: str) -> str:
    """The first line of ``path``. Raises ``invalid`` where it is missing or too weak."""
    try:
        # /dev/stdin is open already. Opened again, a pipe that another account made is refused.
        with os.fdopen(os.dup(0), "rb") if path == Path("/dev/stdin") else path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            line = file.read(LARGEST_FILE_BYTES).split(b"\n")[0].removesuffix(b"\r").decode()
    except OSError as error:
        hint = "give a file whose first line is the password"
        raise invalid(f"{path}: {error.strerror}", hint, field="admin_password_file") from error
    except UnicodeDecodeError as error:
        hint = "give a file whose first line is the password"
        raise invalid(f"{path} is not UTF-8 text", hint, field="admin_password_file") from error
    if mode & 0o044:
        print(f"warning: {path} can be read by others (mode {mode:04o})", file=sys.stderr)
    check_strength(line, username, "admin_password_file")
    return line
