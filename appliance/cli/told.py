"""Commands that the daemon runs as children: progress and outcome as JSON lines, behind everything else.

One line for each step, ``{"step","done","all"}``, then ``{"made":{…}}`` or ``{"error":{kind,message,hint}}``.
"""

import argparse
import signal
import sys
from collections.abc import Callable
from types import FrameType

import msgspec

from appliance.base.errors import ApplianceError
from appliance.base.redaction import redact
from appliance.cli.box import print_json
from appliance.system.gentle import be_gentle

FAILED = 1


def add_told(parser: argparse.ArgumentParser) -> None:
    """``--json``. Sets ``tell`` (of progress) and ``words`` (where a person's text goes) on the arguments."""
    parser.add_argument("--json", action="store_true", help="progress as JSON lines, at low priority")
    parser.set_defaults(tell=lambda step, done, all_bytes: None, words=sys.stdout)


def as_told(args: argparse.Namespace, work: Callable[[], msgspec.Struct | None]) -> int:
    """Exit status. Ended from outside, it takes away what it has begun."""
    if not args.json:
        args.words = sys.stdout
        work()
        return 0
    args.words = sys.stderr
    args.tell = lambda step, done, all_bytes: print_json({"step": step, "done": done, "all": all_bytes})
    signal.signal(signal.SIGTERM, _end)
    be_gentle()
    try:
        made = work()
    except ApplianceError as error:
        message, hint = redact(error.message), redact(error.hint or "")
        print_json({"error": {"kind": error.kind, "message": message, "hint": hint}})
        return FAILED
    print_json({"made": None if made is None else msgspec.to_builtins(made)})
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(FAILED)
