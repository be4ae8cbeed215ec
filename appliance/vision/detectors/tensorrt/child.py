"""The process that builds one engine and ends: last in line for the processor, first to go for memory."""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

import msgspec

from appliance.base.errors import ApplianceError, not_found
from appliance.vision.detectors.tensorrt.build import build
from appliance.vision.detectors.tensorrt.progress import CalledOff
from appliance.vision.messages import BuildStep
from appliance.vision.packs.installed import pack_from_onnx
from appliance.vision.packs.pack import Pack, load_pack

LEAST_STEP = 0.01  # of the whole: a line of progress for each, and not 2 000 of them
ORPHAN_S = 1.0
OOM_SCORE = "900"


class Lines:
    """Progress to standard output; SIGTERM is heard here, between two steps of TensorRT."""

    def __init__(self) -> None:
        self.off = False
        self._told = -1.0

    def tell(self, share: float) -> None:
        if self.off:
            raise CalledOff
        if share >= self._told + LEAST_STEP or share == 1.0 > self._told:
            self._told = share
            self.put(BuildStep(round(share, 3)))

    def put(self, step: BuildStep) -> None:
        sys.stdout.write(msgspec.json.encode(step).decode() + "\n")
        sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m appliance.vision.detectors.tensorrt.child")
    parser.add_argument("pack", type=Path, help="a pack's folder, or the file of a known model")
    parser.add_argument("cache", type=Path, metavar="CACHE_DIR")
    parser.add_argument("--dla", action="store_true", help="on a Jetson's DLA, where it has one")
    args = parser.parse_args(arguments)
    lines = Lines()
    signal.signal(signal.SIGTERM, lambda *_: setattr(lines, "off", True))
    _step_back()
    threading.Thread(target=_end_with_parent, name="orphan", daemon=True).start()
    try:
        path = build(_pack(args.pack), args.cache, lines.tell, dla=args.dla)
    except CalledOff:
        lines.put(BuildStep(0.0, kind="conflict", message="the build was called off"))
        return 1
    except ApplianceError as error:
        lines.put(BuildStep(0.0, kind=error.kind, message=error.message, hint=error.hint))
        return 1
    lines.put(BuildStep(1.0, path=str(path)))
    return 0


def _pack(path: Path) -> Pack:
    if path.is_dir():
        return load_pack(path)
    known = pack_from_onnx(path) if path.is_file() else None
    if known is None:
        raise not_found("model pack", str(path))
    return known


def _step_back() -> None:
    os.nice(19)
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    except OSError:
        pass  # a container may refuse; nice holds


def _end_with_parent() -> None:
    """A build may not outlive the daemon: its successor would start another beside it."""
    parent = os.environ.get("ARIES_PARENT")
    if parent is None:
        return
    while os.getppid() == int(parent):
        threading.Event().wait(ORPHAN_S)
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main())
