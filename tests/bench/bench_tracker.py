"""The tracker on eight public sequences (MOT15, given detections, looked at 7 to 10 times a second):
how well identities hold, frames per second of one core, and memory. One setting for all. Scores need
``mot_eval.py`` beside the data and its packages (motmetrics, trackeval); APPLIANCE_MOT_PYTHON names a
Python that has them, since nothing of the appliance does. Without: speed and memory only."""

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from statistics import median

import numpy as np

from appliance.vision.detectors import Detections, ordered
from appliance.vision.tracking.association import Cuts
from appliance.vision.tracking.tracker import Tracker

SKIPPED = 77
ASSETS = [Path(part) for part in os.environ.get("APPLIANCE_ASSETS_PATH", "").split(os.pathsep) if part]
ASSETS.append(Path(__file__).resolve().parents[3] / "shared" / "data")
# Frames per second as recorded, and the picture: what the folders do not say.
SEQUENCES = {
    "ADL-Rundle-6": (30, 1920, 1080),
    "ADL-Rundle-8": (30, 1920, 1080),
    "ETH-Bahnhof": (14, 640, 480),
    "ETH-Pedcross2": (14, 640, 480),
    "ETH-Sunnyday": (14, 640, 480),
    "KITTI-13": (10, 1242, 375),
    "KITTI-17": (10, 1224, 370),
    "Venice-2": (30, 1920, 1080),
}
EVERY = {7: 1, 10: 1, 14: 2, 25: 3, 30: 3}
# This detector (Faster R-CNN) gives half of its boxes 0.95 and more.
CUTS = Cuts(strong=0.85, begin=0.95, sure=0.95)
LABELS = ("person",)
ROUNDS = 5
PEER = "C-BIoU, tuned on these sequences; measured before, not in this run"
PEERS = {"MOTA": 38.0, "IDF1": 51.8, "HOTA": 38.2, "IDs": 264}
PEER_RSS_MB = 340.0

Frames = list[tuple[int, int, Detections]]


def read(folder: Path, fps: int, width: int, height: int) -> Frames:
    """(frame, time_ns, detections) of every frame that is looked at."""
    table = np.loadtxt(folder / "det.txt", delimiter=",", ndmin=2)
    truth = np.loadtxt(folder / "gt.txt", delimiter=",", usecols=0)
    scale = np.array([width, height, width, height], np.float32)
    frames = []
    for frame in range(1, int(max(table[:, 0].max(), truth.max())) + 1, EVERY[fps]):
        rows = table[table[:, 0] == frame]
        boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1) / scale
        found = ordered(
            boxes.astype(np.float32), rows[:, 6].astype(np.float32), np.zeros(len(rows), np.int32)
        )
        frames.append((frame, round((frame - 1) / fps * 1e9), found))
    return frames


def track(frames: Frames, width: int, height: int) -> tuple[list[str], float]:
    """Lines in MOTChallenge's format, said at the frame they are of and never later; seconds of CPU."""
    numbers = count(1)
    tracker = Tracker("bench", lambda: str(next(numbers)), CUTS.strong, cuts=CUTS)
    lines, spent_s = [], 0.0
    for frame, time_ns, found in frames:
        began_s = time.thread_time()
        points = tracker.update(time_ns, found, LABELS)
        spent_s += time.thread_time() - began_s
        # A track's ``start`` may be of an earlier frame: that is too late here.
        now = {p.track_id: p.bbox for p in points if p.time_ns == time_ns and p.phase != "end"}
        for track_id, box in now.items():
            x, y, w, h = box.x * width, box.y * height, box.width * width, box.height * height
            lines.append(f"{frame},{track_id},{x:.3f},{y:.3f},{w:.3f},{h:.3f},1,-1,-1,-1")
    return lines, spent_s


def scores(data: Path, told: dict[str, list[str]]) -> dict[str, dict[str, float]] | None:
    """Rows of ``mot_eval.py``; None where it cannot run."""
    tool = data.parent.parent / "tools" / "mot_eval.py"
    python = os.environ.get("APPLIANCE_MOT_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "told").mkdir()
        for sequence, lines in told.items():
            (folder / "told" / f"{sequence}.txt").write_text("\n".join(lines) + "\n")
        strides = ",".join(f"{sequence}={EVERY[SEQUENCES[sequence][0]]}" for sequence in told)
        command = [python, str(tool), "--gt", str(data), "--pred", str(folder / "told"), "--stride", strides]
        done = subprocess.run([*command, "--json", str(folder / "scores")], capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no word why"])[-1]
            print(f"no scores: {reason}", file=sys.stderr)
            return None
        print(done.stdout, file=sys.stderr)
        found: dict[str, dict[str, float]] = json.loads((folder / "scores").read_text())
        return found


def rss_mb() -> float:
    """The most this process ever held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def say(name: str, value: float, unit: str, peer: str | None = None, peer_value: float | None = None) -> None:
    line = {"name": name, "value": round(value, 2), "unit": unit, "peer": peer, "peer_value": peer_value}
    print(json.dumps(line), flush=True)


def main() -> int:
    data = next((path / "mot15" for path in ASSETS if (path / "mot15").is_dir()), None)
    if data is None:
        print("needs the MOT15 sequences: set APPLIANCE_ASSETS_PATH", file=sys.stderr)
        return SKIPPED
    shown = {name: read(data / name, *known) for name, known in SEQUENCES.items()}
    told: dict[str, list[str]] = {}
    rounds_s = []
    for _ in range(ROUNDS):
        spent_s = 0.0
        for name, frames in shown.items():
            told[name], seconds = track(frames, *SEQUENCES[name][1:])
            spent_s += seconds
        rounds_s.append(spent_s)
    say("tracker_frames_per_cpu_s", sum(map(len, shown.values())) / median(rounds_s), "1/s")
    say("tracker_rss", rss_mb(), "MB", PEER, PEER_RSS_MB)
    table = scores(data, told)
    if table is not None:
        for key, unit in (("MOTA", "%"), ("IDF1", "%"), ("HOTA", "%"), ("IDs", "switches")):
            say(f"tracker_{key.lower()}", table["OVERALL"][key], unit, PEER, PEERS[key])
    return 0


if __name__ == "__main__":
    sys.exit(main())
