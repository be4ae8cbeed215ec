"""What commands share: the --data option, the configuration behind it, the box in that folder."""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.base import config as configuration
from appliance.base.config import Config
from appliance.base.errors import ApplianceError
from appliance.daemon import first_boot
from appliance.daemon.stores import APPLIANCE, Stores


def add_data(parser: argparse.ArgumentParser) -> None:
    """``--data`` and ``--config``. Not required: the file or APPLIANCE_DATA_DIR may say it."""
    parser.add_argument("--data", metavar="DIR", help="the box's data directory")
    parser.add_argument("--config", metavar="FILE", help="bootstrap file (default: DIR/appliance.toml)")


def add_command(commands: Any, name: str, example: str) -> argparse.ArgumentParser:
    """One of a command's own commands (``camera add``); each works on a box, has ``--data`` therefore."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,  # an example that wraps cannot be pasted
        allow_abbrev=False,
    )
    add_data(parser)
    return parser


def config_of(args: argparse.Namespace, **overrides: Any) -> Config:
    """Raises ``invalid``, naming the key or the variable."""
    return configuration.load(os.environ, data_dir=args.data, config_file=args.config, overrides=overrides)


@contextlib.contextmanager
def open_box(args: argparse.Namespace) -> Iterator[tuple[Config, Stores]]:
    """The box that lies in ``--data``, its databases open. A daemon may be running beside it.

    Raises ``not_found`` where there is no box.
    """
    config = config_of(args)
    must_be_box(config.data_dir)
    with Stores.open(config) as stores:
        yield config, stores


def must_be_box(data_dir: Path) -> None:
    if not (data_dir / APPLIANCE).is_file() or not first_boot.is_box(data_dir):
        raise ApplianceError(
            "not_found",
            f"there is no box in {data_dir}",
            f"make one: appliance init --data {data_dir}",
            field="data_dir",
        )


def print_json(value: Any) -> None:
    """One JSON line on stdout, at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()
