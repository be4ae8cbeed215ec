"""``python -m firmware.life [CHAPTER …]``: what ``firmware.image`` built, from birth to the worst."""

import argparse
import sys
import traceback
from pathlib import Path

from appliance.base.errors import ApplianceError
from firmware.build import say
from firmware.life.bench import Life
from firmware.life.chapters import BARE, CHAPTERS, claim
from firmware.recipe import ROOT


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m firmware.life", description=__doc__)
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help=f"of: {', '.join(CHAPTERS)}; else all")
    parser.add_argument("--out", type=Path, default=ROOT / "build/firmware", help="where the image was built")
    parser.add_argument("--cuts", type=int, default=20, help="how often the plug is pulled")
    args = parser.parse_args()
    unknown = set(args.chapters) - set(CHAPTERS)
    if unknown:
        parser.error(f"no chapter {', '.join(sorted(unknown))}")
    failed = []
    life = Life(args.out, cuts=args.cuts)
    try:
        for name in args.chapters or CHAPTERS:
            say(f"chapter {name}")
            try:
                if name not in BARE and not life.claimed:
                    claim(life)
                CHAPTERS[name](life)
            except (ApplianceError, AssertionError, OSError) as error:
                traceback.print_exc()
                say(f"chapter {name} failed: {error}")
                failed.append(name)
    finally:
        life.close()
    say("all chapters held" if not failed else f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
