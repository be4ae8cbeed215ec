"""What the box says of itself: a handful of checks, read from memory, each with a ``since``."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal

from appliance.base.clock import SECOND_NS, Clock
from appliance.base.errors import ApplianceError
from appliance.base.model import CameraStatus, Check
from appliance.media.ring.volumes import Volumes, free_bytes
from appliance.store.database import Database

Status = Literal["ok", "degraded", "failing"]
Finding = tuple[str, Status, str]  # name, status, detail for people

SYNC_AGE_S = 10.0
LOOP_LAG_S = 0.25
FULL_BYTES = 1_000_000  # less is not a second of a good camera


class Health:
    """Parts add a probe: a function that returns findings and is quick."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._probes: list[Callable[[], list[Finding]]] = []
        self._known: dict[str, Check] = {}
        self._began_ns = clock.now_ns()
        self.started = False

    def add(self, probe: Callable[[], list[Finding]]) -> None:
        self._probes.append(probe)

    def checks(self) -> list[Check]:
        """The newest state of every check; ``since_ns`` is when its status last changed: what is in order
        when somebody asks for the first time has been so from the start."""
        now_ns = self._clock.now_ns()
        fresh: dict[str, Check] = {}
        for probe in self._probes:
            for name, status, detail in probe():
                before = self._known.get(name)
                since_ns = now_ns
                if before is None and status == "ok":
                    since_ns = self._began_ns
                elif before is not None and before.status == status:
                    since_ns = before.since_ns
                fresh[name] = Check(name, status, detail, since_ns)
        self._known = fresh
        return list(fresh.values())


class LoopLag:
    """How late the loop is: ``beat`` is called once a second and should come on time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_ns = clock.monotonic_ns()
        self.lag_s = 0.0

    def beat(self, period_s: float) -> None:
        now_ns = self._clock.monotonic_ns()
        self.lag_s = max(0.0, (now_ns - self._due_ns) / SECOND_NS)
        self._due_ns = now_ns + int(period_s * SECOND_NS)

    def findings(self) -> list[Finding]:
        late = self.lag_s > LOOP_LAG_S
        if not late:
            return [("loop", "ok", "answers at once")]
        text = f"answers {self.lag_s * 1000:.0f} ms late: the box has more to do than it can"
        return [("loop", "degraded", text)]


def camera_findings(statuses: Iterable[CameraStatus]) -> list[Finding]:
    """One line for all cameras: a dead camera is a state of the site, not of the box. No names: whoever
    asks ``/health/ready``, a stranger even, reads it."""
    wanted = [status for status in statuses if status.state != "disabled"]
    dark = Counter(
        each.state.replace("_", " ") for each in wanted if each.state in ("offline", "auth_failed")
    )
    unkept = sum(each.state == "live" and each.last_error is not None for each in wanted)
    bad = dark + Counter({"not recorded": unkept})
    status: Status = "ok" if not bad else "degraded"
    detail = f"{len(wanted) - dark.total()} of {len(wanted)} cameras have a picture"
    return [("cameras", status, "; ".join([detail, *(f"{n} {what}" for what, n in sorted(bad.items()))]))]


def volume_findings(volumes: Volumes) -> list[Finding]:
    """Per volume: is it there, does it take writes, does it sync in time."""
    found: list[Finding] = []
    for volume in volumes.all:
        name = f"volume {volume.root.name}" if len(volumes.all) > 1 else "volume"
        fault = volume.usable()
        if fault is not None:
            found.append((name, "failing", str(fault)))
        elif volume.fault is not None:
            found.append((name, "failing", "the disk does not take writes"))
        elif volume.sync_age_s() > SYNC_AGE_S:
            found.append((name, "failing", f"the disk has not synced for {volume.sync_age_s():.0f} s"))
        elif (free := free_bytes(volume.root)) < FULL_BYTES:  # also where no reserve is kept
            found.append((name, "failing", "the disk is full"))
        else:
            amount = f"{free / 1e9:.1f} GB" if free >= 1e9 else f"{free // 1_000_000} MB"
            found.append((name, "ok", f"{amount} free"))
    return found


def database_finding(db: Database) -> list[Finding]:
    """One cheap read: a database that is gone or damaged says so here."""
    try:
        db.answers()
    except ApplianceError as error:
        return [("database", "failing", str(error))]
    return [("database", "ok", "answers")]


def clock_finding(clock: Clock) -> list[Finding]:
    if clock.unsure:
        return [("clock", "degraded", "not synchronised yet: recordings are marked time_unsure")]
    return [("clock", "ok", "synchronised")]
