"""The plug, pulled at random moments of an update; after each the box comes up, and records.

The update runs once, to its end. At each moment the disk is kept as it is just then (a layer that nobody
writes any more): what had not reached it is lost, as if the power had gone. Each of these disks is then
switched on in a machine of its own. What this cannot show is a disk that loses, too, what it has said to
have written.
"""

import random
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from appliance.base.errors import ApplianceError
from firmware.build import say
from firmware.life.bench import BOOT_S, CAMERAS, ENDED, Life
from firmware.life.box import Screen, now_s
from firmware.life.guest import Guest, copy
from firmware.life.material import LATER

LONGEST_S = 2_400.0  # of one update
APART_S = (1.0, 10.0)  # between two moments, at random: many more in an update than are taken
AT_ONCE = 2  # machines that start side by side


def cuts(life: Life) -> None:
    """``life.cuts`` of them, spread over the whole update."""
    life.ready()
    life.recording(now_s() - 30)
    life.offer_by_stick(life.bundles.version(LATER))
    before = life.screen.update()["version"]
    folder = life.folder / "cuts"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    moments = _moments(life, folder)
    life.switch_off()
    chosen = _spread(moments, life.cuts)
    say(f"{len(chosen)} of {len(moments)} moments of an update of {moments[-1][0]:.0f} s")
    assert len(chosen) == life.cuts, "the update was over too soon for so many cuts"
    with ThreadPoolExecutor(AT_ONCE) as pool:
        held = list(pool.map(lambda moment: _comes_back(folder, moment, {before, LATER}), chosen))
    assert all(held), f"{held.count(False)} of {len(held)} did not come back"
    shutil.rmtree(folder)  # the box goes on from the first moment


Moment = tuple[float, str, Path]  # seconds after the order, the phase as the screen said it, the disk


def _moments(life: Life, folder: Path) -> list[Moment]:
    """From the order until the new version is good."""
    chance = random.Random(20)
    found: list[Moment] = []
    disk, began_s = life.disk, time.perf_counter()
    life.order()
    while True:
        state = _state(life.screen)
        at_s = time.perf_counter() - began_s
        layer = folder.resolve() / f"layer-{len(found)}.qcow2"
        life.guest.freeze(layer)
        found.append((at_s, state["phase"] if state else "no screen", disk))
        disk = layer
        if state and life.is_over(state):
            assert state["phase"] == "good", state
            return found
        assert at_s < LONGEST_S, f"no end of the update in {at_s:.0f} s"
        time.sleep(chance.uniform(*APART_S))


def _state(screen: Screen) -> dict[str, Any] | None:
    """As the screen says it, where it answers at once."""
    try:
        found: dict[str, Any] = screen.call("GET", "/api/v1/system/update", seconds=3)["update"]
        return found
    except ApplianceError as error:
        if error.kind == "denied":
            screen.sign_in()
        return None


def _spread(moments: list[Moment], count: int) -> list[Moment]:
    """``count`` of them at random: one of each of as many equal parts of the time, and where a part has none,
    another one for it."""
    chance, last_s = random.Random(21), moments[-1][0]
    parts: dict[int, list[Moment]] = {}
    for moment in moments:
        parts.setdefault(min(count - 1, int(moment[0] / last_s * count)), []).append(moment)
    chosen = [chance.choice(parts[part]) for part in sorted(parts)]
    others = [moment for moment in moments if moment not in chosen]
    return sorted(chosen + chance.sample(others, min(len(others), count - len(chosen))))


def _comes_back(folder: Path, moment: Moment, versions: set[str]) -> bool:
    """Switched on: a version that it knows, both cameras recorded, the update decided."""
    at_s, phase, disk = moment
    own = folder / f"of-{disk.stem}"
    own.mkdir()
    about = f"cut at {at_s:.0f} s ({phase})"
    with Guest(copy(disk, own / "disk.qcow2"), own) as guest:
        try:
            say(f"{about}: {_lives(Screen(guest.port), versions)}")
        except (ApplianceError, AssertionError, OSError) as error:
            say(f"{about} FAILED: {error}")
            return False
    return True


def _lives(screen: Screen, versions: set[str]) -> str:
    """What it says of itself."""
    began_s, began = time.perf_counter(), now_s()
    screen.until("the screen", screen.sign_in, BOOT_S)
    screen.records([name.lower() for name in CAMERAS], began, BOOT_S)
    recorded_s = time.perf_counter() - began_s
    made: dict[str, Any] = screen.until("the update is decided", lambda: _decided(screen), 3 * BOOT_S)
    assert made["version"] in versions, made
    return f"recorded after {recorded_s:.0f} s; {made['version']} runs, {made['phase']} {made['reason']}"


def _decided(screen: Screen) -> dict[str, Any] | None:
    found = screen.update()
    return found if found["phase"] in (*ENDED, "none") and not found["asked"] else None
