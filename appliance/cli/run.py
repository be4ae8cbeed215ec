"""``appliance run``: the box, until SIGTERM or Ctrl-C."""

import argparse

from appliance.base.clock import BoxClock
from appliance.cli.box import add_data, config_of
from appliance.cli.serving import Announcement, must_be_known, run_box
from appliance.daemon import first_boot
from appliance.daemon.care import resetting
from appliance.web.people.passwords import Passwords

EXAMPLE = "appliance run --data /var/lib/aries --listen 0.0.0.0:8443"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("--listen", metavar="HOST:PORT", help="where the web answers (default 0.0.0.0:8443)")
    parser.add_argument("--json", action="store_true", help="print one JSON line when ready")
    parser.add_argument("--detector", default="auto", help="auto, motion, or a model's name")


def run(args: argparse.Namespace) -> int:
    config = config_of(args, listen=args.listen)
    must_be_known(args.detector, config)
    if (reset := resetting.finish(config.data_dir, BoxClock())) is not None and reset.provisioned:
        return 0  # the wizard's turn: its unit starts where no box is provisioned
    code = None
    if not first_boot.is_box(config.data_dir):
        code = first_boot.initialise(config, BoxClock(), Passwords().hash_now)
    return run_box(config, Announcement(json=args.json, claim_code=code), detector=args.detector)
