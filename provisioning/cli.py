"""``appliance-provision``: the wizard, or the same steps from ``answers.toml``."""

import sys


def main() -> int:
    print("appliance-provision: not built yet", file=sys.stderr)
    return 1
