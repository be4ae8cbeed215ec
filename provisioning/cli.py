"""``appliance-provision``: the wizard, or the same steps from ``answers.toml``."""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from appliance.base import config as configuration
from appliance.base import log
from appliance.base.clock import BoxClock
from appliance.base.errors import ApplianceError
from appliance.base.redaction import redact
from provisioning.console import Console, Shown
from provisioning.unfinished import finish_reset

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
EXAMPLE = """examples:
  appliance-provision --data /var/lib/aries                        the wizard, on port 8443
  appliance-provision --data DIR --answers answers.toml --dry-run  what would be done
  appliance-provision --data DIR --answers answers.toml            do it; a second time changes nothing
  appliance-provision verify-report report.pdf                     whether a byte of it was changed"""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status: 0, 1 = failed, 2 = wrong usage or wrong answers."""
    try:
        words = list(sys.argv[1:] if argv is None else argv)
        if words[:1] == ["verify-report"]:
            return _verify_report(words[1:])
        args = _parser().parse_args(words)
        finish_reset(args.data)
        return _answers(args) if args.answers is not None else _wizard(args)
    except SystemExit as stop:  # argparse: 0 after --help, 2 after wrong usage
        return stop.code if isinstance(stop.code, int) else FAILED
    except ApplianceError as error:
        return fail(error)
    except KeyboardInterrupt:
        return INTERRUPTED


def _verify_report(words: list[str]) -> int:
    from provisioning.report import verify

    parser = argparse.ArgumentParser(
        prog="appliance-provision verify-report",
        description="Tell whether a byte of an acceptance report was changed since the box signed it.",
        epilog=f"example: {verify.EXAMPLE}",
        allow_abbrev=False,
    )
    verify.add_arguments(parser)
    print("\n".join(verify.run(parser.parse_args(words))))
    return OK


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
    from provisioning.answers import reader
    from provisioning.unattended import Task, carry_out

    tell = _tell_json if args.json else _tell
    found = reader(lambda text: print(f"warning: {text}", file=sys.stderr)).read(args.answers)
    task = Task(args.data.absolute(), found, args.dry_run, tuple(args.yes_format), args.root, args.run)
    handler = log.set_up("warning")
    try:
        outcome = asyncio.run(carry_out(task, BoxClock(), tell))
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
    tell("end", outcome)
    return FAILED if outcome.failed else OK


def _tell(what: str, it: Any) -> None:
    """A line for people; a change's text of a file or rules stands below it."""
    if what == "step":
        print(f"\n{it}")
    elif what == "change":
        typed = f"  (cannot be undone: --yes-format {it.typed})" if it.typed else ""
        print(f"  + {it.text}{typed}")
        for line in it.detail.splitlines():
            print(f"      {line}")
    elif what == "check":
        hint = f" ({it.hint})" if not it.ok and it.hint else ""
        print(f"  {'ok ' if it.ok else 'NOT'} {it.name}: {it.text}{hint}")
    elif what == "end":
        print("\nnothing changed" if not it.changed else f"\n{it.changed} changes")
        if it.failed:
            print(f"not as it should be: {', '.join(it.failed)}")
    else:
        print(f"  {'=' if what == 'same' else '.'} {it}")
    sys.stdout.flush()


def _tell_json(what: str, it: Any) -> None:
    print(msgspec.json.encode({"what": what, "it": it}).decode(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
