"""Figures, measured: each ``bench_NAME.py`` beside this file runs in a process of its own and prints
JSON lines; this collects, checks and passes them on.

    make bench                     all of them
    make bench ARGS=recording      bench_recording.py only

A line: ``{"name", "value", "unit"}`` and, where there is somebody to compare with, ``"peer"``,
``"peer_value"`` and ``"ratio"`` (ours by theirs, in the same run on the same machine). A file that
cannot run here exits with 77 and says why on stderr.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SKIPPED = 77
KEYS = ("name", "value", "unit", "peer", "peer_value", "ratio")


def main(names: list[str]) -> int:
    files = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    unknown = [name for name in names if name not in files]
    if unknown:
        print(f"no bench {unknown[0]!r}; there are: {', '.join(files)}", file=sys.stderr)
        return 2
    failed = 0
    for name in names or files:
        print(f"# {name}", file=sys.stderr, flush=True)
        status = measure(files[name])
        if status == SKIPPED:
            print(f"# {name}: skipped", file=sys.stderr)
        elif status != 0:
            print(f"# {name}: failed with {status}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


def measure(file: Path) -> int:
    command = [sys.executable, str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.strip():
                print(json.dumps(checked(line)), flush=True)
    return child.returncode


def checked(line: str) -> dict[str, Any]:
    """The line with all keys, in one order; raises where it is no figure."""
    found = json.loads(line)
    strange = set(found) - set(KEYS)
    if strange or not isinstance(found.get("value"), int | float) or not found.get("unit"):
        raise SystemExit(f"not a figure: {line.strip()}")
    if found.get("ratio") is None and found.get("peer_value"):
        found["ratio"] = round(found["value"] / found["peer_value"], 3)
    return {key: found.get(key) for key in KEYS}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
