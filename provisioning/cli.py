"""``appliance-provision``: the wizard, or the same steps from ``answers.toml``."""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from appliance.base import config as configuration
from appliance.base import log
from appliance.base.clock import BoxClock
from appliance.base.errors import ApplianceError
from appliance.base.redaction import redact
from provisioning.console import Console, Shown

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
EXAMPLE = """examples:
  appliance-provision --data /var/lib/aries                        the wizard, on port 8443
  appliance-provision --data DIR --answers answers.toml --dry-run  what would be done
  appliance-provision --data DIR --answers answers.toml            do it; a second time changes nothing"""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: 0, 1 = failed, 2 = wrong usage or wrong answers."""
    try:
        args = _parser().parse_args(argv)
        return _answers(args) if args.answers is not None else _wizard(args)
    except SystemExit as stop:  # argparse: 0 after --help, 2 after wrong usage
        return stop.code if isinstance(stop.code, int) else FAILED
    except ApplianceError as error:
        return fail(error)
    except KeyboardInterrupt:
        return INTERRUPTED


def fail(error: ApplianceError) -> int:
    field = f" [{error.field}]" if error.field else ""
    print(f"error: {redact(error.message)}{field} ({error.kind})", file=sys.stderr)
    if error.hint:
        print(f"  hint: {redact(error.hint)}", file=sys.stderr)
    return USAGE if error.kind == "invalid" else FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="appliance-provision",
        description="Turn a bare box into this site's box: with a telephone, or from a file of answers.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--data", metavar="DIR", default="/var/lib/aries", type=Path, help="the box's data directory"
    )
    parser.add_argument("--answers", metavar="FILE", type=Path, help="carry out the steps that it answers")
    parser.add_argument(
        "--dry-run", action="store_true", help="with --answers: show the plans, change nothing"
    )
    parser.add_argument(
        "--yes-format",
        metavar="SERIAL",
        action="append",
        default=[],
        help="with --answers: this disk may be formatted (repeat for more)",
    )
    parser.add_argument(
        "--listen", metavar="HOST:PORT", default="0.0.0.0:8443", help="where the wizard answers"
    )
    parser.add_argument(
        "--console",
        metavar="TTY",
        action="append",
        default=[],
        type=Path,
        help="a screen that shows the code",
    )
    parser.add_argument("--run", metavar="DIR", default="/run/aries", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--root", metavar="DIR", default="/", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="JSON lines instead of text")
    return parser


def _wizard(args: argparse.Namespace) -> int:
    from provisioning.serving import Options, Serving

    config = configuration.load({}, data_dir=args.data, config_file=None, overrides={"listen": args.listen})

    def ready(url: str, shown: Shown) -> None:
        if args.json:
            facts = {"ready": True, "url": url, "code": shown.code, "name": shown.name}
            print(json.dumps({**facts, "fingerprint": shown.fingerprint}), flush=True)

    console = Console(tuple(args.console), on_stdout=not args.json)
    options = Options(args.data.absolute(), config.listen, console, ready, args.root, args.run)
    handler = log.set_up("info")
    try:
        asyncio.run(Serving(options, BoxClock()).run())
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
    return OK


def _answers(args: argparse.Namespace) -> int:
    raise ApplianceError("unavailable", "answers are not built yet", "")


if __name__ == "__main__":
    sys.exit(main())
