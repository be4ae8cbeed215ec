"""Floor 9: the commands. One file per command; the table below is all that ``--help`` loads.

Objective: every command has an example, exits with 0, 1 (failed) or 2 (wrong usage), and tells a
person what happened and what to do next, never a traceback.
Invariants: a command's module is imported only when it is called, so that help answers at once;
commands beside a running daemon go through the same transactions as the API.
Non-goals: no logic that the API would need too; that lives on the floors below.
Read next: ``box`` (what commands share), any command.
"""

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from appliance import __version__
from appliance.base.errors import ApplianceError
from appliance.base.redaction import redact

# name -> (module, one line). A module has EXAMPLE, add_arguments(parser) and run(args) -> int.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "the whole box on simulated cameras, in a throw-away folder"),
    "init": ("init", "first boot without a screen: makes the data directory and its admin"),
    "run": ("run", "the box: records, watches, alerts, serves"),
    "camera": ("camera", "add, list, test and remove cameras"),
    "models": ("models", "list, install and activate model packs"),
    "check": ("check", "verify the recordings against the disks"),
    "clip": ("clip", "write a span of a camera to one MP4"),
    "events": ("events", "events as JSON lines"),
    "hub": ("hub", "the endpoint that many boxes report to"),
    "tunnel": ("tunnel", "the tunnel to the hub: how it is, up, down, new keys"),
    "firewall": ("firewall", "who may reach this box: shown, checked, put in force"),
    "ups": ("ups", "on mains or on battery; NUT's files"),
    "enrol": ("enrol", "make this box one of a hub's"),
    "stick": ("stick", "make a mounted disk one that this box delivers to by hand"),
    "update": ("update", "the box's own software: looked at, installed, proved, or gone back from"),
    "backup": ("backup", "copy databases, secrets and configuration to one file"),
    "restore": ("restore", "make an empty data directory from a backup"),
    "support": ("support", "versions, health, logs and settings for who helps, without secrets"),
    "reset": ("reset", "back to how the box was delivered; needs somebody before it"),
}

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if not arguments or arguments[0] not in COMMANDS:
            return _top_level(arguments)
        return _run(arguments[0], arguments[1:])
    except SystemExit as stop:  # argparse: 0 after --help, 2 after wrong usage
        return stop.code if isinstance(stop.code, int) else FAILED
    except ApplianceError as error:
        return fail(error)
    except Unfit as unfit:
        return fail(unfit.error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `appliance events | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:  # people get a sentence of any fault; dev mode shows where it broke
        if sys.flags.dev_mode:
            raise
        text = f"{type(error).__name__}: {error}"
        hint = "run it again as `python -X dev -m appliance ...` to see where it broke"
        return fail(ApplianceError("internal", text, hint))


class Unfit(Exception):
    """The command was right, and what it is about is not: a model that does not run, say."""

    def __init__(self, error: ApplianceError) -> None:
        super().__init__(str(error))
        self.error = error


def fail(error: ApplianceError, status: int | None = None) -> int:
    """Say it on stderr. The exit status: 2 for input that the person can mend, else 1."""
    field = f" [{error.field}]" if error.field else ""
    print(f"error: {redact(error.message)}{field} ({error.kind})", file=sys.stderr)
    if error.hint:
        print(f"  hint: {redact(error.hint)}", file=sys.stderr)
    if status is not None:
        return status
    return USAGE if error.kind == "invalid" else FAILED


def _top_level(arguments: list[str]) -> int:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}s}  {about}" for name, (_, about) in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="appliance",
        usage="appliance [--version] COMMAND ...",
        description="An offline-first video security appliance.\n\ncommands:\n" + "\n".join(lines),
        epilog="`appliance COMMAND --help` explains a command.\nexample: appliance demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"appliance {__version__}")
    if not arguments:
        parser.print_help(sys.stderr)
        return USAGE
    unknown = (parser.parse_known_args(arguments)[1] or arguments)[0]
    near = difflib.get_close_matches(unknown, COMMANDS, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else "."
    print(f"appliance: unknown command {unknown!r}{guess} See appliance --help", file=sys.stderr)
    return USAGE


def _run(name: str, arguments: list[str]) -> int:
    module_name, about = COMMANDS[name]
    module: ModuleType = importlib.import_module(f"appliance.cli.{module_name}")
    parser = argparse.ArgumentParser(
        prog=f"appliance {name}",
        description=f"{name}: {about}.",
        epilog=f"example: {module.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(arguments)))
