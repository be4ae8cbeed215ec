"""The motion gate: what one 640x360 picture costs it, and what scenes with truth make of it.

Each cost stands beside that of merely adding up the bytes it samples, read on the same pictures in the same
run: nothing that looks at them can be cheaper. Pictures lie in fresh memory, as decoded frames do. Precision
and recall are of tracks, through gate, motion detector and tracker, per drawn scene
(``tests/vision/scenes``)."""

import json
import sys
import time
from pathlib import Path
from statistics import mean, median

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent / "vision" / "scenes")]

from drawn.play import play  # noqa: E402
from drawn.scenes import Scene, scenes  # noqa: E402
from drawn.score import score  # noqa: E402
from drawn.sight import Sight  # noqa: E402

from appliance.vision.looking.gate import Gate  # noqa: E402

FPS = 5.0
ROUNDS = 3
PEER = "adding up every second byte of every second row"


def say(name: str, value: float, unit: str, peer: str | None = None, peer_value: float | None = None) -> None:
    print(json.dumps({"name": name, "value": value, "unit": unit, "peer": peer, "peer_value": peer_value}))


def cost(scene: Scene) -> tuple[float, float, float]:
    """Milliseconds of CPU per picture: mean, 95th percentile, and of the peer, mean; best of rounds."""
    shots = [(shot.luma, shot.time_ns) for shot in scene.shots(FPS)]
    rounds = []
    for _ in range(ROUNDS):
        gate, ours, theirs = Gate(), [], []
        for luma, time_ns in shots:
            began = time.thread_time()
            gate.look(luma, time_ns)
            ours.append(time.thread_time() - began)
        for luma, _ in shots:
            began = time.thread_time()
            np.add.reduce(luma[1::2, ::2], axis=None, dtype=np.uint32)
            theirs.append(time.thread_time() - began)
        rounds.append((mean(ours) * 1e3, float(np.percentile(ours, 95)) * 1e3, mean(theirs) * 1e3))
    return min(rounds)


def still(scene: Scene) -> Scene:
    """The scene without anybody in it."""
    return Scene("still", 40, [], [], scene.camera)


def main() -> None:
    known = scenes()
    for name, scene in [("still", still(known["calm"])), *known.items()]:
        ours, high, theirs = cost(scene)
        label = name.replace(" ", "_").replace("-", "_")
        say(f"gate_ms_{label}", round(ours, 4), "ms of CPU per 640x360 frame", PEER, round(theirs, 4))
        say(f"gate_p95_ms_{label}", round(high, 4), "ms of CPU per 640x360 frame")
    precisions, recalls = [], []
    for name, scene in known.items():
        for kind, sight in (("motion", None), ("model", Sight())):
            played = play(scene, sight, fps=FPS)
            counted = score(played, moving_only=sight is None)
            label = f"{kind}_{name.replace(' ', '_').replace('-', '_')}"
            say(f"scene_precision_{label}", round(counted.precision, 3), "of tracks")
            say(f"scene_recall_{label}", round(counted.recall, 3), "of objects")
            say(f"scene_within_1_s_{label}", round(counted.prompt / counted.objects, 3), "of objects")
            say(f"scene_ids_per_object_{label}", round(counted.ids / max(1, counted.found), 2), "tracks")
            if sight is None:
                share = sum(played.calm) / max(1, len(played.calm))
                say(f"scene_awake_{label}", round(share, 3), "of pictures in which nobody moves")
                precisions.append(counted.precision)
                recalls.append(counted.recall)
    say("scene_precision_motion", round(median(precisions), 3), "of tracks, median of scenes")
    say("scene_recall_motion", round(median(recalls), 3), "of objects, median of scenes")


if __name__ == "__main__":
    main()
